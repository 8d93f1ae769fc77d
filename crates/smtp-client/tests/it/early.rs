//! Replies that are early, late or partial, and connections that break while a reply is unread.
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use smtp_client::{
    Broken, Connection, Delivery, Ended, Envelope, Error, ErrorKind, MailData, Misbehaved, Step,
    session::Dialect,
};
use smtp_testkit::{Pipe, Server as TestServer};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use crate::{
    stage::{connector, let_the_server_play, opening, parse, perform, play, play_in, play_on},
    wait_timeout::bounds,
};

const BOTH: [Dialect; 2] = [Dialect::Smtp, Dialect::Lmtp];

/// MAIL, three recipients the second of whom is refused, and DATA.
const INVITED: &str = "
    C: MAIL FROM:<a@example.org>
    S: 250 ok
    C: RCPT TO:<b@example.org>
    S: 250 ok
    C: RCPT TO:<c@example.org>
    S: 550 unknown
    C: RCPT TO:<d@example.org>
    S: 250 ok
    C: DATA
    S: 354 go
";

async fn send(connection: &mut Connection, octets: usize) -> Result<Delivery, Error> {
    let rcpts = ["b@example.org", "c@example.org", "d@example.org"];
    let envelope = Envelope::new("a@example.org", rcpts).unwrap();
    let text = MailData::new(format!("{}\r\n", "x".repeat(78)).repeat(octets / 80)).unwrap();
    connection.send(&envelope, &text).await
}

/// What comes of a message whose transaction goes on like this.
#[track_caller]
fn outcome(dialect: Dialect, rest: &str, octets: usize) -> Result<Delivery, Error> {
    let rest = format!("{INVITED}{rest}");
    play_in(dialect, &[], &rest, async |mut connection| {
        *connection.timeouts_mut() = bounds();
        send(&mut connection, octets).await
    })
    .0
}

const BIG: usize = 1_000_000;
const SMALL: usize = 80;

fn steps_and_codes(delivery: &Delivery) -> Vec<(Step, u16)> {
    let verdicts = delivery.verdicts();
    verdicts.map(|(_, verdict)| (verdict.step(), verdict.reply().code().get())).collect()
}

#[test]
fn a_refusal_in_the_middle_of_the_text_is_the_verdict() {
    for dialect in BOTH {
        for end in ["[close]", "[abort]", "[stall]"] {
            let rest = format!("[delay 1s]\n[raw \"552-5.3.4 too\\r\\n552 big\\r\\n\"]\n{end}");
            let delivery = outcome(dialect, &rest, BIG).unwrap();
            let refused = (Step::Text, 552);
            assert_eq!(steps_and_codes(&delivery), [refused, (Step::Rcpt, 550), refused]);
        }
    }
}

#[test]
fn an_acceptance_before_the_dot_accepts_nothing() {
    for dialect in BOTH {
        for code in [250, 200, 354] {
            let rest = format!("[delay 1s]\n[raw \"{code} queued\\r\\n\"]\n[stall]");
            let error = outcome(dialect, &rest, BIG).unwrap_err();
            let found = matches!(error.kind(), ErrorKind::Misbehaved(Misbehaved::Unsolicited(_)));
            assert!(found, "{error:?}");
            assert_eq!((error.step(), error.in_doubt()), (Step::Text, false));
            assert_eq!(error.verdicts().filter_map(|(_, one)| one).count(), 1);
        }
    }
}

#[test]
fn an_acceptance_glued_to_the_invitation_accepts_nothing() {
    for dialect in BOTH {
        for glued in ["S: 250 queued", "[raw \"250 queued\\r\\n\"]", "[raw \"250\\n\"]"] {
            let error = outcome(dialect, glued, SMALL).unwrap_err();
            assert_eq!((error.step(), error.in_doubt()), (Step::Text, false));
            let found = matches!(error.kind(), ErrorKind::Misbehaved(Misbehaved::Unsolicited(_)));
            assert!(found, "{error:?}");
        }
    }
}

#[test]
fn a_reply_that_begins_before_the_dot_accepts_nothing_however_late_it_ends() {
    for dialect in BOTH {
        for reply in ["250 ok\r\n", "250-one\r\n250 two\r\n", "250\r\n"] {
            for cut in 1..reply.len() {
                let (before, after) = reply.split_at(cut);
                let (before, after) = (before.escape_default(), after.escape_default());
                let rest = format!("[raw \"{before}\"]\n[text]\n[raw \"{after}\"]\n[stall]");
                let error = outcome(dialect, &rest, SMALL).unwrap_err();
                let kind = error.kind();
                let found = matches!(kind, ErrorKind::Misbehaved(Misbehaved::Unsolicited(_)));
                assert!(found, "{rest}: {error:?}");
                assert!(error.in_doubt(), "{rest}");
                assert_eq!(error.verdicts().filter_map(|(_, one)| one).count(), 1);
            }
        }
        let rest = "[raw \"554-too\\r\\n55\"]\n[text]\n[raw \"4 bad\\r\\n\"]\n[stall]";
        let refused = (Step::Text, 554);
        match (dialect, outcome(dialect, rest, SMALL)) {
            (Dialect::Smtp, delivery) => {
                let verdicts = steps_and_codes(&delivery.unwrap());
                assert_eq!(verdicts, [refused, (Step::Rcpt, 550), refused]);
            }
            // It may be the reply for the first recipient, with an acceptance for the next after
            // it.
            (Dialect::Lmtp, delivery) => assert!(delivery.unwrap_err().in_doubt()),
        }
    }
}

