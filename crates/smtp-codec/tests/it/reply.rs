//! Replies: what octets mean, what is tolerated, and what is refused, where.

use smtp_codec::{Deviations, ReplyDecoder, ReplyLimits, encode_reply};
use smtp_error::{MalformedReply, Reply, ReplyCode, ReplyFault};

fn code(number: u16) -> ReplyCode {
    ReplyCode::new(number).unwrap()
}

fn decoder(tolerated: Deviations) -> ReplyDecoder {
    ReplyDecoder::new(ReplyLimits::default(), tolerated)
}

/// These octets are one whole reply of this code, with these texts, a LF between two lines, and
/// these deviations. Written out again it means the same.
#[track_caller]
fn check(wire: &[u8], number: u16, text: &[u8], deviations: Deviations) {
    let mut rest = wire;
    let decoded = decoder(Deviations::all()).decode(&mut rest).unwrap().unwrap();
    assert!(rest.is_empty(), "left over: {}", rest.escape_ascii());
    assert_eq!(decoded.reply, Reply::new(code(number), text), "{}", wire.escape_ascii());
    assert_eq!(decoded.deviations, deviations, "{}", wire.escape_ascii());

    let mut again = Vec::new();
    encode_reply(&decoded.reply, &mut again);
    let again = decoder(Deviations::all()).decode(&mut &again[..]).unwrap().unwrap();
    let clean = |octet: &u8| match octet {
        b'\n' | b'\t' | b' '..=b'~' | 0x80.. => *octet,
        _ => b'?',
    };
    assert_eq!(again.reply.as_bytes(), text.iter().map(clean).collect::<Vec<_>>());
}

/// These octets are refused, if `tolerated` is what is tolerated, for this fault at this place.
#[track_caller]
fn refused(tolerated: Deviations, wire: &[u8], fault: ReplyFault, line: usize, offset: usize) {
    let mut decoder = decoder(tolerated);
    let error = decoder.decode(&mut &wire[..]).unwrap_err();
    assert_eq!(error, MalformedReply::new(fault, line, offset), "{}", wire.escape_ascii());
}

#[track_caller]
fn encoded(number: u16, text: &[u8], wire: &[u8]) {
    let mut out = b"before\r\n".to_vec();
    encode_reply(&Reply::new(code(number), text), &mut out);
    assert_eq!(
        out.escape_ascii().to_string(),
        [b"before\r\n", wire].concat().escape_ascii().to_string()
    );
}

const NOTHING: Deviations = Deviations::empty();

#[test]
fn what_the_grammar_allows_has_no_deviations() {
    check(b"250 ok\r\n", 250, b"ok", NOTHING);
    check(b"250-first\r\n250 second\r\n", 250, b"first\nsecond", NOTHING);
    check(b"220-one\r\n220-two\r\n220 three\r\n", 220, b"one\ntwo\nthree", NOTHING);
    check(b"250 a\tb  c \r\n", 250, b"a\tb  c ", NOTHING);
    check(b"250  ok\r\n", 250, b" ok", NOTHING);
    check(b"250 -ok\r\n", 250, b"-ok", NOTHING);
    check(b"250--ok\r\n250 \tok\r\n", 250, b"-ok\n\tok", NOTHING);
    check(
        b"550 5.1.1 <bob@example.org> unknown\r\n",
        550,
        b"5.1.1 <bob@example.org> unknown",
        NOTHING,
    );
    check(b"250-250 ok\r\n250 250-ok\r\n", 250, b"250 ok\n250-ok", NOTHING);
    check(b"200 lowest\r\n", 200, b"lowest", NOTHING);
    check(b"559 highest\r\n", 559, b"highest", NOTHING);
}

