//! Shared code of the fuzz targets: an input begins with choices, and the protocol text follows.
//!
//! A target takes its choices from the start of the input, so that a seed is a few small octets
//! followed by plain protocol text.
use std::iter;

use smtp_codec::{DecodedReply, Deviations, ReplyDecoder, ReplyLimits};
use smtp_error::MalformedReply;

/// An input, of which the choices are read first.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// Wraps an input.
    pub fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    /// Returns the next octet; 0 at the end.
    pub fn octet(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// Reads the cuts: one octet is the number of lengths, and each of the following octets is a
    /// length.
    pub fn cuts(&mut self) -> Cuts<'a> {
        let count = usize::from(self.octet() % 8);
        Cuts(self.take(count))
    }

    /// Returns the rest of the input.
    pub fn rest(self) -> &'a [u8] {
        self.0
    }

    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

/// How octets are divided into pieces: the lengths repeat until all octets are used.
#[derive(Clone, Copy, Debug)]
pub struct Cuts<'a>(&'a [u8]);

impl<'c> Cuts<'c> {
    /// One piece.
    pub const NONE: Self = Self(&[]);
    /// Pieces of one octet.
    pub const EVERYWHERE: Self = Self(&[1]);

    /// Lengths that repeat. Some may be 0, but not all.
    pub fn lengths(self) -> impl Iterator<Item = usize> + use<'c> {
        let cut = self.0.iter().any(|&length| length > 0);
        let mut lengths = self.0.iter().cycle();
        iter::from_fn(move || Some(if cut { usize::from(*lengths.next()?) } else { usize::MAX }))
    }

    /// Divides the octets into pieces, some of which may be empty.
    pub fn pieces<'o>(self, octets: &'o [u8]) -> impl Iterator<Item = &'o [u8]> + use<'o, 'c> {
        let mut lengths = self.lengths();
        let mut rest = octets;
        iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let (piece, behind) = rest.split_at(lengths.next()?.min(rest.len()));
            rest = behind;
            Some(piece)
        })
    }
}

/// The deviations that a decoder of replies tolerates, and its limits, according to this choice.
pub fn policy(choice: u8) -> (ReplyLimits, Deviations) {
    let tolerated = match choice % 4 {
        0 => Deviations::TOLERANT,
        1 => Deviations::all(),
        2 => Deviations::STRICT,
        _ => Deviations::empty(),
    };
    let mut limits = ReplyLimits::default();
    if choice & 4 != 0 {
        (limits.line, limits.lines, limits.total) = (64, 4, 150);
    }
    (limits, tolerated)
}

/// Limits that no input reaches.
pub fn no_limits() -> ReplyLimits {
    let mut limits = ReplyLimits::default();
    (limits.line, limits.lines, limits.total) = (usize::MAX, usize::MAX, usize::MAX);
    limits
}

/// Returns the replies that the decoder finds in the pieces, and the error that ended them, if any.
pub fn replies<'o>(
    decoder: &mut ReplyDecoder,
    pieces: impl Iterator<Item = &'o [u8]>,
) -> (Vec<DecodedReply>, Option<MalformedReply>) {
    let mut found = Vec::new();
    for mut piece in pieces {
        loop {
            match decoder.decode(&mut piece) {
                Ok(Some(reply)) => found.push(reply),
                Ok(None) => break,
                Err(malformed) => return (found, Some(malformed)),
            }
        }
        assert!(piece.is_empty(), "octets were left, and no reply came of them");
    }
    (found, None)
}
