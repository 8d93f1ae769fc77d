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
}

struct Recording {
    seen: Seen,
    recorded: Sender<Seen>,
}

impl Tap {
    /// Wraps a transport. The receiver gets the recorded octets if the tap is dropped before the
    /// handshake [is done](Self::done).
    pub(super) fn new(transport: Transport) -> (Self, Receiver<Seen>) {
        let (recorded, seen) = oneshot::channel();
        let recording = Recording { seen: Seen::default(), recorded };
        (Self { transport, handshake: Some(Box::new(recording)), held: false }, seen)
    }

    /// Ends the recording after a successful handshake, and discards it.
    pub(super) fn done(&mut self) {
        self.handshake = None;
    }

    /// Sets whether writes are pending, whatever the transport has room for. No task is woken for
    /// that: it is for the time of one poll that must not write.
    pub(in crate::asynchronous) fn hold(&mut self, held: bool) {
        self.held = held;
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
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.transport).poll_read(cx, buffer);
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
        let written = Pin::new(&mut self.transport).poll_write(cx, octets);
        if let Poll::Ready(Ok(taken)) = written {
            self.note_written(&octets[..taken]);
        }
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.held {
            return Poll::Pending;
        }
        let written = Pin::new(&mut self.transport).poll_write_vectored(cx, slices);
        if let Poll::Ready(Ok(mut taken)) = written
            && self.handshake.is_some()
        {
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
        Pin::new(&mut self.transport).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_shutdown(cx)
    }
}
