//! SMTP smuggling: whatever stands around a dot, only CRLF, dot, CRLF ends a message, and what a
//! server accepts has no line end that another reader may see in another place.
use smtp_codec::{BareLineEnds, Stuffer, Unstuffed, Unstuffer};
use smtp_server::{BareOctets, Closing, Settings};

use crate::host::{Fate, Host};

/// What may stand before or after a dot.
const ENDS: [&[u8]; 18] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"",
    b"\r\r\n",
    b"\n\r",
    b"\r\n\r",
    b"\n\n",
    b"\r\r",
    b"\r\0\n",
    b"\0\r\n",
    b"\r\n\0",
    b"\n\r\n",
    b"\r\n ",
    b"\r \n",
    b"\x0b\r\n",
    b"\xe2\x80\xa8",
    b"\xc2\x85",
];

/// What may stand in the place of the dot.
const DOTS: [&[u8]; 6] = [b".", b"..", b". ", b".\0", b"\0.", b".\r"];

const SMUGGLED: &[u8] =
    b"MAIL FROM:<evil@c.example>\r\nRCPT TO:<b@c.example>\r\nDATA\r\nevil\r\n.\r\n";

fn vectors() -> impl Iterator<Item = Vec<u8>> {
    let pairs = || ENDS.iter().flat_map(|before| ENDS.iter().map(move |after| (before, after)));
    pairs().flat_map(|(before, after)| DOTS.iter().map(move |dot| [*before, dot, *after].concat()))
}

fn is_whole(octets: &[u8]) -> bool {
    let without = String::from_utf8_lossy(octets).replace("\r\n", "");
    !without.contains(['\r', '\n', '\0'])
}

#[test]
fn nothing_else_ends_a_message() {
    let mut count = 0;
    for bare in [BareOctets::Refuse, BareOctets::Keep, BareOctets::Normalize] {
        let host = Host::of(Settings::smtp("mx.example.org").bare_octets(bare));
        for vector in vectors() {
            check_vector(&host, bare, &vector);
            count += 1;
        }
    }
    assert_eq!(count, 3 * 18 * 18 * 6);
}

fn check_vector(host: &Host, bare: BareOctets, vector: &[u8]) {
    let open = b"EHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<b@c.example>\r\nDATA\r\n";
    let sent = [b"first", vector, SMUGGLED].concat();
    let end = sent.windows(5).position(|octets| octets == b"\r\n.\r\n").unwrap() + 5;
    let journal = host.receive_once(&[open, &sent[..], b"QUIT\r\n"].concat());
    let shown = vector.escape_ascii();
    // Where the message ends, by the words of the RFC.
    let is_true_end = end < sent.len();
    let ends_smuggled = journal.messages.len() > 1;
    let first = &journal.messages[0];
    if !is_true_end {
        assert_eq!(journal.messages.len(), 1, "{bare:?} {shown}");
        assert_eq!(journal.closing, Some(Closing::Quit), "{bare:?} {shown}");
    }
    if sent[end..].starts_with(b"MAIL") {
        assert!(ends_smuggled, "{bare:?} {shown}");
    }
    let content = unstuffed(&sent[..end]);
    match bare {
        BareOctets::Refuse if is_whole(&sent[..end]) => {
            assert_eq!((first.fate, &first.content), (Fate::Ended, &content), "{shown}");
        }
        BareOctets::Refuse => assert_eq!(first.fate, Fate::Flawed, "{shown}"),
        BareOctets::Keep => assert_eq!(first.content, content, "{shown}"),
        _ => {
            let left = String::from_utf8_lossy(&first.content).replace("\r\n", "");
            assert!(!left.contains(['\r', '\n']), "{shown}");
        }
    }
}

/// Removes the dots as the RFC has it, octet by octet.
fn unstuffed(sent: &[u8]) -> Vec<u8> {
    let body = &sent[..sent.len() - 3];
    let mut content = Vec::new();
    for (at, &octet) in body.iter().enumerate() {
        if !(octet == b'.' && body[..at].ends_with(b"\r\n")) {
            content.push(octet);
        }
    }
    content
}

#[test]
fn the_vectors_come_to_the_same_with_any_cut() {
    for (number, vector) in vectors().enumerate().filter(|(number, _)| number % 7 == 0) {
        let bare = [BareOctets::Refuse, BareOctets::Keep, BareOctets::Normalize][number % 3];
        let host = Host::of(Settings::smtp("mx.example.org").bare_octets(bare));
        let open = b"EHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<b@c.example>\r\nDATA\r\n";
        host.receive(&[open, &b"first"[..], &vector, SMUGGLED].concat());
    }
}

#[test]
fn chunks_of_the_vectors_are_not_searched_for_an_end() {
    for vector in vectors() {
        let sent = [b"first", &vector[..], SMUGGLED].concat();
        let before = "EHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<b@c.example>\r\n";
        let head = format!("{before}BDAT {} LAST\r\n", sent.len());
        let journal = Host::smtp().receive_once(&[head.as_bytes(), &sent, b"QUIT\r\n"].concat());
        assert_eq!(journal.messages.len(), 1);
        assert_eq!(journal.closing, Some(Closing::Quit));
        let expected = if is_whole(&sent) { Fate::Ended } else { Fate::Flawed };
        assert_eq!(journal.messages[0].fate, expected, "{}", vector.escape_ascii());
        if expected == Fate::Ended {
            assert_eq!(journal.messages[0].content, sent);
        }
    }
}

#[test]
fn what_is_accepted_by_default_is_read_the_same_by_a_tolerant_reader() {
    for vector in vectors() {
        let open = b"EHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<b@c.example>\r\nDATA\r\n";
        let journal = Host::smtp().receive_once(&[open, &b"first"[..], &vector, SMUGGLED].concat());
        for message in journal.messages.iter().filter(|message| message.fate == Fate::Ended) {
            assert!(is_whole(&message.content), "{}", vector.escape_ascii());
            // Passed on with its dots stuffed, it has one end for a reader of this codec.
            let mut wire = Vec::new();
            let mut stuffer = Stuffer::new();
            stuffer.stuff(&message.content).for_each(|piece| wire.extend(piece));
            wire.extend(stuffer.end());
            let mut reader = Unstuffer::new(BareLineEnds::Keep);
            let mut input = &wire[..];
            while let Some(piece) = reader.next(&mut input) {
                if piece == Unstuffed::End {
                    break;
                }
            }
            assert!(input.is_empty());
        }
    }
}
