//! Octets that the client has sent and the server has not consumed.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt;

use crate::stream::Stream;

/// More than one segment of a pipe with the default window.
const READ_SIZE: usize = 64 * 1024 + 1;

/// Received octets that are not consumed yet.
#[derive(Default)]
pub(crate) struct Inbox {
    octets: BytesMut,
    taken: usize,
    /// The ends of segments, counted from the first octet of the connection; known on a pipe only.
    ends: VecDeque<usize>,
    /// Whether the first octets continue the segment that was consumed last.
    inside_segment: bool,
    end: Option<End>,
}

/// How the client ended its side of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It closed; under TLS, with `close_notify`.
    Closed,
    /// Under TLS, it closed without `close_notify`.
    Cut,
    /// The connection failed.
    Failed,
}

impl Inbox {
    pub(crate) fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// How the client ended its side, if it has; octets that it sent before may still be
    /// unconsumed.
    pub(crate) fn end(&self) -> Option<End> {
        self.end
    }

    /// Reads once.
    pub(crate) async fn fill(&mut self, stream: &mut Stream) {
        self.octets.reserve(READ_SIZE);
        let room = self.octets.capacity() - self.octets.len();
        match stream.duplex().read_buf(&mut self.octets).await {
            Ok(0) => self.end = Some(End::Closed),
            // A full buffer may hold only the first part of a segment.
            Ok(read) if stream.keeps_segments() && read < room => {
                self.ends.push_back(self.taken + self.octets.len());
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.end = Some(End::Cut);
            }
            Err(_) => self.end = Some(End::Failed),
        }
    }

    /// Reads once, without waiting.
    pub(crate) async fn fill_now(&mut self, stream: &mut Stream) {
        let mut fill = pin!(self.fill(stream));
        poll_fn(|cx| {
            // A pending read has consumed nothing, so it can be dropped.
            let _ = fill.as_mut().poll(cx);
            Poll::Ready(())
        })
        .await;
    }

    /// The length of the first line, with its end, if it has arrived completely.
    pub(crate) fn line(&self) -> Option<usize> {
        self.octets.iter().position(|&octet| octet == b'\n').map(|at| at + 1)
    }

    /// Returns whether the first `length` octets arrived in one segment.
    pub(crate) fn in_one_segment(&self, length: usize) -> bool {
        self.ends.front().is_none_or(|&end| end >= self.taken + length)
    }

    /// Returns whether the first octets arrived in the same segment as those consumed before them.
    pub(crate) fn continues_segment(&self) -> bool {
        self.inside_segment
    }

    /// Consumes the first `length` octets.
    pub(crate) fn take(&mut self, length: usize) -> Bytes {
        self.taken += length;
        self.inside_segment = true;
        while let Some(&end) = self.ends.front()
            && end <= self.taken
        {
            self.ends.pop_front();
            self.inside_segment = end < self.taken;
        }
        self.octets.split_to(length).freeze()
    }
}
