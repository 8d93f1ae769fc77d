//! Timeouts, shutdown and connections that fail (RFC 5321, 3.8 and 4.5.3.2).
use std::sync::Arc;

use smtp_codec::Mechanism;
use smtp_server::{Closing, Event, ServerSession, Settings, StartTls};

use crate::host::{Fate, Host};

const OPEN: &str = r"S: 220 mx.example.org ESMTP
    C: EHLO client.example.org
    S: 250-*
    C: MAIL FROM:<a@example.org>
    S: 250 2.1.0 Ok
    C: RCPT TO:<b@example.org>
    S: 250 2.1.5 Ok
    ";
const DATA: &str = "C: DATA\nS: 354 Send the message, and end it with a dot\nC: text\n";

#[test]
fn a_silent_client_gets_421() {
    for before in ["S: 220 mx.example.org ESMTP\n", OPEN, &format!("{OPEN}{DATA}")] {
        let journal = Host::smtp().play(&format!(
            "{before}X: timeout\nS: 421 4.4.2 Idle for too long\nX: timeout\nX: disconnect"
        ));
        assert_eq!(journal.closing, Some(Closing::TimedOut));
        assert!(journal.messages.iter().all(|message| message.fate == Fate::Disconnected));
    }
}

#[test]
fn a_shutdown_waits_for_the_message_on_its_way() {
    let bye = "S: 421 4.3.2 The server is shutting down";
    for before in ["S: 220 mx.example.org ESMTP\n", OPEN] {
        let journal = Host::smtp().play(&format!("{before}X: shutdown\n{bye}"));
        assert_eq!(journal.closing, Some(Closing::ShuttingDown));
    }
    let journal = Host::smtp().play(&format!(
        "{OPEN}{DATA}X: shutdown\nC: more\nC: .\nS: 250 2.0.0 Message accepted\n{bye}"
    ));
    assert_eq!(journal.messages[0].content, b"text\r\nmore\r\n");
    let chunk = "C: BDAT 1\nC| x\nS: 250 2.0.0 Chunk received\n";
    let journal = Host::smtp().play(&format!(
        "{OPEN}{chunk}X: shutdown\n{chunk}C: BDAT 0 LAST\nS: 250 2.0.0 Message accepted\n{bye}"
    ));
    assert_eq!(journal.messages[0].fate, Fate::Ended);
    // A chunk that is skipped is no message.
    let journal = Host::smtp().play(&format!(
        "S: 220 mx.example.org ESMTP\nC: BDAT 9\nX: shutdown\nC| 123456789\n\
         S: 503 5.5.1 MAIL first\n{bye}"
    ));
    assert_eq!(journal.closing, Some(Closing::ShuttingDown));
}

#[test]
fn a_connection_that_fails_abandons_the_message() {
    let journal = Host::smtp().play(&format!("{OPEN}{DATA}X: disconnect"));
    assert_eq!(journal.messages[0].fate, Fate::Disconnected);
    assert_eq!(journal.closing, Some(Closing::Disconnected));
}

