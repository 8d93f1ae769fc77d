//! A server that sends without end.
use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much it has sent and received, for the test.
#[derive(Clone, Default)]
pub(super) struct Watch {
    said: Arc<AtomicUsize>,
}

impl Watch {
    /// The number of octets of the flood that were read.
    pub(super) fn said(&self) -> usize {
        self.said.load(Ordering::Relaxed)
    }
}

/// A stream that always has more to read: the same octets again and again, once a first part was
/// said and, if that is not empty, something was written.
pub(super) struct Flood {
    first: &'static [u8],
    again: &'static [u8],
    at: usize,
    /// The maximum number of octets per read.
    most: usize,
    open: bool,
    reader: Option<Waker>,
    watch: Watch,
}

/// The end of every flood: far more than a client should read.
const ENOUGH: usize = 256 << 20;

impl Flood {
    pub(super) fn new(first: &'static str, again: &'static str, most: usize) -> (Self, Watch) {
        let (first, again, watch) = (first.as_bytes(), again.as_bytes(), Watch::default());
        let open = first.is_empty();
        let flood = Self { first, again, at: 0, most, open, reader: None, watch: watch.clone() };
        (flood, watch)
    }
}

impl AsyncRead for Flood {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let first = std::mem::take(&mut self.first);
        if !first.is_empty() {
            buffer.put_slice(first);
            return Poll::Ready(Ok(()));
        }
        if !self.open {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if self.watch.said() >= ENOUGH {
            return Poll::Ready(Ok(()));
        }
        let octets = buffer.remaining().min(self.most);
        for _ in 0..octets {
            buffer.put_slice(&self.again[self.at..=self.at]);
            self.at = (self.at + 1) % self.again.len();
        }
        self.watch.said.fetch_add(octets, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Flood {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.open = true;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
