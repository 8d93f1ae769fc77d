//! What a client may do how often, and how long.
use std::sync::Arc;

use smtp_caps::{Limit, Limits};
use smtp_error::Extension;
use smtp_server::{Bounds, Client, Closing, Event, ServerSession, Settings};

use crate::host::{Answer, Fate, Host, refuse};

const EHLO: &str = "EHLO a.example\r\n";

fn receive(host: &Host, parts: &[&str]) -> crate::host::Journal {
    host.receive_once(parts.concat().as_bytes())
}

#[test]
fn commands_without_a_message_have_a_limit() {
    for command in ["RSET\r\n", "NOOP\r\n", "EHLO a.example\r\n", "VRFY a\r\n", "HELP\r\n"] {
        let journal = receive(&Host::smtp(), &[EHLO, &command.repeat(10_000)]);
        assert_eq!(journal.closing, Some(Closing::TooManyCommands), "{command}");
        assert!(journal.output.ends_with("421 4.7.0 Too many commands without a message\n"));
        assert!(journal.events.len() < 250);
    }
    let transactions = "MAIL FROM:<>\r\nRSET\r\n".repeat(10_000);
    let journal = receive(&Host::smtp(), &[EHLO, &transactions]);
    assert_eq!(journal.closing, Some(Closing::TooManyCommands));
    let host = Host::smtp().decides(|event| match event {
        Event::Mail(_) => Answer::Decide(Err(refuse(550, "5.7.1 No"))),
        _ => Answer::Usual,
    });
    let journal = receive(&host, &[EHLO, &"MAIL FROM:<>\r\n".repeat(10_000)]);
    assert_eq!(journal.closing, Some(Closing::TooManyCommands));
}

#[test]
fn mistakes_are_counted_until_a_message_is_accepted() {
    let (bad, message) =
        ("XYZ\r\n".repeat(20), "MAIL FROM:<>\r\nRCPT TO:<b@c.example>\r\nBDAT 0 LAST\r\n");
    let journal = receive(&Host::smtp(), &[EHLO, &bad, message, &bad, message, &bad]);
    assert_eq!(journal.closing, None);
    let journal = receive(&Host::smtp(), &[EHLO, &bad, message, &bad, "X\r\n", message]);
    assert_eq!(journal.closing, Some(Closing::TooManyErrors));
    assert_eq!(journal.messages.len(), 1);
    assert!(journal.output.ends_with("421 4.7.0 Too many errors\n"));
}

#[test]
fn someone_who_guesses_recipients_is_stopped() {
    let mail = "MAIL FROM:<>\r\n";
    let (bad, good) = ("RCPT TO:<no@c.example>\r\n".repeat(100), "RCPT TO:<b@c.example>\r\n");
    let journal = receive(&Host::smtp(), &[EHLO, mail, &bad, good, &bad]);
    assert_eq!(journal.closing, None);
    let journal = receive(&Host::smtp(), &[EHLO, mail, &bad, &bad]);
    assert_eq!(journal.closing, Some(Closing::TooManyErrors));
    assert!(journal.output.ends_with("421 4.7.0 Too many recipients were refused\n"));
}

#[test]
fn surplus_recipients_are_refused_and_the_others_get_the_message() {
    let many = "RCPT TO:<b@c.example>\r\n".repeat(1500);
    let journal = receive(&Host::smtp(), &[EHLO, "MAIL FROM:<>\r\n", &many, "BDAT 0 LAST\r\n"]);
    assert_eq!(journal.messages[0].to.len(), 1000);
    assert_eq!(journal.output.matches("452 4.5.3 Too many recipients\n").count(), 500);
    assert_eq!(journal.messages[0].fate, Fate::Ended);
    let endless = "RCPT TO:<b@c.example>\r\n".repeat(20_000);
    let journal = receive(&Host::smtp(), &[EHLO, "MAIL FROM:<>\r\n", &endless]);
    assert_eq!(journal.closing, Some(Closing::TooManyErrors));
}

#[test]
fn the_limits_of_the_offer_hold() {
    let limits = Limits::default();
    let limits = limits.set(Limit::Mail, 2).and_then(|limits| limits.set(Limit::Rcpt, 3));
    let limits = limits.and_then(|limits| limits.set(Limit::RcptDomain, 2)).unwrap();
    let host = Host::of(Settings::smtp("mx.example.org").offer(|offer| Ok(offer.limits(limits))));
    let journal = host.play(
        r"S: 220 mx.example.org ESMTP
        C: EHLO client.example.org
        S: 250-*
        C: MAIL FROM:<>
        C: RCPT TO:<b@a.example>
        C: RCPT TO:<b@B.example>
        C: RCPT TO:<b@c.example>
        C: RCPT TO:<c@b.EXAMPLE>
        C: RCPT TO:<d@b.example>
        S: 250 2.1.0 Ok
        S: 250 2.1.5 Ok
        S: 250 2.1.5 Ok
        S: 452 4.5.3 Too many recipient domains
        S: 250 2.1.5 Ok
        S: 452 4.5.3 Too many recipients
        C: BDAT 0 LAST
        S: 250 2.0.0 Message accepted
        C: MAIL FROM:<>
        C: RCPT TO:<b@c.example>
        C: RCPT TO:<b@a.example>
        S: 250 2.1.0 Ok
        S: 452 4.5.3 Too many recipient domains
        S: 250 2.1.5 Ok
        C: BDAT 0 LAST
        S: 250 2.0.0 Message accepted
        C: MAIL FROM:<>
        S: 451 4.5.3 Too many messages in this session",
    );
    assert_eq!(journal.messages.len(), 2);
}

