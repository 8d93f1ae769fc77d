//! Dialogues in memory: the input, the replies, and the stored messages.
use std::{
    collections::VecDeque,
    fs,
    io::{self, ErrorKind, Read, Write},
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
};

use super::*;
use crate::{connection::serve, offer::Offer, spool::Spool};

const SIZE: u64 = 1000;

/// A client that sends these pieces and then closes, or stays silent.
struct Client {
    pieces: VecDeque<Vec<u8>>,
    silent: bool,
    written: Vec<Vec<u8>>,
}

impl Read for Client {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.pieces.pop_front() {
            Some(piece) => {
                buffer[..piece.len()].copy_from_slice(&piece);
                Ok(piece.len())
            }
            None if self.silent => Err(ErrorKind::WouldBlock.into()),
            None => Ok(0),
        }
    }
}

impl Write for Client {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.written.push(octets.into());
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A folder that is removed afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("receive-{}-{number}", std::process::id())))
    }

    /// Returns the stored messages, and checks that nothing else is in the folder.
    fn kept(&self) -> Vec<(Vec<u8>, String)> {
        let count = fs::read_dir(&self.0).unwrap().count();
        let mut kept = Vec::new();
        for number in 1..100 {
            if let Ok(text) = fs::read(self.0.join(format!("{number}.eml"))) {
                let envelope = fs::read_to_string(self.0.join(format!("{number}.env")));
                kept.push((text, envelope.unwrap()));
            }
        }
        assert_eq!(count, 2 * kept.len(), "nothing else is left in the folder");
        kept
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap_or(());
    }
}

/// The outcome of a dialogue.
#[derive(Debug, PartialEq)]
struct Outcome {
    replies: Vec<String>,
    kept: Vec<(Vec<u8>, String)>,
}

fn outcome(offer: Offer, pieces: &[&[u8]], silent: bool) -> (Outcome, Vec<usize>) {
    let folder = Folder::new();
    let server = Server { offer, spool: Spool::open(folder.0.clone()).unwrap() };
    let pieces = pieces.iter().map(|piece| piece.to_vec()).collect();
    let mut client = Client { pieces, silent, written: Vec::new() };
    serve(&mut client, Session::new(&server)).unwrap();
    let lines = |octets: &Vec<u8>| octets.iter().filter(|&&octet| octet == b'\n').count();
    let groups = client.written.iter().map(lines).collect();
    let replies = String::from_utf8(client.written.concat()).unwrap();
    let replies = replies.split_terminator("\r\n").map(Into::into).collect();
    (Outcome { replies, kept: folder.kept() }, groups)
}

/// Sends `input` at once, octet by octet, and cut in two at every position. Each time the replies
/// must begin with `expected`, line by line, and these messages must have been stored.
#[track_caller]
fn check(offer: fn(u64) -> Offer, input: &[u8], expected: &[&str], texts: &[&[u8]]) -> Outcome {
    let (whole, _) = outcome(offer(SIZE), &[input], false);
    let found = whole.replies.iter().map(String::as_str);
    let fits = |(found, expected): (&str, &&str)| found.starts_with(expected);
    assert!(
        whole.replies.len() == expected.len() && found.zip(expected).all(fits),
        "{:#?} are not {expected:#?}",
        whole.replies
    );
    let found: Vec<_> = whole.kept.iter().map(|(text, _)| text.as_slice()).collect();
    assert_eq!(found, texts);
    let octets: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(outcome(offer(SIZE), &octets, false).0, whole, "octet by octet");
    for at in 1..input.len() {
        let (head, tail) = input.split_at(at);
        assert_eq!(outcome(offer(SIZE), &[head, tail], false).0, whole, "cut at {at}");
    }
    whole
}

/// A transaction after EHLO, up to the mail data.
macro_rules! begun {
    ($($rest:literal)*) => {
        concat!("EHLO c.example\r\nMAIL FROM:<a@c.example>\r\nRCPT TO:<b@d.example>\r\n", $($rest,)*)
            .as_bytes()
    };
}

const HELLO: &[&str] = &[
    "220 mx.example.org ESMTP",
    "250-mx.example.org",
    "250-SIZE 1000",
    "250-PIPELINING",
    "250-8BITMIME",
    "250-SMTPUTF8",
    "250-CHUNKING",
    "250-BINARYMIME",
    "250-DSN",
    "250-ENHANCEDSTATUSCODES",
    "250 HELP",
];

