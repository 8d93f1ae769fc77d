//! Replies and commands that get out of step: rows S1 to S8 and S13 to S18.
use std::time::Duration;

use smtp_client::{Broken, Delivery, Ended, Error, ErrorKind, Misbehaved, Step, session::Dialect};
use tokio::time::timeout;

use super::{
    BOTH, Fate, answered, asked, came_of, came_of_many, fate, fates, good, send, socket::Socket,
};
use crate::{
    operation::Operation,
    stage::{let_the_server_play, opening, play_in, play_on},
    wait_timeout::bounds,
};

mod stale;

/// MAIL, a recipient and DATA in one group.
const GROUP: &str = "C| MAIL FROM:<a@example.org>\nC| RCPT TO:<b@example.org>\nC| DATA\n";
const FAST: &[&str] = &["PIPELINING"];

fn grouped(dialect: Dialect, rest: &str) -> String {
    format!("{}{GROUP}{rest}", opening(dialect, FAST))
}

#[test]
fn s1_one_reply_too_many() {
    for dialect in BOTH {
        for step in [Step::Mail, Step::Rcpt] {
            let came = answered(dialect, step, "S: 250 ok\nS: 250 dup\n[expect-close]");
            assert_eq!(came.spent(), Fate::NotSent, "{step}");
            assert!(matches!(came.error().kind(), ErrorKind::Misbehaved(_)), "{:?}", came.outcome);
        }
        // In a group it pushes the others on, until one cannot be right.
        let replies = "S: 250 ok\nS: 250 dup\nS: 250 ok\nS: 354 go\nS: 554 no\n[expect-close]";
        assert_eq!(came_of(dialect, &grouped(dialect, replies)).spent(), Fate::NotSent);
        // After the last one it is found before anything else is written.
        let script = format!("{}S: 250 dup", good(dialect));
        let came = came_of(dialect, &script);
        assert_eq!(fate(&came.outcome), Fate::Accepted);
        let later = came.later.unwrap().unwrap_err();
        assert!(matches!(later.kind(), ErrorKind::Misbehaved(_)), "{later:?}");
    }
}

#[test]
fn s2_one_reply_too_few() {
    for (replies, step, bound) in [
        ("", Step::Mail, bounds().mail),
        ("S: 250 ok\n", Step::Rcpt, bounds().rcpt),
        ("S: 250 ok\nS: 250 ok\n", Step::Data, bounds().data),
    ] {
        for dialect in BOTH {
            let came = came_of(dialect, &grouped(dialect, &format!("{replies}[stall]")));
            assert_eq!((came.spent(), came.error().step()), (Fate::NotSent, step));
            let timed_out =
                matches!(came.error().kind(), ErrorKind::Broken(Broken::TimedOut { .. }));
            assert!(timed_out && came.elapsed == bound, "{:?}", came.outcome);
        }
    }
}

#[test]
fn s3_421_while_idle() {
    for dialect in BOTH {
        for end in ["[close]", "[stall]", ""] {
            for pieces in ["S: 421-4.4.2 idle\nS: 421 4.4.2 timeout", "[split 5]\nS: 421 4.4.2 bye"]
            {
                let script = format!("{}[delay 1s]\n{pieces}\n{end}", good(dialect));
                let rest = &script[opening(dialect, &[]).len()..];
                play_in(dialect, &[], rest, async |mut connection| {
                    assert_eq!(fate(&send(&mut connection).await), Fate::Accepted);
                    tokio::time::advance(Duration::from_secs(2)).await;
                    let_the_server_play().await;
                    let outcome = send(&mut connection).await;
                    assert_eq!(fate(&outcome), Fate::NotSent);
                    let error = outcome.unwrap_err();
                    let shut_down =
                        matches!(error.kind(), ErrorKind::Ended(Ended::ServerClosing(_)));
                    assert!(shut_down && error.is_transient(), "{end}: {error:?}");
                });
            }
        }
    }
}

#[test]
fn s4_many_replies_in_one_segment() {
    for dialect in BOTH {
        let rest = "S: 250 s\nS: 250 r\nS: 354 go\n[text]\nS: 250 taken\nC: NOOP\nS: 250 ok";
        for script in [rest.to_owned(), format!("[split 1]\n{rest}"), format!("[split 12]\n{rest}")]
        {
            assert_eq!(came_of(dialect, &grouped(dialect, &script)).alive(), Fate::Accepted);
        }
    }
    let octets = super::MESSAGE.len();
    let chunk = format!(
        "C| MAIL FROM:<a@example.org>\nC| RCPT TO:<b@example.org>\nC| BDAT {octets} LAST
[chunk {octets}]\nS: 250 s\nS: 250 r\nS: 250 taken\nC: NOOP\nS: 250 ok"
    );
    let script = opening(Dialect::Smtp, &["PIPELINING", "CHUNKING"]) + &chunk;
    assert_eq!(came_of(Dialect::Smtp, &script).alive(), Fate::Accepted);
    let finals = "C| MAIL FROM:<a@example.org>\nC| RCPT TO:<b@example.org>
C| RCPT TO:<c@example.org>\nC| DATA\nS: 250 s\nS: 250 b\nS: 250 c\nS: 354 go\n[text]
S: 250 b\nS: 550 c\nC: NOOP\nS: 250 ok";
    let script = opening(Dialect::Lmtp, FAST) + finals;
    let came = came_of_many(Dialect::Lmtp, &script, &["b@example.org", "c@example.org"]);
    assert_eq!(fates(&came.outcome), [Fate::Accepted, Fate::Never]);
}

