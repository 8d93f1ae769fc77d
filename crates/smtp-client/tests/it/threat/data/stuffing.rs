//! Dots and line ends: rows D1 to D7 and D9.
use smtp_client::{
    Content, Envelope, Extension, Flaw, LineEnds, MailData, Part, Unsupported, session::Dialect,
};

use super::{check_unsupported, wire};
use crate::{stage::play_on, threat::good};

const LONE: [&[u8]; 14] = [
    b"\n.\r\n",
    b"\n.\n",
    b"\r.\r\n",
    b"\r.\r",
    b"\r\n.\r",
    b"\r\n.\n",
    b"\n\n.\r\n",
    b"\r\r\n.\r\r\n",
    b"\r.\n",
    b"\n.\r",
    b"\r\n.\r\r\n",
    b"\n\r.\r\n",
    b"\r\n\r.\r\n",
    b"\n",
];

/// No reader, however lenient, sees the end before it is there: no CR or LF stands alone, and
/// the only line of one dot is the last.
#[track_caller]
fn check_sound(wire: &[u8], text: &[u8]) {
    let (shown, given) = (wire.escape_ascii(), text.escape_ascii());
    for (at, &octet) in wire.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| wire[at]);
        let lone = match octet {
            b'\r' => wire.get(at + 1) != Some(&b'\n'),
            b'\n' => before != Some(b'\r'),
            _ => octet == 0,
        };
        assert!(!lone, "{given}: {shown}");
        let starts = matches!(before, None | Some(b'\r' | b'\n'));
        let ends = matches!(wire.get(at + 1), Some(b'\r' | b'\n'));
        assert!(!(octet == b'.' && starts && ends) || at == wire.len() - 3, "{given}: {shown}");
    }
    assert!(wire == b".\r\n" || wire.ends_with(b"\r\n.\r\n"), "{given}: {shown}");
}

#[test]
fn d1_a_dot_as_the_very_first_octet() {
    let smuggled = b".\r\nMAIL FROM:<evil@x.org>\r\n";
    assert_eq!(wire(&[smuggled]), b"..\r\nMAIL FROM:<evil@x.org>\r\n.\r\n");
    assert_eq!(wire(&[b"."]), b"..\r\n.\r\n");
    assert_eq!(wire(&[b"", b".", b"\r\n"]), b"..\r\n.\r\n");
}

#[test]
fn d2_what_looks_like_the_end_twice_in_a_row() {
    assert_eq!(wire(&[b"a\r\n\r\n.\r\n.\r\nb"]), b"a\r\n\r\n..\r\n..\r\nb\r\n.\r\n");
    assert_eq!(wire(&[b"\r\n.\r\n\r\n.\r\n"]), b"\r\n..\r\n\r\n..\r\n.\r\n");
}

#[test]
fn d3_a_dot_at_every_boundary() {
    for text in [&b"x\r\n.\r\n"[..], b".\r\n.\r\n..\r\n", b"a\r\n.b\r\n\r\n.", b"\r\n\r\n.\r\n"] {
        let whole = wire(&[text]);
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let pieces = [&text[..first], &text[first..second], &text[second..]];
                assert_eq!(wire(&pieces), whole, "{first} {second}");
            }
        }
        assert_eq!(wire(&text.chunks(1).collect::<Vec<_>>()), whole);
    }
    // The parts of a content are boundaries too.
    let text = b"a\r\n.\r\nb";
    for cut in [1, 3, 4, 6] {
        let part = |octets: &[u8]| MailData::new(octets.to_vec()).map(Part::Text);
        let (Ok(first), Ok(second)) = (part(&text[..cut]), part(&text[cut..])) else { continue };
        let rest = good(Dialect::Smtp);
        let rest = &rest[rest.find("C: MAIL").unwrap()..];
        let (_, report) = play_on(&[], rest, async |mut connection| {
            let envelope = Envelope::new("a@example.org", ["b@example.org"]).unwrap();
            connection.send(&envelope, Content::from_parts([first, second])).await.unwrap()
        });
        assert_eq!(report.messages()[0].sent(), b"a\r\n..\r\nb\r\n.\r\n", "{cut}");
    }
}

