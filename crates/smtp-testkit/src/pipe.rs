//! An in-memory connection that keeps the octets of each write together.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The octets that a pipe holds in each direction before the writer has to wait.
pub(crate) const DEFAULT_WINDOW: usize = 64 * 1024;

/// Makes an in-memory connection and returns its two ends.
///
/// `window` is the number of unread octets that each direction holds before a writer has to wait;
/// at least one.
pub fn pipe(window: usize) -> (Pipe, Pipe) {
    let [there, back] = [Lane::new(window), Lane::new(window)];
    (
        Pipe { incoming: back.clone(), outgoing: there.clone() },
        Pipe { incoming: there, outgoing: back },
    )
}

/// One end of an in-memory connection.
///
/// Each write is one segment, vectored writes included, and a read returns octets of one segment
/// only, so a test sees how its client divides its writes. A write that does not fit into the
/// window is split there.
///
/// `shutdown` closes the writing half; dropping an end closes both. The pipe needs no I/O driver,
/// so tokio's paused clock is exact.
pub struct Pipe {
    incoming: Arc<Mutex<Lane>>,
    outgoing: Arc<Mutex<Lane>>,
}

impl Pipe {
    /// Resets the connection: unread octets are lost, and the next read or write of the other end
    /// fails with [`io::ErrorKind::ConnectionReset`].
    pub fn reset(self) {
        for lane in [&self.incoming, &self.outgoing] {
            let mut lane = lock(lane);
            lane.reset = true;
            lane.clear();
            lane.wake_both();
        }
    }

    /// Waits until the other end has closed its writing half, without reading what it wrote before.
    pub(crate) fn poll_gone(&self, cx: &Context<'_>) -> Poll<()> {
        let mut lane = lock(&self.incoming);
        if lane.closed || lane.reset {
            return Poll::Ready(());
        }
        lane.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let mut outgoing = lock(&self.outgoing);
        outgoing.closed = true;
        outgoing.wake_both();
        drop(outgoing);

        let mut incoming = lock(&self.incoming);
        incoming.abandoned = true;
        incoming.clear();
        incoming.wake_both();
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        lock(&self.incoming).poll_read(cx, buf)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        lock(&self.outgoing).poll_write(cx, octets)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let segment = slices.iter().map(|slice| &slice[..]).collect::<Vec<_>>().concat();
        lock(&self.outgoing).poll_write(cx, &segment)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut lane = lock(&self.outgoing);
        lane.closed = true;
        lane.wake_both();
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unread = lock(&self.incoming).unread;
        f.debug_struct("Pipe").field("unread", &unread).finish_non_exhaustive()
    }
}

/// One direction.
struct Lane {
    /// Never holds an empty segment.
    segments: VecDeque<Vec<u8>>,
    unread: usize,
    window: usize,
    /// The writing end was closed.
    closed: bool,
    /// The reading end was dropped.
    abandoned: bool,
    reset: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Lane {
    fn new(window: usize) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            segments: VecDeque::new(),
            unread: 0,
            window: window.max(1),
            closed: false,
            abandoned: false,
            reset: false,
            reader: None,
            writer: None,
        }))
    }

    fn poll_read(&mut self, cx: &Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if let Some(segment) = self.segments.front_mut() {
            let taken = segment.len().min(buf.remaining());
            buf.put_slice(&segment[..taken]);
            segment.drain(..taken);
            if segment.is_empty() {
                self.segments.pop_front();
            }
            self.unread -= taken;
            wake(&mut self.writer);
            return Poll::Ready(Ok(()));
        }
        if self.closed {
            return Poll::Ready(Ok(()));
        }
        self.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_write(&mut self, cx: &Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        if self.reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if self.closed || self.abandoned {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if octets.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let taken = octets.len().min(self.window - self.unread);
        if taken == 0 {
            self.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        self.segments.push_back(octets[..taken].to_vec());
        self.unread += taken;
        wake(&mut self.reader);
        Poll::Ready(Ok(taken))
    }

    fn clear(&mut self) {
        self.segments.clear();
        self.unread = 0;
    }

    fn wake_both(&mut self) {
        wake(&mut self.reader);
        wake(&mut self.writer);
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

/// A panic elsewhere cannot leave a lane inconsistent: no method panics between two changes.
fn lock(lane: &Mutex<Lane>) -> MutexGuard<'_, Lane> {
    lane.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
