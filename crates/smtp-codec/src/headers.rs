//! Header sections in pieces: finds fields that need SMTPUTF8, and what is seldom intended.
use smtp_error::{HeaderDefect, HeaderName};

use crate::header_field;

/// Finds the first header field with an octet outside ASCII, and the first [`HeaderDefect`], in mail
/// data that comes in pieces of any size (RFC 5322, 2.2; RFC 6532, 3). It ignores what follows the
/// first empty line.
///
/// ```
/// use smtp_codec::HeaderScanner;
///
/// let mut headers = HeaderScanner::new();
/// headers.scan("To: a@example.org\r\nSub".as_bytes());
/// headers.scan("ject: caf\u{e9}\r\n\r\n".as_bytes());
/// assert_eq!(headers.raw_header().unwrap().as_str(), "Subject");
/// ```
#[derive(Clone, Debug)]
pub struct HeaderScanner {
    /// The name of the current field, or its beginning.
    name: [u8; HeaderName::MAX],
    kept: usize,
    place: Place,
    found: Option<HeaderName>,
    /// Whether no line has turned out to be a header field or not to be one.
    is_first_line: bool,
    /// Whether the current line cannot be a header field.
    is_broken: bool,
    defect: Option<HeaderDefect>,
}

/// The position of the next octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    LineStart,
    Name,
    Value,
    /// After the header section.
    Body,
}

impl Default for HeaderScanner {
    fn default() -> Self {
        let name = [0; HeaderName::MAX];
        Self {
            name,
            kept: 0,
            place: Place::LineStart,
            found: None,
            is_first_line: true,
            is_broken: false,
            defect: None,
        }
    }
}

impl HeaderScanner {
    /// Creates a scanner at the beginning of mail data.
    pub fn new() -> Self {
        Self::default()
    }

    /// Scans the next piece.
    pub fn scan(&mut self, piece: &[u8]) {
        for &octet in piece {
            if self.place == Place::Body {
                return;
            }
            self.scan_octet(octet);
        }
    }

    /// Returns the name of the first field with an octet outside ASCII, if there was one.
    pub fn raw_header(&self) -> Option<HeaderName> {
        self.found
    }

    /// Takes the end of the mail data, which can come before the header section has one.
    pub fn end(&mut self) {
        self.end_of_line();
    }

    /// Returns the first defect, if there was one.
    pub fn header_defect(&self) -> Option<HeaderDefect> {
        self.defect
    }

    /// Returns whether the empty line after the header section has come.
    pub fn is_over(&self) -> bool {
        self.place == Place::Body
    }

    fn scan_octet(&mut self, octet: u8) {
        match (self.place, octet) {
            (_, b'\r') => return,
            (Place::LineStart, b'\n') => {
                self.end_of_line();
                self.place = Place::Body;
            }
            (_, b'\n') => {
                self.end_of_line();
                self.place = Place::LineStart;
            }
            // A folded line continues the field before it.
            (Place::LineStart, b' ' | b'\t') => self.place = Place::Value,
            (Place::LineStart, b':') => (self.place, self.kept) = (Place::Value, 0),
            (Place::Name, b':') => {
                self.place = Place::Value;
                self.is_first_line &= self.is_broken;
            }
            (Place::LineStart, _) => {
                (self.place, self.kept, self.is_broken) = (Place::Name, 0, false);
                self.keep(octet);
            }
            (Place::Name, _) => self.keep(octet),
            (Place::Value, b' ' | b'\t') => {}
            (Place::Value, _) if self.defect.is_none() => self.defect = self.bcc(),
            (Place::Value | Place::Body, _) => {}
        }
        if !octet.is_ascii() && self.found.is_none() {
            self.found = Some(HeaderName::of_field(&self.name[..self.kept]));
        }
    }

    /// A first line that has not turned out to be a header field is none.
    fn end_of_line(&mut self) {
        if core::mem::take(&mut self.is_first_line) && self.defect.is_none() {
            self.defect = Some(HeaderDefect::Missing);
        }
    }

    /// Returns the defect that a value of the current field is.
    fn bcc(&self) -> Option<HeaderDefect> {
        let name = self.name[..self.kept].trim_ascii_end();
        if self.is_broken { None } else { header_field::bcc(name) }
    }

    /// Keeps an octet of the name, after which only blanks may come before the colon.
    fn keep(&mut self, octet: u8) {
        let is_blank = matches!(octet, b' ' | b'\t');
        let after_blank =
            self.name[..self.kept].last().is_some_and(|last| matches!(last, b' ' | b'\t'));
        self.is_broken |= !is_blank && (after_blank || !header_field::is_name(octet));
        if let Some(room) = self.name.get_mut(self.kept) {
            *room = octet;
            self.kept += 1;
        }
    }
}
