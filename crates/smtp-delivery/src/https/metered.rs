//! A stream for the HTTP library, with a limit of what it may receive.
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream that fails with [`Excess`] once it has received too much.
///
/// The HTTP library bounds one head and one chunk, but not how many informational responses come
/// before the response, nor how small the chunks are.
pub(super) struct Metered<S> {
    stream: S,
    left: usize,
}

/// The server sent more than any policy needs.
#[derive(Debug, thiserror::Error)]
#[error("more than {} octets", MOST)]
pub(super) struct Excess;

/// The most octets of a whole response. A policy of 64 KiB in chunks of one octet has 384 KiB.
const MOST: usize = 512 * 1024;
/// The most octets that are read at once.
const PIECE: usize = 4096;

impl<S> Metered<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, left: MOST }
    }
}

impl<S: AsyncRead + Unpin> Read for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut target: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut piece = [0; PIECE];
        let length = target.remaining().min(PIECE);
        let mut read = ReadBuf::new(&mut piece[..length]);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut read))?;
        let received = read.filled();
        self.left =
            self.left.checked_sub(received.len()).ok_or_else(|| io::Error::other(Excess))?;
        target.put_slice(received);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> Write for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
