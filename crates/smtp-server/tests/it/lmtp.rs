//! LMTP (RFC 2033): a reply for each recipient.
use smtp_error::Extension;
use smtp_server::{Decision, Event, InvalidSettings, Settings};

use crate::host::{Answer, Fate, Host, accept, refuse, usual};

fn mixed(event: &Event<'_>) -> Answer {
    let decisions: Vec<Decision> = vec![
        Ok(accept(250, "2.1.5 To b")),
        Err(refuse(452, "4.2.2 d is full")),
        Ok(accept(250, "2.1.5 To e")),
    ];
    if let Event::End(end) = event {
        assert_eq!(end.decisions, 3);
        return Answer::Each(decisions);
    }
    usual(event)
}

const OPEN: &str = r"S: 220 mx.example.org LMTP
    C: LHLO foo.edu
    S: 250-*
    C: MAIL FROM:<chris@bar.com>
    S: 250 2.1.0 Ok
    C: RCPT TO:<b@example.org>
    S: 250 2.1.5 Ok
    C: RCPT TO:<no-c@example.org>
    S: 550 5.1.1 No such mailbox
    C: RCPT TO:<d@example.org>
    S: 250 2.1.5 Ok
    C: RCPT TO:<b@example.org>
    S: 250 2.1.5 Ok
    ";

fn open(rest: &str) -> String {
    format!("{OPEN}{rest}")
}

#[test]
fn each_recipient_has_a_reply() {
    let journal = Host::lmtp().decides(mixed).play(&open(
        r"C: DATA
        S: 354 Send the message, and end it with a dot
        C: Blah blah blah...
        C: .
        S: 250 2.1.5 To b
        S: 452 4.2.2 d is full
        S: 250 2.1.5 To e
        C: QUIT
        S: 221 2.0.0 Bye",
    ));
    assert_eq!(journal.messages[0].to, ["b@example.org", "d@example.org", "b@example.org"]);
    assert_eq!(journal.client.protocol(false), "LMTP");
}

#[test]
fn chunks_have_one_reply_until_the_last() {
    Host::lmtp().decides(mixed).play(&open(
        r"C: BDAT 3
        C| abc
        S: 250 2.0.0 Chunk received
        C: BDAT 3 LAST
        C| def
        S: 250 2.1.5 To b
        S: 452 4.2.2 d is full
        S: 250 2.1.5 To e",
    ));
}

#[test]
fn one_decision_counts_for_all() {
    Host::lmtp().play(&open(
        r"C: BDAT 3 LAST
        C| abc
        S: 250 2.0.0 Message accepted
        S: 250 2.0.0 Message accepted
        S: 250 2.0.0 Message accepted
        C: NOOP
        S: 250 2.0.0 Ok",
    ));
}

#[test]
fn what_the_session_refuses_has_a_reply_for_each_too() {
    let journal = Host::lmtp().play(&open(
        r"C: DATA
        S: 354 Send the message, and end it with a dot
        C| a\nb\r\n.\r\n
        S: 554 5.6.0 The message has a bare LF (octet 1); lines end with CRLF
        S: 554 5.6.0 The message has a bare LF (octet 1); lines end with CRLF
        S: 554 5.6.0 The message has a bare LF (octet 1); lines end with CRLF
        C: NOOP
        S: 250 2.0.0 Ok",
    ));
    assert_eq!(journal.messages[0].fate, Fate::Flawed);
    let small = Host::of(Settings::lmtp("mx.example.org").size(5));
    let journal = small.play(&open(
        r"C: BDAT 6 LAST
        C: QUIT
        S: 552 5.3.4 Message too large
        S: 552 5.3.4 Message too large
        S: 552 5.3.4 Message too large
        C: NOOP
        S: 250 2.0.0 Ok",
    ));
    assert_eq!(journal.messages[0].fate, Fate::TooLarge);
}

#[test]
fn a_wrong_number_of_decisions_refuses_for_now() {
    fn one(event: &Event<'_>) -> Answer {
        match event {
            Event::End(_) => Answer::Each(vec![Ok(accept(250, "Fine"))]),
            other => usual(other),
        }
    }
    Host::lmtp().decides(one).play(&open(
        r"C: DATA
        S: 354 Send the message, and end it with a dot
        C: .
        S: 451 4.3.0 Try again later
        S: 451 4.3.0 Try again later
        S: 451 4.3.0 Try again later",
    ));
}

#[test]
fn refusals_before_the_message_have_one_reply() {
    fn refuses(event: &Event<'_>) -> Answer {
        match event {
            Event::Message(_) => Answer::Decide(Err(refuse(451, "4.3.1 Disk full"))),
            other => usual(other),
        }
    }
    Host::lmtp().decides(refuses).play(&open(
        r"C: DATA
        S: 451 4.3.1 Disk full
        C: DATA
        S: 503 5.5.1 MAIL first",
    ));
    Host::lmtp().play(
        r"S: 220 mx.example.org LMTP
        C: LHLO foo.edu
        S: 250-*
        C: MAIL FROM:<>
        S: 250 2.1.0 Ok
        C: RCPT TO:<no-b@example.org>
        S: 550 5.1.1 No such mailbox
        C: BDAT 6 LAST
        C: QUIT
        S: 503 5.5.1 No valid recipients
        C: DATA
        S: 503 5.5.1 No valid recipients
        C: EHLO foo.edu
        S: 500 5.5.1 Command not recognized
        C: HELO foo.edu
        S: 500 5.5.1 Command not recognized",
    );
}

#[test]
fn a_last_chunk_in_flight_has_a_reply_for_each_too() {
    fn refuses(event: &Event<'_>) -> Answer {
        match event {
            Event::Message(_) => Answer::Decide(Err(refuse(451, "4.3.1 Disk full"))),
            other => usual(other),
        }
    }
    Host::lmtp().decides(refuses).play(&open(
        r"C: BDAT 3
        C| abc
        C: BDAT 3
        C| def
        C: BDAT 3 LAST
        C| ghi
        S: 451 4.3.1 Disk full
        S: 503 5.5.1 MAIL first
        S: 503 5.5.1 MAIL first
        S: 503 5.5.1 MAIL first
        S: 503 5.5.1 MAIL first
        C: BDAT 0 LAST
        S: 503 5.5.1 MAIL first",
    ));
}

#[test]
fn lmtp_needs_pipelining_and_enhanced_status_codes() {
    for extension in [Extension::Pipelining, Extension::EnhancedStatusCodes] {
        let without = |settings: smtp_server::SettingsBuilder| {
            settings.offer(|offer| Ok(offer.without(extension))).build().err()
        };
        let expected = Some(InvalidSettings::LmtpNeeds(extension));
        assert_eq!(without(Settings::lmtp("mx.example.org")), expected);
        assert_eq!(without(Settings::smtp("mx.example.org")), None);
    }
}