#[track_caller]
fn check_wrong_code(outcome: &Result<Delivery, Error>, step: Step) {
    let error = outcome.as_ref().unwrap_err();
    let wrong = matches!(error.kind(), ErrorKind::Misbehaved(Misbehaved::WrongCode { .. }));
    assert!(wrong && error.step() == step, "{error:?}");
}

#[test]
fn s5_250_to_data() {
    for dialect in BOTH {
        for code in [200, 220, 250, 251, 334, 355, 399] {
            // A text that is sent all the same would be taken for commands.
            let came = answered(dialect, Step::Data, &format!("S: {code} ok\n[expect-close]"));
            assert_eq!(came.spent(), Fate::NotSent, "{code}");
            check_wrong_code(&came.outcome, Step::Data);
            let group = format!("S: 250 s\nS: 250 r\nS: {code} ok\n[expect-close]");
            let came = came_of(dialect, &grouped(dialect, &group));
            assert_eq!(came.spent(), Fate::NotSent, "{code}");
            check_wrong_code(&came.outcome, Step::Data);
            assert_eq!(came.report.messages().len(), 0);
        }
    }
}

#[test]
fn s6_354_after_the_dot() {
    for dialect in BOTH {
        for code in [334, 353, 354, 355] {
            let came = answered(dialect, Step::EndOfText, &format!("S: {code} go\n[expect-close]"));
            assert_eq!(came.spent(), Fate::InDoubt, "{code}");
            check_wrong_code(&came.outcome, Step::EndOfText);
        }
    }
}

#[test]
fn s7_the_wrong_positive_code_to_mail_and_rcpt() {
    for dialect in BOTH {
        for step in [Step::Mail, Step::Rcpt] {
            for code in [200, 211, 220, 221, 235, 299, 334, 353, 354] {
                let came = answered(dialect, step, &format!("S: {code} ok\n[expect-close]"));
                assert_eq!(came.spent(), Fate::NotSent, "{code} to {step}");
                check_wrong_code(&came.outcome, step);
            }
        }
        for code in [251, 252] {
            let came = answered(dialect, Step::Mail, &format!("S: {code} ok\n[expect-close]"));
            assert_eq!(came.spent(), Fate::NotSent, "{code} is for recipients only");
        }
    }
}

/// What 421 at this step means to a message.
fn told(step: Step) -> Fate {
    match step {
        Step::Greeting | Step::Hello => Fate::NotSent,
        _ => Fate::Later,
    }
}

#[test]
fn s8_421_at_every_point() {
    for dialect in BOTH {
        for step in super::STEPS {
            for end in ["[expect-close]", "[close]", "[stall]"] {
                let answer = format!("S: 421-4.3.2 bye\nS: 421 4.3.2 bye\n{end}");
                let came = answered(dialect, step, &answer);
                // No QUIT and no RSET follow: the script has none.
                assert_eq!((came.spent(), came.elapsed), (told(step), Duration::ZERO), "{step}");
                assert_eq!(came.reply().code().get(), 421);
                let transient = came.outcome.as_ref().map_or_else(Error::is_transient, |_| true);
                assert!(transient, "{:?}", came.outcome);
            }
        }
    }
    for operation in Operation::ALL {
        let rest = format!("C: {}\nS: 421 bye\n[expect-close]", operation.line());
        play_on(&crate::operation::OFFER, &rest, async |mut connection| {
            let error = operation.perform(&mut connection).await.unwrap_err();
            assert_eq!(error.reply().unwrap().code().get(), 421, "{operation:?}");
            assert!(error.is_transient());
            let later = connection.noop().await.unwrap_err();
            assert!(matches!(later.kind(), ErrorKind::Ended(_)), "{later:?}");
        });
    }
}

#[test]
fn s8_421_keeps_the_verdicts_that_came_before() {
    let rcpts = ["b@example.org", "c@example.org", "d@example.org"];
    let begun = "C: MAIL FROM:<a@example.org>\nS: 250 s\nC: RCPT TO:<b@example.org>
S: 550 b\nC: RCPT TO:<c@example.org>\n";
    for dialect in BOTH {
        let script = format!("{}{begun}S: 421 bye\n[expect-close]", opening(dialect, &[]));
        let came = came_of_many(dialect, &script, &rcpts);
        assert_eq!(fates(&came.outcome), [Fate::Never, Fate::Later, Fate::Later]);
    }
    let taken = begun.replace("550 b", "250 b")
        + "S: 250 c\nC: RCPT TO:<d@example.org>\nS: 250 d\nC: DATA\nS: 354 go\n[text]
S: 250 b\nS: 421 bye\n[expect-close]";
    let came = came_of_many(Dialect::Lmtp, &(opening(Dialect::Lmtp, &[]) + &taken), &rcpts);
    assert_eq!(fates(&came.outcome), [Fate::Accepted, Fate::Later, Fate::InDoubt]);
}

