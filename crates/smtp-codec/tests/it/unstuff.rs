//! Un-stuffing: the end of mail data after DATA, its original form, and its flaws.

use proptest::{
    arbitrary::any,
    collection::vec,
    prelude::{Just, Strategy},
    prop_assert_eq, prop_oneof, proptest,
};
use smtp_codec::{BareLineEnds, MailData, TextFlaws, Unstuffed, Unstuffer};

use crate::stuffing::stuffed;

/// The result of un-stuffing the octets after DATA.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    text: String,
    /// The octets after the end; `None` if there was no end.
    rest: Option<String>,
    flaws: [Option<u64>; 3],
    /// How many flaws there are.
    count: u64,
}

fn shown(octets: &[u8]) -> String {
    octets.escape_ascii().to_string()
}

/// The places of the first bare CR, bare LF and NUL.
fn places(flaws: TextFlaws) -> [Option<u64>; 3] {
    assert_eq!(flaws.is_empty(), flaws == TextFlaws::default());
    [flaws.bare_cr, flaws.bare_lf, flaws.nul]
}

fn unstuff<'a>(bare: BareLineEnds, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut unstuffer = Unstuffer::new(bare);
    let (mut text, mut rest) = (Vec::new(), None);
    for mut piece in pieces {
        while let Some(found) = unstuffer.next(&mut piece) {
            match found {
                Unstuffed::Text(octets) => {
                    assert!(!octets.is_empty(), "a piece of nothing");
                    text.extend_from_slice(octets);
                }
                Unstuffed::End => {
                    assert_eq!(rest, None, "one end");
                    rest = Some(Vec::new());
                }
            }
        }
        match &mut rest {
            Some(rest) => rest.extend_from_slice(piece),
            None => assert!(piece.is_empty(), "`None` leaves nothing before the end"),
        }
    }
    let rest = rest.map(|rest| shown(&rest));
    let count = unstuffer.flaws().count;
    Outcome { text: shown(&text), rest, flaws: places(unstuffer.flaws()), count }
}

/// Every bare CR and LF becomes CRLF.
fn normalized(text: &[u8]) -> Vec<u8> {
    let lines = text.split(|&octet| octet == b'\n').map(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        line.split(|&octet| octet == b'\r').collect::<Vec<_>>().join(&b"\r\n"[..])
    });
    let ends_with_cr = text.ends_with(b"\r");
    let mut joined = lines.collect::<Vec<_>>().join(&b"\r\n"[..]);
    if ends_with_cr {
        joined.extend_from_slice(b"\r\n");
    }
    joined
}

/// Behind DATA these octets are this text, then the rest, with flaws at these places (CR, LF,
/// NUL); in one piece, octet by octet, and cut in two and three anywhere.
#[track_caller]
fn check(wire: &[u8], text: &[u8], rest: Option<&[u8]>, flaws: [Option<u64>; 3]) {
    for (bare, text) in
        [(BareLineEnds::Keep, text.to_vec()), (BareLineEnds::Normalize, normalized(text))]
    {
        // How many there are is the same however the octets are cut; the law below counts them.
        let count = unstuff(bare, [wire]).count;
        let expected = Outcome { text: shown(&text), rest: rest.map(shown), flaws, count };
        assert_eq!(unstuff(bare, [wire]), expected, "{bare:?}");
        assert_eq!(unstuff(bare, wire.chunks(1)), expected, "{bare:?}, octet by octet");
        for second in 0..=wire.len() {
            for first in 0..=second {
                let pieces = [&wire[..first], &wire[first..second], &wire[second..]];
                let found = unstuff(bare, pieces);
                assert_eq!(found, expected, "{bare:?}, cut at {first} and {second}");
            }
        }
    }
}

const CLEAN: [Option<u64>; 3] = [None; 3];

#[test]
fn a_text_ends_with_a_line_of_one_dot() {
    check(b".\r\n", b"", Some(b""), CLEAN);
    check(b"\r\n.\r\n", b"\r\n", Some(b""), CLEAN);
    check(b"a\r\n.\r\n", b"a\r\n", Some(b""), CLEAN);
    check(b"a\r\n\r\n.\r\n", b"a\r\n\r\n", Some(b""), CLEAN);
    check(b"a\r\nb.\r\n.c\r\n.\r\n", b"a\r\nb.\r\nc\r\n", Some(b""), CLEAN);
}

