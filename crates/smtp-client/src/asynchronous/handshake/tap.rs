//! The tap: records the first octets of a handshake, for the error if it fails.
use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::oneshot::{self, Receiver, Sender},
};

use crate::{asynchronous::stream::Transport, tls::Seen};

/// A transport under TLS. It records what is read and written until the handshake is done: the TLS
/// library drops octets that it cannot parse, such as the greeting of a server without TLS.
pub(crate) struct Tap {
    transport: Transport,
    handshake: Option<Box<Recording>>,
    /// Whether it accepts nothing for now.
    held: bool,
    /// The number of reads before it is pending.
    reads: usize,
}

/// The maximum number of reads in one poll. The TLS library reads until it has octets for the
/// session, which a server that sends only records of other kinds never gives.
const READS: usize = 32;

struct Recording {
    seen: Seen,
    recorded: Sender<Seen>,
    /// The failure of the last write. It is returned when nothing more can be read: a server that
    /// refuses the handshake sends an alert and closes, and the alert is the reason.
    write_failure: Option<io::Error>,
}

impl Tap {
    /// Wraps a transport. The receiver gets the recorded octets if the tap is dropped before the
    /// handshake [is done](Self::done).
    pub(super) fn new(transport: Transport) -> (Self, Receiver<Seen>) {
        let (recorded, seen) = oneshot::channel();
        let recording = Recording { seen: Seen::default(), recorded, write_failure: None };
        let handshake = Some(Box::new(recording));
        (Self { transport, handshake, held: false, reads: usize::MAX }, seen)
    }

    pub(in crate::asynchronous) fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Ends the recording after a successful handshake, and discards it.
    ///
    /// # Errors
    /// The end of the handshake was not written.
    pub(super) fn done(&mut self) -> io::Result<()> {
        let failure = self.take_failure();
        self.handshake = None;
        failure.map_or(Ok(()), Err)
    }

    /// Prepares for one poll that reads. If it must not write, writes are pending, whatever the
    /// transport has room for; no task is woken for that, and [`release`](Self::release) ends it.
    pub(in crate::asynchronous) fn begin_read(&mut self, must_not_write: bool) {
        self.held = must_not_write;
        self.reads = READS;
    }

    /// Ends the time in which writes are pending.
    pub(in crate::asynchronous) fn release(&mut self) {
        self.held = false;
    }

    /// Keeps the failure of a write in a handshake, and takes the octets as written: the TLS library
    /// reads nothing before all is written, and the reason may have arrived.
    fn keep_failure(&mut self, octets: usize, error: io::Error) -> Poll<io::Result<usize>> {
        match &mut self.handshake {
            Some(recording) => {
                recording.write_failure.get_or_insert(error);
                Poll::Ready(Ok(octets))
            }
            None => Poll::Ready(Err(error)),
        }
    }

    fn take_failure(&mut self) -> Option<io::Error> {
        self.handshake.as_mut()?.write_failure.take()
    }

    fn note_written(&mut self, octets: &[u8]) {
        if let Some(recording) = &mut self.handshake {
            recording.seen.wrote(octets);
        }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        if let Some(recording) = self.handshake.take() {
            // There is no receiver if the future of the handshake was dropped.
            let _ = recording.recorded.send(recording.seen);
        }
    }
}

impl AsyncRead for Tap {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.reads == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.reads -= 1;
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.transport).poll_read(cx, buffer);
        if read.is_pending()
            && let Some(error) = self.take_failure()
        {
            return Poll::Ready(Err(error));
        }
        if let Some(recording) = &mut self.handshake {
            recording.seen.read(&buffer.filled()[before..]);
        }
        read
    }
}

impl AsyncWrite for Tap {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.held {
            return Poll::Pending;
        }
        match Pin::new(&mut self.transport).poll_write(cx, octets) {
            Poll::Ready(Ok(taken)) => {
                self.note_written(&octets[..taken]);
                Poll::Ready(Ok(taken))
            }
            Poll::Ready(Err(error)) => self.keep_failure(octets.len(), error),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.held {
            return Poll::Pending;
        }
        let mut taken = match Pin::new(&mut self.transport).poll_write_vectored(cx, slices) {
            Poll::Ready(Ok(taken)) => taken,
            Poll::Ready(Err(error)) => {
                let octets = slices.iter().map(|slice| slice.len()).sum();
                return self.keep_failure(octets, error);
            }
            Poll::Pending => return Poll::Pending,
        };
        let written = Poll::Ready(Ok(taken));
        if self.handshake.is_some() {
            for slice in slices {
                let part = taken.min(slice.len());
                self.note_written(&slice[..part]);
                taken -= part;
            }
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.transport).poll_flush(cx) {
            // If it matters, the next read or write fails too, and has what the server has sent.
            Poll::Ready(Err(_)) if self.handshake.is_some() => Poll::Ready(Ok(())),
            flushed => flushed,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_shutdown(cx)
    }
}
