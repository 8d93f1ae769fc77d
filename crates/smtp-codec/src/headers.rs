//! Header sections, looked at as they pass: which field holds what only SMTPUTF8 allows.
use smtp_error::HeaderName;

/// Looks for the first header field with an octet outside ASCII, in a text that comes cut anywhere
/// (RFC 5322, 2.2; RFC 6532, 3). What follows the first empty line is not looked at.
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
    /// The name of the field that the octets belong to, as far as it is kept.
    name: [u8; HeaderName::MAX],
    kept: usize,
    place: Place,
    found: Option<HeaderName>,
}

/// Where the next octet stands.
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
    /// A scanner at the beginning of a text.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at the next piece.
    pub fn scan(&mut self, piece: &[u8]) {
        for &octet in piece {
            if self.place == Place::Body {
                return;
            }
            self.look_at(octet);
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

    fn look_at(&mut self, octet: u8) {
        match (self.place, octet) {
            (_, b'\r') => return,
            (Place::LineStart, b'\n') => self.place = Place::Body,
            (_, b'\n') => self.place = Place::LineStart,
            // A line that begins so goes on with the field before it.
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
