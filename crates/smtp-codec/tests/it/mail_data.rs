//! The text of a message: what makes it unfit, what makes it fit, and what it needs.

use smtp_codec::{HeaderScanner, LineEnds, MailData};
use smtp_error::{Field, Flaw, HeaderName, Invalid};

#[track_caller]
fn good(octets: &[u8]) {
    let text = MailData::new(octets.to_vec()).unwrap();
    assert_eq!(text.octets(), octets);
    for ends in [LineEnds::Strict, LineEnds::Unix, LineEnds::Any] {
        assert_eq!(MailData::normalize(octets.to_vec(), ends).unwrap(), text, "{ends:?}");
    }
}

#[track_caller]
fn bad(octets: &[u8], flaw: Flaw) {
    let expected = Err(Invalid::new(Field::Text, flaw));
    assert_eq!(MailData::new(octets.to_vec()), expected, "{}", octets.escape_ascii());
    assert_eq!(MailData::normalize(octets.to_vec(), LineEnds::Strict), expected);
}

/// What the octets become with the line ends of Unix, and with any.
#[track_caller]
fn normalized(octets: &[u8], unix: Result<&[u8], Flaw>, any: Result<&[u8], Flaw>) {
    for (ends, expected) in [(LineEnds::Unix, unix), (LineEnds::Any, any)] {
        let found = MailData::normalize(octets.to_vec(), ends);
        let found = found.as_ref().map(|text| &text.octets()[..]).map_err(|invalid| invalid.flaw);
        assert_eq!(found, expected, "{} {ends:?}", octets.escape_ascii());
    }
}

#[track_caller]
fn facts(octets: &[u8], size: u64, eight_bit: bool, utf8_headers: bool) {
    let facts = MailData::new(octets.to_vec()).unwrap().facts();
    let found = (facts.size, facts.eight_bit, facts.utf8_headers);
    assert_eq!(found, (Some(size), eight_bit, utf8_headers));
}

/// The first field of the header section that is not ASCII has this name, however the text is cut.
#[track_caller]
fn raw_header(octets: &[u8], name: Option<&str>) {
    let facts = MailData::binary(octets.to_vec()).facts();
    assert_eq!(facts.raw_header.as_ref().map(HeaderName::as_str), name);
    for size in 1..=octets.len() {
        let mut scanner = HeaderScanner::new();
        octets.chunks(size).for_each(|piece| scanner.scan(piece));
        assert_eq!(scanner.raw_header(), facts.raw_header, "pieces of {size}");
        let is_over =
            octets.starts_with(b"\r\n") || octets.windows(4).any(|end| end == b"\r\n\r\n");
        assert_eq!(scanner.is_over(), is_over, "pieces of {size}");
    }
}

#[test]
fn the_header_field_that_is_not_ascii_has_a_name() {
    for (octets, name) in [
        (&b"Subject: a\r\n\r\n\xc3\xa9\r\n"[..], None),
        (b"\r\nSubject: \xc3\xa9\r\n", None),
        (b"", None),
        (b"Subject: \xc3\xa9\r\n\r\nb\r\n", Some("Subject")),
        (b"Subject: \xe9\r\n\r\nb\r\n", Some("Subject")),
        (b"From: a\r\nTo: b\r\n\t\xc3\xa9\r\nSubject: \xc3\xa9\r\n\r\n", Some("To")),
        (b"From: a\r\n \r\n \xc3\xa9\r\n", Some("From")),
        (b"Subj\xc3\xa9ct: a\r\n", Some("Subj?")),
        (b"\xc3\xa9\r\n", Some("?")),
        (b": \xc3\xa9\r\n", Some("?")),
        (b"A: b\r\n: \xc3\xa9\r\n", Some("?")),
        (b" \xc3\xa9\r\n", Some("?")),
        (b"a b\x1b: \xc3\xa9\r\n", Some("a?b?")),
        (b"A: \xc3\xa9", Some("A")),
    ] {
        raw_header(octets, name);
    }
    let long = [b"X-".repeat(30), b": \xc3\xa9\r\n".to_vec()].concat();
    raw_header(&long, Some(&"X-".repeat(20)));
}

