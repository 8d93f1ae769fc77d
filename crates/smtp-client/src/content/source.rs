//! Sources: where the pieces of a text come from.
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    mem,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use smtp_codec::{LineEnds, Normalizer};

use crate::session::Piece;

#[cfg(feature = "tokio")]
mod reader;
#[cfg(feature = "tokio")]
mod reserve;

#[cfg(feature = "tokio")]
pub(super) use reserve::Reserve;

/// Where the pieces of a text come from.
pub(crate) struct Source<'a> {
    origin: Origin<'a>,
    normalizer: Normalizer,
    /// Which time it is given, from 1.
    round: u32,
    /// Whether the client awaits.
    awaits: bool,
}

enum Origin<'a> {
    /// All of it is there. `at` is the piece that is under way, and `taken` of it were given.
    Held {
        pieces: Vec<Piece>,
        at: usize,
        taken: usize,
    },
    Pieces(Box<dyn Pieces + Send + 'a>),
    /// One that is read as the client waits: see [`Source::set_awaits`].
    File(File),
    /// One that can be taken back until its first piece is asked for.
    #[cfg(feature = "tokio")]
    Reserved(Reserve),
    /// Its end, or its failure, has come.
    Over,
}

/// How many octets are given at a time.
const PIECE: usize = 64 * 1024;

/// Octets that come in pieces.
trait Pieces {
    /// The next octets; `None` at the end.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>>;

    /// Whether they may have to be awaited.
    fn is_awaited(&self) -> bool {
        false
    }
}

impl<I: Iterator<Item = io::Result<Bytes>>> Pieces for I {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        Poll::Ready(self.next().transpose())
    }
}

impl<'a> Source<'a> {
    pub(super) fn held(pieces: Vec<Piece>) -> Self {
        Self::new(Origin::Held { pieces, at: 0, taken: 0 })
    }

    pub(super) fn pieces(pieces: impl Iterator<Item = io::Result<Bytes>> + Send + 'a) -> Self {
        Self::new(Origin::Pieces(Box::new(pieces)))
    }

    #[cfg(feature = "tokio")]
    pub(super) fn reader(reader: std::pin::Pin<Box<dyn tokio::io::AsyncRead + Send + 'a>>) -> Self {
        Self::new(Origin::Pieces(Box::new(reader::Reader::new(reader))))
    }

    pub(super) fn file(file: File) -> Self {
        Self::new(Origin::File(file))
    }

    pub(super) fn is_file(&self) -> bool {
        matches!(self.origin, Origin::File(_))
    }

    /// Sets whether the client awaits. It reads a file with the runtime then, so that no other task
    /// is delayed, and otherwise with calls that block.
    pub(super) fn set_awaits(&mut self, awaits: bool) {
        self.awaits = awaits;
    }

    /// Begins to read, if it is a file.
    fn open(&mut self) {
        self.origin = match mem::replace(&mut self.origin, Origin::Over) {
            #[cfg(feature = "tokio")]
            Origin::File(file) if self.awaits => {
                let file = Box::pin(tokio::fs::File::from_std(file));
                Origin::Pieces(Box::new(reader::Reader::new(file)))
            }
            Origin::File(file) => Origin::Pieces(Box::new(Chunked::new(file))),
            origin => origin,
        };
    }

    fn new(origin: Origin<'a>) -> Self {
        Self { origin, normalizer: Normalizer::default(), round: 1, awaits: false }
    }

    pub(super) fn mend(&mut self, ends: LineEnds) {
        self.normalizer = Normalizer::new(ends);
    }

    pub(super) fn is_held(&self) -> bool {
        matches!(self.origin, Origin::Held { .. })
    }

    /// Whether its pieces may have to be awaited.
    pub(super) fn is_awaited(&self) -> bool {
        match &self.origin {
            Origin::Pieces(pieces) => pieces.is_awaited(),
            _ => false,
        }
    }

    /// The next piece, the text being given for the `round`th time; `None` at its end.
    pub(crate) fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        round: u32,
    ) -> Poll<io::Result<Option<Piece>>> {
        #[cfg(feature = "tokio")]
        if let Origin::Reserved(reserve) = &self.origin {
            let source = reserve.take().unwrap_or_else(|| Self::new(Origin::Over));
            *self = Self { awaits: self.awaits, ..source };
        }
        if self.is_file() {
            self.open();
        }
        if mem::replace(&mut self.round, round) != round {
            self.rewind()?;
        }
        let next = match &mut self.origin {
            Origin::Held { pieces, at, taken } => return Poll::Ready(Ok(held(pieces, at, taken))),
            Origin::Pieces(pieces) => ready!(pieces.poll_next(cx))?,
            #[cfg(feature = "tokio")]
            Origin::Reserved(_) => return Poll::Ready(Ok(None)),
            Origin::File(_) | Origin::Over => return Poll::Ready(Ok(None)),
        };
        let octets = match next {
            Some(octets) => self.normalizer.normalize(octets),
            None => self.end(),
        };
        let over = matches!(self.origin, Origin::Over) && octets.is_empty();
        Poll::Ready(Ok((!over).then_some(Piece::Octets(octets))))
    }

    /// What is left at the end.
    fn end(&mut self) -> Bytes {
        self.origin = Origin::Over;
        Bytes::from_static(self.normalizer.end())
    }

    fn rewind(&mut self) -> io::Result<()> {
        match &mut self.origin {
            Origin::Held { at, taken, .. } => {
                (*at, *taken) = (0, 0);
                Ok(())
            }
            _ => Err(io::Error::new(io::ErrorKind::NotSeekable, "it can be given only once")),
        }
    }
}

/// The next piece of those that are held.
fn held(pieces: &[Piece], at: &mut usize, taken: &mut usize) -> Option<Piece> {
    loop {
        match pieces.get(*at)? {
            Piece::Octets(octets) if *taken < octets.len() => {
                let end = octets.len().min(*taken + PIECE);
                let piece = octets.slice(*taken..end);
                *taken = end;
                return Some(Piece::Octets(piece));
            }
            Piece::Octets(_) => (*at, *taken) = (*at + 1, 0),
            fetched => {
                *at += 1;
                return Some(fetched.clone());
            }
        }
    }
}

/// Returns the size of a file, as SIZE counts it: with the CRLF that is added to a last line without
/// one. `None` for what is no regular file.
pub(super) fn size_of_file(file: &mut File) -> io::Result<Option<u64>> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let length = metadata.len();
    let mut tail = Vec::with_capacity(2);
    file.seek(SeekFrom::Start(length.saturating_sub(2)))?;
    file.by_ref().take(2).read_to_end(&mut tail)?;
    file.rewind()?;
    Ok(Some(if length == 0 || tail == b"\r\n" { length } else { length + 2 }))
}

/// The octets of a blocking reader, as many at a time as are there.
pub(super) struct Chunked<R>(R);

impl<R: Read> Chunked<R> {
    pub(super) fn new(reader: R) -> Self {
        Self(reader)
    }
}

impl<R: Read> Iterator for Chunked<R> {
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut octets = Vec::with_capacity(PIECE);
        match (&mut self.0).take(PIECE as u64).read_to_end(&mut octets) {
            Ok(0) => None,
            Ok(_) => Some(Ok(octets.into())),
            Err(failure) => Some(Err(failure)),
        }
    }
}
