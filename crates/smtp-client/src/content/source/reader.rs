//! Asynchronous readers as sources of content.
use std::{
    io,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::{PIECE, Pieces};

/// The number of octets from which on a piece is sent without joining further reads.
const ENOUGH: usize = 8 * 1024;

/// A reader, with the octets of the next piece that were read.
pub(super) struct Reader<'a> {
    reader: Pin<Box<dyn AsyncRead + Send + 'a>>,
    buffer: BytesMut,
}

impl<'a> Reader<'a> {
    pub(super) fn new(reader: Pin<Box<dyn AsyncRead + Send + 'a>>) -> Self {
        Self { reader, buffer: BytesMut::new() }
    }
}

impl Pieces for Reader<'_> {
    /// Small reads are joined, as far as the octets are there.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        let Self { reader, buffer } = self;
        let mut over = false;
        while buffer.len() < ENOUGH && !over {
            if buffer.capacity() - buffer.len() < ENOUGH {
                buffer.reserve(PIECE);
            }
            match pin!(reader.read_buf(buffer)).poll(cx) {
                Poll::Ready(read) => over = read? == 0,
                Poll::Pending if buffer.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(Ok((!buffer.is_empty()).then(|| buffer.split().freeze())))
    }
    fn is_awaited(&self) -> bool {
        true
    }
}
