//! Content: the text of a message, and the source that it is read from.
use std::{fmt, fs::File, io, path::Path};

use bytes::Bytes;
use smtp_caps::Envelope;
use smtp_codec::{ContentFacts, HeaderScanner, LineEnds, MailData, Word};
use smtp_error::{Cause, Error, ErrorKind, Invalid, Step};

use crate::session::{EnvelopeRef, Excess, Piece, Sending};

#[cfg(feature = "lettre")]
mod from_lettre;
#[cfg(feature = "mail-builder")]
mod from_mail_builder;
#[cfg(feature = "tokio")]
mod reserved;
mod source;

#[cfg(feature = "tokio")]
pub(crate) use reserved::Reserved;
pub(crate) use source::Source;

/// The content of a message.
///
/// [`MailData`] converts into it, and [`from_parts`](Self::from_parts) joins several [`Part`]s. A
/// text that is too large for memory comes from a [file](Self::file), a [reader](Self::read) or an
/// [iterator](Self::pieces): it is checked while it is sent. If the source fails, or the text turns
/// out to be invalid, the message is aborted before its end, so that the server never accepts a
/// truncated text.
pub struct Content<'a> {
    facts: ContentFacts,
    source: Source<'a>,
    progress: Option<Box<dyn FnMut(u64) + Send + 'a>>,
}

/// A part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// Text that the client sends. It need not end with CRLF if another part follows.
    Text(MailData),
    /// Text that the server fetches from this URI, an IMAP URL with authorization, by BURL
    /// (RFC 4468).
    Fetched(Word),
}

impl Part {
    /// Creates a part that the server fetches from this URI.
    ///
    /// # Errors
    /// The URI is empty, or contains a space or a control character.
    pub fn fetched(uri: impl Into<String>) -> Result<Self, Invalid> {
        Ok(Self::Fetched(Word::new(uri.into())?))
    }
}

