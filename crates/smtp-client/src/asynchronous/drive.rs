//! The one loop that awaits: it runs any operation over any stream, and keeps the time.
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
    advance::{Advance, Allowed, Expired, Turn},
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

/// A stream with the buffers that it is read and written through.
pub(crate) struct Wire {
    stream: Stream,
    incoming: Box<[u8]>,
    gatherer: Gatherer,
    flushed: bool,
    /// Counts the turns.
    turns: usize,
    alarm: Alarm,
}

/// How many reads a look at a connection takes at most.
const LOOKS: usize = 8;
/// How many turns in a row are taken at most before others have theirs.
const TURNS: usize = 32;
/// How many octets are read at a time.
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

impl Wire {
    /// Contents may be awaited.
    pub(crate) const AWAITS: bool = true;

    pub(crate) fn new(stream: Stream) -> Self {
        let incoming = vec![0; READ].into_boxed_slice();
        let (gatherer, alarm) = (Gatherer::default(), Alarm::default());
        Self { stream, incoming, gatherer, flushed: true, turns: 0, alarm }
    }

    /// The stream under TLS, to put TLS over it.
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

    /// The stream, for others to speak on.
    pub(crate) fn into_stream(self) -> Box<dyn Io> {
        Box::new(self.stream)
    }

    /// Runs a operation to its end, and feeds it what it asks for.
    ///
    /// Dropping the future drops the run, which ends the session unless nothing was written.
    pub(crate) async fn drive<O: Operation>(
        &mut self,
        mut run: ActiveOperation<'_, O>,
        clock: &mut Clock,
        feed: &mut impl Feed<O>,
    ) -> Result<O::Answer, Error> {
        self.advance(&mut run, clock, feed).await;
        run.finish().map_err(hinted)
    }

    /// Goes on with a operation until it is done, or has a result to take.
    pub(crate) async fn advance<O: Operation>(
        &mut self,
        run: &mut ActiveOperation<'_, O>,
        clock: &mut Clock,
        feed: &mut impl Feed<O>,
    ) {
        let mut advance = Advance::new(run, clock, feed);
        while let Some(allowed) = advance.begin() {
            let turn = poll_fn(|cx| self.poll_advance(cx, &mut advance, allowed)).await;
            advance.end(turn, &self.incoming);
        }
        if run.is_counted() {
            self.look_behind(run).await;
        }
    }

    /// Feeds, reads or writes, whatever can be done first.
    fn poll_advance<O: Operation, F: Feed<O>>(
        &mut self,
        cx: &mut Context<'_>,
        advance: &mut Advance<'_, '_, O, F>,
        allowed: Allowed,
    ) -> Poll<Result<Turn, Expired>> {
        // Let the clock and other tasks have their turn, however ready all always is.
        self.turns += 1;
        if self.turns.is_multiple_of(TURNS) {
            cx.waker().wake_by_ref();
            return self.poll_alarm(cx, advance.clock);
        }
        // What came in between messages comes before the next one.
        if allowed.idle
            && let Poll::Ready(turn) = self.poll_read(cx)
        {
            return Poll::Ready(Ok(turn));
        }
        if allowed.write && advance.feed.poll_feed(cx, advance.run).is_ready() {
            return Poll::Ready(Ok(Turn::Fed));
        }
        match self.poll_turn(cx, advance.run.output(), allowed.write) {
            Poll::Pending => self.poll_alarm(cx, advance.clock),
            turn => turn.map(Ok),
        }
    }

    fn poll_alarm(&mut self, cx: &mut Context<'_>, clock: &Clock) -> Poll<Result<Turn, Expired>> {
        self.alarm.poll(cx, clock.deadline()).map(|()| Err(Expired))
    }

    /// Looks, without waiting, whether another reply is there behind the last that was owed.
    async fn look_behind<O: Operation>(&mut self, run: &mut ActiveOperation<'_, O>) {
        poll_fn(|cx| {
            // That the connection is gone is for the next operation to find out.
            if let Poll::Ready(Turn::Read(octets)) = self.poll_read(cx) {
                run.receive(&self.incoming[..octets]);
            }
            Poll::Ready(())
        })
        .await;
    }

    /// Looks, without waiting, what came in while nothing was under way, up to a few reads: a
    /// server that floods an idle connection is out of step with the first octet.
    pub(crate) async fn look(&mut self, session: &mut Session) {
        poll_fn(|cx| {
            for _ in 0..LOOKS {
                match self.poll_read(cx) {
                    Poll::Pending => break,
                    Poll::Ready(Turn::Read(octets)) if octets > 0 => {
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

    /// Sends QUIT and closes both directions, in one attempt that waits for nothing: neither for
    /// room to write nor for the reply. For a session that is given up while client and server are
    /// in step; otherwise nothing is written.
    pub(crate) async fn leave(mut self, session: &mut Session) {
        if session.ended().is_some() {
            return;
        }
        // Octets that are left unread would make the system reset the connection, which may lose
        // the QUIT; and a server that has ended the session is sent nothing.
        self.look(session).await;
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
        // There is one attempt only, which must not fail because the task has used up its turn.
        unconstrained(leaving).await;
    }

    /// Closes both directions: says so, and gives the other side a moment to say so too, so that
    /// its last octets do not meet a closed socket.
    pub(crate) async fn close(mut self, bound: Duration) {
        let closing = async {
            self.stream.shutdown().await?;
            poll_fn(|cx| {
                for _ in 0..LOOKS {
                    match ready!(self.poll_read(cx)) {
                        Turn::Read(octets) if octets > 0 => {}
                        Turn::ReadFailed(error) => return Poll::Ready(Err(error)),
                        _ => return Poll::Ready(Ok(())),
                    }
                }
                // Let the clock have its turn, however much comes in.
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await
        };
        // Whether it went well changes nothing: the session is over.
        let _ = timeout(bound, closing).await;
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        let mut buffer = ReadBuf::new(&mut self.incoming);
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer));
        let octets = buffer.filled().len();
        Poll::Ready(match read {
            Ok(()) => Turn::Read(octets),
            Err(error) => Turn::ReadFailed(error),
        })
    }

    /// Reads if there is something to read, and only then writes: a peer that both only write
    /// would wait for each other for ever.
    fn poll_turn(&mut self, cx: &mut Context<'_>, output: &Output, may_write: bool) -> Poll<Turn> {
        if let Poll::Ready(turn) = self.poll_read(cx) {
            return Poll::Ready(turn);
        }
        if !may_write || (output.is_empty() && self.flushed) {
            return Poll::Pending;
        }
        Poll::Ready(if output.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_flush(cx)) {
                Ok(()) => {
                    self.flushed = true;
                    Turn::Moved
                }
                Err(error) => Turn::WriteFailed(error),
            }
        } else {
            match ready!(self.poll_write(cx, output)) {
                Ok(0) => Turn::WriteFailed(io::ErrorKind::WriteZero.into()),
                Ok(octets) => {
                    self.flushed = false;
                    Turn::Wrote(octets)
                }
                Err(error) => Turn::WriteFailed(error),
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
