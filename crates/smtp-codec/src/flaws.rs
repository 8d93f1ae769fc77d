//! Octets that mail data must not hold: a bare CR, a bare LF and NUL (RFC 5321, 2.3.8).
use crate::line_end;

/// The octets that mail data must not hold: the offset of the first of each kind, in octets from the
/// beginning (after DATA: of the stuffed form), and their number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TextFlaws {
    /// The first CR without LF.
    pub bare_cr: Option<u64>,
    /// The first LF without CR.
    pub bare_lf: Option<u64>,
    /// The first NUL.
    pub nul: Option<u64>,
    /// The number of all of them.
    pub count: u64,
}

impl TextFlaws {
    pub(crate) fn note(&mut self, kind: fn(&mut Self) -> &mut Option<u64>, offset: u64) {
        kind(self).get_or_insert(offset);
        self.count += 1;
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Finds flaws in mail data that comes in chunks, which are not stuffed, in pieces of any size.
/// After DATA an [`Unstuffer`](crate::Unstuffer) finds them.
#[derive(Clone, Debug, Default)]
pub struct FlawScanner {
    flaws: TextFlaws,
    offset: u64,
    /// Whether the last octet was a CR: the next octet decides whether it is bare.
    after_cr: bool,
}

impl FlawScanner {
    /// Creates a scanner at the beginning of mail data.
    pub fn new() -> Self {
        Self::default()
    }

    /// Scans the next piece.
    pub fn scan(&mut self, piece: &[u8]) {
        let start = self.offset;
        self.offset += piece.len() as u64;
        if !self.after_cr && line_end::are_whole(piece) {
            return;
        }
        for (at, &octet) in piece.iter().enumerate() {
            let offset = start + at as u64;
            let after_cr = core::mem::replace(&mut self.after_cr, octet == b'\r');
            match octet {
                b'\n' if after_cr => continue,
                b'\n' => self.flaws.note(|flaws| &mut flaws.bare_lf, offset),
                0 => self.flaws.note(|flaws| &mut flaws.nul, offset),
                _ => {}
            }
            if after_cr {
                self.flaws.note(|flaws| &mut flaws.bare_cr, offset - 1);
            }
        }
    }

    /// Returns the flaws found so far. A CR at the end counts once the next octet is known.
    pub fn flaws(&self) -> TextFlaws {
        self.flaws
    }

    /// Returns the flaws of the whole mail data: a CR at its end is bare.
    pub fn end(mut self) -> TextFlaws {
        if self.after_cr {
            self.flaws.note(|flaws| &mut flaws.bare_cr, self.offset - 1);
        }
        self.flaws
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &[u8], cut: usize) -> TextFlaws {
        let mut scanner = FlawScanner::new();
        scanner.scan(&text[..cut]);
        scanner.scan(&text[cut..]);
        scanner.end()
    }

    #[test]
    fn flaws_are_counted_at_any_cut() {
        let text = b"one\r\ntwo\nthree\rfour\0five\r\r\n\n\r";
        let whole = of(text, 0);
        let expected = TextFlaws { bare_cr: Some(14), bare_lf: Some(8), nul: Some(19), count: 6 };
        assert_eq!(whole, expected);
        for cut in 0..=text.len() {
            assert_eq!(of(text, cut), whole, "cut at {cut}");
        }
    }

    #[test]
    fn whole_lines_have_none() {
        assert!(of(b"a\r\nb\r\n\r\n", 2).is_empty());
        assert!(of(b"", 0).is_empty());
    }
}
