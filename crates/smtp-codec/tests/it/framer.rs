//! Lines out of octets that come cut anywhere: their ends, their limit, and what follows one that
//! was too long.

use proptest::{
    arbitrary::any,
    collection::vec,
    prelude::{Just, Strategy},
    prop_assert, prop_assert_eq, prop_oneof, proptest,
};
use smtp_codec::{Deviations, LineEnd, LineFramer};

/// A line and its end, or the limit that one passed.
type Found = Result<(Vec<u8>, LineEnd), usize>;

/// What the pieces hold, and whether a part of a line is left.
fn frame<'a>(limit: usize, pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Found>, bool) {
    let mut framer = LineFramer::new(limit);
    let mut found = Vec::new();
    for mut piece in pieces {
        loop {
            match framer.next(&mut piece) {
                Ok(Some(line)) => found.push(Ok((line.content.to_vec(), line.end))),
                Err(too_long) => found.push(Err(too_long.limit)),
                Ok(None) => break,
            }
        }
        assert!(piece.is_empty(), "`None` leaves nothing");
    }
    (found, framer.is_partial())
}

/// The octets hold these lines, in one piece and cut in two and three anywhere.
#[track_caller]
fn check(limit: usize, octets: &[u8], expected: &[Found], partial: bool) {
    let expected = (expected.to_vec(), partial);
    assert_eq!(frame(limit, [octets]), expected);
    assert_eq!(frame(limit, octets.chunks(1)), expected, "octet by octet");
    for second in 0..=octets.len() {
        for first in 0..=second {
            let pieces = [&octets[..first], &octets[first..second], &octets[second..]];
            assert_eq!(frame(limit, pieces), expected, "cut at {first} and {second}");
        }
    }
}

fn line(content: &[u8]) -> Found {
    Ok((content.to_vec(), LineEnd::CrLf))
}

#[test]
fn a_line_ends_with_lf_and_reports_the_crs_before_it() {
    check(99, b"", &[], false);
    check(99, b"a\r\n", &[line(b"a")], false);
    check(99, b"\r\n", &[line(b"")], false);
    check(99, b"a\n", &[Ok((b"a".to_vec(), LineEnd::Lf))], false);
    check(99, b"\n\n", &[Ok((vec![], LineEnd::Lf)), Ok((vec![], LineEnd::Lf))], false);
    check(99, b"a\r\r\n", &[Ok((b"a".to_vec(), LineEnd::CrCrLf))], false);
    check(99, b"a\r\r\r\n", &[Ok((b"a".to_vec(), LineEnd::CrCrLf))], false);
}

#[test]
fn a_line_end_that_is_not_crlf_is_a_deviation() {
    assert_eq!(LineEnd::CrLf.deviations(), Deviations::empty());
    assert_eq!(LineEnd::Lf.deviations(), Deviations::BARE_LF);
    assert_eq!(LineEnd::CrCrLf.deviations(), Deviations::EXTRA_CR);
}

#[test]
fn no_cr_inside_a_line_is_lost() {
    check(99, b"EH\rLO a\r\n", &[line(b"EH\rLO a")], false);
    check(99, b"\ra\r\n", &[line(b"\ra")], false);
    check(99, b"a\rb\n", &[Ok((b"a\rb".to_vec(), LineEnd::Lf))], false);
    check(99, b"a\n\rb\r\n", &[Ok((b"a".to_vec(), LineEnd::Lf)), line(b"\rb")], false);
}

#[test]
fn any_octet_but_lf_may_stand_in_a_line() {
    for octet in (0..=u8::MAX).filter(|octet| !matches!(octet, b'\r' | b'\n')) {
        check(99, &[octet, b'\r', b'\n'], &[line(&[octet])], false);
    }
}

#[test]
fn a_line_without_its_end_is_not_returned() {
    check(99, b"a", &[], true);
    check(99, b"a\r", &[], true);
    check(99, b"a\r\nb", &[line(b"a")], true);
    check(99, b"a\r\n\r", &[line(b"a")], true);
}

