//! RSET after a failure, and late replies: rows S9 to S12, S14 and S20.
use std::time::Duration;

use smtp_client::{Delivery, Ended, Error, ErrorKind, Step, session::Dialect};
use tokio::time::timeout;

use super::{FAST, GROUP};
use crate::{
    operation::Operation,
    stage::{let_the_server_play, opening, play_in, play_on},
    threat::{BOTH, Fate, asked, fate, good, send},
    wait_timeout::bounds,
};

/// Two messages over one connection: what comes of each.
#[track_caller]
fn twice(keywords: &[&str], script: &str) -> [Result<Delivery, Error>; 2] {
    let (outcomes, _) = play_on(keywords, script, async |mut connection| {
        *connection.timeouts_mut() = bounds();
        [send(&mut connection).await, send(&mut connection).await]
    });
    outcomes
}

#[test]
fn s9_a_clean_up_that_is_never_answered() {
    // The verdict is there at once; nothing is cleaned up before it is given.
    let refused = "C: MAIL FROM:<a@example.org>\nS: 250 s\nC: RCPT TO:<b@example.org>\nS: 550 no\n";
    play_on(&[], &format!("{refused}C: RSET\n[stall]"), async |mut connection| {
        *connection.timeouts_mut() = bounds();
        let begun = tokio::time::Instant::now();
        assert_eq!(fate(&send(&mut connection).await), Fate::Never);
        assert_eq!(begun.elapsed(), Duration::ZERO);
        // The next message needs it, and waits no longer than it may.
        let outcome = send(&mut connection).await;
        assert_eq!((fate(&outcome), begun.elapsed()), (Fate::NotSent, bounds().command));
        assert_eq!(outcome.unwrap_err().step(), Step::Reset);
    });
    play_on(&[], &format!("{refused}C: QUIT\n[stall]"), async |mut connection| {
        *connection.timeouts_mut() = bounds();
        let begun = tokio::time::Instant::now();
        assert_eq!(fate(&send(&mut connection).await), Fate::Never);
        connection.quit().await.unwrap_err();
        assert_eq!(begun.elapsed(), bounds().quit);
    });
}

#[test]
fn s10_a_stale_reply_after_a_deadline() {
    for operation in Operation::ALL {
        let good = operation.good();
        let rest = format!("C: {}\n[delay 60s]\nS: {good} late", operation.line());
        play_on(&crate::operation::OFFER, &rest, async |mut connection| {
            *connection.timeouts_mut() = bounds();
            operation.perform(&mut connection).await.unwrap_err();
            tokio::time::advance(Duration::from_secs(60)).await;
            let_the_server_play().await;
            for next in [Operation::Verify, Operation::Noop] {
                let error = next.perform(&mut connection).await.unwrap_err();
                assert!(matches!(error.kind(), ErrorKind::Ended(_)), "{operation:?}: {error:?}");
            }
            assert_eq!(fate(&send(&mut connection).await), Fate::NotSent);
        });
    }
}

#[test]
fn s11_a_stale_reply_in_the_clean_up() {
    let refused = "C: MAIL FROM:<a@example.org>\nS: 250 s\nC: RCPT TO:<b@example.org>\nS: 550 no\n";
    // The next message begins with RSET, whose reply is missing, doubled, late or cut: the others
    // are never taken for those that they are not.
    for reset in [
        "C: RSET\nS: 250 reset\nS: 250 again\n[expect-close]",
        "C: RSET\nS: 250 reset\nS: 250 sender\nS: 250 recipient\nS: 354 go\nS: 250 FORGED
[expect-close]",
        "C: RSET\n[delay 60s]\nS: 250 late",
        "C: RSET\n[raw \"250 res\"]\n[delay 60s]\n[raw \"et\\r\\n\"]",
        "C: RSET\nS: 354 go\n[expect-close]",
        "C: RSET\nS: what?\n[expect-close]",
        "C: RSET\n[close]",
        "C: RSET\n[raw \"250-reset\\r\\n\"]\n[close]",
    ] {
        let [first, second] = twice(&[], &format!("{refused}{reset}"));
        assert_eq!((fate(&first), fate(&second)), (Fate::Never, Fate::NotSent), "{reset}");
    }
    let refused = format!("{GROUP}S: 250 s\nS: 550 no\nS: 503 nobody\n");
    let again = GROUP.replacen("C| MAIL", "C| RSET\nC| MAIL", 1);
    for replies in [
        // One too few: each is taken for the previous one until that is impossible.
        "S: 250 s\nS: 250 r\nS: 354 go\n[expect-close]",
        "S: 250 s\nS: 250 r\nS: 250 x\nS: 250 y\n[expect-close]",
        "S: 250 reset\nS: 250 again\nS: 250 s\nS: 250 r\nS: 354 go\n[expect-close]",
        "S: 250 reset\nS: 354 go\n[expect-close]",
    ] {
        let [first, second] = twice(FAST, &format!("{refused}{again}{replies}"));
        assert_eq!((fate(&first), fate(&second)), (Fate::Never, Fate::NotSent), "{replies}");
    }
    // A message was dropped in the middle: its reply comes when the next would be sent.
    for late in ["S: 250 s", "S: 250 s\nS: 250 r\nS: 354 go"] {
        let rest = format!("C: MAIL FROM:<a@example.org>\n[delay 5s]\n{late}");
        play_on(&[], &rest, async |mut connection| {
            timeout(Duration::from_secs(1), send(&mut connection)).await.unwrap_err();
            tokio::time::advance(Duration::from_secs(5)).await;
            let_the_server_play().await;
            assert_eq!(fate(&send(&mut connection).await), Fate::NotSent);
        });
    }
}