#[test]
fn octets_after_the_end_stay_in_the_input() {
    check(b".\r\nQUIT\r\n", b"", Some(b"QUIT\r\n"), CLEAN);
    check(b"a\r\n.\r\n.\r\n", b"a\r\n", Some(b".\r\n"), CLEAN);
    check(b"a\r\n.\r\n\n\r\0", b"a\r\n", Some(b"\n\r\0"), CLEAN);
    let mut unstuffer = Unstuffer::new(BareLineEnds::Keep);
    assert_eq!(unstuffer.next(&mut &b".\r\n"[..]), Some(Unstuffed::End));
    let mut rest = &b"RSET\r\n"[..];
    assert_eq!(unstuffer.next(&mut rest), None);
    assert_eq!(rest, b"RSET\r\n");
}

#[test]
fn one_dot_at_the_beginning_of_a_line_is_taken_away() {
    check(b"..\r\n.\r\n", b".\r\n", Some(b""), CLEAN);
    check(b"...\r\n.\r\n", b"..\r\n", Some(b""), CLEAN);
    check(b".a\r\n..b\r\n.\r\n", b"a\r\n.b\r\n", Some(b""), CLEAN);
    check(b"..\r\nMAIL FROM:<a@b>\r\n.\r\n", b".\r\nMAIL FROM:<a@b>\r\n", Some(b""), CLEAN);
    check(b" .\r\na..\r\n.\r\n", b" .\r\na..\r\n", Some(b""), CLEAN);
    check(b". \r\n.\t\r\n.\r\n", b" \r\n\t\r\n", Some(b""), CLEAN);
}

#[test]
fn mail_data_without_its_end_continues() {
    for wire in [&b""[..], b"a", b"a\r\n", b".a", b"a.\r\n", b"a\r\n..\r\n"] {
        let text = if wire.starts_with(b".") { &wire[1..] } else { wire };
        let text = shown(text).replace("..", ".");
        let expected = Outcome { text, rest: None, flaws: CLEAN, count: 0 };
        assert_eq!(unstuff(BareLineEnds::Keep, [wire]), expected);
        assert_eq!(unstuff(BareLineEnds::Keep, wire.chunks(1)), expected);
    }
    let wire = b"a\r\n..\r\nb\r\n.\r\n";
    for end in 0..wire.len() {
        assert_eq!(unstuff(BareLineEnds::Keep, [&wire[..end]]).rest, None, "up to {end}");
        assert_eq!(unstuff(BareLineEnds::Normalize, [&wire[..end]]).rest, None, "up to {end}");
    }
}

/// Octets that some servers take for an end, after an `a`: the octets, their content, and where
/// the flaws are (CR, LF, NUL).
type LookAlike = (&'static [u8], &'static [u8], [Option<u64>; 3]);

