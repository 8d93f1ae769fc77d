//! Dot-stuffing: the form of mail data after DATA (RFC 5321, 4.5.2).
use memchr::memmem::Finder;

/// Doubles the dot at the beginning of each line of mail data, in pieces of any size.
///
/// Nothing is copied: the result is slices of the input with single dots between. A dot after a
/// bare LF is doubled as well: some servers take a bare LF for a line end, and an undoubled dot
/// after it would end the mail data there.
#[derive(Clone, Copy, Debug)]
pub struct Stuffer {
    before: Before,
}

/// What precedes the next octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    /// The beginning of the mail data.
    Nothing,
    /// CR LF.
    CrLf,
    /// LF alone.
    Lf,
    /// CR.
    Cr,
    /// Anything else.
    Other,
}

impl Default for Stuffer {
    fn default() -> Self {
        Self::new()
    }
}

impl Stuffer {
    /// Creates a stuffer at the beginning of mail data.
    pub fn new() -> Self {
        Self { before: Before::Nothing }
    }

    /// Returns the stuffed form of the next piece, as slices of `piece` and dots.
    pub fn stuff<'a>(&mut self, piece: &'a [u8]) -> Stuffed<'a> {
        let at_line_start = matches!(self.before, Before::Nothing | Before::CrLf | Before::Lf);
        let dot = at_line_start && piece.first() == Some(&b'.');
        // A CRLF may be split between two pieces: a piece of one LF continues the CR before it.
        let cr_before = match piece {
            [.., before, b'\n'] => *before == b'\r',
            _ => self.before == Before::Cr,
        };
        self.before = match piece.last() {
            None => self.before,
            Some(b'\n') if cr_before => Before::CrLf,
            Some(b'\n') => Before::Lf,
            Some(b'\r') => Before::Cr,
            Some(_) => Before::Other,
        };
        Stuffed { rest: piece, dot, finder: finder() }
    }

    /// Returns what ends the mail data: a CRLF if its last line has none, and a line of one dot.
    pub fn end(self) -> &'static [u8] {
        match self.before {
            Before::Nothing | Before::CrLf => b".\r\n",
            // Also after a bare LF or CR, which is not a line end for every server.
            _ => b"\r\n.\r\n",
        }
    }
}

/// Finds the lines that begin with a dot. It is made once, because that costs as much as a search
/// in a short piece.
#[cfg(feature = "std")]
fn finder() -> Finder<'static> {
    static MADE: std::sync::LazyLock<Finder<'static>> =
        std::sync::LazyLock::new(|| Finder::new(b"\n."));
    MADE.clone()
}

/// Makes the finder for each piece: without `std` there is no lazy static.
#[cfg(not(feature = "std"))]
fn finder() -> Finder<'static> {
    Finder::new(b"\n.")
}

/// The slices of a stuffed piece, in order.
#[derive(Clone, Debug)]
pub struct Stuffed<'a> {
    rest: &'a [u8],
    /// Whether a dot has to precede `rest`.
    dot: bool,
    /// Finds the lines that begin with a dot.
    finder: Finder<'static>,
}

impl<'a> Iterator for Stuffed<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.dot {
            self.dot = false;
            return Some(b".");
        }
        if self.rest.is_empty() {
            return None;
        }
        let end = self.finder.find(self.rest).map(|at| at + 1);
        let (slice, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.dot = end.is_some();
        self.rest = rest;
        Some(slice)
    }
}