#[test]
fn s12_the_reply_to_quit_is_not_the_final_reply() {
    for dialect in BOTH {
        for odd in ["S: what?", "S: 199 hm", "S: 354 go", "S: 250-a\nS: 550 b", "[raw \"250 que\"]"]
        {
            let rest = format!("{}{odd}", asked(dialect, Step::EndOfText));
            let rest = &rest[opening(dialect, &[]).len()..];
            play_in(dialect, &[], rest, async |mut connection| {
                *connection.timeouts_mut() = bounds();
                assert_eq!(fate(&send(&mut connection).await), Fate::InDoubt, "{odd}");
                // Nothing is written that a 221 could answer.
                let error = connection.quit().await.unwrap_err();
                assert!(matches!(error.kind(), ErrorKind::Ended(_)), "{error:?}");
            });
        }
        // An unexpected 2yz arrives before QUIT, and is not its reply either.
        let script = format!("{}S: 221 bye", good(dialect));
        let rest = &script[opening(dialect, &[]).len()..];
        play_in(dialect, &[], rest, async |mut connection| {
            assert_eq!(fate(&send(&mut connection).await), Fate::Accepted);
            let error = connection.quit().await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Misbehaved(_)), "{error:?}");
        });
    }
}

#[test]
fn s14_a_refused_recipient_leaves_a_transaction_open() {
    let message = &good(Dialect::Smtp)[opening(Dialect::Smtp, &[]).len()..];
    let refused = "C: MAIL FROM:<a@example.org>\nS: 250 s\nC: RCPT TO:<b@example.org>\nS: 550 no\n";
    let script = format!("{refused}C: RSET\nS: 250 reset\n{message}");
    let [first, second] = twice(&[], &script);
    assert_eq!((fate(&first), fate(&second)), (Fate::Never, Fate::Accepted));
    // After an accepted message no transaction is open, and no RSET is sent.
    let [first, second] = twice(&[], &message.repeat(2));
    assert_eq!((fate(&first), fate(&second)), (Fate::Accepted, Fate::Accepted));
}

#[test]
fn s20_rset_is_refused() {
    let refused = "C: MAIL FROM:<a@example.org>\nS: 250 s\nC: RCPT TO:<b@example.org>\nS: 550 no\n";
    // No MAIL follows, so that no message goes to a recipient of the message before; and the
    // connection is of no further use, which is no fault of the message.
    for code in [450, 500, 502, 554] {
        let rest = format!("{refused}C: RSET\nS: {code} no\n[expect-close]");
        play_on(&[], &rest, async |mut connection| {
            assert_eq!(fate(&send(&mut connection).await), Fate::Never);
            for step in [Step::Reset, Step::Mail] {
                let error = send(&mut connection).await.unwrap_err();
                assert_eq!((error.step(), error.in_doubt()), (step, false));
                assert!(error.is_transient(), "{error:?}");
                let ended = matches!(error.kind(), ErrorKind::Ended(Ended::NotReset(_)));
                assert!(ended && error.reply().unwrap().code().get() == code, "{error:?}");
            }
        });
    }
    // In a group it is followed by the rest, none of which counts then.
    let again = GROUP.replacen("C| MAIL", "C| RSET\nC| MAIL", 1);
    let refused = format!("{GROUP}S: 250 s\nS: 550 no\nS: 503 nobody\n{again}");
    for replies in [
        "S: 502 no\nS: 503 nested\nS: 250 r\nS: 354 go\n[expect-close]",
        "S: 502 no\nS: 250 s\nS: 250 r\nS: 354 go\nS: 250 FORGED\n[expect-close]",
    ] {
        let [first, second] = twice(FAST, &format!("{refused}{replies}"));
        assert_eq!((fate(&first), fate(&second)), (Fate::Never, Fate::NotSent), "{replies}");
    }
}
