//! Content: what a message is made of, and where it comes from.
use std::fmt;

use smtp_codec::{Text, TextFacts, Word};
use smtp_error::Invalid;

use crate::session::Piece;

/// What a message is made of.
///
/// A [`Text`] converts into it, and so does what is made of [`Part`]s.
pub struct Content<'a> {
    facts: TextFacts,
    source: Source,
    progress: Option<Box<dyn FnMut(u64) + Send + 'a>>,
}

/// A part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// Text that is sent. It need not end with CRLF if another part follows.
    Text(Text),
    /// Text that the server fetches from this URI, an IMAP URL with authorization, by BURL
    /// (RFC 4468).
    Fetched(Word),
}

impl Part {
    /// The text that the server fetches from this URI.
    ///
    /// # Errors
    /// Refuses an empty text, spaces and control characters.
    pub fn fetched(uri: impl Into<String>) -> Result<Self, Invalid> {
        Ok(Self::Fetched(Word::new(uri.into())?))
    }
}

/// Where the pieces of a text come from.
pub(crate) struct Source {
    pieces: Vec<Piece>,
    /// The piece that is under way, and how much of it was taken.
    at: usize,
    taken: usize,
}

/// How many octets of text are given to a run at a time.
const PIECE: usize = 64 * 1024;

impl<'a> Content<'a> {
    /// The content that these parts make together, in order.
    pub fn of(parts: impl IntoIterator<Item = Part>) -> Self {
        let mut facts = TextFacts::default();
        let mut size = Some(0);
        let mut pieces = Vec::new();
        for part in parts {
            let piece = match part {
                Part::Fetched(uri) => {
                    (facts.fetched, size) = (true, None);
                    Piece::Fetched(uri)
                }
                Part::Text(text) => {
                    let one = text.facts();
                    size = size.map(|size: u64| size + text.octets().len() as u64);
                    facts.eight_bit |= one.eight_bit;
                    facts.binary |= one.binary;
                    facts.utf8_headers |= one.utf8_headers && pieces.is_empty();
                    Piece::Octets(text.octets().clone())
                }
            };
            pieces.push(piece);
        }
        // A last line without its end is given one.
        let open = match pieces.last() {
            Some(Piece::Octets(octets)) => !octets.is_empty() && !octets.ends_with(b"\r\n"),
            _ => false,
        };
        facts.size = size.map(|size| if open && !facts.binary { size + 2 } else { size });
        Self { facts, source: Source::new(pieces), progress: None }
    }

    /// Calls `progress` whenever a part of the text was handed to the transport, with how many
    /// octets of it were so far, in the form in which they travel. It is called often, and what it
    /// does holds up the message; it must not panic.
    #[must_use]
    pub fn on_progress(mut self, progress: impl FnMut(u64) + Send + 'a) -> Self {
        self.progress = Some(Box::new(progress));
        self
    }

    /// Nothing, for conversations that have no text.
    pub(crate) fn none() -> Self {
        Self { facts: TextFacts::default(), source: Source::new(Vec::new()), progress: None }
    }

    pub(crate) fn facts(&self) -> TextFacts {
        self.facts
    }

    pub(crate) fn source(&mut self) -> &mut Source {
        &mut self.source
    }

    /// So many octets of the text were handed to the transport.
    pub(crate) fn came_forward(&mut self, octets: Option<u64>) {
        if let (Some(progress), Some(octets)) = (&mut self.progress, octets) {
            progress(octets);
        }
    }
}

impl From<&Text> for Content<'_> {
    fn from(text: &Text) -> Self {
        let source = Source::new(vec![Piece::Octets(text.octets().clone())]);
        Self { facts: text.facts(), source, progress: None }
    }
}

impl From<Text> for Content<'_> {
    fn from(text: Text) -> Self {
        Self::from(&text)
    }
}

impl Source {
    fn new(pieces: Vec<Piece>) -> Self {
        Self { pieces, at: 0, taken: 0 }
    }

    /// The next piece; `None` at the end, after which it begins anew.
    pub(crate) fn next_piece(&mut self) -> Option<Piece> {
        loop {
            match self.pieces.get(self.at) {
                None => {
                    self.at = 0;
                    return None;
                }
                Some(Piece::Octets(octets)) if self.taken < octets.len() => {
                    let end = octets.len().min(self.taken + PIECE);
                    let piece = octets.slice(self.taken..end);
                    self.taken = end;
                    return Some(Piece::Octets(piece));
                }
                Some(Piece::Fetched(uri)) => {
                    self.at += 1;
                    return Some(Piece::Fetched(uri.clone()));
                }
                Some(_) => (self.at, self.taken) = (self.at + 1, 0),
            }
        }
    }
}

impl fmt::Debug for Content<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({:?})", self.facts)
    }
}
