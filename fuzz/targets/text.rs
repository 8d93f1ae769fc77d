//! Message texts: dot-stuffing and its reversal must cancel out in pieces of any length, and only
//! CRLF, dot, CRLF may end a text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use smtp_codec::{
    BareLineEnds, HeaderScanner, LineEnds, MailData, Stuffer, TextFlaws, Unstuffed, Unstuffer,
};
use smtp_fuzz::{Cuts, Input};

const END: &[u8] = b"\r\n.\r\n";

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let cuts = input.cuts();
    let octets = input.rest();

    let sent = check_stuffing(octets, cuts);
    // A stuffed text, and an arbitrary one: in both cases the command after it must stay intact.
    let followed = [&sent, &b"QUIT\r\n.\r\n"[..]].concat();
    let made_up = [octets, b"x\r\n.\r\n"].concat();
    for stuffed in [followed, made_up] {
        for bare in [BareLineEnds::Keep, BareLineEnds::Normalize] {
            let expected = expected(&stuffed, bare);
            for cuts in [cuts, Cuts::NONE, Cuts::EVERYWHERE] {
                assert_eq!(unstuffed(&stuffed, bare, cuts), expected);
            }
        }
    }
    check_text(octets, cuts);
});

/// Compares the stuffed text with that of a simple loop, and returns it with its end.
fn check_stuffing(octets: &[u8], cuts: Cuts<'_>) -> Vec<u8> {
    let whole = stuffed(octets, Cuts::NONE);
    assert_eq!(stuffed(octets, cuts), whole);
    assert_eq!(stuffed(octets, Cuts::EVERYWHERE), whole);

    let mut naive = Vec::new();
    for (at, &octet) in octets.iter().enumerate() {
        if octet == b'.' && (at == 0 || octets[at - 1] == b'\n') {
            naive.push(b'.');
        }
        naive.push(octet);
    }
    let ended = naive.is_empty() || naive.ends_with(b"\r\n");
    naive.extend_from_slice(if ended { b".\r\n" } else { END });
    assert_eq!(whole, naive);
    whole
}

fn stuffed(octets: &[u8], cuts: Cuts<'_>) -> Vec<u8> {
    let mut stuffer = Stuffer::new();
    let mut sent = Vec::new();
    for piece in cuts.pieces(octets) {
        sent.extend(stuffer.stuff(piece).flatten());
    }
    sent.extend_from_slice(stuffer.end());
    sent
}

/// A text as received: its octets, its flaws, and the octets after its end.
#[derive(Debug, PartialEq, Eq)]
struct Received {
    text: Vec<u8>,
    flaws: TextFlaws,
    behind: Vec<u8>,
}

fn unstuffed(octets: &[u8], bare: BareLineEnds, cuts: Cuts<'_>) -> Received {
    let mut unstuffer = Unstuffer::new(bare);
    let mut text = Vec::new();
    let mut behind = Vec::new();
    let mut ended = false;
    for mut piece in cuts.pieces(octets) {
        while let Some(found) = unstuffer.next(&mut piece) {
            assert!(!ended, "octets are left after the end");
            match found {
                Unstuffed::Text(octets) => text.extend_from_slice(octets),
                Unstuffed::End => ended = true,
            }
        }
        assert!(ended || piece.is_empty());
        behind.extend_from_slice(piece);
    }
    assert!(ended, "the end was not found");
    Received { text, flaws: unstuffer.flaws(), behind }
}

/// The same by a simple algorithm: the text begins after a CRLF, ends at the first line with a
/// single dot, and loses the first dot of each line.
fn expected(octets: &[u8], bare: BareLineEnds) -> Received {
    let from_line_start = [b"\r\n", octets].concat();
    let end = position(&from_line_start, END).expect("the end was added");
    let stuffed = &from_line_start[2..end + 2];
    let mut text = Vec::new();
    for (at, &octet) in stuffed.iter().enumerate() {
        if octet != b'.' || !from_line_start[..at + 2].ends_with(b"\r\n") {
            text.push(octet);
        }
    }
    if bare == BareLineEnds::Normalize {
        text = normalized(&text, true);
    }
    let behind = from_line_start[end + END.len()..].to_vec();
    Received { text, flaws: flaws(stuffed), behind }
}

