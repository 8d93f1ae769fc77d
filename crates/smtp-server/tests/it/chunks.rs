//! Messages in chunks (RFC 3030). No chunk is ever read as commands.
use smtp_error::Extension;
use smtp_server::{BareOctets, Bounds, Closing, Event, Settings};

use crate::host::{Answer, Fate, Host, refuse, usual};

const OPEN: &str = r"S: 220 mx.example.org ESMTP
    C: EHLO client.example.org
    S: 250-*
    C: MAIL FROM:<a@example.org>
    C: RCPT TO:<b@example.org>
    S: 250 2.1.0 Ok
    S: 250 2.1.5 Ok
    ";

fn open(rest: &str) -> String {
    format!("{OPEN}{rest}")
}

fn binary() -> Host {
    Host::of(
        Settings::smtp("mx.example.org")
            .offer(|offer| offer.extensions([Extension::BinaryMime, Extension::Dsn])),
    )
}

#[test]
fn one_chunk_and_several() {
    let journal = Host::smtp().play(&open(
        r"C: BDAT 7 LAST
        C: To: b
        S: 250 2.0.0 Message accepted
        C: MAIL FROM:<a@example.org>
        C: RCPT TO:<b@example.org>
        S: 250 2.1.0 Ok
        S: 250 2.1.5 Ok
        C: BDAT 3
        C| .\r\n
        S: 250 2.0.0 Chunk received
        C: BDAT 0
        S: 250 2.0.0 Chunk received
        C: BDAT 3
        C| .\r\n
        S: 250 2.0.0 Chunk received
        C: BDAT 0 LAST
        S: 250 2.0.0 Message accepted
        C: BDAT 6 LAST
        C: QUIT
        S: 503 5.5.1 MAIL first
        C: QUIT
        S: 221 2.0.0 Bye",
    ));
    assert_eq!(journal.messages[0].content, b"To: b\r\n");
    assert_eq!(journal.messages[1].content, b".\r\n.\r\n");
    assert_eq!(journal.closing, Some(Closing::Quit));
}

#[test]
fn binary_content_is_kept() {
    let host = binary();
    let journal = host.play(
        r"S: 220 mx.example.org ESMTP
        C: EHLO client.example.org
        S: 250-*
        C: MAIL FROM:<a@example.org> BODY=BINARYMIME
        C: RCPT TO:<b@example.org>
        C: DATA
        S: 250 2.1.0 Ok
        S: 250 2.1.5 Ok
        S: 503 5.5.1 BINARYMIME needs BDAT
        C: BDAT 6 LAST
        C| \r\0\n.\n\r
        S: 250 2.0.0 Message accepted",
    );
    assert_eq!(journal.messages[0].content, b"\r\0\n.\n\r");
}

#[test]
fn text_in_chunks_is_checked() {
    for (content, what) in [
        (r"a\nb", "bare LF (octet 1)"),
        (r"a\rb", "bare CR (octet 1)"),
        (r"a\0b", "NUL (octet 1)"),
        (r"abc\r", "bare CR (octet 3)"),
    ] {
        let size = content.len() - 1;
        let journal = Host::smtp().play(&open(&format!(
            r"C: BDAT {size} LAST
            C| {content}
            S: 554 5.6.0 The message has a {what}; lines end with CRLF
            C: NOOP
            S: 250 2.0.0 Ok"
        )));
        assert_eq!(journal.messages[0].fate, Fate::Flawed);
    }
}

#[test]
fn a_crlf_between_two_chunks_is_whole() {
    let journal = Host::smtp().play(&open(
        r"C: BDAT 2
        C| a\r
        S: 250 2.0.0 Chunk received
        C: BDAT 2 LAST
        C| \nb
        S: 250 2.0.0 Message accepted",
    ));
    assert_eq!(journal.messages[0].content, b"a\r\nb");
}

#[test]
fn flaws_that_are_kept_are_told() {
    fn strict(event: &Event<'_>) -> Answer {
        match event {
            Event::End(end) if !end.flaws.is_empty() => {
                assert_eq!((end.flaws.count, end.flaws.bare_cr), (2, Some(3)));
                Answer::Decide(Err(refuse(550, "5.6.0 Flawed")))
            }
            other => usual(other),
        }
    }
    for bare in [BareOctets::Keep, BareOctets::Normalize] {
        let settings = Settings::smtp("mx.example.org").bare_octets(bare);
        let journal = Host::of(settings).decides(strict).play(&open(
            r"C: BDAT 4 LAST
            C| a\nb\r
            S: 550 5.6.0 Flawed",
        ));
        assert_eq!(journal.messages[0].content, b"a\nb\r");
    }
}

