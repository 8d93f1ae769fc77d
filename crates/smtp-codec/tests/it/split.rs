//! However a stream is cut, the replies in it are the same.
//!
//! That the time is linear in the octets, also when they come one by one, is not shown here: what
//! the decoder looks at cannot be counted from outside.

use proptest::{collection::vec, prelude::Strategy, prop_assert_eq, proptest, sample::select};
use smtp_codec::{DecodedReply, Deviations, ReplyDecoder, ReplyLimits};
use smtp_error::MalformedReply;

/// What a stream of replies comes to: the replies, and how it ended.
type Outcome = (Vec<DecodedReply>, Result<bool, MalformedReply>);

fn decode<'a>(mut decoder: ReplyDecoder, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut replies = Vec::new();
    for mut piece in pieces {
        loop {
            match decoder.decode(&mut piece) {
                Ok(Some(reply)) => replies.push(reply),
                Ok(None) if piece.is_empty() => break,
                Ok(None) => unreachable!("`None` leaves nothing"),
                Err(error) => return (replies, Err(error)),
            }
        }
    }
    (replies, Ok(decoder.is_idle()))
}

/// Every cut in two and in three gives what the whole gives, and so do single octets.
#[track_caller]
fn check(wire: &[u8]) {
    let new = |tolerated| ReplyDecoder::new(ReplyLimits::default(), tolerated);
    let (tolerant, strict) = (new(Deviations::TOLERANT), new(Deviations::STRICT));
    for decoder in [tolerant.clone(), strict, tolerant.greeting()] {
        let decoder = || decoder.clone();
        let whole = decode(decoder(), [wire]);
        assert_eq!(decode(decoder(), wire.chunks(1)), whole, "{}", wire.escape_ascii());
        for second in 0..=wire.len() {
            for first in 0..=second {
                let pieces = [&wire[..first], &wire[first..second], &wire[second..]];
                let found = decode(decoder(), pieces);
                assert_eq!(found, whole, "{} at {first}, {second}", wire.escape_ascii());
            }
        }
    }
}

#[test]
fn any_cut_gives_the_same_replies_and_errors() {
    let wires: &[&[u8]] = &[
        b"220 mx.example.org ESMTP\r\n250-mx.example.org\r\n250-SIZE 1000\r\n250 HELP\r\n",
        b"250\r\n250-\r\n250 \r\n354\r\n",
        b"553-\r\n553\r\n250 next\r\n",
        b"250-a\n250 b\r\r\n250 c\rd\r\n",
        b"550 caf\xc3\xa9 closed\r\n550 \xe9\r\n",
        b"550 bad\0\x1b[2J\x07 name\r\n",
        b"250-fine\r\n550 no\r\n",
        b"220-hi\r\n421-a\r\n220-b\r\n554 c\r\n",
        b"220-hi\r\n521-a\r\n220 b\r\n",
        b"250 ok\r\n\r\n250 ok\r\n",
        b"250\tok\r\n",
        b"2500 ok\r\n",
        b"250ok\r\n",
        b"571 5.7.1 no\r\n600 x\r\n",
        b"250-first\r\n25",
        b"\r\r\r\n",
    ];
    for wire in wires {
        check(wire);
    }
}

#[test]
fn a_character_may_be_cut() {
    let (replies, end) = decode(ReplyDecoder::default(), [&b"550 caf\xc3"[..], b"\xa9 closed\r\n"]);
    assert_eq!(replies[0].reply.as_bytes(), "caf\u{e9} closed".as_bytes());
    assert_eq!(end, Ok(true));
}

#[test]
fn a_part_of_a_reply_is_neither_a_reply_nor_an_error() {
    let wires: &[&[u8]] = &[
        b"250 ok\r\n",
        b"250\r\n",
        b"250 \r\n",
        b"250-a\r\n250-b\r\n250 c\r\n",
        b"553-\r\n553\r\n",
        b"250 ok\r\r\n",
        b"250 o\rk\n",
        b"550 Usu\xe1rio\0\r\n",
        b"599 x\r\n",
    ];
    for wire in wires {
        for end in 1..wire.len() {
            let found = decode(ReplyDecoder::default(), [&wire[..end]]);
            assert_eq!(found, (vec![], Ok(false)), "{} up to {end}", wire.escape_ascii());
        }
        assert_eq!(decode(ReplyDecoder::default(), [*wire]).1, Ok(true));
    }
}