fn position(octets: &[u8], wanted: &[u8]) -> Option<usize> {
    octets.windows(wanted.len()).position(|window| window == wanted)
}

fn flaws(octets: &[u8]) -> TextFlaws {
    let first = |wanted: &dyn Fn(usize) -> bool| {
        (0..octets.len()).find(|&at| wanted(at)).map(|at| at as u64)
    };
    let mut flaws = TextFlaws::default();
    flaws.bare_cr = first(&|at| is_bare_cr(octets, at));
    flaws.bare_lf = first(&|at| is_bare_lf(octets, at));
    flaws.nul = first(&|at| octets[at] == 0);
    let any = |&at: &usize| is_bare_cr(octets, at) || is_bare_lf(octets, at) || octets[at] == 0;
    flaws.count = (0..octets.len()).filter(any).count() as u64;
    flaws
}

fn is_bare_cr(octets: &[u8], at: usize) -> bool {
    octets[at] == b'\r' && octets.get(at + 1) != Some(&b'\n')
}

fn is_bare_lf(octets: &[u8], at: usize) -> bool {
    octets[at] == b'\n' && (at == 0 || octets[at - 1] != b'\r')
}

fn normalized(octets: &[u8], bare_cr: bool) -> Vec<u8> {
    let mut text = Vec::new();
    for (at, &octet) in octets.iter().enumerate() {
        if is_bare_lf(octets, at) || (bare_cr && is_bare_cr(octets, at)) {
            text.extend_from_slice(b"\r\n");
        } else {
            text.push(octet);
        }
    }
    text
}

fn check_text(octets: &[u8], cuts: Cuts<'_>) {
    let fits = |octets: &[u8]| {
        let mut start = 0;
        flaws(octets).is_empty()
            && octets.split(|&octet| octet == b'\n').all(|line| {
                start += line.len() + 1;
                line.strip_suffix(b"\r").unwrap_or(line).len() <= MailData::MAX_LINE
            })
    };
    assert_eq!(MailData::new(octets.to_vec()).is_ok(), fits(octets));
    for (ends, changed) in [
        (LineEnds::Strict, octets.to_vec()),
        (LineEnds::Unix, normalized(octets, false)),
        (LineEnds::Any, normalized(octets, true)),
    ] {
        let text = MailData::normalize(octets.to_vec(), ends);
        assert_eq!(text.is_ok(), fits(&changed));
        let Ok(text) = text else { continue };
        assert_eq!(text.octets(), &changed);
        assert_eq!(MailData::new(changed.clone()).as_ref(), Ok(&text));
        check_facts(&text);
        // A text with known facts arrives as it was sent, with a final line end added if it had
        // none.
        let mut expected = changed;
        if !expected.is_empty() && !expected.ends_with(b"\r\n") {
            expected.extend_from_slice(b"\r\n");
        }
        assert_eq!(text.facts().size, Some(expected.len() as u64));
        let back = unstuffed(&stuffed(text.octets(), cuts), BareLineEnds::Keep, cuts);
        assert_eq!((back.text, back.flaws.is_empty(), back.behind), (expected, true, Vec::new()));
    }
}

fn check_facts(text: &MailData) {
    let octets = text.octets();
    assert_eq!(text.facts().eight_bit, !octets.is_ascii());
    let headers = match octets.starts_with(b"\r\n") {
        true => &[][..],
        false => &octets[..position(octets, b"\r\n\r\n").unwrap_or(octets.len())],
    };
    let utf8 = !headers.is_ascii() && str::from_utf8(headers).is_ok();
    assert_eq!(text.facts().utf8_headers, utf8);
    assert_eq!(text.facts().raw_header.is_some(), !headers.is_ascii());
    let mut scanner = HeaderScanner::new();
    octets.chunks(1).for_each(|octet| scanner.scan(octet));
    assert_eq!(scanner.raw_header(), text.facts().raw_header);
}