const BEGUN: &[&str] = &["250 2.1.0", "250 2.1.5"];

fn replies<'a>(parts: &[&[&'a str]]) -> Vec<&'a str> {
    parts.concat()
}

#[test]
fn a_message_is_stored_as_received() {
    let input = begun!("DATA\r\nSubject: x\r\n\r\n..\r\n..a\r\n.\r\nQUIT\r\n");
    let expected = replies(&[HELLO, BEGUN, &["354 ", "250 2.0.0 Kept as 1.eml", "221 2.0.0"]]);
    let outcome = check(Offer::smtp, input, &expected, &[b"Subject: x\r\n\r\n.\r\n.a\r\n"]);
    assert_eq!(
        outcome.kept[0].1,
        "EHLO c.example\nMAIL FROM:<a@c.example>\nRCPT TO:<b@d.example>\n"
    );
}

#[test]
fn a_group_of_commands_gets_a_group_of_replies() {
    let input = b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<nosuch@d>\r\nRCPT TO:<later@d>\r\n\
        RCPT TO:<postmaster>\r\nBDAT 3 LAST\r\na\r\nMAIL FROM:<a@c>\r\nRCPT TO:<b@d>\r\nDATA\r\n";
    let pieces: &[&[u8]] = &[input, b".\r\nNOOP\r\nQUIT\r\nNOOP\r\n"];
    let (outcome, groups) = outcome(Offer::smtp(SIZE), pieces, false);
    assert_eq!(groups, [1, 10 + 5 + 3, 3]);
    let codes: Vec<_> = outcome.replies.iter().skip(11).map(|reply| &reply[..3]).collect();
    let expected = ["250", "550", "451", "250", "250", "250", "250", "354", "250", "250", "221"];
    assert_eq!(codes, expected);
    assert_eq!(outcome.kept.len(), 2);
    assert_eq!(outcome.kept[1].0, b"");
}

#[test]
fn chunks_end_by_their_size_only() {
    let input = begun!("BDAT 7\r\na\r\n.\r\n\0BDAT 0\r\n");
    // The NUL is the last octet of the first chunk.
    let flawed = replies(&[HELLO, BEGUN, &["550 5.6.0", "503 5.5.1"]]);
    check(Offer::smtp, input, &flawed, &[]);
    let input = begun!("BDAT 6\r\na\r\n.\r\nBDAT 0\r\nBDAT 6 LAST\r\nQUIT\r\nBDAT 0 LAST\r\n");
    let expected = ["250 2.0.0 Go on", "250 2.0.0 Go on", "250 2.0.0 Kept as 1.eml", "503 5.5.1"];
    check(Offer::smtp, input, &replies(&[HELLO, BEGUN, &expected]), &[b"a\r\n.\r\nQUIT\r\n"]);
}

#[test]
fn refused_chunks_are_discarded_and_not_executed() {
    let input = b"EHLO c\r\nBDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n";
    let expected = ["503 5.5.1", "503 5.5.1", "250 2.0.0 Ok"];
    check(Offer::smtp, input, &replies(&[HELLO, &expected]), &[]);
    let input = begun!("BDAT 3\r\na\r\nBDAT 3\r\na\r\0BDAT 6 LAST\r\nQUIT\r\nRCPT TO:<b@d>\r\n");
    let expected = ["250 2.0.0", "550 5.6.0", "503 5.5.1", "503 5.5.1 MAIL first"];
    check(Offer::smtp, input, &replies(&[HELLO, BEGUN, &expected]), &[]);
    // The end of a chunk is unknown if its size is not a number.
    for bad in
        ["BDAT 5 LASR\r\nQUIT\r\n", "BDAT 18446744073709551616\r\nQUIT\r\n", "BDAT\r\nNOOP\r\n"]
    {
        let expected = replies(&[&HELLO[..1], &["501 5.5.4"]]);
        check(Offer::smtp, bad.as_bytes(), &expected, &[]);
    }
}

#[test]
fn binary_messages_are_received_in_chunks_only() {
    let input = b"EHLO c\r\nMAIL FROM:<> BODY=BINARYMIME\r\nRCPT TO:<b@d>\r\nDATA\r\n\
        BDAT 6 LAST\r\n\0\n\r.\r\r";
    let expected = ["503 5.5.1", "250 2.0.0 Kept"];
    check(Offer::smtp, input, &replies(&[HELLO, BEGUN, &expected]), &[b"\0\n\r.\r\r"]);
    let input = begun!("BDAT 2 LAST\r\na\r");
    check(Offer::smtp, input, &replies(&[HELLO, BEGUN, &["550 5.6.0"]]), &[]);
}