#[test]
fn lines_that_end_with_crlf_are_fit() {
    for octets in [
        &b""[..],
        b"\r\n",
        b"a",
        b"a\r\n",
        b"Subject: a\r\n\r\nb\r\n",
        b".\r\n",
        b"\r\n.\r\n",
        b"a\tb\x0b\x0c\x1b\x7f",
        b"\x80\xff\r\n",
    ] {
        good(octets);
    }
}

#[test]
fn bare_line_ends_are_refused_where_they_stand() {
    for (octets, offset) in [
        (&b"\n"[..], 0),
        (b"a\n", 1),
        (b"a\r\nb\nc\r\n", 4),
        (b"a\r\n\n", 3),
        (b"\n.\r\n", 0),
        (b"a\n.\n", 1),
        (b"a\r\n.\n", 4),
        (b"a\n\r\n", 1),
    ] {
        bad(octets, Flaw::BareLf { offset });
    }
    for (octets, offset) in [
        (&b"\r"[..], 0),
        (b"a\rb\r\n", 1),
        (b"a\r\n.\r", 4),
        (b"a\r.\r\n", 1),
        (b"a\r\r\n", 1),
        (b"\r\r\n.\r\r\n", 0),
        (b"a\r\n\r", 3),
        (b"a\r\nb\rc\nd", 4),
    ] {
        bad(octets, Flaw::BareCr { offset });
    }
}

#[test]
fn a_nul_is_refused_where_it_stands() {
    bad(b"\0", Flaw::Nul { offset: 0 });
    bad(b"a\0b\r\n", Flaw::Nul { offset: 1 });
    bad(b"a\r\n\0.\r\n", Flaw::Nul { offset: 3 });
    bad(b"a\r\n.\0\r\n", Flaw::Nul { offset: 4 });
    bad(b"a\r\n\0", Flaw::Nul { offset: 3 });
    bad(b"a\0b\rc\n", Flaw::Nul { offset: 1 });
}

#[test]
fn look_alikes_of_the_end_are_refused() {
    for octets in [
        &b"a\n.\nb"[..],
        b"a\n.\r\nb",
        b"a\n.\rb",
        b"a\r.\r\nb",
        b"a\r.\nb",
        b"a\r.\rb",
        b"a\r\n.\nb",
        b"a\r\n.\rb",
        b"a\r\n.\r\r\nb",
        b"a\r\r\n.\r\r\nb",
        b"a\r\r\n.\r\nb",
        b"a\r\n\0.\r\nb",
        b"a\r\n.\0\r\nb",
        b"a\n\n.\r\nb",
        b"a\r\n.\r\n.\nb",
        b"a\n\r.\r\nb",
    ] {
        assert!(MailData::new(octets.to_vec()).is_err(), "{}", octets.escape_ascii());
    }
}

#[test]
fn a_line_has_up_to_998_octets() {
    assert_eq!(MailData::MAX_LINE, 998);
    let line = |length: usize| "x".repeat(length);
    good(line(998).as_bytes());
    good(format!("a\r\n{}\r\nb\r\n", line(998)).as_bytes());
    let too_long = |line, length| Flaw::LineTooLong { line, length, limit: 998 };
    bad(line(999).as_bytes(), too_long(1, 999));
    bad(format!("{}\r\n", line(999)).as_bytes(), too_long(1, 999));
    bad(format!("a\r\n\r\n{}\r\nb", line(5000)).as_bytes(), too_long(3, 5000));
    bad(format!("a\r\n{}", line(999)).as_bytes(), too_long(2, 999));
    bad(format!("{}.\r\n", line(998)).as_bytes(), too_long(1, 999));
    bad("\u{e9}".repeat(500).as_bytes(), too_long(1, 1000));
}