const LOOK_ALIKES: &[LookAlike] = &[
    (b"\n.\n", b"\n.\n", [None, Some(1), None]),
    (b"\n.\r\n", b"\n.\r\n", [None, Some(1), None]),
    (b"\n.\r", b"\n.\r", [Some(3), Some(1), None]),
    (b"\n\n.\r\n", b"\n\n.\r\n", [None, Some(1), None]),
    (b"\n..\r\n", b"\n..\r\n", [None, Some(1), None]),
    (b"\r.\r\n", b"\r.\r\n", [Some(1), None, None]),
    (b"\r.\n", b"\r.\n", [Some(1), Some(3), None]),
    (b"\r.\r", b"\r.\r", [Some(1), None, None]),
    (b"\r\n.\n", b"\r\n\n", [None, Some(4), None]),
    (b"\r\n.\r", b"\r\n\r", [Some(4), None, None]),
    (b"\r\n.\n\r\n", b"\r\n\n\r\n", [None, Some(4), None]),
    (b"\r\n.\r\r\n", b"\r\n\r\r\n", [Some(4), None, None]),
    (b"\r\n.\r.\r\n", b"\r\n\r.\r\n", [Some(4), None, None]),
    (b"\r\r\n.\r\r\n", b"\r\r\n\r\r\n", [Some(1), None, None]),
    (b"\r\n\r.\r\n", b"\r\n\r.\r\n", [Some(3), None, None]),
    (b"\r\n\n.\r\n", b"\r\n\n.\r\n", [None, Some(3), None]),
    (b"\n\r.\r\n", b"\n\r.\r\n", [Some(2), Some(1), None]),
    (b"\n\r\n..\r\n", b"\n\r\n.\r\n", [None, Some(1), None]),
    (b"\r\n\0.\r\n", b"\r\n\0.\r\n", [None, None, Some(3)]),
    (b"\r\n.\0\r\n", b"\r\n\0\r\n", [None, None, Some(4)]),
    (b"\r\n.\r\0\n", b"\r\n\r\0\n", [Some(4), Some(6), Some(5)]),
    (b"\r\0\n.\r\n", b"\r\0\n.\r\n", [Some(1), Some(3), Some(2)]),
    (b"\r\n. \r\n", b"\r\n \r\n", CLEAN),
    (b"\r\n.\x0b\r\n", b"\r\n\x0b\r\n", CLEAN),
    (b"\r\n.\xc2\x85\r\n", b"\r\n\xc2\x85\r\n", CLEAN),
    (b"\r\n .\r\n", b"\r\n .\r\n", CLEAN),
    (b"\xc2\x85.\r\n", b"\xc2\x85.\r\n", CLEAN),
];

#[test]
fn nothing_else_ends_a_text() {
    for &(wire, text, flaws) in LOOK_ALIKES {
        let wire = [b"a", wire, b"MAIL\r\n.\r\nQUIT\r\n"].concat();
        let text = [b"a", text, b"MAIL\r\n"].concat();
        check(&wire, &text, Some(b"QUIT\r\n"), flaws);
    }
}

#[test]
fn nothing_else_ends_a_text_at_once() {
    check(b"\n.\r\nx\r\n.\r\n", b"\n.\r\nx\r\n", Some(b""), [None, Some(0), None]);
    check(b"\r.\r\nx\r\n.\r\n", b"\r.\r\nx\r\n", Some(b""), [Some(0), None, None]);
    check(b".\nx\r\n.\r\n", b"\nx\r\n", Some(b""), [None, Some(1), None]);
    check(b".\rx\r\n.\r\n", b"\rx\r\n", Some(b""), [Some(1), None, None]);
    check(b".\r\r\nx\r\n.\r\n", b"\r\r\nx\r\n", Some(b""), [Some(1), None, None]);
    check(b"\0.\r\nx\r\n.\r\n", b"\0.\r\nx\r\n", Some(b""), [None, None, Some(0)]);
    check(b".\0\r\nx\r\n.\r\n", b"\0\r\nx\r\n", Some(b""), [None, None, Some(1)]);
}

#[test]
fn a_cr_in_front_of_the_end_is_a_flaw_and_no_other_end() {
    // These octets hold CRLF, dot, CRLF: they are an end by the RFC.
    let flaw = [Some(1), None, None];
    check(b"a\r\r\n.\r\nQUIT\r\n", b"a\r\r\n", Some(b"QUIT\r\n"), flaw);
    check(b"a\r\r\r\n.\r\nQUIT\r\n", b"a\r\r\r\n", Some(b"QUIT\r\n"), flaw);
    check(b"a\n\r\n.\r\n", b"a\n\r\n", Some(b""), [None, Some(1), None]);
}

#[test]
fn the_first_flaw_of_each_kind_is_reported() {
    let wire = b"a\0\rb\nc\0\r\n\rd\ne\r\n.\r\n";
    check(wire, &wire[..wire.len() - 3], Some(b""), [Some(2), Some(4), Some(1)]);
    let after_end = b".\r\n\r\0\n";
    check(after_end, b"", Some(b"\r\0\n"), CLEAN);
}

#[test]
fn what_needs_no_change_is_not_copied() {
    let wire = b"first\r\nsecond\r\n.\r\n";
    let mut input = &wire[..];
    let mut unstuffer = Unstuffer::new(BareLineEnds::Normalize);
    let Some(Unstuffed::Text(text)) = unstuffer.next(&mut input) else { panic!("it is text") };
    assert_eq!(text, b"first\r\nsecond\r\n");
    assert_eq!(text.as_ptr(), wire.as_ptr());
    assert_eq!(unstuffer.next(&mut input), Some(Unstuffed::End));
}

