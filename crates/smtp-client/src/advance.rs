//! Advancing an operation: what happens between two turns on the wire, however a client waits.
use std::io;

use smtp_error::Broken;

use crate::{
    clock::Clock,
    feed::{Actor, Feed},
    session::{ActiveOperation, Next, Operation},
    tls::{broken, is_failure_of_tls},
};

/// What happened on the wire.
pub(crate) enum Turn {
    Fed,
    Read(usize),
    Wrote(usize),
    /// Something that the operation is not told of: what was written was flushed, or what came in
    /// was no content, such as records of TLS that carry none.
    Moved,
    ReadFailed(io::Error),
    WriteFailed(io::Error),
}

/// The deadline of the clock has passed.
pub(crate) struct Expired;

/// What the next turn may do. It always reads if there is something to read.
#[derive(Clone, Copy)]
pub(crate) struct Allowed {
    /// No message is under way: what came in is read before the next one is asked for.
    pub(crate) idle: bool,
    /// Nothing is written any more after a write has failed.
    pub(crate) write: bool,
}

/// An operation that goes on, turn by turn, until it is done or has a result to take.
pub(crate) struct Advance<'a, 's, O: Operation, F> {
    pub(crate) run: &'a mut ActiveOperation<'s, O>,
    pub(crate) clock: &'a mut Clock,
    pub(crate) feed: &'a mut F,
    write_failure: Option<io::Error>,
}

impl<'a, 's, O: Operation, F: Feed<O>> Advance<'a, 's, O, F> {
    pub(crate) fn new(
        run: &'a mut ActiveOperation<'s, O>,
        clock: &'a mut Clock,
        feed: &'a mut F,
    ) -> Self {
        Self { run, clock, feed, write_failure: None }
    }

    /// Sets the clock for the next turn; `None` if it is the caller who has to act.
    pub(crate) fn begin(&mut self) -> Option<Allowed> {
        let actor = match self.run.next() {
            Next::Done => Some(Actor::Caller),
            Next::Request(request) => Some(self.feed.actor(&request)),
            Next::Write | Next::Read => None,
        };
        if actor == Some(Actor::Caller) {
            return None;
        }
        let idle = actor == Some(Actor::IdleFeed);
        let write = self.write_failure.is_none();
        if idle {
            self.clock.wait_for_the_caller();
        } else if write {
            self.clock.turn(self.run.step(), self.run.progress(), self.run.has_answer());
        }
        Some(Allowed { idle, write })
    }

    /// Tells the operation what happened. `incoming` begins with the octets that were read.
    pub(crate) fn end(&mut self, turn: Result<Turn, Expired>, incoming: &[u8]) {
        match turn {
            Ok(Turn::Read(octets)) if octets > 0 => self.run.receive(&incoming[..octets]),
            Ok(Turn::Wrote(octets)) => {
                self.run.wrote(octets);
                self.feed.wrote(self.run);
            }
            Ok(Turn::Moved | Turn::Fed) => {}
            // A failed write is not the verdict: the server may have said why, before it
            // stopped reading.
            Ok(Turn::WriteFailed(error)) => {
                self.write_failure = Some(error);
                self.clock.close_in();
            }
            outcome => {
                let failure = match (self.write_failure.take(), outcome) {
                    // An alert of the server says more than the write that failed after it.
                    (_, Ok(Turn::ReadFailed(error))) if is_failure_of_tls(&error) => broken(error),
                    (Some(error), _) | (None, Ok(Turn::ReadFailed(error))) => broken(error),
                    (None, Ok(_)) => Broken::Closed,
                    (None, Err(Expired)) => self.clock.expired(),
                };
                self.run.connection_failed(failure);
            }
        }
    }
}
