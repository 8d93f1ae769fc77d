//! How the text of a message flows: behind DATA, or in chunks behind BDAT and BURL.
use bytes::{Bytes, BytesMut};
use smtp_codec::{Body, ContentFacts, HeaderScanner, Stuffer, TextScanner, Word};
use smtp_error::{Field, Flaw, Invalid};

use super::pieces::Pieces;
use crate::Output;

/// A piece of the text of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Piece {
    /// Octets.
    Octets(Bytes),
    /// What the server is to fetch from this URI (RFC 4468).
    Fetched(Word),
}

/// The text of a message that is being given.
#[derive(Debug)]
pub(super) struct Flow {
    way: Way,
    declared: Option<u64>,
    /// How many octets were given, and the last two of them.
    given: u64,
    tail: [u8; 2],
    binary: bool,
    /// Looks at a text that nobody has looked at.
    scanner: Option<TextScanner>,
    /// Looks at the header section of a text that was not looked at, if that must be ASCII.
    headers: Option<HeaderScanner>,
    unseen: bool,
    /// Whether an octet outside ASCII must not come.
    seven_bit: bool,
    /// Where it began, counted as [`Output::end`] is.
    pub(super) began: u64,
}

/// How it travels.
#[derive(Debug)]
pub(super) enum Way {
    Data(Stuffer),
    Chunks(Chunks),
}

/// What is given and not said yet. The last of it is held back until its end is known, so that no
/// chunk is said to be the last that is not.
#[derive(Debug)]
pub(super) struct Chunks {
    limit: usize,
    octets: Pieces,
    len: usize,
    /// Comes behind the octets.
    fetched: Option<Word>,
    /// Comes behind what is fetched.
    behind: Option<Piece>,
    complete: bool,
}

/// What is said next of a text in chunks.
pub(super) enum Chunk {
    /// So many octets, by BDAT.
    Octets { size: usize, last: bool },
    /// By BURL.
    Fetched { uri: Word, last: bool },
}

impl Flow {
    /// A text of these properties, sent behind a MAIL that declares this, which begins here.
    pub(super) fn new(way: Way, facts: ContentFacts, body: Option<Body>, began: u64) -> Self {
        let ContentFacts { size: declared, binary, unseen, .. } = facts;
        Self {
            way,
            declared,
            given: 0,
            tail: *b"\r\n",
            binary,
            scanner: (unseen && !binary).then(TextScanner::new),
            headers: None,
            unseen,
            seven_bit: matches!(body, None | Some(Body::SevenBit)),
            began,
        }
    }

    /// Refuses a header field with an octet outside ASCII from now on.
    pub(super) fn refuse_raw_headers(&mut self) {
        self.headers = self.unseen.then(HeaderScanner::new);
    }

    /// Whether the next piece can be taken.
    pub(super) fn wants_more(&self) -> bool {
        match &self.way {
            Way::Data(_) => true,
            Way::Chunks(chunks) => {
                !chunks.complete && chunks.behind.is_none() && chunks.len <= chunks.limit
            }
        }
    }

    /// Takes the next piece. One that makes the text longer than it was declared to be is refused:
    /// its end is still held back, or it has none.
    pub(super) fn give(&mut self, piece: Piece, output: &mut Output) -> Result<(), Invalid> {
        match &piece {
            Piece::Octets(octets) => self.count(octets)?,
            // How it ends is the server's business.
            Piece::Fetched(_) => self.tail = *b"\r\n",
        }
        match (&mut self.way, piece) {
            (Way::Chunks(chunks), piece) => chunks.hold(piece),
            (Way::Data(stuffer), Piece::Octets(octets)) => stuff(stuffer, &octets, output),
            (Way::Data(_), Piece::Fetched(_)) => {
                return Err(Invalid::new(Field::Text, Flaw::NotLines));
            }
        }
        Ok(())
    }

    /// Takes the end, with a CRLF if the last line has none. Behind DATA it is the dot, and where
    /// that will stand is the answer.
    pub(super) fn end(&mut self, output: &mut Output) -> Result<Option<u64>, Invalid> {
        if let Some(scanner) = &self.scanner {
            scanner.end()?;
        }
        let crlf = Bytes::from_static(b"\r\n");
        if self.tail != *b"\r\n" && !self.binary {
            self.give(Piece::Octets(crlf), output)?;
        }
        if let Some(declared) = self.declared
            && declared != self.given
        {
            return Err(other_size(declared, self.given));
        }
        match &mut self.way {
            Way::Chunks(chunks) => {
                chunks.complete = true;
                Ok(None)
            }
            Way::Data(stuffer) => {
                output.text(Bytes::from_static(stuffer.end()));
                Ok(Some(output.end() - b".\r\n".len() as u64))
            }
        }
    }