#[test]
fn the_limit_counts_the_line_end() {
    check(10, b"12345678\r\n", &[line(b"12345678")], false);
    check(10, b"123456789\n", &[Ok((b"123456789".to_vec(), LineEnd::Lf))], false);
    check(10, b"123456789\r\n", &[Err(10)], false);
    check(10, b"1234567890\n", &[Err(10)], false);
    check(10, b"1234567\r\r\n", &[Ok((b"1234567".to_vec(), LineEnd::CrCrLf))], false);
    check(10, b"12345678\r\r\n", &[Err(10)], false);
    check(10, b"1234567890", &[], true);
    check(10, b"12345678901", &[Err(10)], true);
    check(2, b"\r\n\r\n", &[line(b""), line(b"")], false);
    check(0, b"\r\n", &[Err(0)], false);
}

#[test]
fn the_line_after_one_that_was_too_long_is_found() {
    check(5, b"123456\r\nab\r\n", &[Err(5), line(b"ab")], false);
    check(5, b"1234567890123456\r\nab\r\nc\r\n", &[Err(5), line(b"ab"), line(b"c")], false);
    check(5, b"12345678\r\n12345678\r\nab\r\n", &[Err(5), Err(5), line(b"ab")], false);
    check(5, b"ab\r\n12345678\r\nc", &[line(b"ab"), Err(5)], true);
    check(5, b"12345678\n\r\n", &[Err(5), line(b"")], false);
}

#[test]
fn the_rest_of_a_line_that_is_too_long_is_dropped() {
    let mut framer = LineFramer::new(512);
    let block = [b'x'; 4096];
    assert_eq!(framer.next(&mut &block[..]).unwrap_err().limit, 512);
    for _ in 0..1000 {
        assert_eq!(framer.next(&mut &block[..]), Ok(None));
        assert!(framer.is_partial());
    }
    assert_eq!(framer.next(&mut &b"RSET\r\n"[..]), Ok(None));
    assert!(!framer.is_partial());
    let line = framer.next(&mut &b"NOOP\r\n"[..]).unwrap().unwrap();
    assert_eq!((line.content, line.end), (&b"NOOP"[..], LineEnd::CrLf));
}

#[test]
fn what_follows_a_line_is_left_in_the_input() {
    let mut framer = LineFramer::new(99);
    let mut input = &b"STARTTLS\r\nMAIL FROM:<evil@b>\r\n"[..];
    assert_eq!(framer.next(&mut input).unwrap().unwrap().content, b"STARTTLS");
    assert_eq!(input, b"MAIL FROM:<evil@b>\r\n");
}

#[test]
fn a_line_in_one_piece_is_not_copied() {
    let octets = b"NOOP\r\n";
    let mut framer = LineFramer::new(99);
    let line = framer.next(&mut &octets[..]).unwrap().unwrap();
    assert_eq!(line.content.as_ptr(), octets.as_ptr());
}

/// The lines of these octets, found the simple way.
fn expected(limit: usize, octets: &[u8]) -> Vec<Found> {
    let whole = octets.split_inclusive(|&octet| octet == b'\n');
    let found = |line: &[u8]| {
        if line.len() > limit {
            return Some(Err(limit));
        }
        let content = line.strip_suffix(b"\n")?;
        let kept = content.len() - content.iter().rev().take_while(|&&at| at == b'\r').count();
        let end = match content.len() - kept {
            0 => LineEnd::Lf,
            1 => LineEnd::CrLf,
            _ => LineEnd::CrCrLf,
        };
        Some(Ok((content[..kept].to_vec(), end)))
    };
    whole.filter_map(found).collect()
}

fn octets() -> impl Strategy<Value = Vec<u8>> {
    let octet = prop_oneof![2 => Just(b'\r'), 1 => Just(b'\n'), 5 => any::<u8>()];
    vec(octet, 0..80)
}

proptest! {
    #[test]
    fn cutting_changes_nothing(octets in octets(), cuts in vec(0..80_usize, 0..6), limit in 0..20_usize) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(octets.len())).collect();
        cuts.extend([0, octets.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|cut| &octets[cut[0]..cut[1]]);
        let (found, partial) = frame(limit, pieces);
        prop_assert_eq!(found, expected(limit, &octets));
        prop_assert_eq!(partial, octets.last().is_some_and(|&last| last != b'\n'));
    }

    #[test]
    fn no_more_is_given_out_than_came_in(octets in octets(), limit in 0..20_usize) {
        let (found, _) = frame(limit, octets.chunks(3));
        let given: usize = found.iter().flatten().map(|(content, _)| content.len() + 1).sum();
        prop_assert!(given <= octets.len());
    }
}