#[test]
fn a_line_may_be_a_bare_code() {
    check(b"250\r\n", 250, b"", NOTHING);
    check(b"354\r\n", 354, b"", NOTHING);
    check(b"250-\r\n250\r\n", 250, b"\n", NOTHING);
    check(b"553-\r\n553\r\n", 553, b"\n", NOTHING);
    check(b"250-first\r\n250\r\n", 250, b"first\n", NOTHING);
    check(b"250-\r\n250-\r\n250 end\r\n", 250, b"\n\nend", NOTHING);
    check(b"250 \r\n", 250, b"", Deviations::EMPTY_TEXT);
    check(b"334 \r\n", 334, b"", Deviations::EMPTY_TEXT);
    check(b"250-\r\n250 \r\n", 250, b"\n", Deviations::EMPTY_TEXT);
}

#[test]
fn line_ends_other_than_crlf_are_told() {
    check(b"550 no\n", 550, b"no", Deviations::BARE_LF);
    check(b"250\n", 250, b"", Deviations::BARE_LF);
    check(b"250-a\n250 b\r\n", 250, b"a\nb", Deviations::BARE_LF);
    check(b"250-a\r\n250 b\n", 250, b"a\nb", Deviations::BARE_LF);
    check(b"250 ok\r\r\n", 250, b"ok", Deviations::EXTRA_CR);
    check(b"250 ok\r\r\r\n", 250, b"ok", Deviations::EXTRA_CR);
    check(b"250\r\r\n", 250, b"", Deviations::EXTRA_CR);
    check(b"250 o\rk\r\n", 250, b"o\rk", Deviations::BARE_CR);
    check(b"250 \rok\r\n", 250, b"\rok", Deviations::BARE_CR);
    check(b"250-a\n250-b\r\r\n250 c\rd\r\n", 250, b"a\nb\nc\rd", {
        Deviations::BARE_LF | Deviations::EXTRA_CR | Deviations::BARE_CR
    });
}

#[test]
fn a_line_of_up_to_512_octets_is_not_long() {
    for (end, deviation) in
        [("\r\n", NOTHING), ("\n", Deviations::BARE_LF), ("\r\r\n", Deviations::EXTRA_CR)]
    {
        let text = |octets: usize| vec![b'x'; octets - "250 ".len() - end.len()];
        let wire = |octets| [b"250 ", &text(octets)[..], end.as_bytes()].concat();
        check(&wire(512), 250, &text(512), deviation);
        check(&wire(513), 250, &text(513), deviation | Deviations::LONG_LINE);
    }
}

#[test]
fn octets_of_the_text_are_kept() {
    check(
        b"550 Usu\xe1rio desconhecido\r\n",
        550,
        b"Usu\xe1rio desconhecido",
        Deviations::NON_ASCII,
    );
    check("250 caf\u{e9}\r\n".as_bytes(), 250, "caf\u{e9}".as_bytes(), Deviations::NON_ASCII);
    check(b"550 caf\xc3\r\n", 550, b"caf\xc3", Deviations::NON_ASCII);
    check(b"535 \xd3\xca\xcf\xe4\r\n", 535, b"\xd3\xca\xcf\xe4", Deviations::NON_ASCII);
    check(b"250 \x80\xff\r\n", 250, b"\x80\xff", Deviations::NON_ASCII);
    check(b"550 bad\0\x1b[2J\x07\r\n", 550, b"bad\0\x1b[2J\x07", Deviations::CONTROL);
    check(b"250 \x7f\r\n", 250, b"\x7f", Deviations::CONTROL);
    check(b"250 \xe1\0\r\n", 250, b"\xe1\0", Deviations::CONTROL | Deviations::NON_ASCII);
}

#[test]
fn every_control_character_is_told_and_kept() {
    for octet in (0..=0x1f).chain([0x7f]).filter(|octet| !matches!(octet, b'\t' | b'\r' | b'\n')) {
        let wire = [b"250 a", &[octet][..], b"b\r\n"].concat();
        check(&wire, 250, &[b'a', octet, b'b'], Deviations::CONTROL);
        refused(Deviations::STRICT, &wire, ReplyFault::Control, 1, 5);
    }
}

#[test]
fn deviations_of_all_lines_come_together() {
    check(b"250-a\n250-\xe9\r\n250-\0\r\n250\r\n", 250, b"a\n\xe9\n\0\n", {
        Deviations::BARE_LF | Deviations::NON_ASCII | Deviations::CONTROL
    });
}

