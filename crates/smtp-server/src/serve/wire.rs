//! The octets of one connection: read into the session and written from it, with timeouts.
use std::{
    future::{Future, poll_fn},
    io,
    mem::MaybeUninit,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use crate::{Event, ServerSession};

/// A connection, of any kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// How long a server waits for its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// For a whole command: 5 minutes (RFC 5321, 4.5.3.2.7).
    pub command: Duration,
    /// For the next octets of a content: 3 minutes.
    pub content: Duration,
    /// For a whole message, from the reply to DATA to the final dot: one hour.
    pub message: Duration,
    /// For a TLS handshake: 30 seconds.
    pub handshake: Duration,
    /// For the client to take replies: 3 minutes.
    pub write: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            command: Duration::from_secs(5 * 60),
            content: Duration::from_secs(3 * 60),
            message: Duration::from_secs(60 * 60),
            handshake: Duration::from_secs(30),
            write: Duration::from_secs(3 * 60),
        }
    }
}

/// How long the last reply may take: the client has been told to go.
const LAST_WRITE: Duration = Duration::from_secs(5);

/// How long a client may take to close its direction, and how much it may send until then, in octets.
const LINGER: Duration = Duration::from_secs(1);
const MOST_LINGERING: usize = 1 << 20;

/// The octets that are read at a time. Those of commands are read into the stack, so that the many
/// connections that do nothing have no buffer.
const FOR_COMMANDS: usize = 2 << 10;
const FOR_CONTENT: usize = 32 << 10;

/// A session, and the connection that it is on.
pub(super) struct Io {
    pub(super) session: ServerSession,
    pub(super) stream: Box<dyn Stream>,
    buffer: Vec<u8>,
    /// The octets of the buffer that the session has used.
    used: usize,
    written: usize,
    timeouts: Timeouts,
    timer: Pin<Box<Sleep>>,
    /// The end of the whole message, if one is on its way.
    message_ends: Option<Instant>,
    /// The end of the command that is awaited.
    command_ends: Instant,
    is_waiting: bool,
    is_writing: bool,
}

impl Io {
    pub(super) fn new(session: ServerSession, stream: Box<dyn Stream>, timeouts: Timeouts) -> Self {
        Self {
            session,
            stream,
            buffer: Vec::new(),
            used: 0,
            written: 0,
            timeouts,
            timer: Box::pin(sleep_until(Instant::now())),
            message_ends: None,
            command_ends: Instant::now(),
            is_waiting: false,
            is_writing: false,
        }
    }

