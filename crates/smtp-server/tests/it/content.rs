//! Messages after DATA: dots, sizes and flaws (RFC 5321, 4.1.1.4 and 4.5.2).
use smtp_server::{BareOctets, Closing, Settings};

use crate::host::{Fate, Host};

const OPEN: &[u8] = b"EHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<b@c.example>\r\nDATA\r\n";

#[test]
fn dots_are_removed_and_the_last_one_ends() {
    for (sent, content) in [
        (&b".\r\n"[..], &b""[..]),
        (b"\r\n.\r\n", b"\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b"...\r\n.\r\n", b"..\r\n"),
        (b".a\r\n.\r\n", b"a\r\n"),
        (b"a.\r\n.\r\n", b"a.\r\n"),
        (b"a\r\n..b\r\nc.\r\n.\r\n", b"a\r\n.b\r\nc.\r\n"),
        (b"\xff\xfe\r\n.\r\n", b"\xff\xfe\r\n"),
    ] {
        let journal = Host::smtp().receive(&[OPEN, sent, b"QUIT\r\n"].concat());
        assert_eq!(journal.messages[0].content, content);
        assert_eq!(journal.messages[0].fate, Fate::Ended);
        assert!(journal.output.ends_with("250 2.0.0 Message accepted\n221 2.0.0 Bye\n"));
    }
}

#[test]
fn a_message_without_an_end_is_no_message() {
    for sent in [&b""[..], b"a\r\n", b".", b".\r", b"a\r\n.\r"] {
        let mut text = String::from_utf8(OPEN.to_vec()).unwrap();
        text.insert_str(0, "C| ");
        let escaped = |octets: &[u8]| octets.escape_ascii().to_string();
        let script = format!("C| {}{}\nX: disconnect", escaped(OPEN), escaped(sent));
        let journal = Host::smtp().play(&script);
        assert_eq!(journal.messages[0].fate, Fate::Disconnected);
        assert_eq!(journal.closing, Some(Closing::Disconnected));
        assert!(!journal.output.contains("accepted"));
    }
}

#[test]
fn a_message_that_is_too_large_is_read_to_its_end() {
    let host = Host::of(Settings::smtp("mx.example.org").size(10));
    for (sent, fate) in [
        (&b"12345678\r\n.\r\n"[..], Fate::Ended),
        (b"..2345678\r\n.\r\n", Fate::Ended),
        (b"123456789\r\n.\r\n", Fate::TooLarge),
        (b"1\r\n2\r\n3\r\n4\r\nRSET\r\nQUIT\r\n.\r\n", Fate::TooLarge),
    ] {
        let journal = host.receive(&[OPEN, sent, b"NOOP\r\n"].concat());
        assert_eq!(journal.messages[0].fate, fate);
        let reply = match fate {
            Fate::Ended => "250 2.0.0 Message accepted",
            _ => "552 5.3.4 Message too large",
        };
        assert!(journal.output.ends_with(&format!("dot\n{reply}\n250 2.0.0 Ok\n")));
    }
}

#[test]
fn chunks_that_are_too_large_are_skipped() {
    let host = Host::of(Settings::smtp("mx.example.org").size(10));
    let journal = host.play(
        r"S: 220 mx.example.org ESMTP
        C: EHLO client.example.org
        S: 250-*
        C: MAIL FROM:<> SIZE=11
        S: 552 5.3.4 Message too large
        C: MAIL FROM:<> SIZE=10
        C: RCPT TO:<b@example.org>
        S: 250 2.1.0 Ok
        S: 250 2.1.5 Ok
        C: BDAT 6
        C: QUIT
        S: 250 2.0.0 Chunk received
        C: BDAT 6
        C: QUIT
        S: 552 5.3.4 Message too large
        C: BDAT 6 LAST
        C: QUIT
        S: 503 5.5.1 MAIL first
        C: MAIL FROM:<>
        C: RCPT TO:<b@example.org>
        C: BDAT 12 LAST
        C: QUIT
        C: QUIT
        S: 250 2.1.0 Ok
        S: 250 2.1.5 Ok
        S: 552 5.3.4 Message too large",
    );
    let fates: Vec<_> = journal.messages.iter().map(|message| message.fate).collect();
    assert_eq!(fates, [Fate::TooLarge, Fate::TooLarge]);
}

#[test]
fn a_refused_message_that_does_not_end_ends_the_session() {
    let mut bounds = smtp_server::Bounds::default();
    bounds.dropped_octets = 100;
    let host = Host::of(Settings::smtp("mx.example.org").size(10).bounds(bounds));
    let journal = host.receive(&[OPEN, &b"x".repeat(200)].concat());
    assert_eq!(journal.closing, Some(Closing::TooManyErrors));
    assert_eq!(journal.messages[0].fate, Fate::TooLarge);
    assert!(journal.output.ends_with("421 4.7.0 The message goes on after its refusal\n"));
    let chunk = b"BDAT 18446744073709551615 LAST\r\n".to_vec();
    let octets = [b"EHLO a.example\r\n".to_vec(), chunk, b"QUIT\r\n".repeat(100)].concat();
    assert_eq!(host.receive(&octets).closing, Some(Closing::TooManyErrors));
}

#[test]
fn bare_line_ends_are_refused_kept_or_normalized() {
    let sent = b"a\nb\rc\0\r\n.\r\n";
    for (bare, content) in [
        (BareOctets::Refuse, &b""[..]),
        (BareOctets::Keep, b"a\nb\rc\0\r\n"),
        (BareOctets::Normalize, b"a\r\nb\r\nc\0\r\n"),
    ] {
        let host = Host::of(Settings::smtp("mx.example.org").bare_octets(bare));
        let journal = host.receive(&[OPEN, sent, b"NOOP\r\n"].concat());
        assert_eq!(journal.messages[0].content, content, "{bare:?}");
        let reply = match bare {
            BareOctets::Refuse => {
                "554 5.6.0 The message has a bare LF (octet 1); lines end with CRLF"
            }
            _ => "250 2.0.0 Message accepted",
        };
        assert!(journal.output.ends_with(&format!("dot\n{reply}\n250 2.0.0 Ok\n")));
    }
}
