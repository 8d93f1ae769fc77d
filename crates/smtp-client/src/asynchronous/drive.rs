//! The I/O loop: runs any operation over any stream, within its timeouts.
//!
//! It is the only place that reads and writes a connection. Connecting, sending and commands all go
//! through it, so that the rules for timeouts, fairness and failures exist once.
use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use smtp_error::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    task::unconstrained,
    time::timeout,
};

use crate::{
    Io,
    advance::{Advance, Allowed, Expired, IoEvent},
    asynchronous::{
        alarm::Alarm,
        stream::{Stream, Transport},
    },
    clock::Clock,
    feed::Feed,
    gather::{Gathered, Gatherer},
    session::{ActiveOperation, Next, Operation, Output, Session, SimpleCommand},
    tls::hinted,
};

/// A stream with the buffers and the timer that drive it.
pub(crate) struct Driver {
    stream: Stream,
    incoming: Box<[u8]>,
    gatherer: Gatherer,
    /// Whether everything written was flushed: TLS and streams of callers may buffer.
    flushed: bool,
    /// The number of polls, for [`YIELD_EVERY`].
    polls: usize,
    alarm: Alarm,
}

/// The maximum number of reads in one check of an idle or closing connection.
const MAX_IDLE_READS: usize = 8;
/// After this number of polls the loop yields to other tasks.
const YIELD_EVERY: usize = 32;
/// The maximum number of octets per read.
const READ: usize = 16 * 1024;

/// Awaits in a span.
macro_rules! in_span {
    ($span:expr, $what:expr) => {{
        // Pinned first, so that it need not be moved into the span.
        let what = std::pin::pin!($what);
        tracing::Instrument::instrument(what, $span).await
    }};
}

pub(crate) use in_span;

impl Driver {
    /// Contents may be awaited.
    pub(crate) const AWAITS: bool = true;

    pub(crate) fn new(stream: Stream) -> Self {
        let incoming = vec![0; READ].into_boxed_slice();
        let (gatherer, alarm) = (Gatherer::default(), Alarm::default());
        Self { stream, incoming, gatherer, flushed: true, polls: 0, alarm }
    }

    /// Returns the transport, for the TLS handshake after STARTTLS.
    ///
    /// # Errors
    /// TLS protects the stream already.
    pub(crate) fn into_transport(self) -> Result<Transport, Error> {
        match self.stream {
            Stream::Plain(transport) => Ok(transport),
            Stream::Tls(_) => {
                let twice = smtp_error::Unsupported::Extension(smtp_error::Extension::StartTls);
                Err(Error::new(smtp_error::Step::StartTls, twice))
            }
        }
    }

    pub(crate) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Returns the stream, for the caller of ATRN to use.
    pub(crate) fn into_stream(self) -> Box<dyn Io> {
        Box::new(self.stream)
    }

    /// Runs an operation to its end, with its requests served by `feed`.
    ///
    /// Dropping the future drops `run`, which ends the session unless nothing was written.
    pub(crate) async fn drive<O: Operation>(
        &mut self,
        mut run: ActiveOperation<'_, O>,
        clock: &mut Clock,
        feed: &mut impl Feed<O>,
    ) -> Result<O::Answer, Error> {
        self.advance(&mut run, clock, feed).await;
        run.finish().map_err(hinted)
    }

    /// Runs an operation until it is done or has a result to take.
    pub(crate) async fn advance<O: Operation>(
        &mut self,
        run: &mut ActiveOperation<'_, O>,
        clock: &mut Clock,
        feed: &mut impl Feed<O>,
    ) {
        let mut advance = Advance::new(run, clock, feed);
        while let Some(allowed) = advance.begin() {
            if allowed.acknowledge {
                self.stream.acknowledge();
            }
            let turn = poll_fn(|cx| self.poll_advance(cx, &mut advance, allowed)).await;
            advance.end(turn, &self.incoming, self.stream.withheld());
        }
        if run.is_counted() {
            self.read_extra_reply(run).await;
        }
    }

    /// Feeds, reads or writes, whichever is possible first.
    fn poll_advance<O: Operation, F: Feed<O>>(
        &mut self,
        cx: &mut Context<'_>,
        advance: &mut Advance<'_, '_, O, F>,
        allowed: Allowed,
    ) -> Poll<Result<IoEvent, Expired>> {
        // A peer that always has octets, or a source that is always ready, would otherwise keep the
        // task from its timer and the thread from other tasks. tokio's own budget does not cover
        // streams that callers bring.
        self.polls += 1;
        if self.polls.is_multiple_of(YIELD_EVERY) {
            cx.waker().wake_by_ref();
            return self.poll_alarm(cx, advance.clock);
        }
        if allowed.idle
            && let Poll::Ready(turn) = self.poll_read(cx)
        {
            return Poll::Ready(Ok(turn));
        }
        if allowed.write && advance.feed.poll_feed(cx, advance.run).is_ready() {
            return Poll::Ready(Ok(IoEvent::Fed));
        }
        match self.poll_io(cx, advance.run.output(), allowed.write) {
            Poll::Pending => self.poll_alarm(cx, advance.clock),
            turn => turn.map(Ok),
        }
    }

    fn poll_alarm(
        &mut self,
        cx: &mut Context<'_>,
        clock: &Clock,
    ) -> Poll<Result<IoEvent, Expired>> {
        self.alarm.poll(cx, clock.deadline()).map(|()| Err(Expired))
    }