#[test]
fn deviations_of_one_reply_are_not_those_of_the_next() {
    let mut decoder = decoder(Deviations::TOLERANT);
    let mut input = &b"250 caf\xe9\n250 ok\r\n"[..];
    let first = decoder.decode(&mut input).unwrap().unwrap();
    assert_eq!(first.deviations, Deviations::BARE_LF | Deviations::NON_ASCII);
    let second = decoder.decode(&mut input).unwrap().unwrap();
    assert_eq!((second.reply.as_bytes(), second.deviations), (&b"ok"[..], NOTHING));
}

#[test]
fn the_first_digit_decides_whether_it_is_a_code() {
    for number in 0..=999 {
        let wire = format!("{number:03} text\r\n");
        let second_digit = number / 10 % 10 > 5;
        let expected = if second_digit { Deviations::SECOND_DIGIT } else { NOTHING };
        match number {
            200..=599 => check(wire.as_bytes(), number, b"text", expected),
            _ => refused(Deviations::all(), wire.as_bytes(), ReplyFault::Code, 1, 0),
        }
    }
}

#[test]
fn invalid_codes_are_refused() {
    let wires = [
        "25\r\n",
        "2\r\n",
        "25 ok\r\n",
        " 250 ok\r\n",
        "\t250 ok\r\n",
        "-250 ok\r\n",
        "2 50 ok\r\n",
        "25O ok\r\n",
        "+250 ok\r\n",
        "ok\r\n",
        "\u{662}\u{665}\u{660} ok\r\n",
        "EHLO x\r\n",
        "\r\n",
        "\n",
        "\r\r\n",
        "\r250 ok\r\n",
        "\x00250 ok\r\n",
        "2\r50 ok\r\n",
        "\u{feff}250 ok\r\n",
    ];
    for wire in wires {
        refused(Deviations::all(), wire.as_bytes(), ReplyFault::Code, 1, 0);
        let later = ["250-ok\r\n", wire].concat();
        refused(Deviations::all(), later.as_bytes(), ReplyFault::Code, 2, 0);
    }
}

#[test]
fn invalid_separators_are_refused() {
    for wire in ["2500 ok\r\n", "250ok\r\n", "12345\r\n", "250.ok\r\n", "250_ok\r\n", "250\0ok\r\n"]
    {
        let wire = wire.replacen('1', "2", 1);
        refused(Deviations::all(), wire.as_bytes(), ReplyFault::Separator, 1, 3);
    }
    refused(Deviations::all(), b"250\rok\r\n", ReplyFault::Separator, 1, 3);
    refused(Deviations::all(), b"250\xa0ok\r\n", ReplyFault::Separator, 1, 3);
    refused(Deviations::all(), b"250-a\r\n250b\r\n", ReplyFault::Separator, 2, 3);
}

#[test]
fn a_blank_line_between_replies_is_refused() {
    let mut decoder = decoder(Deviations::all());
    let mut input = &b"250 ok\r\n\r\n250 ok\r\n"[..];
    assert!(decoder.decode(&mut input).unwrap().is_some());
    let error = decoder.decode(&mut input).unwrap_err();
    assert_eq!(error, MalformedReply::new(ReplyFault::Code, 1, 0));
}

#[test]
fn one_reply_has_one_code() {
    let changed = |first, then| ReplyFault::CodeChanged { first: code(first), then: code(then) };
    refused(Deviations::all(), b"250-fine\r\n550 no\r\n", changed(250, 550), 2, 0);
    refused(Deviations::all(), b"550-no\r\n250 fine\r\n", changed(550, 250), 2, 0);
    refused(Deviations::all(), b"250-a\r\n250-b\r\n251\r\n", changed(250, 251), 3, 0);
    refused(Deviations::all(), b"220-a\r\n421-b\r\n220 c\r\n", changed(220, 421), 2, 0);
}

