//! Lines: finds their ends in a stream of octets.
use alloc::vec::Vec;

use crate::Deviations;

/// Cuts a stream of octets into lines, each at most `limit` octets long.
///
/// It reads each octet once, for pieces of any size, and copies only lines that come in more than
/// one piece.
#[derive(Clone, Debug)]
pub struct LineFramer {
    limit: usize,
    /// The part of a line whose end has not come yet, or the line that was returned last.
    partial: Vec<u8>,
    handed_out: bool,
    /// Whether the line was too long, and `partial` has its beginning.
    too_long: bool,
    /// Whether the rest of a line that was too long is being dropped.
    skipping: bool,
}

/// A line, without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Line<'a> {
    /// The octets before the line end.
    pub content: &'a [u8],
    /// How it ended.
    pub end: LineEnd,
}

/// How a line ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "a LF has no CR, one CR or more before it")]
pub enum LineEnd {
    /// CR LF, the only line end of the grammar.
    CrLf,
    /// LF alone.
    Lf,
    /// More than one CR before the LF.
    CrCrLf,
}

impl LineEnd {
    /// Returns how it deviates from the grammar. [`Command::decode`](crate::Command::decode) does
    /// not see line ends: refuse a command whose line end you do not tolerate.
    pub fn deviations(self) -> Deviations {
        match self {
            Self::CrLf => Deviations::empty(),
            Self::Lf => Deviations::BARE_LF,
            Self::CrCrLf => Deviations::EXTRA_CR,
        }
    }
}

/// A line was longer than the limit. It is dropped up to its end; then the next line follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LineTooLong {
    /// The limit, in octets, line end included.
    pub limit: usize,
}

impl LineFramer {
    /// Returns a framer for lines of at most `limit` octets, the line end included.
    pub fn new(limit: usize) -> Self {
        Self { limit, partial: Vec::new(), handed_out: false, too_long: false, skipping: false }
    }

    /// Takes the next line off the front of `input`; `None` if its end is not in there, and then
    /// `input` is empty.
    #[inline]
    pub fn next<'s, 'i: 's>(
        &'s mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<Line<'s>>, LineTooLong> {
        if self.handed_out {
            self.partial.clear();
            self.handed_out = false;
            self.too_long = false;
        }
        let end = memchr::memchr(b'\n', input);
        let (piece, rest) = input.split_at(end.map_or(input.len(), |end| end + 1));
        *input = rest;
        if self.skipping {
            self.skipping = end.is_none();
            return if self.skipping { Ok(None) } else { self.next(input) };
        }
        if self.partial.len() + piece.len() > self.limit {
            // The beginning is kept until the next call, so that an error can show it.
            let room = self.limit.saturating_sub(self.partial.len());
            self.partial.extend_from_slice(&piece[..room.min(piece.len())]);
            self.handed_out = true;
            self.too_long = true;
            self.skipping = end.is_none();
            return Err(LineTooLong { limit: self.limit });
        }
        if self.partial.is_empty() && end.is_some() {
            return Ok(Some(Line::of(piece)));
        }
        self.partial.extend_from_slice(piece);
        if end.is_none() {
            return Ok(None);
        }
        self.handed_out = true;
        Ok(Some(Line::of(&self.partial)))
    }

    /// Returns the octets of the line whose end has not come. After [`LineTooLong`], and until the
    /// next call, these are the first octets of that line, as many as the limit.
    pub fn partial(&self) -> &[u8] {
        if self.handed_out && !self.too_long { &[] } else { &self.partial }
    }

    /// Returns whether it holds the beginning of a line.
    pub fn is_partial(&self) -> bool {
        self.skipping || (!self.handed_out && !self.partial.is_empty())
    }
}

impl<'a> Line<'a> {
    /// Returns the line of these octets, the last of which is its LF.
    fn of(octets: &'a [u8]) -> Self {
        let content = &octets[..octets.len() - 1];
        let returns = content.iter().rev().take_while(|&&octet| octet == b'\r').count();
        let end = match returns {
            0 => LineEnd::Lf,
            1 => LineEnd::CrLf,
            _ => LineEnd::CrCrLf,
        };
        Self { content: &content[..content.len() - returns], end }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn lines(pieces: &[&[u8]], limit: usize) -> Vec<Result<(Vec<u8>, LineEnd), usize>> {
        let mut framer = LineFramer::new(limit);
        let mut found = Vec::new();
        for mut piece in pieces.iter().copied() {
            while !piece.is_empty() {
                match framer.next(&mut piece) {
                    Ok(Some(line)) => found.push(Ok((line.content.to_vec(), line.end))),
                    Ok(None) => {}
                    Err(too_long) => found.push(Err(too_long.limit)),
                }
            }
        }
        found
    }

    #[test]
    fn line_ends_are_told_apart() {
        let found = lines(&[b"a\r\nb\nc\r\r\n\r\nd"], 99);
        let expected = [
            (b"a".to_vec(), LineEnd::CrLf),
            (b"b".to_vec(), LineEnd::Lf),
            (b"c".to_vec(), LineEnd::CrCrLf),
            (vec![], LineEnd::CrLf),
        ];
        assert_eq!(found, expected.map(Ok));
    }

    #[test]
    fn any_cut_gives_the_same_lines() {
        let input = b"one\r\ntwo\n\r\nthree\r\r\n";
        let whole = lines(&[input], 99);
        for cut in 0..=input.len() {
            assert_eq!(lines(&[&input[..cut], &input[cut..]], 99), whole, "cut at {cut}");
        }
        let octets: Vec<&[u8]> = input.chunks(1).collect();
        assert_eq!(lines(&octets, 99), whole);
    }

    #[test]
    fn the_limit_counts_the_line_end() {
        assert_eq!(lines(&[b"12345678\r\n"], 10).len(), 1);
        assert_eq!(lines(&[b"123456789\r\n"], 10), [Err(10)]);
        assert_eq!(lines(&[b"12345", b"67890", b"1"], 10), [Err(10)]);
        let mut framer = LineFramer::new(10);
        assert!(framer.next(&mut &b"12345"[..]).is_ok());
        assert_eq!(framer.partial(), b"12345");
        assert!(framer.next(&mut &b"67890abc"[..]).is_err());
        assert_eq!(framer.partial(), b"1234567890");
        assert!(framer.next(&mut &b"def"[..]).is_ok());
        assert_eq!(framer.partial(), b"");
        let after = [Err(10), Ok((b"next".to_vec(), LineEnd::CrLf))];
        assert_eq!(lines(&[b"12345", b"67890", b"1", b"234\r\nnext\r\n"], 10), after);
    }
}
