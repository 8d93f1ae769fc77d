//! A stream that is cut after a number of octets.
use std::{
    any::Any,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream that fails once so many octets have been read and written.
pub(crate) struct Cut<S> {
    stream: Option<S>,
    left: usize,
    _held: Option<Box<dyn Any + Send>>,
}

impl<S> Cut<S> {
    pub(crate) fn new(stream: S, octets: usize) -> Self {
        Self { stream: Some(stream), left: octets, _held: None }
    }

    /// Holds this until the stream is dropped.
    pub(crate) fn holding(mut self, held: impl Send + 'static) -> Self {
        self._held = Some(Box::new(held));
        self
    }

    /// Returns the stream, unless it is cut: then the peer sees its end.
    fn stream(&mut self) -> io::Result<&mut S> {
        if self.left == 0 {
            self.stream = None;
        }
        self.stream.as_mut().ok_or_else(|| io::ErrorKind::ConnectionReset.into())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Cut<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let left = self.left;
        let polled = Pin::new(self.stream()?).poll_read(cx, buf);
        let read = buf.filled().len() - before;
        if read > left {
            buf.set_filled(before + left);
        }
        self.left = left.saturating_sub(read);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Cut<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let most = octets.len().min(self.left);
        let polled = Pin::new(self.stream()?).poll_write(cx, &octets[..most]);
        if let Poll::Ready(Ok(written)) = &polled {
            self.left -= written;
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.stream()?).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.stream()?).poll_shutdown(cx)
    }
}