/// The text and the rest of these octets, and what they have consumed, found line by line.
fn reference(wire: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (mut text, mut rest) = (Vec::new(), wire);
    loop {
        let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        let line;
        (line, rest) = (&rest[..end], &rest[end + 2..]);
        if line == b"." {
            return Some((text, rest));
        }
        text.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
        text.extend_from_slice(b"\r\n");
    }
}

/// Octets with many dots and line ends of every kind.
fn octets() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        4 => Just(b"\r\n".to_vec()),
        3 => Just(b".".to_vec()),
        2 => Just(b"\r\n.\r\n".to_vec()),
        1 => Just(b"\r".to_vec()),
        1 => Just(b"\n".to_vec()),
        1 => Just(b"\0".to_vec()),
        1 => vec(any::<u8>(), 0..4),
    ];
    vec(part, 0..16).prop_map(|parts| parts.concat())
}

/// The pieces that these cuts make of the octets.
fn pieces<'a>(octets: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|&cut| cut.min(octets.len())).collect();
    cuts.extend([0, octets.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|cut| &octets[cut[0]..cut[1]]).collect()
}

proptest! {
    #[test]
    fn only_the_true_end_counts_however_the_octets_are_cut(
        wire in octets(),
        cuts in vec(0..60_usize, 0..8),
    ) {
        for bare in [BareLineEnds::Keep, BareLineEnds::Normalize] {
            let whole = unstuff(bare, [&wire[..]]);
            prop_assert_eq!(&unstuff(bare, pieces(&wire, &cuts)), &whole);
            prop_assert_eq!(&unstuff(bare, wire.chunks(1)), &whole);
            let Some((text, rest)) = reference(&wire) else {
                prop_assert_eq!(whole.rest, None);
                continue;
            };
            let text = if bare == BareLineEnds::Keep { text } else { normalized(&text) };
            prop_assert_eq!(whole.text, shown(&text));
            prop_assert_eq!(whole.rest, Some(shown(rest)));
            let read = &wire[..wire.len() - rest.len()];
            let pairs = |at: usize| (at.checked_sub(1).map(|at| read[at]), read.get(at + 1));
            let all = |flawed: &dyn Fn(usize) -> bool| -> Vec<u64> {
                (0..read.len()).filter(|&at| flawed(at)).map(|at| at as u64).collect()
            };
            let flaws = [
                all(&|at| read[at] == b'\r' && pairs(at).1 != Some(&b'\n')),
                all(&|at| read[at] == b'\n' && pairs(at).0 != Some(b'\r')),
                all(&|at| read[at] == 0),
            ];
            prop_assert_eq!(whole.flaws, [0, 1, 2].map(|kind| flaws[kind].first().copied()));
            prop_assert_eq!(whole.count, flaws.iter().flatten().count() as u64);
        }
    }

    #[test]
    fn what_was_stuffed_comes_out_as_it_was(
        octets in octets(),
        blocks in vec(0..60_usize, 0..6),
        cuts in vec(0..60_usize, 0..6),
    ) {
        let octets: Vec<u8> = octets.into_iter().filter(|&octet| octet != 0).collect();
        let Ok(text) = MailData::normalize(octets, smtp_codec::LineEnds::Any) else { return Ok(()) };
        let mut expected = text.octets().to_vec();
        if !expected.is_empty() && !expected.ends_with(b"\r\n") {
            expected.extend_from_slice(b"\r\n");
        }
        let mut wire = stuffed(pieces(text.octets(), &blocks));
        wire.extend_from_slice(b"RSET\r\n");
        for bare in [BareLineEnds::Keep, BareLineEnds::Normalize] {
            let found = unstuff(bare, pieces(&wire, &cuts));
            prop_assert_eq!(&found.text, &shown(&expected));
            prop_assert_eq!(found.rest.as_deref(), Some("RSET\\r\\n"));
            prop_assert_eq!(found.flaws, CLEAN);
        }
    }
}
