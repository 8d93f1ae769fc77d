//! Texts that come in pieces: looked at, and their line ends mended, as they pass.
use bytes::Bytes;
use smtp_error::{Field, Flaw, Invalid};

use crate::{LineEnds, MailData, line_end, mail_data};

/// Looks at a text that comes cut anywhere, as [`MailData::new`] looks at a whole one.
#[derive(Clone, Debug, Default)]
pub struct TextScanner {
    /// How many octets came, and in which line they end, from 0.
    offset: usize,
    line: usize,
    /// How long that line is so far, and whether its last octet is a CR.
    length: usize,
    after_cr: bool,
    eight_bit: bool,
}

impl TextScanner {
    /// A scanner at the beginning of a text.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at the next piece.
    ///
    /// # Errors
    /// Refuses what [`MailData::new`] refuses. Offsets count from the beginning of the text.
    pub fn scan(&mut self, piece: &[u8]) -> Result<(), Invalid> {
        let Some(&last) = piece.last() else { return Ok(()) };
        self.eight_bit |= !piece.is_ascii();
        let plain = !self.after_cr && last != b'\r' && self.is_plain(piece);
        if !plain {
            self.look_closely(piece)?;
        } else if let Some(end) = memchr::memrchr(b'\n', piece) {
            self.line += memchr::memchr_iter(b'\n', piece).count();
            self.length = piece.len() - end - 1;
        } else {
            self.length += piece.len();
        }
        self.offset += piece.len();
        Ok(())
    }

    /// Whether there was an octet outside ASCII.
    pub fn is_eight_bit(&self) -> bool {
        self.eight_bit
    }

    /// Looks at the end of the text.
    ///
    /// # Errors
    /// A last octet of CR is a bare one.
    pub fn end(&self) -> Result<(), Invalid> {
        if self.after_cr {
            Err(self.flaw(Flaw::BareCr { offset: self.offset - 1 }))
        } else {
            Ok(())
        }
    }

    /// Whether the piece is fit, its first line together with what came of it before.
    fn is_plain(&self, piece: &[u8]) -> bool {
        let first = memchr::memchr(b'\n', piece).map_or(piece.len(), |lf| lf.saturating_sub(1));
        self.length + first <= MailData::MAX_LINE
            && line_end::are_whole(piece)
            && mail_data::has_short_lines(piece)
    }

    /// The same octet by octet, which finds the first flaw.
    fn look_closely(&mut self, piece: &[u8]) -> Result<(), Invalid> {
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

/// Makes line ends CRLF in a text that comes cut anywhere, as [`MailData::normalize`] does in a whole
/// one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Normalizer {
    ends: LineEnds,
    /// Whether a CR was held back, because an LF may follow it.
    held: bool,
}

impl Normalizer {
    /// Changes what `ends` says.
    pub fn new(ends: LineEnds) -> Self {
        Self { ends, held: false }
    }

    /// The next piece with its line ends made CRLF. It is copied only if there is something to
    /// change.
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

    /// What is left at the end of the text.
    pub fn end(self) -> &'static [u8] {
        match (self.held, self.ends) {
            (false, _) => b"",
            (true, LineEnds::Any) => b"\r\n",
            (true, _) => b"\r",
        }
    }
}