/// Plays up to an event, and says what the session does if it ends while that is undecided.
fn end_at(wanted: fn(&Event<'_>) -> bool, end: fn(&mut ServerSession)) -> (Vec<String>, String) {
    let host = Host::smtp();
    let client = smtp_server::Client::new();
    let mut session = ServerSession::new(Arc::clone(&host.settings), client, [0; 32]);
    let octets = b"EHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<b@c.example>\r\nDATA\r\nx\r\n.\r\n";
    let mut input = &octets[..];
    loop {
        let event = session.next(&mut input);
        if wanted(&event) {
            break;
        }
        assert!(!matches!(event, Event::Read | Event::Close(_)));
        session.accept();
    }
    session.output().clear();
    end(&mut session);
    // A decision that comes too late changes nothing.
    session.accept();
    session.decide_each(vec![Ok(smtp_server::Accept::usual())]);
    let mut events = Vec::new();
    loop {
        let event = session.next(&mut input);
        events.push(format!("{event:?}"));
        if matches!(event, Event::Close(_)) {
            break;
        }
    }
    let output = String::from_utf8(std::mem::take(session.output())).unwrap();
    (events, output)
}

#[test]
fn a_decision_that_comes_too_late_is_not_sent() {
    let is_end = |event: &Event<'_>| matches!(event, Event::End(_));
    let (events, output) = end_at(is_end, ServerSession::disconnected);
    assert_eq!(events, ["Close(Disconnected)"], "the end was told: nothing is abandoned");
    assert_eq!(output, "");
    let (events, output) = end_at(is_end, ServerSession::timed_out);
    assert_eq!(events, ["Close(TimedOut)"]);
    assert_eq!(output, "421 4.4.2 Idle for too long\r\n");
    let is_message = |event: &Event<'_>| matches!(event, Event::Message(_));
    let (events, output) = end_at(is_message, ServerSession::disconnected);
    assert_eq!((events.join(" ").as_str(), output.as_str()), ("Close(Disconnected)", ""));
    let is_content = |event: &Event<'_>| matches!(event, Event::Content(_));
    let (events, _) = end_at(is_content, ServerSession::disconnected);
    assert_eq!(events, ["Abandoned(Disconnected)", "Close(Disconnected)"]);
    let is_rcpt = |event: &Event<'_>| matches!(event, Event::Rcpt(_));
    let (events, output) = end_at(is_rcpt, ServerSession::disconnected);
    assert_eq!((events.join(" ").as_str(), output.as_str()), ("Close(Disconnected)", ""));
}

#[test]
fn a_shutdown_while_a_message_is_decided_lets_it_be_decided() {
    let host = Host::smtp();
    let client = smtp_server::Client::new();
    let mut session = ServerSession::new(Arc::clone(&host.settings), client, [0; 32]);
    let octets =
        b"EHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<b@c.example>\r\nDATA\r\nx\r\n.\r\nNOOP\r\n";
    let mut input = &octets[..];
    let why = loop {
        match session.next(&mut input) {
            Event::End(_) => session.shut_down(),
            Event::Close(why) => break why,
            _ => {}
        }
        session.accept();
    };
    assert_eq!(why, Closing::ShuttingDown);
    let output = String::from_utf8(session.output().clone()).unwrap();
    let expected = "250 2.0.0 Message accepted\r\n421 4.3.2 The server is shutting down\r\n";
    assert!(output.ends_with(expected), "{output}");
}

#[test]
fn a_shutdown_ends_each_state_with_421_or_in_silence() {
    let smtp = || Settings::smtp("mx.example.org");
    let greeted = "S: 220 mx.example.org ESMTP\nC: EHLO client.example.org\nS: 250-*\n";
    let challenge = smtp().auth([Mechanism::LOGIN]).passwords_in_clear();
    let large = format!("{OPEN}{DATA}C: {}\n", "x".repeat(2000));
    let bye = "S: 421 4.3.2 The server is shutting down";
    let states = [
        // No octet of SMTP would be understood.
        (smtp().proxy_header(), "C| PROXY TCP4 192.0.2.1\n".to_owned(), ""),
        (smtp().implicit_tls(), String::new(), ""),
        (
            smtp().starttls(StartTls::Offered),
            format!("{greeted}C: STARTTLS\nS: 220 2.0.0 Ready to start TLS\n"),
            "",
        ),
        (smtp(), "S: 220 mx.example.org ESMTP\n".to_owned(), bye),
        (smtp(), format!("{greeted}C| NOO\n"), bye),
        (smtp(), format!("{greeted}C| {}\nS: 500 5.5.2 Line too long\n", "x".repeat(9000)), bye),
        (challenge, format!("{greeted}C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC| d\n"), bye),
        (smtp(), OPEN.to_owned(), bye),
        // What is skipped has its own reply first.
        (
            smtp().size(1000),
            large,
            "C: .\nS: 552 5.3.4 Message too large\nS: 421 4.3.2 The server is shutting down",
        ),
        (smtp(), format!("{greeted}C: QUIT\nS: 221 2.0.0 Bye\n"), ""),
    ];
    for (settings, before, after) in states {
        let journal = Host::of(settings).play(&format!("{before}X: shutdown\n{after}"));
        let expected = if before.contains("QUIT") { Closing::Quit } else { Closing::ShuttingDown };
        assert_eq!(journal.closing, Some(expected), "{before}");
    }
}