#[test]
fn lines_have_a_limit() {
    // 512 octets, and 10 more for SMTPUTF8 and 26 for SIZE (RFC 6531, 3.4; RFC 1870, 3).
    let longest = format!("NOOP {}\r\n", "x".repeat(548 - 7));
    for (line, reply) in [
        (longest.clone(), "250 2.0.0 Ok"),
        (format!("x{longest}"), "500 5.5.2 Line too long"),
        (format!("{}\r\n", "x".repeat(100_000)), "500 5.5.2 Line too long"),
    ] {
        let octets = [EHLO, &line, "HELP\r\n"].concat();
        let journal = Host::smtp().receive(octets.as_bytes());
        let help = "214 2.0.0 The reply to EHLO has what this server offers; see RFC 5321\n";
        let expected = format!("SIZE 26214400\n{reply}\n{help}");
        assert!(journal.output.ends_with(&expected), "{}", journal.output);
    }
}

#[test]
fn a_long_line_ends_as_a_line_must() {
    for octets in [700, 547, 548, 5000] {
        let line = format!("{EHLO}{}\nQUIT\r\n", "x".repeat(octets));
        let journal = Host::smtp().receive(line.as_bytes());
        assert_eq!(journal.closing, Some(Closing::Desynchronized), "{octets}");
    }
}

#[test]
fn an_endless_line_ends_the_session() {
    let mut bounds = Bounds::default();
    bounds.dropped_octets = 1000;
    let host = Host::of(Settings::smtp("mx.example.org").bounds(bounds));
    let chunks = vec!["x"; 3000].concat();
    let journal = host.receive(chunks.as_bytes());
    assert_eq!(journal.closing, Some(Closing::TooManyErrors));
}

#[test]
fn lines_end_with_crlf() {
    for line in [&b"NOOP\n"[..], b"NOOP\r\r\n", b"\n", b"MAIL FROM:<>\n"] {
        let journal = Host::smtp().receive(&[EHLO.as_bytes(), line, b"QUIT\r\n"].concat());
        assert_eq!(journal.closing, Some(Closing::Desynchronized));
        let replies =
            "500 5.5.2 A line ends with CRLF\n421 4.5.0 The next command cannot be found\n";
        assert!(journal.output.ends_with(replies));
    }
    let tolerant = Settings::smtp("mx.example.org").tolerate(smtp_codec::Deviations::TOLERANT);
    let journal = Host::of(tolerant).receive(b"EHLO a.example\nNOOP\r\r\nQUIT\n");
    assert_eq!(journal.closing, Some(Closing::Quit));
}

#[test]
fn a_request_of_http_ends_the_session() {
    for request in
        ["GET / HTTP/1.1", "POST /\u{1} HTTP/1.1", "OPTIONS * HTTP/1.1", "put /", "CONNECT a:25 x"]
    {
        let body = "Host: a\r\n\r\nEHLO a.example\r\nMAIL FROM:<>\r\n";
        let journal = Host::smtp().receive(format!("{request}\r\n{body}").as_bytes());
        let expected = "220 mx.example.org ESMTP\n421 4.7.0 This is not a server for HTTP\n";
        assert_eq!(journal.output, expected, "{request}");
        assert_eq!(journal.events, ["Connected"]);
    }
}

/// Returns the most octets that a session has allocated at a time while it received these.
fn memory_for(settings: &Arc<Settings>, octets: &[u8]) -> u64 {
    let measured = allocation_counter::measure(|| {
        let mut session = ServerSession::new(Arc::clone(settings), Client::new(), [0; 32]);
        let mut input = octets;
        loop {
            match session.next(&mut input) {
                Event::Read => break,
                Event::Close(why) => panic!("closed: {why:?}"),
                Event::Write => session.output().clear(),
                _ => session.accept(),
            }
        }
        assert!(!session.rcpts().is_empty());
    });
    measured.bytes_max
}

#[test]
fn the_memory_of_recipients_is_linear_and_small() {
    let settings = Settings::smtp("mx.example.org")
        .offer(|offer| offer.extensions([Extension::Dsn]))
        .build()
        .unwrap();
    let settings = Arc::new(settings);
    let local = "x".repeat(64);
    let long =
        format!("RCPT TO:<{local}@c.example> NOTIFY=FAILURE ORCPT=rfc822;{}\r\n", "y".repeat(400));
    for rcpt in ["RCPT TO:<b@c.example>\r\n", &long, "RCPT TO:<b@c.example> NOTIFY=NEVER\r\n"] {
        let octets = [EHLO, "MAIL FROM:<>\r\n", &rcpt.repeat(1000)].concat();
        let memory = memory_for(&settings, octets.as_bytes());
        assert!(memory < 5 * octets.len() as u64, "{memory} for {}", octets.len());
        assert!(memory < 600 << 10, "{memory}");
    }
}
