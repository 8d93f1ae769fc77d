//! Dot-stuffing: how a text travels behind DATA (RFC 5321, 4.5.2).
use memchr::memmem::Finder;

/// Doubles the dot at the beginning of each line, in a text that comes cut anywhere.
///
/// Nothing is copied: the result is slices of the input with single dots between. A dot after a
/// bare LF is doubled as well, so that a text that ought not to be sent still cannot end itself.
#[derive(Clone, Copy, Debug)]
pub struct Stuffer {
    before: Before,
}

/// What the next octet comes after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    /// The beginning of the text.
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
    /// A stuffer at the beginning of a text.
    pub fn new() -> Self {
        Self { before: Before::Nothing }
    }

    /// The stuffed form of the next piece of the text, as slices of `piece` and dots.
    pub fn stuff<'a>(&mut self, piece: &'a [u8]) -> Stuffed<'a> {
        let at_line_start = matches!(self.before, Before::Nothing | Before::CrLf | Before::Lf);
        let dot = at_line_start && piece.first() == Some(&b'.');
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

    /// What ends the text: a CRLF if its last line has none, and a line of one dot.
    pub fn end(self) -> &'static [u8] {
        match self.before {
            Before::Nothing | Before::CrLf => b".\r\n",
            _ => b"\r\n.\r\n",
        }
    }
}

/// Finds the lines that begin with a dot. To make it takes as long as to use it on a short text.
#[cfg(feature = "std")]
fn finder() -> Finder<'static> {
    static MADE: std::sync::LazyLock<Finder<'static>> =
        std::sync::LazyLock::new(|| Finder::new(b"\n."));
    MADE.clone()
}

/// The same where nothing can be made once for all.
#[cfg(not(feature = "std"))]
fn finder() -> Finder<'static> {
    Finder::new(b"\n.")
}

/// The slices that a piece of text is sent as.
#[derive(Clone, Debug)]
pub struct Stuffed<'a> {
    rest: &'a [u8],
    /// Whether a dot comes before `rest`.
    dot: bool,
    /// Finds the lines that begin with a dot; made once for all of them.
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