#[test]
fn s13_a_message_is_dropped_on_its_way() {
    for dialect in BOTH {
        for step in [Step::Mail, Step::Rcpt, Step::Data, Step::EndOfText] {
            let rest = asked(dialect, step) + "[expect-close]";
            let rest = &rest[opening(dialect, &[]).len()..];
            play_in(dialect, &[], rest, async |mut connection| {
                timeout(Duration::from_secs(1), send(&mut connection)).await.unwrap_err();
                let doubt = step == Step::EndOfText;
                let canceled = Ended::Canceled { step, in_doubt: doubt };
                assert_eq!(connection.ended(), Some(&canceled));
                let error = send(&mut connection).await.unwrap_err();
                let ended = matches!(error.kind(), ErrorKind::Ended(found) if *found == canceled);
                assert!(ended && !error.in_doubt(), "the second was not sent: {error:?}");
            });
        }
    }
}

#[test]
fn s15_all_replies_of_a_group_are_read() {
    for dialect in BOTH {
        // An error in the middle does not leave the replies after it for the next command.
        let went = "S: 250 s\nS: 550 r\nS: 503 nobody\nC: NOOP\nS: 250 noop";
        let came = came_of(dialect, &grouped(dialect, went));
        assert_eq!(came.alive(), Fate::Never);
        assert_eq!(came.later.unwrap().unwrap().as_bytes(), b"noop");
        let came =
            came_of(dialect, &grouped(dialect, "S: 250 s\nS: 550 r\nS: 354 go\n[expect-close]"));
        assert_eq!(came.spent(), Fate::Never);
        let mail = "S: 550 s\nS: 503 r\nS: 503 d\nC: NOOP\nS: 250 noop";
        assert_eq!(came_of(dialect, &grouped(dialect, mail)).alive(), Fate::Never);
    }
}

#[test]
fn s16_the_server_closes_instead_of_a_reply() {
    for dialect in BOTH {
        for step in [&super::STEPS[..], &[Step::Text]].concat() {
            for end in ["[close]", "[abort]"] {
                let end = if step == Step::Text { "[close]" } else { end };
                let came = answered(dialect, step, end);
                let doubt = step == Step::EndOfText;
                // A text of a few octets is handed over before the end is seen.
                if step != Step::Text {
                    let expected = if doubt { Fate::InDoubt } else { Fate::NotSent };
                    assert_eq!(came.spent(), expected, "{step}");
                    assert_eq!(came.error().step(), step);
                } else {
                    assert!(matches!(came.spent(), Fate::InDoubt | Fate::NotSent));
                }
                assert!(matches!(came.error().kind(), ErrorKind::Broken(_)), "{:?}", came.outcome);
            }
        }
    }
    for operation in Operation::ALL {
        let rest = format!("C: {}\n[close]", operation.line());
        play_on(&crate::operation::OFFER, &rest, async |mut connection| {
            let error = operation.perform(&mut connection).await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Broken(Broken::Closed)), "{error:?}");
            assert_eq!((error.step(), error.in_doubt()), (operation.step(), false));
        });
    }
}

#[tokio::test]
async fn s17_a_reset_after_an_unread_reply() {
    for _ in 0..20 {
        // The server reads MAIL out of a group, refuses, and closes with the rest unread, which
        // resets the connection.
        let socket = Socket::listen("250-mx\r\n250 PIPELINING\r\n", "MAIL", 0, "554 no\r\n");
        let mut connection = socket.connect().await.unwrap();
        let outcome = send(&mut connection).await;
        assert_eq!(fate(&outcome), Fate::Never, "{outcome:?}");
        assert_eq!(outcome.unwrap()[0].reply().code().get(), 554);
        socket.join();
        assert!(connection.noop().await.is_err());
    }
}

#[test]
fn s18_a_connection_that_is_closed_on_one_side() {
    for dialect in BOTH {
        for step in [Step::Hello, Step::Mail, Step::Rcpt, Step::Data] {
            let came = answered(dialect, step, "[half-close]\n[expect-close]");
            assert_eq!((came.spent(), came.error().step()), (Fate::NotSent, step));
            let closed = matches!(came.error().kind(), ErrorKind::Broken(Broken::Closed));
            assert!(closed && came.elapsed.is_zero(), "{:?}", came.outcome);
        }
        let came = answered(dialect, Step::EndOfText, "[half-close]\n[expect-close]");
        assert_eq!((came.spent(), came.elapsed), (Fate::InDoubt, Duration::ZERO));
        // While nothing is under way.
        let script = format!("{}[half-close]\n[expect-close]", good(dialect));
        let came = came_of(dialect, &script);
        assert_eq!(came.spent(), Fate::Accepted);
    }
}