#[test]
fn the_last_line_of_a_greeting_can_refuse() {
    let decode = |wire: &[u8]| {
        let decoder = ReplyDecoder::new(ReplyLimits::default(), Deviations::empty());
        let mut decoder = decoder.greeting();
        let decoded = decoder.decode(&mut &wire[..])?;
        Ok::<_, MalformedReply>((decoded.map(|decoded| decoded.reply), decoder))
    };
    for (wire, refused, text) in [
        (&b"220-hello\r\n521 5.7.1 blocked\r\n"[..], 521, "hello\n5.7.1 blocked"),
        (b"220-a\r\n421-b\r\n220-c\r\n421 d\r\n", 421, "a\nb\nc\nd"),
        (b"554-a\r\n554 b\r\n", 554, "a\nb"),
        (b"521-\r\n554\r\n", 554, "\n"),
    ] {
        let (found, mut decoder) = decode(wire).unwrap();
        assert_eq!(found, Some(Reply::new(code(refused), text)), "{}", wire.escape_ascii());
        // Nothing of it is left for the next reply.
        let next = decoder.decode(&mut &b"250-a\r\n250 b\r\n"[..]).unwrap().unwrap();
        assert_eq!(next.reply, Reply::new(code(250), "a\nb"));
    }
    let changed = |first, then, line| {
        let kind = ReplyFault::CodeChanged { first: code(first), then: code(then) };
        Some(MalformedReply::new(kind, line, 0))
    };
    for (wire, fault) in [
        (&b"521-no\r\n220 welcome\r\n"[..], changed(521, 220, 2)),
        (b"220-a\r\n521-b\r\n220 c\r\n", changed(220, 521, 2)),
        (b"220-a\r\n250 b\r\n", changed(220, 250, 2)),
        (b"220-a\r\n421-b\r\n334 c\r\n", changed(220, 421, 2)),
    ] {
        assert_eq!(decode(wire).err(), fault, "{}", wire.escape_ascii());
    }
    let (none, decoder) = decode(b"220-a\r\n521-b\r\n521-c\r\n52").unwrap();
    assert_eq!((none, decoder.partial()), (None, b"220-a\r\n521-b\r\n521-c\r\n52".to_vec()));
}

/// Each deviation, a reply that has it and no other, and the fault that it is where it is not
/// tolerated.
const DEVIATIONS: &[(Deviations, &[u8], ReplyFault, usize)] = &[
    (Deviations::BARE_LF, b"250 ok\n", ReplyFault::BareLf, 6),
    (Deviations::BARE_LF, b"250\n", ReplyFault::BareLf, 3),
    (Deviations::EXTRA_CR, b"250 ok\r\r\n", ReplyFault::BareCr, 6),
    (Deviations::EXTRA_CR, b"250\r\r\n", ReplyFault::BareCr, 3),
    (Deviations::BARE_CR, b"250 o\rk\r\n", ReplyFault::BareCr, 5),
    (Deviations::TAB_SEPARATOR, b"250\tok\r\n", ReplyFault::Separator, 3),
    (Deviations::CONTROL, b"250 ok\0\r\n", ReplyFault::Control, 6),
    (Deviations::NON_ASCII, b"250 \xe9\r\n", ReplyFault::NonAscii, 4),
    (Deviations::SECOND_DIGIT, b"271 ok\r\n", ReplyFault::SecondDigit, 1),
    (Deviations::EMPTY_TEXT, b"250 \r\n", ReplyFault::Separator, 3),
];

/// The deviations that only commands have.
pub(crate) const OF_COMMANDS: Deviations = Deviations::TRAILING_SPACE
    .union(Deviations::EXTRA_SPACE)
    .union(Deviations::SPACE_AFTER_COLON)
    .union(Deviations::NO_BRACKETS)
    .union(Deviations::SOURCE_ROUTE)
    .union(Deviations::HELLO_NAME)
    .union(Deviations::LOOSE_ARGUMENT)
    .union(Deviations::LONG_LOCAL_PART)
    .union(Deviations::LOOSE_DOTS)
    .union(Deviations::UNDERSCORE)
    .union(Deviations::LOOSE_ROUTE)
    .union(Deviations::LONG_PATH)
    .union(Deviations::LOWER_HEX);