const LMTP: &[&str] = &["220 mx.example.org LMTP"];

#[test]
fn lmtp_replies_for_each_recipient() {
    let input = b"EHLO c\r\nLHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<b@d>\r\nRCPT TO:<nosuch@d>\r\n\
        RCPT TO:<b@d>\r\nDATA\r\na\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<b@d>\r\nRCPT TO:<c@d>\r\n\
        DATA\r\na\n.\r\n\r\n.\r\nNOOP\r\n";
    let expected = replies(&[
        LMTP,
        &["500 5.5.1"],
        &HELLO[1..],
        &["250 2.1.0", "250 2.1.5", "550 5.1.1", "250 2.1.5", "354 "],
        &["250 2.0.0 Kept as 1.eml"; 2],
        &["250 2.1.0", "250 2.1.5", "250 2.1.5", "354 ", "550 5.6.0", "550 5.6.0", "250 2.0.0"],
    ]);
    check(Offer::lmtp, input, &expected, &[b"a\r\n"]);
}

#[test]
fn lmtp_replies_to_the_last_chunk_for_each_recipient_or_not_at_all() {
    let input = b"LHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<b@d>\r\nRCPT TO:<c@d>\r\n\
        BDAT 1\r\n\0BDAT 1 LAST\r\naRSET\r\nMAIL FROM:<>\r\nRCPT TO:<nosuch@d>\r\n\
        BDAT 1 LAST\r\naMAIL FROM:<>\r\nNOOP\r\n";
    let expected = replies(&[
        LMTP,
        &HELLO[1..],
        &["250 2.1.0", "250 2.1.5", "250 2.1.5", "550 5.6.0"],
        &["503 5.5.1 MAIL first"; 2],
        &["250 2.0.0", "250 2.1.0", "550 5.1.1", "250 2.1.0", "250 2.0.0 Ok"],
    ]);
    check(Offer::lmtp, input, &expected, &[]);
}

#[test]
fn only_crlf_dot_crlf_ends_the_mail_data() {
    for look_alike in [
        "\n.\r\n",
        "\n.\n",
        "\r.\r\n",
        "\r.\r",
        "\r.\n",
        "\r\n.\n",
        "\r\n.\r",
        "\r\n.\r\r\n",
        "\r\r\n.\r\r\n",
        "\n\n.\r\n",
        "\n.\r",
        "\r\n\0.\r\n",
        "\r\n.\0\r\n",
        "\r\n\r.\r\n",
    ] {
        let begun = b"HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<b@d>\r\nDATA\r\na";
        let input = [begun, look_alike.as_bytes(), b"MAIL FROM:<evil@c>\r\n.\r\n"].concat();
        let expected = ["220 ", "250 mx", "250 2.1.0", "250 2.1.5", "354 ", "550 5.6.0"];
        check(Offer::smtp, &input, &expected, &[]);
    }
}

#[test]
fn a_command_without_crlf_ends_the_session() {
    let expected = replies(&[&HELLO[..1], &["500 5.5.2"]]);
    for line in ["NOOP\nQUIT\r\n", "NOOP\r\r\nQUIT\r\n", "\nQUIT\r\n"] {
        check(Offer::smtp, line.as_bytes(), &expected, &[]);
    }
    let expected = replies(&[&HELLO[..1], &["500 5.5.2", "500 5.5.2", "250 2.0.0 Ok"]]);
    check(Offer::smtp, b"NOOP\rQUIT\r\n\xffNOOP\r\nNOOP\r\n", &expected, &[]);
}

#[test]
fn a_line_that_is_too_long_gets_one_reply() {
    let limit = 512 + 507;
    for (length, reply) in [(limit, "250 2.0.0"), (limit + 1, "500 5.5.2"), (5000, "500 5.5.2")] {
        let line = format!("NOOP {}\r\n", "x".repeat(length - 7));
        let input = format!("{line}NOOP\r\n");
        let pieces: Vec<_> = input.as_bytes().chunks(700).collect();
        let (outcome, _) = outcome(Offer::smtp(SIZE), &pieces, false);
        assert!(outcome.replies[1].starts_with(reply), "{length}: {}", outcome.replies[1]);
        assert_eq!(outcome.replies[2..], ["250 2.0.0 Ok"]);
    }
    let input = format!("{}\r\nNOOP\r\n", "x".repeat(1100));
    let expected = replies(&[&HELLO[..1], &["500 5.5.2", "250 2.0.0 Ok"]]);
    check(Offer::smtp, input.as_bytes(), &expected, &[]);
}