#[test]
fn the_first_flaw_counts() {
    let long = [b'x'; 999];
    bad(&[b"a\n", &long[..]].concat(), Flaw::BareLf { offset: 1 });
    bad(b"a\r\nb\nc\r\0\r\n", Flaw::BareLf { offset: 4 });
    bad(b"\0\r\na\n", Flaw::Nul { offset: 0 });
    let first_line_too_long = Flaw::LineTooLong { line: 1, length: 999, limit: 998 };
    bad(&[&long[..], b"\r\na\n\0"].concat(), first_line_too_long);
}

#[test]
fn line_ends_become_crlf_if_asked() {
    let same = |octets| normalized(octets, Ok(octets), Ok(octets));
    same(b"");
    same(b"a\r\nb\r\n");
    same(b".\r\n");
    normalized(b"a\nb\n", Ok(b"a\r\nb\r\n"), Ok(b"a\r\nb\r\n"));
    normalized(b"\n", Ok(b"\r\n"), Ok(b"\r\n"));
    normalized(b"\n\n", Ok(b"\r\n\r\n"), Ok(b"\r\n\r\n"));
    normalized(b"a\r\nb\nc\r\n", Ok(b"a\r\nb\r\nc\r\n"), Ok(b"a\r\nb\r\nc\r\n"));
    normalized(b"a\n.\n", Ok(b"a\r\n.\r\n"), Ok(b"a\r\n.\r\n"));
    let bare_cr = |offset| Err(Flaw::BareCr { offset });
    normalized(b"\r", bare_cr(0), Ok(b"\r\n"));
    normalized(b"a\rb", bare_cr(1), Ok(b"a\r\nb"));
    normalized(b"a\r\r\nb", bare_cr(1), Ok(b"a\r\n\r\nb"));
    normalized(b"a\n\rb", bare_cr(3), Ok(b"a\r\n\r\nb"));
    normalized(b"\r.\r\r\n", bare_cr(0), Ok(b"\r\n.\r\n\r\n"));
    normalized(b"a\nb\rc\n", bare_cr(4), Ok(b"a\r\nb\r\nc\r\n"));
    let nul = Err(Flaw::Nul { offset: 3 });
    normalized(b"a\n\0", nul, nul);
}

#[test]
fn a_line_that_is_too_long_stays_so() {
    let octets = [&[b'x'; 999][..], b"\ny\n"].concat();
    let flaw = Flaw::LineTooLong { line: 1, length: 999, limit: 998 };
    normalized(&octets, Err(flaw), Err(flaw));
    let parted = [&[b'x'; 998][..], b"\ny\n"].concat();
    let crlf = [&[b'x'; 998][..], b"\r\ny\r\n"].concat();
    normalized(&parted, Ok(&crlf), Ok(&crlf));
}

#[test]
fn size_is_that_of_the_lines_with_their_ends() {
    facts(b"", 0, false, false);
    facts(b"a", 3, false, false);
    facts(b"a\r\n", 3, false, false);
    facts(b"a\r\nb", 6, false, false);
    facts(b".\r\n.\r\n", 6, false, false);
    let text = MailData::normalize("a\nb".as_bytes().to_vec(), LineEnds::Unix).unwrap();
    assert_eq!(text.facts().size, Some(6));
}

#[test]
fn octets_outside_ascii_are_found_in_header_section_and_body() {
    facts(b"Subject: a\r\n\r\nb\x7f\r\n", 18, false, false);
    facts("Subject: a\r\n\r\n\u{e9}\r\n".as_bytes(), 18, true, false);
    facts("Subject: \u{e9}\r\n\r\nb\r\n".as_bytes(), 18, true, true);
    facts("Subject: \u{e9}".as_bytes(), 13, true, true);
    facts(b"Subject: \xe9\r\n\r\nb\r\n", 17, true, false);
    facts("\r\nSubject: \u{e9}\r\n".as_bytes(), 15, true, false);
    facts("Subject: \u{e9}\r\n\r\n\u{fffd}".as_bytes(), 20, true, true);
    facts("Subject: a\r\n\r\n\u{e9}\r\n\r\nb".as_bytes(), 23, true, false);
}

#[test]
fn debug_shows_no_word_of_the_text() {
    let text = MailData::new("Subject: secret\r\n").unwrap();
    assert!(!format!("{text:?}").contains("secret"));
}
