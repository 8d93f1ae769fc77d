//! Content: what a message is made of, and where it comes from.
use std::{fmt, io};

use bytes::Bytes;
use smtp_codec::{ContentFacts, HeaderScanner, LineEnds, MailData, Word};
use smtp_error::{Cause, Error, ErrorKind, Invalid, Step};

use crate::session::{EnvelopeRef, Excess, Piece, Sending};

#[cfg(feature = "tokio")]
mod reserved;
mod source;

#[cfg(feature = "tokio")]
pub(crate) use reserved::Reserved;
pub(crate) use source::Source;

/// What a message is made of.
///
/// A [`MailData`] converts into it, and so does what is made of [`Part`]s. What is too large to be held
/// in memory comes from a [reader](Self::read) or an [iterator](Self::pieces): it is looked at as
/// it passes, and one that fails in the middle, or turns out to be what must not be sent, is cut
/// off there, so that the server never takes the beginning for the whole.
pub struct Content<'a> {
    facts: ContentFacts,
    source: Source<'a>,
    progress: Option<Box<dyn FnMut(u64) + Send + 'a>>,
}

/// A part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// Text that is sent. It need not end with CRLF if another part follows.
    Text(MailData),
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

impl<'a> Content<'a> {
    /// The content that these parts make together, in order.
    pub fn from_parts(parts: impl IntoIterator<Item = Part>) -> Self {
        let mut facts = ContentFacts::default();
        let mut size = Some(0);
        let mut pieces = Vec::new();
        let mut headers = Some(HeaderScanner::new());
        for part in parts {
            let piece = match part {
                Part::Fetched(uri) => {
                    (facts.fetched, size) = (true, None);
                    // Where the header section ends is not known.
                    headers = None;
                    Piece::Fetched(uri)
                }
                Part::Text(text) => {
                    let one = text.facts();
                    size = size.map(|size: u64| size + text.octets().len() as u64);
                    facts.eight_bit |= one.eight_bit;
                    facts.binary |= one.binary;
                    if let Some(scanner) = headers.as_mut().filter(|scanner| !scanner.is_over()) {
                        scanner.scan(text.octets());
                        facts.utf8_headers |= one.utf8_headers;
                        facts.raw_header = scanner.raw_header();
                    }
                    Piece::Octets(text.octets().clone())
                }
            };
            pieces.push(piece);
        }
        // A last line without its end is given one.
        let empty = |piece: &&Piece| matches!(piece, Piece::Octets(octets) if octets.is_empty());
        let open = match pieces.iter().rev().find(|piece| !empty(piece)) {
            Some(Piece::Octets(octets)) => !octets.ends_with(b"\r\n"),
            _ => false,
        };
        facts.size = size.map(|size| if open && !facts.binary { size + 2 } else { size });
        Self::new(facts, Source::held(pieces))
    }

    /// The text that this reader gives, up to its end, in constant memory: a file, for instance.
    /// The client that blocks refuses to send it; [`read_blocking`](Self::read_blocking) is for
    /// that.
    #[cfg(feature = "tokio")]
    pub fn read(reader: impl tokio::io::AsyncRead + Send + 'a) -> Self {
        Self::new(unseen(), Source::reader(Box::pin(reader)))
    }

    /// The text that this reader gives, up to its end, in constant memory. Reading blocks the
    /// thread: in a future it holds up everything else on it.
    pub fn read_blocking(reader: impl io::Read + Send + 'a) -> Self {
        Self::pieces(source::Chunked::new(reader))
    }

    /// The text that these pieces make together, in constant memory.
    pub fn pieces(
        pieces: impl IntoIterator<Item = io::Result<Bytes>, IntoIter: Send + 'a>,
    ) -> Self {
        Self::new(unseen(), Source::pieces(pieces.into_iter()))
    }

    fn new(facts: ContentFacts, source: Source<'a>) -> Self {
        Self { facts, source, progress: None }
    }

    /// Declares the size of a text that comes from a reader or an iterator, in octets, with CRLF
    /// line ends and one at its end. The server is told, and a text that turns out to have another
    /// size is cut off.
    #[must_use]
    pub fn size(mut self, octets: u64) -> Self {
        self.facts.size = Some(octets);
        self
    }

    /// What becomes of line ends that are no CRLF in a text that comes from a reader or an
    /// iterator; by default they are errors. A size must be declared as it is with CRLF.
    #[must_use]
    pub fn line_ends(mut self, ends: LineEnds) -> Self {
        self.source.mend(ends);
        self
    }

    /// Declares a text that comes from a reader or an iterator to be any octets, which travel
    /// exactly as they are. It needs BINARYMIME (RFC 3030).
    #[must_use]
    pub fn binary(mut self) -> Self {
        self.facts.binary = true;
        self
    }

    /// Calls `progress` whenever a part of the text was handed to the transport, with how many
    /// octets of it were so far, in the form in which they travel. It is called often, and what it
    /// does holds up the message; it must not panic.
    #[must_use]
    pub fn on_progress(mut self, progress: impl FnMut(u64) + Send + 'a) -> Self {
        self.progress = Some(Box::new(progress));
        self
    }

    pub(crate) fn facts(&self) -> ContentFacts {
        self.facts
    }

    /// Refuses what has to be awaited, if the client does not await.
    pub(crate) fn check(&self, awaits: bool) -> Result<(), Error> {
        if awaits || !self.source.is_awaited() {
            return Ok(());
        }
        let what = "a blocking client cannot send `Content::read`; use `Content::read_blocking`";
        let unsupported = io::Error::new(io::ErrorKind::Unsupported, what);
        Err(Error::new(Step::Mail, ErrorKind::Source(Cause::new(unsupported))))
    }

    pub(crate) fn source(&mut self) -> &mut Source<'a> {
        &mut self.source
    }

    /// How it is sent where others are sent so: what can be given only once goes out in one
    /// transaction.
    pub(crate) fn sending(&self, mut usual: Sending) -> Sending {
        if !self.source.is_held() {
            usual.excess = Excess::Refuse;
        }
        usual
    }

    /// So many octets of the text were handed to the transport.
    pub(crate) fn report(&mut self, octets: Option<u64>) {
        if let (Some(progress), Some(octets)) = (&mut self.progress, octets) {
            progress(octets);
        }
    }
}

/// Nobody has looked at a text that comes in pieces.
fn unseen() -> ContentFacts {
    let mut facts = ContentFacts::default();
    facts.unseen = true;
    facts
}

impl From<&MailData> for Content<'_> {
    fn from(text: &MailData) -> Self {
        Self::new(text.facts(), Source::held(vec![Piece::Octets(text.octets().clone())]))
    }
}

impl From<MailData> for Content<'_> {
    fn from(text: MailData) -> Self {
        Self::from(&text)
    }
}

impl fmt::Debug for Content<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({:?})", self.facts)
    }
}

/// A message: its envelope and its content.
#[derive(Debug)]
pub struct Message<'a> {
    pub(crate) envelope: EnvelopeRef<'a>,
    pub(crate) content: Content<'a>,
}

impl<'a> Message<'a> {
    /// The message of this envelope, owned, shared or borrowed, and content.
    pub fn new(envelope: impl Into<EnvelopeRef<'a>>, content: impl Into<Content<'a>>) -> Self {
        Self { envelope: envelope.into(), content: content.into() }
    }
}