#[test]
fn the_part_of_a_reply_that_came_can_be_shown() {
    let wires: &[&[u8]] =
        &[b"250 ok\r\n", b"250-a\r\n250-\r\n250 c\r\n", b"553-\xe9\0 x\r\n553\r\n"];
    for wire in wires {
        for end in 0..=wire.len() {
            let mut decoder = ReplyDecoder::default();
            // Of a reply that is whole nothing is left.
            assert!(decoder.decode(&mut &b"220-hi\r\n220 hi\r\n"[..]).unwrap().is_some());
            let whole = decoder.decode(&mut &wire[..end]).unwrap().is_some();
            let shown = if whole { &wire[end..] } else { &wire[..end] };
            assert_eq!(
                decoder.partial().escape_ascii().to_string(),
                shown.escape_ascii().to_string()
            );
        }
    }
}

#[test]
fn the_lines_of_a_malformed_reply_can_be_shown() {
    for (wire, shown) in [
        (&b"junk\r\n250 ok\r\n"[..], &b"junk\r\n"[..]),
        (b"250-a\r\n* BAD\r\n", b"250-a\r\n* BAD\r\n"),
        (b"250-a\r\n550 no\r\n", b"250-a\r\n550 no\r\n"),
        (b"250\tok\r\n", b"250\tok\r\n"),
    ] {
        for cut in 0..=wire.len() {
            let mut decoder = ReplyDecoder::default();
            let first = decoder.decode(&mut &wire[..cut]);
            let found = first.and_then(|_| decoder.decode(&mut &wire[cut..]));
            assert!(found.is_err(), "{}", wire.escape_ascii());
            assert_eq!(decoder.partial(), shown, "{} at {cut}", wire.escape_ascii());
        }
    }
}

#[test]
fn what_is_shown_of_a_reply_is_bounded() {
    let line = [b"250-", &[b'x'; 300][..], b"\r\n"].concat();
    let long = [b'y'; 5000];
    let mut decoder = ReplyDecoder::default();
    assert!(decoder.decode(&mut &line.repeat(100)[..]).unwrap().is_none());
    assert_eq!(decoder.partial(), line);
    assert!(decoder.decode(&mut &long[..]).is_err());
    assert_eq!(decoder.partial(), [&line, &long[..512]].concat());
}

#[test]
fn lines_up_to_the_bound_are_shown_whole() {
    let line = [b"250-", &[b'x'; 250][..], b"\r\n"].concat();
    let mut decoder = ReplyDecoder::default();
    assert!(decoder.decode(&mut &line.repeat(2)[..]).unwrap().is_none());
    assert_eq!((decoder.partial().len(), decoder.partial()), (512, line.repeat(2)));
    assert!(decoder.decode(&mut &line[..]).unwrap().is_none());
    assert_eq!(decoder.partial(), line.repeat(2));
}

#[test]
fn the_line_that_makes_a_reply_too_long_is_shown() {
    let mut limits = ReplyLimits::default();
    limits.total = 24;
    let mut decoder = ReplyDecoder::new(limits, Deviations::TOLERANT);
    let wire = b"250-first\r\n250 the second\r\n";
    assert!(decoder.decode(&mut &wire[..]).is_err());
    assert_eq!(decoder.partial(), wire);
}

/// What streams are made of: mostly parts of replies.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let parts: &[&[u8]] = &[
        b"250",
        b"250",
        b"250-",
        b"250 ",
        b"550 ",
        b"25",
        b"999",
        b" ok",
        b"-",
        b" ",
        b"\t",
        b"\r\n",
        b"\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b"\xc3\xa9",
        b"\xe9",
        b"0123456789",
    ];
    vec(select(parts), 0..24).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn cutting_a_stream_changes_nothing(
        wire in stream(),
        cuts in vec(0..200_usize, 0..8),
        (line, lines, total) in (4..40_usize, 1..4_usize, 4..60_usize),
    ) {
        let mut limits = ReplyLimits::default();
        (limits.line, limits.lines, limits.total) = (line, lines, total);
        let decoder = || ReplyDecoder::new(limits, Deviations::TOLERANT);
        let whole = decode(decoder(), [&wire[..]]);

        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % (wire.len() + 1)).collect();
        cuts.extend([0, wire.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|cut| &wire[cut[0]..cut[1]]);
        prop_assert_eq!(&decode(decoder(), pieces), &whole);
        prop_assert_eq!(&decode(decoder(), wire.chunks(1)), &whole);
    }
}