#[test]
fn a_reply_that_begins_before_its_command_answers_nothing() {
    let rest = "
        C: MAIL FROM:<a@example.org>
        [raw \"250 ok\\r\\n250 d\"]
        C: RCPT TO:<b@example.org>
        [raw \"up\\r\\n\"]
        [stall]";
    for dialect in BOTH {
        let error = play_in(dialect, &[], rest, async |mut connection| {
            *connection.timeouts_mut() = bounds();
            send(&mut connection, SMALL).await.unwrap_err()
        })
        .0;
        let found = matches!(error.kind(), ErrorKind::Misbehaved(Misbehaved::Unsolicited(_)));
        assert!(found, "{error:?}");
        assert_eq!((error.step(), error.in_doubt()), (Step::Rcpt, false));
    }
}

#[test]
fn a_final_reply_that_is_cut_leaves_doubt() {
    let mut cases = 0;
    for dialect in BOTH {
        for reply in
            ["250 ok\r\n", "250-one\r\n250 two\r\n", "250\r\n", "554 no\r\n", "250-\r\n250"]
        {
            for cut in 0..reply.len() {
                for end in ["[close]", "[abort]", "[stall]"] {
                    let part = reply[..cut].escape_default();
                    let rest = format!("[text]\n[raw \"{part}\"]\n{end}");
                    let error = outcome(dialect, &rest, SMALL).unwrap_err();
                    assert_eq!((error.step(), error.in_doubt()), (Step::EndOfText, true), "{rest}");
                    assert!(matches!(error.kind(), ErrorKind::Broken(_)), "{rest}: {error:?}");
                    assert_eq!(error.verdicts().filter_map(|(_, one)| one).count(), 1);
                    cases += 1;
                }
            }
        }
    }
    println!("{cases} cuts");
}

#[test]
fn lmtp_keeps_the_verdicts_that_came() {
    for end in ["[close]", "[abort]", "S: what?", "S: 354 go", "S: 250-a\nS: 550 b", "[stall]"] {
        for code in [250, 452, 554] {
            let error = outcome(Dialect::Lmtp, &format!("[text]\nS: {code} b\n{end}"), SMALL);
            let error = error.unwrap_err();
            assert_eq!((error.step(), error.in_doubt()), (Step::EndOfText, true), "{end}");
            let known: Vec<_> = error.verdicts().map(|(_, verdict)| verdict).collect();
            let [Some(first), Some(second), None] = known[..] else { panic!("{known:?}") };
            assert_eq!((first.step(), first.reply().code().get()), (Step::EndOfText, code));
            assert_eq!(second.step(), Step::Rcpt);
        }
    }
    let delivery = outcome(Dialect::Lmtp, "[text]\nS: 250 b\nS: 452 d\n[close]", SMALL).unwrap();
    let codes = [(Step::EndOfText, 250), (Step::Rcpt, 550), (Step::EndOfText, 452)];
    assert_eq!(steps_and_codes(&delivery), codes);
}

#[test]
fn one_smtp_reply_is_not_enough_for_lmtp() {
    let error = outcome(Dialect::Lmtp, "[text]\nS: 250 for all\n[stall]", SMALL).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Broken(Broken::TimedOut { .. })), "{error:?}");
    assert!(error.in_doubt());
}

#[test]
fn a_verdict_stands_whatever_follows_it() {
    for (reply, accepted) in [("250 ok", true), ("554 spam", false)] {
        for after in ["[close]", "[abort]", "[reset]", "S: 250 dup", "S: 421 bye\n[close]", "S: ?"]
        {
            // What is under way when a connection is reset is lost.
            let wait = if after == "[reset]" { "[delay 1s]\n" } else { "" };
            let rest = format!("{INVITED}[text]\nS: {reply}\n{wait}{after}");
            play_on(&[], &rest, async |mut connection| {
                let delivery = send(&mut connection, SMALL).await.unwrap();
                assert_eq!(delivery.any_accepted(), accepted, "{after}");
                tokio::time::advance(Duration::from_secs(2)).await;
                let_the_server_play().await;
                let error = send(&mut connection, SMALL).await.unwrap_err();
                assert_eq!((error.step(), error.in_doubt()), (Step::Mail, false));
                match error.kind() {
                    ErrorKind::Misbehaved(_) => assert!(after.starts_with("S:"), "{after}"),
                    ErrorKind::Ended(Ended::Closed | Ended::ServerClosing(_)) => {}
                    other => panic!("{after}: {other:?}"),
                }
            });
        }
    }
}

