//! Connections and commands that the server refuses (RFC 5321, 3.1 and 3.8; RFC 7504).
use smtp_server::{Closing, Event};

use crate::host::{Answer, Host, refuse};

fn at_connect(code: u16, text: &'static str) -> Host {
    thread_local!(static REPLY: std::cell::Cell<(u16, &'static str)> = const { std::cell::Cell::new((0, "")) });
    REPLY.set((code, text));
    Host::smtp().decides(|event| match event {
        Event::Connected => {
            let (code, text) = REPLY.get();
            Answer::Decide(Err(refuse(code, text)))
        }
        _ => Answer::Usual,
    })
}

#[test]
fn a_refused_connection_stays_open_for_quit() {
    let journal = at_connect(554, "5.7.1 No service for you").play(
        r"S: 554 5.7.1 No service for you
        C: EHLO client.example.org
        S: 503 5.5.1 No service here
        C: BDAT 20 LAST
        C: MAIL FROM:<a@b.example>
        S: 503 5.5.1 No service here
        S: 503 5.5.1 No service here
        C: QUIT
        S: 221 2.0.0 Bye",
    );
    assert_eq!(journal.closing, Some(Closing::Refused));
    assert_eq!(journal.events, ["Connected"]);
}

#[test]
fn a_refused_connection_is_not_open_for_ever() {
    let journal = at_connect(554, "5.7.1 No").receive(&b"NOOP\r\n".repeat(50));
    assert!(journal.output.ends_with("No service here\n421 4.7.0 Too many errors\n"));
    assert_eq!(journal.closing, Some(Closing::TooManyErrors));
}

#[test]
fn a_connection_that_is_refused_for_now_is_closed() {
    for (code, text) in [(421, "4.3.2 Too busy"), (450, "4.7.1 Later"), (521, "5.3.2 Never")] {
        let journal = at_connect(code, text).receive(b"EHLO a.example\r\nQUIT\r\n");
        assert_eq!(journal.output, format!("{code} {text}\n"));
        assert_eq!(journal.closing, Some(Closing::Refused));
    }
}

#[test]
fn after_421_nothing_more_is_sent() {
    let journal = Host::smtp().play(
        r"S: 220 mx.example.org ESMTP
        C: EHLO client.example.org
        S: 250-*
        C: MAIL FROM:<a@example.org>
        S: 250 2.1.0 Ok
        C: RCPT TO:<bye@example.org>
        C: RCPT TO:<b@example.org>
        C: DATA
        C: QUIT
        S: 421 4.3.2 Not today
        X: timeout
        X: shutdown
        X: disconnect",
    );
    assert_eq!(journal.closing, Some(Closing::Refused));
    assert!(journal.messages.is_empty());
}

#[test]
fn a_refused_greeting_changes_nothing() {
    fn picky(event: &Event<'_>) -> Answer {
        match event {
            Event::Hello(hello) if hello.name().as_str() == "bad.example" => {
                Answer::Decide(Err(refuse(550, "5.7.1 Not with that name")))
            }
            _ => Answer::Usual,
        }
    }
    let journal = Host::smtp().decides(picky).play(
        r"S: 220 mx.example.org ESMTP
        C: EHLO bad.example
        S: 550 5.7.1 Not with that name
        C: MAIL FROM:<a@example.org>
        S: 503 5.5.1 EHLO or HELO first
        C: EHLO good.example
        S: 250-*
        C: MAIL FROM:<a@example.org>
        S: 250 2.1.0 Ok
        C: EHLO bad.example
        S: 550 5.7.1 Not with that name
        C: RCPT TO:<b@example.org>
        S: 250 2.1.5 Ok",
    );
    assert_eq!(journal.client.hello().unwrap().name().as_str(), "good.example");
}

#[test]
fn a_message_that_is_refused_ends_its_transaction() {
    fn refuses(event: &Event<'_>) -> Answer {
        match event {
            Event::Message(envelope) if envelope.mail().path().as_str().is_empty() => {
                Answer::Decide(Err(refuse(554, "5.7.1 No bounces")))
            }
            Event::End(_) => Answer::Decide(Err(refuse(550, "5.7.1 Spam"))),
            _ => Answer::Usual,
        }
    }
    let journal = Host::smtp().decides(refuses).play(
        r"S: 220 mx.example.org ESMTP
        C: EHLO client.example.org
        S: 250-*
        C: MAIL FROM:<>
        S: 250 2.1.0 Ok
        C: RCPT TO:<b@example.org>
        S: 250 2.1.5 Ok
        C: DATA
        S: 554 5.7.1 No bounces
        C: RCPT TO:<c@example.org>
        S: 503 5.5.1 MAIL first
        C: MAIL FROM:<a@example.org>
        S: 250 2.1.0 Ok
        C: RCPT TO:<b@example.org>
        S: 250 2.1.5 Ok
        C: DATA
        S: 354 Send the message, and end it with a dot
        C: .
        S: 550 5.7.1 Spam
        C: DATA
        S: 503 5.5.1 MAIL first",
    );
    assert_eq!(journal.messages.len(), 1);
}
