//! Doubt: a message may have been accepted from its dot on, and not before, whatever failed then.
use smtp_client::{Broken, Ended, Envelope, Error, ErrorKind, MailData, Step, session::Dialect};
use smtp_testkit::Server as TestServer;

use super::{SHORT, connector, play, short_at};
use crate::stage::{opening, parse};

const COMMANDS: &str =
    "C: MAIL FROM:<a@x.org>\nS: 250 ok\nC: RCPT TO:<b@x.org>\nS: 250 ok\nC: DATA\n";

/// How a message fails whose transaction goes on like this, with little time for this step.
#[track_caller]
fn failure(step: Step, rest: &str, octets: usize) -> Error {
    let script = opening(Dialect::Smtp, &[]) + COMMANDS + rest;
    let server = TestServer::tcp(parse(&script)).unwrap();
    let mut connection = connector(server.addr(), Dialect::Smtp).connect().unwrap();
    *connection.timeouts_mut() = short_at(step);
    let envelope = Envelope::new("a@x.org", ["b@x.org"]).unwrap();
    let text = MailData::new(format!("{}\r\n", "x".repeat(98)).repeat(octets / 100)).unwrap();
    let error = connection.send(&envelope, &text).unwrap_err();
    assert_eq!(connection.ended(), Some(&Ended::Failed { step: error.step() }));
    // A late reply is never taken for that of the next command.
    assert!(matches!(connection.noop().unwrap_err().kind(), ErrorKind::Ended(_)));
    // A server that does not read what is on its way cannot see the end after it.
    if step != Step::Text {
        server.finish().wait().unwrap();
    }
    error
}

/// It times out at this step.
#[track_caller]
fn check_timed_out(step: Step, rest: &str, octets: usize, in_doubt: bool) {
    let error = failure(step, rest, octets);
    let timed_out =
        matches!(error.kind(), ErrorKind::Broken(Broken::TimedOut { after }) if *after == SHORT);
    assert!(timed_out, "{error:?}");
    assert_eq!((error.step(), error.in_doubt()), (step, in_doubt));
}

#[test]
fn a_timeout_before_the_dot_is_not_in_doubt() {
    check_timed_out(Step::Data, "[stall]", 100, false);
    check_timed_out(Step::Text, "S: 354 go\n[stall]", 32 << 20, false);
}

#[test]
fn a_timeout_after_the_dot_is_in_doubt() {
    check_timed_out(Step::EndOfText, "S: 354 go\n[text]\n[stall]", 100, true);
    let begun = "S: 354 go\n[text]\n[raw \"250-almost\\r\\n25\"]\n[stall]";
    check_timed_out(Step::EndOfText, begun, 100, true);
}

#[test]
fn an_end_after_the_dot_is_in_doubt() {
    let error = failure(Step::Quit, "S: 354 go\n[text]\n[close]", 100);
    assert!(matches!(error.kind(), ErrorKind::Broken(Broken::Closed)), "{error:?}");
    assert!(error.in_doubt());
}

#[test]
fn a_refusal_that_came_before_the_write_failed_is_the_verdict() {
    // The server does not read the text: its end resets the connection while much is unwritten.
    let rest = "S: 354 go\n[raw \"552 5.3.4 too big\\r\\n\"]\n[close]";
    let script = opening(Dialect::Smtp, &[]) + COMMANDS + rest;
    let text = MailData::new("x\r\n".repeat(5_000_000)).unwrap();
    for _ in 0..5 {
        let (delivery, _) = play(&script, Dialect::Smtp, |connected| {
            let connection = connected.as_mut().unwrap();
            let envelope = Envelope::new("a@x.org", ["b@x.org"]).unwrap();
            connection.send(&envelope, &text).unwrap()
        });
        let verdict = &delivery[0];
        assert_eq!((verdict.step(), verdict.reply().code().get()), (Step::Text, 552));
    }
}
