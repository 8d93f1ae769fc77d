//! The one loop that blocks: it runs any operation over any stream, and keeps the time.
use std::{
    io::{self, Read, Write},
    task::{Context, Waker},
    time::Duration,
};

use smtp_error::Error;

use crate::{
    advance::{Advance, Allowed, Expired, IoEvent},
    blocking::{
        ReleasedStream,
        stream::{Stream, Transport},
    },
    clock::{Clock, Instant, later},
    feed::Feed,
    gather::{Gathered, Gatherer},
    session::{ActiveOperation, Next, Operation, Output, Session, SimpleCommand},
    tls::hinted,
};

/// A stream with the buffers that it is read and written through.
pub(crate) struct Driver {
    stream: Stream,
    incoming: Box<[u8]>,
    gatherer: Gatherer,
    flushed: bool,
    /// Counts the turns.
    polls: usize,
}

/// How many reads a look at a connection takes at most.
const MAX_IDLE_READS: usize = 8;
/// How many turns in a row are taken at most before the clock is looked at.
const YIELD_EVERY: usize = 32;
/// How many octets are read at a time.
const READ: usize = 16 * 1024;

/// Acts in a span.
macro_rules! in_span {
    ($span:expr, $what:expr) => {
        $span.in_scope(|| $what)
    };
}

pub(crate) use in_span;

impl Driver {
    /// Nothing awaits a content.
    pub(crate) const AWAITS: bool = false;

    pub(crate) fn new(stream: Stream) -> Self {
        let incoming = vec![0; READ].into_boxed_slice();
        Self { stream, incoming, gatherer: Gatherer::default(), flushed: true, polls: 0 }
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
    pub(crate) fn into_stream(self) -> ReleasedStream {
        ReleasedStream::new(self.stream)
    }

    /// Runs an operation to its end, and feeds it what it asks for.
    pub(crate) fn drive<O: Operation>(
        &mut self,
        mut run: ActiveOperation<'_, O>,
        clock: &mut Clock,
        feed: &mut impl Feed<O>,
    ) -> Result<O::Answer, Error> {
        self.advance(&mut run, clock, feed);
        run.finish().map_err(hinted)
    }

    /// Goes on with an operation until it is done, or has a result to take.
    pub(crate) fn advance<O: Operation>(
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
            let turn = self.turn(&mut advance, allowed);
            advance.end(turn, &self.incoming, self.stream.withheld());
        }
        if run.is_counted() {
            self.read_extra_reply(run);
        }
    }

    /// Feeds, reads or writes, whatever can be done first, and waits until something can.
    fn turn<O: Operation, F: Feed<O>>(
        &mut self,
        advance: &mut Advance<'_, '_, O, F>,
        allowed: Allowed,
    ) -> Result<IoEvent, Expired> {
        // A feed that does not await is always ready.
        let cx = &mut Context::from_waker(Waker::noop());
        let deadline = advance.clock.deadline();
        // However ready all always is, the clock has its turn.
        self.polls += 1;
        if self.polls.is_multiple_of(YIELD_EVERY) && Instant::now() >= deadline {
            return Err(Expired);
        }
        loop {
            // What came in between messages comes before the next one.
            if allowed.idle
                && let Some(turn) = self.try_read()
            {
                return Ok(turn);
            }
            if allowed.write && advance.feed.poll_feed(cx, advance.run).is_ready() {
                return Ok(IoEvent::Fed);
            }
            if let Some(turn) = self.try_turn(advance.run.output(), allowed.write) {
                return Ok(turn);
            }
            match self.stream.wait(deadline) {
                Ok(true) => {}
                Ok(false) => return Err(Expired),
                Err(error) => return Ok(IoEvent::ReadFailed(error)),
            }
        }
    }

