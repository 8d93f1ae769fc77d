//! Sources: where the pieces of a text come from.
use std::{
    io::{self, Read},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use smtp_codec::{LineEnds, Normalizer};

use crate::session::Piece;

#[cfg(feature = "tokio")]
mod reader;

/// Where the pieces of a text come from.
pub(crate) struct Source<'a> {
    origin: Origin<'a>,
    normalizer: Normalizer,
    /// Which time it is given, from 1.
    round: u32,
}

enum Origin<'a> {
    /// All of it is there. `at` is the piece that is under way, and `taken` of it were given.
    Held {
        pieces: Vec<Piece>,
        at: usize,
        taken: usize,
    },
    Pieces(Box<dyn Iterator<Item = io::Result<Bytes>> + Send + 'a>),
    #[cfg(feature = "tokio")]
    Reader(reader::Reader<'a>),
    /// One that can be taken back until its first piece is asked for.
    Reserved(Reserve),
    /// Its end, or its failure, has come.
    Over,
}

impl Source<'static> {
    /// The same source, and where it can be taken back.
    pub(super) fn reserve(self) -> (Self, Reserve) {
        let reserve = Reserve(Arc::new(Mutex::new(Some(self))));
        (Self::new(Origin::Reserved(reserve.clone())), reserve)
    }
}

/// Where a source is kept until its first piece is asked for.
#[derive(Clone)]
pub(crate) struct Reserve(Arc<Mutex<Option<Source<'static>>>>);

impl Reserve {
    /// Takes the source, if none of it was given.
    pub(super) fn take(&self) -> Option<Source<'static>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// How many octets are given at a time.
const PIECE: usize = 64 * 1024;

impl<'a> Source<'a> {
    pub(super) fn held(pieces: Vec<Piece>) -> Self {
        Self::new(Origin::Held { pieces, at: 0, taken: 0 })
    }

    pub(super) fn pieces(pieces: Box<dyn Iterator<Item = io::Result<Bytes>> + Send + 'a>) -> Self {
        Self::new(Origin::Pieces(pieces))
    }

    #[cfg(feature = "tokio")]
    pub(super) fn reader(reader: std::pin::Pin<Box<dyn tokio::io::AsyncRead + Send + 'a>>) -> Self {
        Self::new(Origin::Reader(reader::Reader::new(reader)))
    }

    fn new(origin: Origin<'a>) -> Self {
        Self { origin, normalizer: Normalizer::default(), round: 1 }
    }

    pub(super) fn mend(&mut self, ends: LineEnds) {
        self.normalizer = Normalizer::new(ends);
    }

    /// The same source from its beginning, if it can be given twice.
    pub(super) fn again(&self) -> Option<Self> {
        match &self.origin {
            Origin::Held { pieces, .. } => Some(Self::held(pieces.clone())),
            _ => None,
        }
    }

    pub(super) fn is_held(&self) -> bool {
        matches!(self.origin, Origin::Held { .. })
    }

    /// The next piece, the text being given for the `round`th time; `None` at its end.
    pub(crate) fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        round: u32,
    ) -> Poll<io::Result<Option<Piece>>> {
        #[cfg(not(feature = "tokio"))]
        let _ = cx;
        if let Origin::Reserved(reserve) = &self.origin {
            *self = reserve.take().unwrap_or_else(|| Self::new(Origin::Over));
        }
        if std::mem::replace(&mut self.round, round) != round {
            self.rewind()?;
        }
        let next = match &mut self.origin {
            Origin::Held { pieces, at, taken } => return Poll::Ready(Ok(held(pieces, at, taken))),
            // Only a reader may have to be waited for.
            Origin::Pieces(pieces) => pieces.next().transpose()?,
            #[cfg(feature = "tokio")]
            Origin::Reader(reader) => std::task::ready!(reader.poll_read(cx))?,
            Origin::Reserved(_) | Origin::Over => return Poll::Ready(Ok(None)),
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