    /// What can be said next, if it travels in chunks.
    pub(super) fn next_chunk(&mut self) -> Option<Chunk> {
        match &mut self.way {
            Way::Data(_) => None,
            Way::Chunks(chunks) => chunks.next(),
        }
    }

    /// Moves the octets of a chunk into the output.
    pub(super) fn pour(&mut self, size: usize, output: &mut Output) {
        if let Way::Chunks(chunks) = &mut self.way {
            chunks.pour(size, output);
        }
    }

    fn count(&mut self, octets: &[u8]) -> Result<(), Invalid> {
        if let Some(headers) = &mut self.headers {
            headers.scan(octets);
            if let Some(name) = headers.raw_header() {
                return Err(Invalid::new(Field::Text, Flaw::RawHeader { name }));
            }
        }
        if let Some(scanner) = &mut self.scanner {
            scanner.scan(octets)?;
            if self.seven_bit && scanner.is_eight_bit() {
                return Err(Invalid::new(Field::Text, Flaw::NotSevenBit));
            }
        }
        self.given += octets.len() as u64;
        match *octets {
            [] => {}
            [only] => self.tail = [self.tail[1], only],
            [.., before, last] => self.tail = [before, last],
        }
        match self.declared {
            Some(declared) if self.given > declared => Err(other_size(declared, self.given)),
            _ => Ok(()),
        }
    }
}

impl Way {
    /// In chunks of at most `limit` octets.
    pub(super) fn chunks(limit: usize) -> Self {
        let octets = Pieces::default();
        Self::Chunks(Chunks { limit, octets, len: 0, fetched: None, behind: None, complete: false })
    }
}

impl Chunks {
    fn hold(&mut self, piece: Piece) {
        match piece {
            piece if self.fetched.is_some() => self.behind = Some(piece),
            Piece::Fetched(uri) => self.fetched = Some(uri),
            Piece::Octets(octets) => {
                self.len += octets.len();
                match self.octets.last_mut() {
                    Some(last) if last.len() < SMALL && octets.len() < SMALL => {
                        *last = joined(std::mem::take(last), &octets);
                    }
                    _ => self.octets.push(octets),
                }
            }
        }
    }

    fn next(&mut self) -> Option<Chunk> {
        let last = self.complete && self.behind.is_none();
        let size = self.len.min(self.limit);
        // There is no chunk of nothing but as the last: servers fail on it.
        if self.len > self.limit || (self.len > 0 && self.fetched.is_some()) {
            return Some(Chunk::Octets { size, last: false });
        }
        match self.fetched.take() {
            Some(uri) if last => Some(Chunk::Fetched { uri, last }),
            Some(uri) => match self.behind.take() {
                Some(behind) => {
                    self.hold(behind);
                    Some(Chunk::Fetched { uri, last })
                }
                None => {
                    self.fetched = Some(uri);
                    None
                }
            },
            None => last.then_some(Chunk::Octets { size, last }),
        }
    }

    fn pour(&mut self, mut size: usize, output: &mut Output) {
        self.len -= size;
        while size > 0 {
            let Some(part) = self.octets.take(size) else { break };
            size -= part.len();
            output.text(part);
        }
    }
}

/// Pieces smaller than this are joined while they are held: a million of single octets would
/// take many times their size.
const SMALL: usize = 4096;

/// The octets, with these behind them.
fn joined(before: Bytes, behind: &[u8]) -> Bytes {
    let mut joined = before.try_into_mut().unwrap_or_else(|shared| {
        let mut own = BytesMut::with_capacity(2 * SMALL);
        own.extend_from_slice(&shared);
        own
    });
    joined.extend_from_slice(behind);
    joined.freeze()
}

fn stuff(stuffer: &mut Stuffer, octets: &Bytes, output: &mut Output) {
    for slice in stuffer.stuff(octets) {
        // A dot that was added is no part of the piece.
        let dot = slice == b".";
        output.text(if dot { Bytes::from_static(b".") } else { octets.slice_ref(slice) });
    }
}

fn other_size(declared: u64, found: u64) -> Invalid {
    Invalid::new(Field::Text, Flaw::OtherSize { declared, found })
}