impl<'a> Content<'a> {
    /// Creates a content of these parts, in order.
    pub fn from_parts(parts: impl IntoIterator<Item = Part>) -> Self {
        let mut facts = ContentFacts::default();
        let mut size = Some(0);
        let mut pieces = Vec::new();
        let mut headers = Some(HeaderScanner::new());
        for part in parts {
            let piece = match part {
                Part::Fetched(uri) => {
                    (facts.fetched, size) = (true, None);
                    // The fetched text may contain the end of the header section.
                    if let Some(scanner) = headers.take() {
                        facts.header_defect = scanner.header_defect();
                    }
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
        if let Some(mut scanner) = headers {
            scanner.end();
            facts.header_defect = scanner.header_defect();
        }
        // The session adds CRLF to a last line without one, which counts in the size.
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

    /// Creates a content that is read from a blocking reader, up to its end and in constant memory.
    /// A read that blocks delays all other tasks on the thread.
    pub fn read_blocking(reader: impl io::Read + Send + 'a) -> Self {
        Self::pieces(source::Chunked::new(reader))
    }

    /// Opens a file, whose content is read while it is sent, in constant memory. Both clients send
    /// it. Its size is declared to the server (RFC 1870), so that a file that is too large is not
    /// sent, and one that changes meanwhile is aborted.
    ///
    /// Files on Unix have LF line ends. [`line_ends`](Self::line_ends) converts them, which changes
    /// the size and so withdraws its declaration:
    ///
    /// ```no_run
    /// # fn example() -> std::io::Result<()> {
    /// use smtp_client::{Content, LineEnds};
    ///
    /// let content = Content::file("letter.eml")?.line_ends(LineEnds::Unix);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The file cannot be opened. The text names it.
    pub fn file(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let mut file = File::open(path).map_err(|error| in_file(path, error))?;
        let mut facts = unseen();
        facts.size = source::size_of_file(&mut file)?;
        Ok(Self::new(facts, Source::file(file)))
    }

    /// Creates a content that is the concatenation of these pieces, in constant memory.
    pub fn pieces(
        pieces: impl IntoIterator<Item = io::Result<Bytes>, IntoIter: Send + 'a>,
    ) -> Self {
        Self::new(unseen(), Source::pieces(pieces.into_iter()))
    }

    fn new(facts: ContentFacts, source: Source<'a>) -> Self {
        Self { facts, source, progress: None }
    }

    /// Declares the size of a text that comes from a reader or an iterator, in octets, with CRLF
    /// line ends and one at its end. The client sends it as the parameter SIZE (RFC 1870), and
    /// aborts a text that turns out to have another size.
    #[must_use]
    pub fn size(mut self, octets: u64) -> Self {
        self.facts.size = Some(octets);
        self
    }

    /// Sets how line ends other than CRLF are treated in a text that comes from a file, a reader or
    /// an iterator. By default they are errors. A declared [`size`](Self::size) counts CRLF.
    /// [`MailData::normalize`] is for text in memory.
    #[must_use]
    pub fn line_ends(mut self, ends: LineEnds) -> Self {
        if self.source.is_file() && ends != LineEnds::Strict {
            self.facts.size = None;
        }
        self.source.mend(ends);
        self
    }

    /// Declares that a text from a reader or an iterator consists of arbitrary octets, which are
    /// sent unchanged. This requires BINARYMIME (RFC 3030).
    #[must_use]
    pub fn binary(mut self) -> Self {
        self.facts.binary = true;
        self
    }

    /// Calls `progress` after each write of text, with the number of octets of the text written so
    /// far, in the form in which they are sent. It is called often and delays the message while it
    /// runs. It must not panic.
    #[must_use]
    pub fn on_progress(mut self, progress: impl FnMut(u64) + Send + 'a) -> Self {
        self.progress = Some(Box::new(progress));
        self
    }

    pub(crate) fn facts(&self) -> ContentFacts {
        self.facts
    }

    /// Prepares the content for a client that awaits, or for one that does not, which refuses what
    /// has to be awaited.
    pub(crate) fn check(&mut self, awaits: bool) -> Result<(), Error> {
        self.source.set_awaits(awaits);
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

    /// Returns the settings for this content. One that can be produced only once is sent in one
    /// transaction: a second transaction for further recipients would need it again.
    pub(crate) fn sending(&self, mut sending: Sending) -> Sending {
        if !self.source.is_held() {
            sending.excess = Excess::Refuse;
        }
        sending
    }

    /// So many octets of the text were handed to the transport.
    pub(crate) fn report(&mut self, octets: Option<u64>) {
        if let (Some(progress), Some(octets)) = (&mut self.progress, octets) {
            progress(octets);
        }
    }
}

/// Returns the facts of a content that was not checked beforehand.
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

/// A message: an envelope and a content.
///
/// `Message::from_headers` makes one of a text whose header fields name the recipients.
/// Messages of other crates are converted with `Message::try_from`, if the cargo feature of that name
/// is on: `&lettre::Message`, and `mail_builder::MessageBuilder`. Neither sends Bcc.
#[derive(Debug)]
pub struct Message<'a> {
    pub(crate) envelope: EnvelopeRef<'a>,
    pub(crate) content: Content<'a>,
}

impl<'a> Message<'a> {
    /// Creates a message from an envelope, owned, shared or borrowed, and a content.
    pub fn new(envelope: impl Into<EnvelopeRef<'a>>, content: impl Into<Content<'a>>) -> Self {
        Self { envelope: envelope.into(), content: content.into() }
    }

    /// Returns the envelope.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// Returns the envelope and the content, which every method that sends one message takes.
    pub fn into_parts(self) -> (EnvelopeRef<'a>, Content<'a>) {
        (self.envelope, self.content)
    }
}

#[cfg(feature = "mail-parser")]
impl Message<'static> {
    /// Creates a message whose envelope follows from the header fields of its text: see
    /// [`Envelope::from_headers`]. The fields Bcc and Resent-Bcc are not sent
    /// ([`MailData::without_bcc`]); every other octet is. It needs the feature `mail-parser`.
    ///
    /// ```
    /// use smtp_client::{LineEnds, MailData, Message};
    ///
    /// let file = "From: a@example.org\nTo: b@example.org\nBcc: c@example.org\n\nHello.\n";
    /// let message = Message::from_headers(MailData::normalize(file, LineEnds::Unix)?)?;
    /// assert_eq!(message.envelope().rcpts().len(), 2);
    /// let (envelope, content) = message.into_parts();
    /// // connection.send(&envelope, content).await?
    /// # let _ = (envelope, content);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Envelope::from_headers`].
    pub fn from_headers(mail_data: MailData) -> Result<Self, smtp_error::HeaderError> {
        let envelope = Envelope::from_headers(mail_data.octets())?;
        Ok(Self::new(envelope, mail_data.without_bcc()))
    }
}

/// Returns this error with the path of the file in its text.
pub(crate) fn in_file(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
