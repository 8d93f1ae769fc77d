//! Mail data in pieces: checks them and normalizes their line ends.
use bytes::Bytes;
use smtp_error::{Field, Flaw, Invalid};

use crate::{LineEnds, MailData, line_end, mail_data};

/// Checks mail data in pieces of any size, as [`MailData::new`] checks it as a whole.
#[derive(Clone, Debug, Default)]
pub struct TextScanner {
    /// The number of octets so far, and of the line in which they end, from 0.
    offset: usize,
    line: usize,
    /// The length of that line so far, and whether its last octet is a CR.
    length: usize,
    after_cr: bool,
    eight_bit: bool,
}

impl TextScanner {
    /// Creates a scanner at the beginning of mail data.
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks the next piece.
    ///
    /// # Errors
    /// Refuses what [`MailData::new`] refuses. Offsets count from the beginning of the mail data.
    pub fn scan(&mut self, piece: &[u8]) -> Result<(), Invalid> {
        let Some(&last) = piece.last() else { return Ok(()) };
        self.eight_bit |= !piece.is_ascii();
        let plain = !self.after_cr && last != b'\r' && self.is_plain(piece);
        if !plain {
            self.scan_octets(piece)?;
        } else if let Some(end) = memchr::memrchr(b'\n', piece) {
            self.line += memchr::memchr_iter(b'\n', piece).count();
            self.length = piece.len() - end - 1;
        } else {
            self.length += piece.len();
        }
        self.offset += piece.len();
        Ok(())
    }

    /// Returns whether there was an octet outside ASCII.
    pub fn is_eight_bit(&self) -> bool {
        self.eight_bit
    }

    /// Checks the end of the mail data.
    ///
    /// # Errors
    /// Refuses a CR as the last octet, because it is bare.
    pub fn end(&self) -> Result<(), Invalid> {
        if self.after_cr {
            Err(self.flaw(Flaw::BareCr { offset: self.offset - 1 }))
        } else {
            Ok(())
        }
    }

    /// Returns whether the piece has no flaw, its first line together with the part of it before.
    fn is_plain(&self, piece: &[u8]) -> bool {
        let first = memchr::memchr(b'\n', piece).map_or(piece.len(), |lf| lf.saturating_sub(1));
        self.length + first <= MailData::MAX_LINE
            && line_end::are_whole(piece)
            && mail_data::has_short_lines(piece)
    }

    /// Checks the piece octet by octet, and so finds the first flaw.
    fn scan_octets(&mut self, piece: &[u8]) -> Result<(), Invalid> {
        for (at, &octet) in piece.iter().enumerate() {
            let offset = self.offset + at;
            match octet {
                b'\n' if self.after_cr => {
                    self.after_cr = false;
                    self.line += 1;
                    self.length = 0;
                    continue;
                }
                _ if self.after_cr => return Err(self.flaw(Flaw::BareCr { offset: offset - 1 })),
                b'\n' => return Err(self.flaw(Flaw::BareLf { offset })),
                0 => return Err(self.flaw(Flaw::Nul { offset })),
                b'\r' => self.after_cr = true,
                _ => self.length += 1,
            }
            if self.length > MailData::MAX_LINE {
                let line = self.line + 1;
                let (length, limit) = (self.length, MailData::MAX_LINE);
                return Err(self.flaw(Flaw::LineTooLong { line, length, limit }));
            }
        }
        Ok(())
    }

    fn flaw(&self, flaw: Flaw) -> Invalid {
        Invalid::new(Field::Text, flaw)
    }
}

/// Converts line ends to CRLF in pieces of any size, as [`MailData::normalize`] does in the whole
/// mail data.
#[derive(Clone, Copy, Debug, Default)]
pub struct Normalizer {
    ends: LineEnds,
    /// Whether a CR was held back, because the next piece may begin with its LF.
    held: bool,
}

impl Normalizer {
    /// Creates a normalizer for these line ends.
    pub fn new(ends: LineEnds) -> Self {
        Self { ends, held: false }
    }

    /// Returns the next piece with its line ends converted to CRLF. It is copied only if something
    /// changes.
    pub fn normalize(&mut self, piece: Bytes) -> Bytes {
        if self.ends == LineEnds::Strict || piece.is_empty() {
            return piece;
        }
        let held = core::mem::replace(&mut self.held, piece.ends_with(b"\r"));
        let whole = if held {
            let mut whole = alloc::vec::Vec::with_capacity(piece.len() + 1);
            whole.push(b'\r');
            whole.extend_from_slice(&piece);
            Bytes::from(whole)
        } else {
            piece
        };
        let whole = if self.held { whole.slice(..whole.len() - 1) } else { whole };
        mail_data::crlf(&whole, self.ends == LineEnds::Any).map_or(whole, Bytes::from)
    }

    /// Returns the rest at the end of the mail data.
    pub fn end(self) -> &'static [u8] {
        match (self.held, self.ends) {
            (false, _) => b"",
            (true, LineEnds::Any) => b"\r\n",
            (true, _) => b"\r",
        }
    }
}