#[test]
fn a_refused_chunk_is_skipped_wherever_it_comes() {
    let chunk = "C: BDAT 12 LAST\nC: QUIT\nC: QUIT\n";
    for (before, reply) in [
        ("", "503 5.5.1 MAIL first"),
        ("C: EHLO client.example.org\nS: 250-*\n", "503 5.5.1 MAIL first"),
        (
            "C: EHLO client.example.org\nS: 250-*\nC: MAIL FROM:<>\nS: 250 2.1.0 Ok\n",
            "503 5.5.1 No valid recipients",
        ),
    ] {
        let journal = Host::smtp().play(&format!(
            "S: 220 mx.example.org ESMTP\n{before}{chunk}S: {reply}\nC: NOOP\nS: 250 2.0.0 Ok"
        ));
        assert_eq!(journal.closing, None);
    }
    let none =
        Settings::smtp("mx.example.org").offer(|offer| Ok(offer.without(Extension::Chunking)));
    let reply = "S: 502 5.5.1 Command not implemented\nC: NOOP\nS: 250 2.0.0 Ok";
    Host::of(none).play(&open(&format!("{chunk}{reply}")));
}

#[test]
fn a_chunk_that_the_server_refuses_is_skipped() {
    fn refuses(event: &Event<'_>) -> Answer {
        match event {
            Event::Message(_) => Answer::Decide(Err(refuse(452, "4.3.1 Disk full"))),
            other => usual(other),
        }
    }
    let journal = Host::smtp().decides(refuses).play(&open(
        r"C: BDAT 6
        C: QUIT
        C: BDAT 6
        C: QUIT
        C: BDAT 0 LAST
        S: 452 4.3.1 Disk full
        S: 503 5.5.1 MAIL first
        S: 503 5.5.1 MAIL first
        C: MAIL FROM:<a@example.org>
        C: RCPT TO:<b@example.org>
        C: BDAT 6 LAST
        C: QUIT
        S: 250 2.1.0 Ok
        S: 250 2.1.5 Ok
        S: 452 4.3.1 Disk full
        C: NOOP
        S: 250 2.0.0 Ok",
    ));
    assert!(journal.messages.is_empty());
}

#[test]
fn chunks_in_flight_after_a_refused_one_are_no_mistakes() {
    fn refuses(event: &Event<'_>) -> Answer {
        match event {
            Event::Message(_) => Answer::Decide(Err(refuse(452, "4.3.1 Disk full"))),
            other => usual(other),
        }
    }
    let host = Host::smtp().decides(refuses);
    let start = b"EHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<b@c.example>\r\n".to_vec();
    let many = |count| [start.clone(), b"BDAT 6\r\nQUIT\r\n".repeat(count)].concat();
    let journal = host.receive_once(&[many(1000), b"BDAT 0 LAST\r\nNOOP\r\n".to_vec()].concat());
    assert!(journal.output.ends_with("MAIL first\n250 2.0.0 Ok\n"));
    assert_eq!(journal.output.matches("503").count(), 1000);
    // After the last chunk they are, and there is an end to them without it.
    let again = [many(3), b"BDAT 0 LAST\r\n".to_vec(), b"BDAT 0\r\n".repeat(21)].concat();
    assert_eq!(host.receive_once(&again).closing, Some(Closing::TooManyErrors));
    assert_eq!(host.receive_once(&many(20_000)).closing, Some(Closing::TooManyErrors));
}

#[test]
fn a_chunk_of_unknown_size_ends_the_session() {
    let long = format!("BDAT {}5 LAST", "0".repeat(2000));
    let far = format!("BDAT 18446744073709551616 {}", "LAST");
    for line in [
        "BDAT",
        "BDAT ",
        "BDAT x",
        "BDAT -1",
        "BDAT +1",
        "BDAT 1 FIRST",
        "BDAT 1 LAST x",
        "bdat\\t1",
        "BDAT\\01",
        "BDATA 1",
        " BDAT 1",
        "\\tBDAT 1",
        "BDAT 1,000",
        &long,
        &far,
    ] {
        let before = "EHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<b@c.example>\r\n";
        let line = line.replace("\\t", "\t").replace("\\0", "\0");
        let journal =
            Host::smtp().receive(format!("{before}{line}\r\nQUIT\r\nQUIT\r\n").as_bytes());
        assert_eq!(journal.closing, Some(Closing::Desynchronized), "{line}");
        assert!(!journal.output.contains("221"), "{line}");
    }
}