#[test]
fn messages_beyond_the_size_limit_are_refused_early() {
    let line = "x".repeat(98) + "\r\n";
    for (lines, reply) in [(10, "250 2.0.0 Kept"), (11, "552 5.3.4")] {
        let text = line.repeat(lines);
        let input = [begun!("DATA\r\n"), text.as_bytes(), b".\r\nNOOP\r\n"].concat();
        let (found, _) = outcome(Offer::smtp(SIZE), &[&input], false);
        assert!(found.replies[14].starts_with(reply), "{:?}", found.replies);
        assert_eq!(found.replies[15], "250 2.0.0 Ok");
        assert_eq!(found.kept.len(), usize::from(lines == 10));
    }
    let input = b"EHLO c\r\nMAIL FROM:<> SIZE=1001\r\nMAIL FROM:<> SIZE=1000\r\nRCPT TO:<b@d>\r\n\
        BDAT 1\r\naBDAT 1000\r\nQUIT\r\n";
    let expected = replies(&[HELLO, &["552 5.3.4", "250 ", "250 ", "250 2.0.0"]]);
    check(Offer::smtp, input, &expected, &[]);
}

#[test]
fn parameters_and_utf8_addresses_need_an_offered_extension() {
    let input = "EHLO c\r\nMAIL FROM:<> X-OWN=1\r\nMAIL FROM:<> MT-PRIORITY=3\r\n\
        MAIL FROM:<\u{e4}@c>\r\nMAIL FROM:<> SIZE=x\r\nMAIL FROM:<a@c\r\n\
        MAIL FROM:<\u{e4}@c> SMTPUTF8 BODY=8BITMIME RET=HDRS ENVID=q\r\nRCPT TO:<\u{f6}@d> RRVS=1\r\n\
        RCPT TO:<\u{f6}@d> NOTIFY=NEVER ORCPT=utf-8;b@d\r\nSTARTTLS\r\nXYZ\r\nLHLO c\r\n";
    let expected = replies(&[
        HELLO,
        &["555 5.5.4", "555 5.5.4", "553 5.6.7", "501 5.5.4", "501 5.5.4", "250 2.1.0"],
        &["501 5.5.4", "250 2.1.5", "502 5.5.1", "500 5.5.1", "500 5.5.1"],
    ]);
    check(Offer::smtp, input.as_bytes(), &expected, &[]);
}

#[test]
fn mistakes_and_recipients_are_limited() {
    let (found, _) = outcome(Offer::smtp(SIZE), &["X\r\n".repeat(30).as_bytes()], false);
    assert_eq!(found.replies.len(), 1 + 20 + 1);
    assert_eq!(found.replies[21], "421 4.7.0 Too many errors");

    let input = String::from("HELO c\r\nMAIL FROM:<>\r\n") + &"RCPT TO:<b@d>\r\n".repeat(1001);
    let pieces: Vec<_> = input.as_bytes().chunks(9999).collect();
    let (found, _) = outcome(Offer::smtp(SIZE), &pieces, false);
    assert_eq!(found.replies[1002], "250 2.1.5 Ok");
    assert!(found.replies[1003].starts_with("452 4.5.3"), "{}", found.replies[1003]);
}

#[test]
fn an_idle_client_gets_421_and_its_message_is_discarded() {
    for input in [&b"NO"[..], begun!("DATA\r\nhalf"), begun!("BDAT 9 LAST\r\nhalf")] {
        let (found, _) = outcome(Offer::smtp(SIZE), &[input], true);
        assert_eq!(found.replies.last().unwrap(), "421 4.4.2 Idle for too long");
        assert_eq!(outcome(Offer::smtp(SIZE), &[input], false).0.kept, []);
    }
}

#[test]
fn strict_accepts_no_deviations() {
    let offer = || Offer::smtp(SIZE).strict();
    let input =
        b"EHLO a_b!\r\nHELO c\r\nMAIL FROM: <a@c>\r\nMAIL  FROM:<a@c>\r\nNOOP a b\r\nNOOP \r\n";
    let (found, _) = outcome(offer(), &[input], false);
    let codes: Vec<_> = found.replies.iter().map(|reply| &reply[..3]).collect();
    assert_eq!(codes, ["220", "501", "250", "501", "501", "501", "250"]);
}