#[test]
fn a_deviation_that_is_not_tolerated_is_a_fault_with_its_offset() {
    let long = [b"250 ", &[b'x'; 507][..], b"\r\n"].concat();
    let too_long = ReplyFault::LineTooLong { limit: 512 };
    let rows =
        DEVIATIONS.iter().copied().chain([(Deviations::LONG_LINE, &long[..], too_long, 512)]);
    let mut seen = Deviations::empty();
    for (deviation, wire, fault, offset) in rows {
        let mut alone = decoder(deviation);
        let decoded = alone.decode(&mut &wire[..]).unwrap().unwrap();
        assert_eq!(decoded.deviations, deviation, "{}", wire.escape_ascii());
        refused(Deviations::all() - deviation, wire, fault, 1, offset);
        let later = [&wire[..3], b"-first\r\n", wire].concat();
        match deviation {
            // The code is that of the first line as well.
            Deviations::SECOND_DIGIT => refused(NOTHING, &later, fault, 1, offset),
            _ => refused(NOTHING, &later, fault, 2, offset),
        }
        seen |= deviation;
    }
    assert_eq!(seen, Deviations::all() - OF_COMMANDS, "a row for each");
}

#[test]
fn policies_differ_in_what_they_tolerate() {
    for &(deviation, wire, fault, offset) in DEVIATIONS {
        if !Deviations::STRICT.contains(deviation) {
            refused(Deviations::STRICT, wire, fault, 1, offset);
        }
    }
    refused(Deviations::TOLERANT, b"250\tok\r\n", ReplyFault::Separator, 1, 3);
    check(b"250\tok\r\n", 250, b"ok", Deviations::TAB_SEPARATOR);
    check(b"250\t\r\n", 250, b"", Deviations::TAB_SEPARATOR);
    assert!(Deviations::TOLERANT.contains(Deviations::STRICT));
    let of_replies = |policy: Deviations| policy - OF_COMMANDS;
    assert_eq!(of_replies(!Deviations::TOLERANT), Deviations::TAB_SEPARATOR);
    let strict = Deviations::EMPTY_TEXT | Deviations::LONG_LINE;
    assert_eq!(of_replies(Deviations::STRICT), strict);
}

#[test]
fn a_decoder_is_idle_between_replies_only() {
    let mut decoder = ReplyDecoder::default();
    let mut feed = |octets: &[u8]| {
        let decoded = decoder.decode(&mut &octets[..]);
        (decoded.map(|decoded| decoded.is_some()).ok(), decoder.is_idle())
    };
    assert_eq!(feed(b""), (Some(false), true));
    assert_eq!(feed(b"2"), (Some(false), false));
    assert_eq!(feed(b"50-a\r\n"), (Some(false), false));
    assert_eq!(feed(b""), (Some(false), false));
    assert_eq!(feed(b"250 b\r"), (Some(false), false));
    assert_eq!(feed(b"\n"), (Some(true), true));
    assert_eq!(feed(b"250 ok\r\n"), (Some(true), true));
    assert_eq!(feed(b"nonsense\r\n"), (None, false));
    assert_eq!(feed(b"250 ok\r\n"), (None, false));
}

#[test]
fn replies_are_encoded_as_the_grammar_says() {
    encoded(250, b"ok", b"250 ok\r\n");
    encoded(250, b"a\nb\nc", b"250-a\r\n250-b\r\n250 c\r\n");
    encoded(250, b"a\n\nc", b"250-a\r\n250-\r\n250 c\r\n");
    encoded(550, b"5.1.1 a\tb", b"550 5.1.1 a\tb\r\n");
    encoded(334, b"", b"334 \r\n");
    encoded(250, b"a\r\nQUIT", b"250-a?\r\n250 QUIT\r\n");
    encoded(250, b"a\r250 b\0\x1b\x7f", b"250 a?250 b???\r\n");
    encoded(250, "caf\u{e9}".as_bytes(), "250 caf\u{e9}\r\n".as_bytes());
}
