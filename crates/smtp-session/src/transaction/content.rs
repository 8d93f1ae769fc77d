//! The content of a message on its way: after DATA with dots stuffed, or in chunks after BDAT and
//! BURL.
use std::{collections::VecDeque, mem};

use bytes::{Bytes, BytesMut};
use smtp_caps::Plan;
use smtp_codec::{Command, ContentFacts, Stuffer, TextScanner, Word};
use smtp_error::{ErrorKind, Field, Flaw, Invalid};

use super::{NextAction, Transaction};
use crate::{
    ContentRequest, Event, Output, Sending, SendsContent, Session, header_check::HeaderCheck,
};

/// How far the content of a message has come in this round.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a box would be one more allocation per message")]
pub(super) enum Content {
    /// Nothing of it was needed yet, or the round is over.
    None,
    /// Its pieces are being given and written.
    Flowing(Flow),
    /// Its end was written to the output, and the final reply is pending. `mark` is the octet of
    /// the output that makes the message whole: once it was handed to the transport, the server may
    /// have accepted the message. `began` is the first octet of the content.
    Ended { mark: u64, began: u64 },
}

/// What was written of a content in chunks.
pub(super) enum Written {
    /// A chunk that is not the last.
    Chunk,
    /// The last chunk. `mark` is as in [`Content::Ended`].
    Last { mark: u64, began: u64 },
}

impl Content {
    /// Returns whether nothing of it was written to the output.
    pub(super) fn is_unwritten(&self, output: &Output) -> bool {
        match self {
            Self::None => true,
            Self::Flowing(flow) => flow.began == output.end(),
            Self::Ended { .. } => false,
        }
    }

    /// Returns whether its end was handed to the transport and its final reply is missing.
    pub(super) fn is_in_doubt(&self, output: &Output) -> bool {
        matches!(self, Self::Ended { mark, .. } if output.handed() > *mark)
    }

    /// Returns where it began.
    pub(super) fn began(&self) -> Option<u64> {
        match self {
            Self::None => None,
            Self::Flowing(flow) => Some(flow.began),
            Self::Ended { began, .. } => Some(*began),
        }
    }

    /// Returns how many octets of it were handed to the transport, if any.
    pub(super) fn written(&self, output: &Output) -> Option<u64> {
        let written = output.handed().checked_sub(self.began()?)?;
        (written > 0).then_some(written)
    }

    /// Writes the next chunk, if there is enough for one.
    pub(super) fn write_chunk(
        &mut self,
        session: &mut Session,
    ) -> Result<Option<Written>, ErrorKind> {
        let Self::Flowing(flow) = self else { return Ok(None) };
        let Some(chunk) = flow.next_chunk() else { return Ok(None) };
        let is_last = match chunk {
            Chunk::Octets { size, last } => {
                session.write(Command::Bdat { size: size as u64, last }, Command::MAX_LINE)?;
                flow.pour(size, &mut session.output);
                session.emit(Event::Text { octets: size as u64 });
                last
            }
            Chunk::Fetched { uri, last } => {
                session.write(Command::Burl { uri: uri.borrowed(), last }, Command::MAX_LINE)?;
                last
            }
        };
        // The last octet of the content, or of the command line if the chunk is empty.
        let mark = session.output.end() - 1;
        let last = Written::Last { mark, began: flow.began };
        Ok(Some(if is_last { last } else { Written::Chunk }))
    }

    /// Takes the next piece.
    pub(super) fn give(&mut self, piece: Piece, session: &mut Session) -> Result<(), ErrorKind> {
        match self {
            Self::Flowing(flow) => Ok(flow.give(piece, &mut session.output)?),
            Self::None | Self::Ended { .. } => Ok(()),
        }
    }

    /// Takes the end. After DATA it is written at once, and the mark and the beginning are
    /// returned.
    pub(super) fn end(&mut self, session: &mut Session) -> Result<Option<(u64, u64)>, ErrorKind> {
        let Self::Flowing(flow) = self else { return Ok(None) };
        let Some(mark) = flow.end(&mut session.output)? else { return Ok(None) };
        let began = flow.began;
        session.emit(Event::Text { octets: session.output.end() - began });
        Ok(Some((mark, began)))
    }
}

/// A piece of the content of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Piece {
    /// Octets.
    Octets(Bytes),
    /// What the server is to fetch from this URI (RFC 4468).
    Fetched(Word),
}

/// The content of a message that is being given.
#[derive(Debug)]
pub(super) struct Flow {
    way: Way,
    declared: Option<u64>,
    /// How many octets were given, and the last two of them: the last line may lack its CRLF.
    given: u64,
    tail: [u8; 2],
    binary: bool,
    /// Checks a content that was not checked beforehand. Most were, and a transaction is moved
    /// several times, so that it must be small.
    checks: Option<Box<Checks>>,
    /// Where it began, counted as [`Output::end`] is.
    pub(super) began: u64,
}