#[test]
fn a_chunk_in_an_authentication_ends_the_session() {
    let settings = Settings::smtp("mx.example.org").auth([smtp_codec::Mechanism::CRAM_MD5]);
    let journal =
        Host::of(settings).receive(b"EHLO a.example\r\nAUTH CRAM-MD5\r\nBDAT 6 LAST\r\nQUIT\r\n");
    assert_eq!(journal.closing, Some(Closing::Desynchronized));
    assert!(!journal.output.contains("221"));
}

#[test]
fn between_chunks_only_chunks_go_on() {
    let journal = Host::smtp().play(&open(
        r"C: BDAT 2
        C| ab
        C: DATA
        C: RCPT TO:<c@example.org>
        C: MAIL FROM:<>
        C: NOOP
        C: BDAT 2
        C| cd
        S: 250 2.0.0 Chunk received
        S: 503 5.5.1 No DATA after BDAT
        S: 503 5.5.1 No RCPT after BDAT
        S: 503 5.5.1 MAIL was given before
        S: 250 2.0.0 Ok
        S: 250 2.0.0 Chunk received
        C: RSET
        S: 250 2.0.0 Ok
        C: BDAT 2 LAST
        C| ef
        S: 503 5.5.1 MAIL first",
    ));
    assert_eq!(journal.messages[0].fate, Fate::Reset);
}

#[test]
fn what_ends_a_session_abandons_the_message() {
    for (end, fate) in [
        ("C: QUIT\nS: 221 2.0.0 Bye", Fate::Disconnected),
        ("X: timeout\nS: 421 4.4.2 Idle for too long", Fate::Disconnected),
        ("X: disconnect", Fate::Disconnected),
        ("C: EHLO again.example.org\nS: 250-*", Fate::Reset),
        ("C: RSET\nS: 250 2.0.0 Ok", Fate::Reset),
    ] {
        let chunk = "C: BDAT 2\nC| ab\nS: 250 2.0.0 Chunk received\n";
        let journal = Host::smtp().play(&open(&format!("{chunk}{end}")));
        assert_eq!(journal.messages[0].fate, fate, "{end}");
    }
}

#[test]
fn a_hundred_thousand_chunks_are_one_message() {
    let mut octets = b"EHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<b@c.example>\r\n".to_vec();
    octets.extend(b"BDAT 1\r\nx".repeat(100_000));
    octets.extend(b"BDAT 0 LAST\r\n");
    let journal = Host::smtp().receive_once(&octets);
    assert_eq!(journal.messages[0].content.len(), 100_000);
}

#[test]
fn a_chunk_of_a_huge_size_is_refused_and_not_waited_for() {
    let before = "EHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<b@c.example>\r\n";
    let mut bounds = Bounds::default();
    bounds.dropped_octets = 1000;
    let host = Host::of(Settings::smtp("mx.example.org").bounds(bounds));
    for first in ["", "BDAT 3\r\nabc"] {
        for last in ["", " LAST"] {
            let head = format!("{before}{first}BDAT {}{last}\r\n", u64::MAX);
            let journal = host.receive(&[head.as_bytes(), &b"NOOP\r\n".repeat(1000)].concat());
            assert_eq!(journal.messages[0].fate, Fate::TooLarge);
            assert_eq!(journal.closing, Some(Closing::TooManyErrors));
            assert!(journal.output.ends_with("421 4.7.0 The message goes on after its refusal\n"));
            assert!(!journal.output.contains("250 2.0.0 Ok"));
        }
    }
    // Without a transaction, too.
    let head = format!("EHLO a.example\r\nBDAT {}\r\n", u64::MAX);
    let journal = host.receive(&[head.as_bytes(), &b"NOOP\r\n".repeat(1000)].concat());
    assert_eq!(journal.closing, Some(Closing::TooManyErrors));
}
