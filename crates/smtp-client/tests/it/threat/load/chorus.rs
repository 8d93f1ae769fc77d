//! A server that is always ready and allocates nothing: it accepts every other recipient, and all
//! allocations are those of the client.
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

/// Where it stops answering, or taking what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Never,
    /// It sends nothing at all.
    Greeting,
    /// It does not answer EHLO.
    Hello,
    /// It replies 354, and reads nothing of the text.
    Text,
    /// It does not answer the end of the text.
    EndOfText,
}

pub(super) struct Chorus {
    recipients: usize,
    stop: Stop,
    /// The number of lines received up to DATA, and the last octets of the text after it.
    lines: usize,
    tail: [u8; 5],
    /// The number of replies sent, and the octets sent of the next one.
    said: usize,
    at: usize,
    reader: Option<Waker>,
    read: Arc<AtomicUsize>,
}

impl Chorus {
    /// The server, and how many octets of it will have been read.
    pub(super) fn new(recipients: usize, stop: Stop) -> (Self, Arc<AtomicUsize>) {
        let read = Arc::<AtomicUsize>::default();
        let chorus = Self {
            recipients,
            stop,
            lines: 0,
            tail: [0; 5],
            said: 0,
            at: 0,
            reader: None,
            read: Arc::clone(&read),
        };
        (chorus, read)
    }

    /// The number of the line DATA: after EHLO, MAIL and the recipients.
    fn data(&self) -> usize {
        self.recipients + 3
    }

    /// The next reply, if one is pending.
    fn pending(&self) -> Option<&'static [u8]> {
        let data = self.data();
        let stopped = match self.stop {
            Stop::Never | Stop::Text => false,
            Stop::Greeting => true,
            Stop::Hello => self.said == 1,
            Stop::EndOfText => self.said > data,
        };
        let whole = self.lines == data && self.tail == *b"\r\n.\r\n";
        let asked = self.said <= self.lines || (self.said == data + 1 && whole);
        if stopped || !asked || self.said > data + 1 {
            return None;
        }
        Some(match self.said {
            0 => b"220 hi\r\n",
            1 => b"250-hi\r\n250 PIPELINING\r\n",
            2 => b"250 sender\r\n",
            said if said == data => b"354 go\r\n",
            said if said == data + 1 => b"250 taken\r\n",
            said if said % 2 == 1 => b"250 recipient\r\n",
            _ => b"550 5.1.1 no such user\r\n",
        })
    }
}

impl AsyncRead for Chorus {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while let Some(reply) = self.pending()
            && buffer.remaining() > 0
        {
            let rest = &reply[self.at..];
            let taken = rest.len().min(buffer.remaining());
            buffer.put_slice(&rest[..taken]);
            self.at += taken;
            if self.at == reply.len() {
                (self.said, self.at) = (self.said + 1, 0);
            }
        }
        if buffer.filled().is_empty() {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        self.read.fetch_add(buffer.filled().len(), Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Chorus {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let commands = octets.split_inclusive(|&octet| octet == b'\n');
        let commands = commands.take(self.data() - self.lines).filter(|line| line.ends_with(b"\n"));
        let (count, length) =
            commands.fold((0, 0), |(count, all), line| (count + 1, all + line.len()));
        if self.lines < self.data() {
            self.lines += count;
        } else if self.stop == Stop::Text {
            return Poll::Pending;
        }
        if self.lines == self.data() {
            let text = &octets[length..];
            let after = [&self.tail[..], &text[text.len().saturating_sub(5)..]].concat();
            self.tail.copy_from_slice(&after[after.len() - 5..]);
        }
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