    /// Reads once, without waiting, in case another reply follows the last expected one.
    fn read_extra_reply<O: Operation>(&mut self, run: &mut ActiveOperation<'_, O>) {
        // That the connection is gone is for the next operation to find out.
        if let Some(IoEvent::Read(octets)) = self.try_read() {
            run.receive(&self.incoming[..octets]);
        }
    }

    /// Looks, without waiting, what came in while nothing was under way, up to a few reads: a
    /// server that floods an idle connection is out of step with the first octet.
    pub(crate) fn check_idle(&mut self, session: &mut Session) {
        for _ in 0..MAX_IDLE_READS {
            match self.try_read() {
                None => return,
                Some(IoEvent::Moved) => {}
                Some(IoEvent::Read(octets)) if octets > 0 => {
                    session.receive_idle(&self.incoming[..octets]);
                }
                Some(_) => return session.closed_idle(),
            }
        }
    }

    /// Sends QUIT and closes both directions, in one attempt that waits for nothing: neither for
    /// room to write nor for the reply. For a session that is given up while client and server are
    /// in step; otherwise nothing is written.
    pub(crate) fn quit_without_waiting(mut self, session: &mut Session) {
        if session.ended().is_some() {
            return;
        }
        // Octets that are left unread would make the system reset the connection, which may lose
        // the QUIT; and a server that has ended the session is sent nothing.
        self.check_idle(session);
        let Ok(mut run) = session.run(SimpleCommand::quit()) else { return };
        while matches!(run.next(), Next::Write) {
            match self.write(run.output()) {
                Ok(octets) if octets > 0 => run.wrote(octets),
                _ => return,
            }
        }
        if self.stream.flush().is_ok() {
            let _ = self.stream.shutdown();
        }
    }

    /// Closes both directions: says so, and gives the other side a moment to say so too, so that
    /// its last octets do not meet a closed socket.
    pub(crate) fn close(mut self, bound: Duration) {
        let deadline = later(Instant::now(), bound);
        // Whether it goes well changes nothing: the session is over.
        while let Err(error) = self.stream.shutdown() {
            if !would_block(&error) || !matches!(self.stream.wait(deadline), Ok(true)) {
                return;
            }
        }
        while Instant::now() < deadline {
            match self.try_read() {
                Some(IoEvent::Moved) => {}
                Some(IoEvent::Read(octets)) if octets > 0 => {}
                None if matches!(self.stream.wait(deadline), Ok(true)) => {}
                _ => return,
            }
        }
    }

    fn try_read(&mut self) -> Option<IoEvent> {
        match self.stream.read(&mut self.incoming) {
            Ok(octets) => Some(IoEvent::Read(octets)),
            Err(error) if would_block(&error) => None,
            // There may be more to read at once, but the clock has its turn first.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Some(IoEvent::Moved),
            Err(error) => Some(IoEvent::ReadFailed(error)),
        }
    }

    /// Reads if there is something to read, and only then writes: a peer that both only write
    /// would wait for each other for ever.
    fn try_turn(&mut self, output: &Output, may_write: bool) -> Option<IoEvent> {
        if let Some(turn) = self.try_read() {
            return Some(turn);
        }
        if !may_write || (output.is_empty() && self.flushed) {
            return None;
        }
        let written = match output.is_empty() {
            true => self.stream.flush().map(|()| IoEvent::Moved),
            false => match self.write(output) {
                Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                written => written.map(IoEvent::Wrote),
            },
        };
        match written {
            Err(error) if would_block(&error) => None,
            Err(error) => Some(IoEvent::WriteFailed(error)),
            Ok(turn) => {
                self.flushed = output.is_empty();
                Some(turn)
            }
        }
    }

    fn write(&mut self, output: &Output) -> io::Result<usize> {
        let stream = &mut self.stream;
        self.gatherer.write(output, true, |gathered| match gathered {
            Gathered::Octets(octets) => stream.write(octets),
            Gathered::Slices(slices) => stream.write_vectored(slices),
        })
    }
}

/// Returns whether there is nothing to read, or no room to write.
fn would_block(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}