/// The checks of a content that was not checked beforehand.
#[derive(Debug)]
pub(super) struct Checks {
    headers: HeaderCheck,
    /// There is none for binary content.
    text: Option<TextScanner>,
    /// Whether an octet outside ASCII is an error.
    seven_bit: bool,
}

/// How the content travels.
#[derive(Debug)]
pub(super) enum Way {
    Data(Stuffer),
    Chunks(Chunks),
}

/// What was given and is not written yet. Its end is held back until it is known whether more
/// follows, because a chunk that is declared to be the last cannot be taken back.
#[derive(Debug)]
pub(super) struct Chunks {
    limit: usize,
    octets: Pieces,
    len: usize,
    /// Follows the octets.
    fetched: Option<Word>,
    /// Follows what is fetched.
    following: Option<Piece>,
    complete: bool,
}

/// The next chunk.
enum Chunk {
    /// `size` octets, by BDAT.
    Octets { size: usize, last: bool },
    /// By BURL.
    Fetched { uri: Word, last: bool },
}

impl Flow {
    /// Begins a content of these facts, with these checks, at this octet of the output.
    pub(super) fn new(
        way: Way,
        facts: ContentFacts,
        checks: Option<Box<Checks>>,
        began: u64,
    ) -> Self {
        let ContentFacts { size: declared, binary, .. } = facts;
        Self { way, declared, given: 0, tail: *b"\r\n", binary, checks, began }
    }

    /// Returns whether the next piece can be taken.
    pub(super) fn wants_more(&self) -> bool {
        match &self.way {
            Way::Data(_) => true,
            Way::Chunks(chunks) => {
                !chunks.complete && chunks.following.is_none() && chunks.len <= chunks.limit
            }
        }
    }

