//! TLS over tokio: the stream after the handshake.
use std::{
    io::{self, IoSlice, Write},
    pin::Pin,
    task::{Context, Poll, ready},
};

use rustls::{ClientConnection, Writer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client;

use crate::{
    asynchronous::{handshake::Tap, stream::Transport},
    tls::{Outgoing, Protection},
};

/// TLS over a transport. Reading is left to tokio-rustls. Writing is not: an error of its
/// `poll_write` does not tell whether the octets were sent.
pub(crate) struct TlsStream {
    stream: client::TlsStream<Tap>,
    outgoing: Outgoing,
    protection: Protection,
}

impl TlsStream {
    /// Takes a stream whose handshake is done.
    pub(super) fn new(mut stream: client::TlsStream<Tap>, protection: Protection) -> Self {
        stream.get_mut().1.set_buffer_limit(Some(Outgoing::RECORD));
        Self { stream, outgoing: Outgoing::default(), protection }
    }

    pub(super) fn tls(&self) -> (&ClientConnection, Protection) {
        (self.stream.get_ref().1, self.protection)
    }

    pub(super) fn transport(&self) -> &Transport {
        self.stream.get_ref().0.transport()
    }

    /// Returns what was counted as written although nothing of it can have left.
    pub(super) fn withheld(&self) -> usize {
        self.outgoing.withheld()
    }

    fn write_with(
        &mut self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&mut Writer<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let (tap, tls) = self.stream.get_mut();
        unblocked(self.outgoing.write(tls, &mut Polled { tap, cx }, take))
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // After a record that is not valid tokio-rustls writes an alert, and what waits before it.
        // The octets withheld would leave without being counted.
        let withholds = self.outgoing.withheld() > 0;
        self.stream.get_mut().0.begin_read(withholds);
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.stream.get_mut().0.release();
        read
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write_with(cx, |writer| writer.write(octets))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write_with(cx, |writer| writer.write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let (tap, tls) = this.stream.get_mut();
        ready!(unblocked(this.outgoing.flush(tls, &mut Polled { tap, cx })))?;
        Pin::new(this.stream.get_mut().0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A transport as the TLS library writes to it: where it is not ready, it fails with `WouldBlock`.
struct Polled<'a, 'c> {
    tap: &'a mut Tap,
    cx: &'a mut Context<'c>,
}

impl Write for Polled<'_, '_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        blocking(Pin::new(&mut *self.tap).poll_write(self.cx, octets))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        blocking(Pin::new(&mut *self.tap).poll_write_vectored(self.cx, slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn blocking<T>(polled: Poll<io::Result<T>>) -> io::Result<T> {
    match polled {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

fn unblocked<T>(result: io::Result<T>) -> Poll<io::Result<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        result => Poll::Ready(result),
    }
}