#[test]
fn a_reply_that_precedes_its_command_is_unsolicited() {
    let mail = "C: MAIL FROM:<a@example.org>\nS: 250 ok\n";
    let rcpt = "C: RCPT TO:<b@example.org>\nS: 250 ok\n";
    for (good, step) in [
        (String::new(), Step::Mail),
        (mail.to_owned(), Step::Rcpt),
        (format!("{mail}{rcpt}"), Step::Rcpt),
    ] {
        // In the same segment, and in one of its own.
        for early in ["S: 250 ok", "[raw \"250 ok\\r\\n\"]"] {
            let script = format!("{good}{early}");
            let (outcome, _) =
                play_on(&[], &script, async |mut connection| send(&mut connection, SMALL).await);
            let error = outcome.unwrap_err();
            let found = matches!(error.kind(), ErrorKind::Misbehaved(Misbehaved::Unsolicited(_)));
            assert!(found, "{script}: {error:?}");
            assert_eq!((error.step(), error.in_doubt()), (step, false), "{script}");
        }
    }
}

#[test]
fn a_half_closed_connection_is_closed() {
    let script = "S: 220 hi\n[half-close]\n[expect-close]";
    let played = play(script, &connector(Dialect::Smtp), async |outcome| outcome);
    let error = played.outcome.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Broken(Broken::Closed)), "{error:?}");
    assert_eq!(error.step(), Step::Hello);
    played.verdict.unwrap();
}

/// A pipe on which nothing can be read after an invitation until a write has failed, as when the
/// octets of a verdict wait after a connection that broke.
struct Reluctant {
    pipe: Pipe,
    invited: bool,
    failed: bool,
    /// Whether what waits can be read at all.
    readable: bool,
    reader: Option<Waker>,
}

impl AsyncRead for Reluctant {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.invited && !(self.failed && self.readable) {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let read = Pin::new(&mut self.pipe).poll_read(cx, buffer);
        self.invited |= buffer.filled().starts_with(b"354");
        read
    }
}

impl AsyncWrite for Reluctant {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.pipe).poll_write(cx, octets);
        if let Poll::Ready(Err(_)) = &written {
            self.failed = true;
            if let Some(reader) = self.reader.take() {
                reader.wake();
            }
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(cx)
    }
}

/// The result of a message when writing fails, and the time until it is known.
fn written_in_vain(rest: &str, readable: bool) -> (Result<Delivery, Error>, Duration) {
    perform(async {
        let script = format!("{}{INVITED}{rest}", opening(Dialect::Smtp, &[]));
        let (server, pipe) = TestServer::pipe(parse(&script));
        let stream = Reluctant { pipe, invited: false, failed: false, readable, reader: None };
        let connector = connector(Dialect::Smtp).timeouts(bounds());
        let mut connection = connector.connect_over(stream).await.unwrap();
        let begun = Instant::now();
        let outcome = send(&mut connection, BIG).await;
        drop(connection);
        server.finish().await.unwrap();
        (outcome, begun.elapsed())
    })
}

#[test]
fn a_failed_write_does_not_hide_the_verdict() {
    let (outcome, elapsed) = written_in_vain("[raw \"554 no\\r\\n\"]\n[close]", true);
    let refused = (Step::Text, 554);
    assert_eq!(steps_and_codes(&outcome.unwrap()), [refused, (Step::Rcpt, 550), refused]);
    assert_eq!(elapsed, Duration::ZERO);
}

#[test]
fn a_failed_write_without_a_verdict_is_an_error() {
    for (rest, readable, wait_timeout) in [
        ("[close]", true, Duration::ZERO),
        ("[raw \"55\"]\n[close]", true, Duration::ZERO),
        ("[close]", false, bounds().close),
    ] {
        let (outcome, elapsed) = written_in_vain(rest, readable);
        let error = outcome.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Broken(Broken::Io(_))), "{error:?}");
        assert_eq!((error.step(), error.in_doubt()), (Step::Text, false));
        assert_eq!(elapsed, wait_timeout, "{rest}");
    }
}

#[test]
fn a_break_after_the_last_verdict_changes_none() {
    let group = "C| MAIL FROM:<a@example.org>
        C| RCPT TO:<b@example.org>
        C| RCPT TO:<c@example.org>
        C| RCPT TO:<d@example.org>
        C| DATA\n";
    for (replies, refused) in [
        ("S: 550 no", (Step::Mail, 550)),
        ("S: 250 ok\nS: 451 no\nS: 451 no\nS: 451 no", (Step::Rcpt, 451)),
    ] {
        for end in ["[close]", "[abort]", "[stall]", "S: what?", "S: 250-a\nS: 550 b"] {
            let rest = format!("{group}{replies}\n{end}");
            play_on(&["PIPELINING"], &rest, async |mut connection| {
                let delivery = send(&mut connection, SMALL).await.unwrap();
                assert_eq!(steps_and_codes(&delivery), [refused; 3], "{end}");
                let error = connection.noop().await.unwrap_err();
                assert!(matches!(error.kind(), ErrorKind::Ended(_)), "{error:?}");
            });
        }
    }
}