    /// Takes the next piece. One that makes the content longer than it was declared to be is
    /// refused: the message is not whole yet, so that the server cannot accept it.
    fn give(&mut self, piece: Piece, output: &mut Output) -> Result<(), Invalid> {
        match &piece {
            Piece::Octets(octets) => self.count(octets)?,
            // The server decides how it ends.
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

    /// Takes the end, and adds a CRLF if the last line has none. After DATA the end mark is
    /// written, and the octet of its dot is returned.
    fn end(&mut self, output: &mut Output) -> Result<Option<u64>, Invalid> {
        if let Some(checks) = &mut self.checks {
            checks.end()?;
        }
        let crlf = Bytes::from_static(b"\r\n");
        if self.tail != *b"\r\n" && !self.binary {
            self.give(Piece::Octets(crlf), output)?;
        }
        if let Some(declared) = self.declared
            && declared != self.given
        {
            return Err(size_mismatch(declared, self.given));
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

    /// Returns the chunk that can be written next, if it travels in chunks.
    fn next_chunk(&mut self) -> Option<Chunk> {
        match &mut self.way {
            Way::Data(_) => None,
            Way::Chunks(chunks) => chunks.next(),
        }
    }

    /// Moves the octets of a chunk into the output.
    fn pour(&mut self, size: usize, output: &mut Output) {
        if let Way::Chunks(chunks) = &mut self.way {
            chunks.pour(size, output);
        }
    }

    fn count(&mut self, octets: &[u8]) -> Result<(), Invalid> {
        if let Some(checks) = &mut self.checks {
            checks.scan(octets)?;
        }
        self.given += octets.len() as u64;
        match *octets {
            [] => {}
            [only] => self.tail = [self.tail[1], only],
            [.., before, last] => self.tail = [before, last],
        }
        match self.declared {
            Some(declared) if self.given > declared => Err(size_mismatch(declared, self.given)),
            _ => Ok(()),
        }
    }
}

impl Checks {
    /// Returns the checks of a content that is sent by these settings and this plan.
    pub(super) fn new(sending: &Sending, plan: &Plan, binary: bool) -> Self {
        Self {
            headers: HeaderCheck::new(sending.header_rules(plan)),
            text: (!binary).then(TextScanner::new),
            seven_bit: sending.is_seven_bit(plan),
        }
    }

    fn scan(&mut self, octets: &[u8]) -> Result<(), Invalid> {
        self.headers.scan(octets)?;
        if let Some(text) = &mut self.text {
            text.scan(octets)?;
            if self.seven_bit && text.is_eight_bit() {
                return Err(Invalid::new(Field::Text, Flaw::NotSevenBit));
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Invalid> {
        if let Some(text) = &self.text {
            text.end()?;
        }
        self.headers.end()
    }
}

impl Way {
    /// In chunks of at most `limit` octets.
    pub(super) fn chunks(limit: usize) -> Self {
        let octets = Pieces::default();
        Self::Chunks(Chunks {
            limit,
            octets,
            len: 0,
            fetched: None,
            following: None,
            complete: false,
        })
    }
}

impl Chunks {
    fn hold(&mut self, piece: Piece) {
        match piece {
            piece if self.fetched.is_some() => self.following = Some(piece),
            Piece::Fetched(uri) => self.fetched = Some(uri),
            Piece::Octets(octets) => {
                self.len += octets.len();
                match self.octets.last_mut() {
                    Some(last) if last.len() < SMALL && octets.len() < SMALL => {
                        *last = joined(mem::take(last), &octets);
                    }
                    _ => self.octets.push(octets),
                }
            }
        }
    }

    fn next(&mut self) -> Option<Chunk> {
        let last = self.complete && self.following.is_none();
        let size = self.len.min(self.limit);
        // An empty chunk is written only as the last: servers fail on others.
        if self.len > self.limit || (self.len > 0 && self.fetched.is_some()) {
            return Some(Chunk::Octets { size, last: false });
        }
        match self.fetched.take() {
            Some(uri) if last => Some(Chunk::Fetched { uri, last }),
            Some(uri) => match self.following.take() {
                Some(following) => {
                    self.hold(following);
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

/// Pieces smaller than this are joined while they are held: a million pieces of one octet would
/// take many times their size.
const SMALL: usize = 4096;

/// Joins two pieces.
fn joined(before: Bytes, after: &[u8]) -> Bytes {
    let mut joined = before.try_into_mut().unwrap_or_else(|shared| {
        let mut own = BytesMut::with_capacity(2 * SMALL);
        own.extend_from_slice(&shared);
        own
    });
    joined.extend_from_slice(after);
    joined.freeze()
}

fn stuff(stuffer: &mut Stuffer, octets: &Bytes, output: &mut Output) {
    for slice in stuffer.stuff(octets) {
        // A dot that was added is not part of the piece.
        let dot = slice == b".";
        output.text(if dot { Bytes::from_static(b".") } else { octets.slice_ref(slice) });
    }
}

fn size_mismatch(declared: u64, found: u64) -> Invalid {
    Invalid::new(Field::Text, Flaw::SizeMismatch { declared, found })
}

/// Octets in pieces, the oldest first. One piece takes no allocation, and most contents are one.
#[derive(Debug, Default)]
struct Pieces {
    /// Empty only if there is nothing.
    first: Bytes,
    more: VecDeque<Bytes>,
}

impl Pieces {
    /// Adds a piece after the others.
    fn push(&mut self, octets: Bytes) {
        if self.first.is_empty() {
            self.first = octets;
        } else if !octets.is_empty() {
            self.more.push_back(octets);
        }
    }

    /// The piece that was added last.
    fn last_mut(&mut self) -> Option<&mut Bytes> {
        match self.more.back_mut() {
            None if self.first.is_empty() => None,
            None => Some(&mut self.first),
            last => last,
        }
    }

    /// Takes at most `most` octets of the oldest piece; `None` if there are none.
    fn take(&mut self, most: usize) -> Option<Bytes> {
        if self.first.is_empty() {
            return None;
        }
        if most < self.first.len() {
            return Some(self.first.split_to(most));
        }
        let next = self.more.pop_front().unwrap_or_default();
        Some(mem::replace(&mut self.first, next))
    }
}

impl SendsContent for Transaction<'_> {
    fn content_request(&self, session: &Session) -> Option<ContentRequest> {
        let needs = self.next == NextAction::WriteContent
            && session.output.has_room_for_content()
            && matches!(&self.content, Content::Flowing(flow) if flow.wants_more());
        needs.then_some(ContentRequest { message: 0, round: self.rounds })
    }

    fn piece(&mut self, session: &mut Session, piece: Piece) -> Result<(), ErrorKind> {
        self.content.give(piece, session)
    }

    fn end_of_text(&mut self, session: &mut Session) -> Result<(), ErrorKind> {
        if let Some((mark, began)) = self.content.end(session)? {
            self.content_ended(mark, began, session);
        }
        Ok(())
    }

    fn text_written(&self, session: &Session) -> Option<(usize, u64)> {
        Some((0, self.content.written(&session.output)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_out_in_order_and_as_small_as_asked_for() {
        let mut pieces = Pieces::default();
        assert!(pieces.last_mut().is_none() && pieces.take(1).is_none());
        for piece in ["", "abc", "", "de", "f"] {
            pieces.push(Bytes::from_static(piece.as_bytes()));
        }
        assert_eq!(pieces.last_mut().unwrap(), "f");
        let taken: Vec<Bytes> =
            [2, 2, 9, 9, 9].into_iter().filter_map(|n| pieces.take(n)).collect();
        assert_eq!(taken, ["ab", "c", "de", "f"]);
        pieces.push(Bytes::from_static(b"g"));
        assert_eq!(pieces.last_mut().unwrap(), "g");
    }
}
