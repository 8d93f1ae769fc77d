//! Command groups (RFC 2920).
use std::sync::Arc;

use smtp_server::{Client, Event, ServerSession};

use crate::host::{Fate, Host};

#[test]
fn the_example_of_the_rfc() {
    let journal = Host::smtp().play(
        r"S: 220 mx.example.org ESMTP
        C: EHLO dbc.mtview.ca.us
        S: 250-*
        C: MAIL FROM:<mrose@dbc.mtview.ca.us>
        C: RCPT TO:<nosuchuser@innosoft.com>
        C: RCPT TO:<dan@innosoft.com>
        C: RCPT TO:<kvc@innosoft.com>
        C: DATA
        S: 250 2.1.0 Ok
        S: 550 5.1.1 No such mailbox
        S: 250 2.1.5 Ok
        S: 250 2.1.5 Ok
        S: 354 Send the message, and end it with a dot
        C: ...
        C: .
        C: QUIT
        S: 250 2.0.0 Message accepted
        S: 221 2.0.0 Bye",
    );
    assert_eq!(journal.messages[0].content, b"..\r\n");
}

#[test]
fn a_group_in_which_everything_fails() {
    Host::smtp().play(
        r"S: 220 mx.example.org ESMTP
        C: EHLO dbc.mtview.ca.us
        S: 250-*
        C: MAIL FROM:<mrose@dbc.mtview.ca.us>
        C: RCPT TO:<nobody@innosoft.com>
        C: RCPT TO:<nowhere@innosoft.com>
        C: DATA
        S: 250 2.1.0 Ok
        S: 550 5.1.1 No such mailbox
        S: 550 5.1.1 No such mailbox
        S: 503 5.5.1 No valid recipients
        C: QUIT
        S: 221 2.0.0 Bye",
    );
}

#[test]
fn octets_after_quit_are_ignored() {
    let journal = Host::smtp().receive(
        b"QUIT\r\nEHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<b@c.example>\r\nDATA\r\nx\r\n.\r\n",
    );
    assert_eq!(journal.output, "220 mx.example.org ESMTP\n221 2.0.0 Bye\n");
    assert_eq!(journal.events, ["Connected"]);
}

#[test]
fn the_replies_of_a_group_are_written_together() {
    let host = Host::smtp();
    let mut session = ServerSession::new(Arc::clone(&host.settings), Client::new(), [0; 32]);
    let mut input = &b"EHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<b@c.example>\r\nDATA\r\n"[..];
    let mut reads = 0;
    while reads == 0 {
        match session.next(&mut input) {
            Event::Read => reads += 1,
            event => {
                assert!(event.needs_decision(), "{event:?}");
                session.accept();
            }
        }
    }
    assert!(session.is_receiving());
    let output = String::from_utf8(session.output().clone()).unwrap();
    assert_eq!(output.matches("\r\n250 2").count(), 2);
    assert!(output.ends_with("\r\n354 Send the message, and end it with a dot\r\n"));
}

#[test]
fn a_client_that_does_not_read_does_not_fill_the_memory() {
    let host = Host::smtp();
    let mut session = ServerSession::new(Arc::clone(&host.settings), Client::new(), [0; 32]);
    let mut octets = b"EHLO a.example\r\nMAIL FROM:<>\r\n".to_vec();
    octets.extend(b"RCPT TO:<b@c.example>\r\n".repeat(100_000));
    let mut input = &octets[..];
    let (mut writes, mut longest) = (0, 0);
    loop {
        longest = longest.max(session.output().len());
        match session.next(&mut input) {
            Event::Write => {
                writes += 1;
                session.output().clear();
            }
            Event::Read | Event::Close(_) => break,
            _ => session.accept(),
        }
    }
    assert!(writes > 10 && longest < 17 << 10, "{writes} {longest}");
}

#[test]
fn an_idle_session_keeps_little_memory() {
    let host = Host::smtp();
    let mut session = ServerSession::new(Arc::clone(&host.settings), Client::new(), [0; 32]);
    let octets =
        [&b"EHLO a.example\r\nMAIL FROM:<>\r\n"[..], &b"RCPT TO:<b@c.example>\r\n".repeat(900)];
    for octets in [octets.concat(), b"RSET\r\n".to_vec()] {
        let mut input = &octets[..];
        while !matches!(session.next(&mut input), Event::Read) {
            session.accept();
        }
        session.output().clear();
    }
    assert!(session.output().capacity() <= 2048, "{}", session.output().capacity());
    assert!(size_of::<ServerSession>() <= 1024);
}

#[test]
fn messages_follow_one_another() {
    let one = b"MAIL FROM:<>\r\nRCPT TO:<b@c.example>\r\nBDAT 2 LAST\r\nab".repeat(300);
    let journal = Host::smtp().receive_once(&[b"EHLO a.example\r\n".to_vec(), one].concat());
    assert_eq!(journal.messages.len(), 300);
    assert!(journal.messages.iter().all(|one| one.fate == Fate::Ended && one.content == b"ab"));
}