    /// Returns the next event of the session, for which it may use as many octets as `most`.
    pub(super) fn next(&mut self, most: usize) -> Event<'_> {
        let end = self.buffer.len().min(self.used.saturating_add(most));
        let mut input = &self.buffer[self.used..end];
        let event = self.session.next(&mut input);
        self.used = end - input.len();
        event
    }

    /// Returns whether octets were read that the session has not used.
    pub(super) fn has_unread(&self) -> bool {
        self.used < self.buffer.len()
    }

    /// Takes the octets that the session has not used: those of a TLS handshake.
    #[cfg(feature = "tls")]
    pub(super) fn take_unread(&mut self) -> Vec<u8> {
        let unread = self.buffer.split_off(self.used);
        self.buffer.clear();
        self.used = 0;
        unread
    }

    /// Begins to measure the time of a whole message.
    pub(super) fn begin_message(&mut self) {
        self.message_ends = Some(Instant::now() + self.timeouts.message);
    }

    /// Ends that, and gives back the memory that the content needed.
    pub(super) fn end_message(&mut self) {
        self.message_ends = None;
        if !self.has_unread() {
            (self.buffer, self.used) = (Vec::new(), 0);
        }
    }

    /// Writes all output.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        self.start_timer(self.timeouts.write);
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Writes all output between two chunks. What goes wrong is told to the session.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_writing {
            // The timer may be one that ran out while the handler took its time.
            self.is_writing = true;
            self.start_timer(self.timeouts.write);
        }
        let written = ready!(self.poll_flush(cx));
        self.is_writing = false;
        if let Err(error) = written {
            self.failed(&error);
        }
        Poll::Ready(())
    }

    /// Tells the session that the connection has failed.
    fn failed(&mut self, error: &io::Error) {
        match error.kind() {
            io::ErrorKind::TimedOut => self.session.timed_out(),
            _ => self.session.disconnected(),
        }
    }

    /// Writes the last output, and closes the connection: first the server's direction, and the other
    /// one when the client has closed it, or after a while. A socket that is closed with octets
    /// unread resets the connection, and the client may lose the last reply.
    pub(super) async fn close(mut self) {
        self.start_timer(LAST_WRITE);
        if poll_fn(|cx| self.poll_flush(cx)).await.is_err() {
            return;
        }
        let closed = poll_fn(|cx| {
            let closed = Pin::new(&mut self.stream).poll_shutdown(cx);
            self.in_time(cx, closed)
        });
        if closed.await.is_ok() {
            self.start_timer(LINGER);
            let mut dropped = 0;
            poll_fn(|cx| self.poll_linger(cx, &mut dropped)).await;
        }
    }

    /// Reads and drops what the client still sends, and counts it.
    fn poll_linger(&mut self, cx: &mut Context<'_>, dropped: &mut usize) -> Poll<()> {
        let mut scrap = [0; 512];
        while *dropped < MOST_LINGERING && self.timer.as_mut().poll(cx).is_pending() {
            let mut room = ReadBuf::new(&mut scrap);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut room)) {
                Ok(()) if !room.filled().is_empty() => *dropped += room.filled().len(),
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(())
    }

    /// Waits for octets of the client, after writing all output. What goes wrong is told to the
    /// session.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_waiting {
            self.is_waiting = true;
            let now = Instant::now();
            let ends = if self.session.is_receiving() {
                now + self.timeouts.content
            } else {
                // A client that sends a line octet by octet gets no more time for it.
                if !self.session.is_within_line() {
                    self.command_ends = now + self.timeouts.command;
                }
                self.command_ends
            };
            // Between two chunks, too, the client has no more time for the message.
            let ends = self.message_ends.map_or(ends, |message| message.min(ends));
            self.timer.as_mut().reset(ends);
        }
        let read = match ready!(self.poll_flush(cx)) {
            Ok(()) => ready!(self.poll_read(cx)),
            Err(error) => Err(error),
        };
        match read {
            Ok(0) => self.session.disconnected(),
            Ok(_) => {}
            Err(error) => self.failed(&error),
        }
        self.is_waiting = false;
        Poll::Ready(())
    }

    /// Stops to wait, because something else has happened.
    pub(super) fn stop_waiting(&mut self) {
        self.is_waiting = false;
    }

    /// Waits for the end of the connection. Octets that come are kept, and hide it.
    pub(super) fn poll_disconnected(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.has_unread() {
            return Poll::Pending;
        }
        match ready!(self.poll_octets(cx)) {
            Ok(0) | Err(_) => Poll::Ready(()),
            Ok(_) => Poll::Pending,
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let read = self.poll_octets(cx);
        self.in_time(cx, read)
    }

    /// Reads what has come, for as long as it takes.
    fn poll_octets(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if !self.has_unread() {
            self.buffer.clear();
            self.used = 0;
        }
        if self.session.is_receiving() {
            self.buffer.reserve_exact(FOR_CONTENT.saturating_sub(self.buffer.len()));
            pin!(self.stream.read_buf(&mut self.buffer)).poll(cx)
        } else {
            let mut room = [MaybeUninit::uninit(); FOR_COMMANDS];
            let mut room = ReadBuf::uninit(&mut room);
            let read = Pin::new(&mut self.stream).poll_read(cx, &mut room);
            self.buffer.extend_from_slice(room.filled());
            read.map_ok(|()| room.filled().len())
        }
    }

    /// Returns what the stream has answered, or an error if it has not and the time is over.
    fn in_time<T>(
        &mut self,
        cx: &mut Context<'_>,
        answer: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match answer {
            Poll::Pending if self.timer.as_mut().poll(cx).is_ready() => {
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            answer => answer,
        }
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.session.output().len() {
            let octets = &self.session.output()[self.written..];
            let written = Pin::new(&mut self.stream).poll_write(cx, octets);
            match ready!(self.in_time(cx, written))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.written += count,
            }
        }
        if self.written > 0 {
            let flushed = Pin::new(&mut self.stream).poll_flush(cx);
            ready!(self.in_time(cx, flushed))?;
            self.written = 0;
            let output = self.session.output();
            output.clear();
            // A long output was an exception.
            output.shrink_to(1 << 10);
        }
        Poll::Ready(Ok(()))
    }

    fn start_timer(&mut self, time: Duration) {
        self.timer.as_mut().reset(Instant::now() + time);
    }
}
