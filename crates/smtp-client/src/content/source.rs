//! Sources: where the pieces of a text come from.
use std::{
    io::{self, Read},
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
}

enum Origin<'a> {
    /// All of it is there. `at` is the piece that is under way, and `taken` of it were given.
    Held {
        pieces: Vec<Piece>,
        at: usize,
        taken: usize,
    },
    Pieces(Box<dyn Pieces + Send + 'a>),
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

    fn new(origin: Origin<'a>) -> Self {
        Self { origin, normalizer: Normalizer::default(), round: 1 }
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
            *self = reserve.take().unwrap_or_else(|| Self::new(Origin::Over));
        }
        if std::mem::replace(&mut self.round, round) != round {
            self.rewind()?;
        }
        let next = match &mut self.origin {
            Origin::Held { pieces, at, taken } => return Poll::Ready(Ok(held(pieces, at, taken))),
            Origin::Pieces(pieces) => ready!(pieces.poll_next(cx))?,
            #[cfg(feature = "tokio")]
            Origin::Reserved(_) => return Poll::Ready(Ok(None)),
            Origin::Over => return Poll::Ready(Ok(None)),
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
