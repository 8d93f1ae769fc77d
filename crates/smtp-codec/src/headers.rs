//! Header sections: finds fields that need SMTPUTF8.
use smtp_error::HeaderName;

/// Finds the first header field with an octet outside ASCII, in mail data that comes in pieces of
/// any size (RFC 5322, 2.2; RFC 6532, 3). It ignores what follows the first empty line.
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
        Self { name, kept: 0, place: Place::LineStart, found: None }
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

    /// Returns whether the empty line after the header section has come.
    pub fn is_over(&self) -> bool {
        self.place == Place::Body
    }

    fn scan_octet(&mut self, octet: u8) {
        match (self.place, octet) {
            (_, b'\r') => return,
            (Place::LineStart, b'\n') => self.place = Place::Body,
            (_, b'\n') => self.place = Place::LineStart,
            // A folded line continues the field before it.
            (Place::LineStart, b' ' | b'\t') => self.place = Place::Value,
            (Place::LineStart, b':') => (self.place, self.kept) = (Place::Value, 0),
            (Place::Name, b':') => self.place = Place::Value,
            (Place::LineStart, _) => {
                (self.place, self.kept) = (Place::Name, 0);
                self.keep(octet);
            }
            (Place::Name, _) => self.keep(octet),
            (Place::Value | Place::Body, _) => {}
        }
        if !octet.is_ascii() && self.found.is_none() {
            self.found = Some(HeaderName::of_field(&self.name[..self.kept]));
        }
    }

    fn keep(&mut self, octet: u8) {
        if let Some(room) = self.name.get_mut(self.kept) {
            *room = octet;
            self.kept += 1;
        }
    }
}