#[test]
fn d4_lone_line_ends_around_a_dot() {
    for lone in LONE {
        let text = [b"a", lone, b"MAIL FROM:<evil@x.org>\r\n"].concat();
        let shown = text.escape_ascii();
        let flaw = MailData::new(text.clone()).unwrap_err().flaw;
        assert!(matches!(flaw, Flaw::BareCr { .. } | Flaw::BareLf { .. }), "{shown}: {flaw:?}");
        // Made CRLF on request, and stuffed then.
        let normal = MailData::normalize(text.clone(), LineEnds::Any).unwrap();
        check_sound(&wire(&[&normal.octets()[..]]), &text);
    }
    assert!(
        MailData::normalize(&b"a\r.\r"[..], LineEnds::Unix).is_err(),
        "a lone CR stays an error"
    );
    assert_eq!(
        wire(&[&MailData::normalize(&b"a\n.\nb"[..], LineEnds::Unix).unwrap().octets()[..]]),
        b"a\r\n..\r\nb\r\n.\r\n"
    );
}

#[test]
fn d5_no_text_has_a_second_end_for_any_reader() {
    // Every text of up to six of these octets: it is refused, or its wire is sound.
    let alphabet = *b"\r\n.\0a";
    let (mut refused, mut sound) = (0, 0);
    for length in 0..=6_u32 {
        for number in 0..alphabet.len().pow(length) {
            let digit = |place| alphabet[number / alphabet.len().pow(place) % alphabet.len()];
            let text: Vec<u8> = (0..length).map(digit).collect();
            match MailData::new(text.clone()) {
                Ok(_) => {
                    check_sound(&wire(&[&text]), &text);
                    sound += 1;
                }
                Err(_) => refused += 1,
            }
        }
    }
    println!("{refused} refused, {sound} sound");
    for text in ["\r\n\0.\r\n", "\r\n.\0\r\n", "\r\0\n.\r\n", "\0\r\n.\r\n", "\r\n.\r\0\n"] {
        assert!(MailData::new(text).is_err(), "{text:?}");
    }
    // Octets that become CRLF, dot, CRLF without their highest bit are not a 7-bit text.
    for text in
        [&b"a\x8D\x8A.\x8D\x8Ab\r\n"[..], b"a\r\n\xAE\r\nb\r\n", "a\u{85}.\u{85}b".as_bytes()]
    {
        let text = MailData::new(text.to_vec()).unwrap();
        let eight_bit = Unsupported::Extension(Extension::EightBitMime);
        check_unsupported(&[], &text, eight_bit);
    }
}

#[test]
fn d6_the_end_of_the_last_line() {
    assert_eq!(wire(&[b"hi\r\n"]), b"hi\r\n.\r\n");
    assert_eq!(wire(&[b"hi"]), b"hi\r\n.\r\n");
    assert_eq!(wire(&[b"hi", b"\r", b"\n"]), b"hi\r\n.\r\n");
}

#[test]
fn d7_an_empty_text() {
    assert_eq!(wire(&[]), b".\r\n");
    assert_eq!(wire(&[b""]), b".\r\n");
}

#[test]
fn d9_a_line_of_more_than_998_octets() {
    for octets in [999, 1000, 5000] {
        let line = "x".repeat(octets);
        for text in
            [line.clone(), format!("a\r\n{line}\r\n"), format!("{}.{line}", "x".repeat(998))]
        {
            let flaw = MailData::new(text).unwrap_err().flaw;
            assert!(matches!(flaw, Flaw::LineTooLong { limit: 998, .. }), "{flaw:?}");
        }
    }
    // At the limit nothing is folded, and a stuffed dot does not count.
    let longest = format!(".{}\r\n", "x".repeat(997));
    assert_eq!(wire(&[longest.as_bytes()]), format!(".{longest}.\r\n").as_bytes());
}