    /// Reads once, without waiting, after the last expected reply.
    ///
    /// A reply too many that arrived with it shows that client and server are out of step. Found
    /// now, it cannot be taken for the reply to the next command.
    async fn read_extra_reply<O: Operation>(&mut self, run: &mut ActiveOperation<'_, O>) {
        poll_fn(|cx| {
            // This operation has its result, so that the end of the stream is not its failure. The
            // next operation finds it.
            if let Poll::Ready(IoEvent::Read(octets)) = self.poll_read(cx) {
                run.receive(&self.incoming[..octets]);
            }
            Poll::Ready(())
        })
        .await;
    }

    /// Passes to the session what arrived while no operation was running, without waiting.
    ///
    /// A server may send 421 at any time (RFC 5321, 3.8) and close. At most [`MAX_IDLE_READS`]
    /// reads are made: the first unexpected octet already ends the session, so that a server that
    /// floods an idle connection gains nothing.
    pub(crate) async fn check_idle(&mut self, session: &mut Session) {
        poll_fn(|cx| {
            for _ in 0..MAX_IDLE_READS {
                match self.poll_read(cx) {
                    Poll::Pending => break,
                    Poll::Ready(IoEvent::Read(octets)) if octets > 0 => {
                        session.receive_idle(&self.incoming[..octets]);
                    }
                    Poll::Ready(_) => {
                        session.closed_idle();
                        break;
                    }
                }
            }
            Poll::Ready(())
        })
        .await;
    }

    /// Sends QUIT and closes both directions, without waiting for room to write or for the reply.
    /// If client and server are out of step, it only closes.
    ///
    /// It is for callers that already have an error to return: a server logs a connection without
    /// QUIT as lost, but its reply would only delay the error.
    pub(crate) async fn quit_without_waiting(mut self, session: &mut Session) {
        if session.ended().is_some() {
            return;
        }
        // A socket that is closed with unread octets is reset, and a reset discards the QUIT on
        // its way. The check also finds a 421, after which no QUIT is sent.
        self.check_idle(session).await;
        let Ok(mut run) = session.run(SimpleCommand::quit()) else { return };
        let leaving = poll_fn(|cx| {
            while matches!(run.next(), Next::Write) {
                match self.poll_write(cx, run.output()) {
                    Poll::Ready(Ok(octets)) if octets > 0 => run.wrote(octets),
                    _ => return Poll::Ready(()),
                }
            }
            if Pin::new(&mut self.stream).poll_flush(cx).is_ready() {
                let _ = Pin::new(&mut self.stream).poll_shutdown(cx);
            }
            Poll::Ready(())
        });
        // There is one attempt only. A task that has used up its budget would find the socket
        // pending although it has room.
        unconstrained(leaving).await;
    }

    /// Closes both directions, and waits for at most `bound` until the server closes too. Octets
    /// that reach a closed socket are answered with a reset, which servers log as an error.
    pub(crate) async fn close(mut self, bound: Duration) {
        let closing = async {
            self.stream.shutdown().await?;
            poll_fn(|cx| {
                for _ in 0..MAX_IDLE_READS {
                    match ready!(self.poll_read(cx)) {
                        IoEvent::Read(octets) if octets > 0 => {}
                        IoEvent::ReadFailed(error) => return Poll::Ready(Err(error)),
                        _ => return Poll::Ready(Ok(())),
                    }
                }
                // A server that keeps sending must not keep the timeout from being polled.
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await
        };
        // The session has ended with the reply to QUIT. No failure here changes its result.
        let _ = timeout(bound, closing).await;
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<IoEvent> {
        let mut buffer = ReadBuf::new(&mut self.incoming);
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer));
        let octets = buffer.filled().len();
        Poll::Ready(match read {
            Ok(()) => IoEvent::Read(octets),
            Err(error) => IoEvent::ReadFailed(error),
        })
    }

    /// Reads if octets have arrived, and writes otherwise. If both sides only wrote, both send
    /// buffers could fill up, and neither side would ever read: pipelined commands must not be
    /// written without reading their replies (RFC 2920, 3.1).
    fn poll_io(&mut self, cx: &mut Context<'_>, output: &Output, may_write: bool) -> Poll<IoEvent> {
        if let Poll::Ready(event) = self.poll_read(cx) {
            return Poll::Ready(event);
        }
        if !may_write || (output.is_empty() && self.flushed) {
            return Poll::Pending;
        }
        Poll::Ready(if output.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_flush(cx)) {
                Ok(()) => {
                    self.flushed = true;
                    IoEvent::Moved
                }
                Err(error) => IoEvent::WriteFailed(error),
            }
        } else {
            match ready!(self.poll_write(cx, output)) {
                Ok(0) => IoEvent::WriteFailed(io::ErrorKind::WriteZero.into()),
                Ok(octets) => {
                    self.flushed = false;
                    IoEvent::Wrote(octets)
                }
                Err(error) => IoEvent::WriteFailed(error),
            }
        })
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, output: &Output) -> Poll<io::Result<usize>> {
        let stream = Pin::new(&mut self.stream);
        let vectored = stream.is_write_vectored();
        self.gatherer.write(output, vectored, |gathered| match gathered {
            Gathered::Octets(octets) => stream.poll_write(cx, octets),
            Gathered::Slices(slices) => stream.poll_write_vectored(cx, slices),
        })
    }
}
