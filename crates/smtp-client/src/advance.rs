//! One step of an operation: what the clock, the feed and the operation do before and after each
//! read or write, however a client waits for it.
use std::io;

use smtp_error::Broken;

use crate::{
    clock::Clock,
    feed::{Actor, Feed},
    session::{ActiveOperation, Next, Operation},
    tls::{broken, is_failure_of_tls},
};

/// What a client did while it waited.
pub(crate) enum IoEvent {
    /// The feed gave the operation something.
    Fed,
    /// This number of octets was read; 0 is the end of the stream.
    Read(usize),
    Wrote(usize),
    /// Something that does not concern the operation: a flush, or a TLS record without application
    /// data.
    Moved,
    ReadFailed(io::Error),
    WriteFailed(io::Error),
}

/// The deadline of the clock has passed.
pub(crate) struct Expired;

/// What the next step may do. It always reads if octets have arrived.
#[derive(Clone, Copy)]
pub(crate) struct Allowed {
    /// No message is under way. A 421 or the end of the stream has to be seen before the next
    /// message is taken from the caller: it can then be sent on another connection.
    pub(crate) idle: bool,
    /// Whether to write; not after a write has failed.
    pub(crate) write: bool,
    /// Only a part of the replies has come. A server that holds back the others until that part is
    /// acknowledged (RFC 1122, 4.2.3.4) would wait for as long as systems delay that: 40
    /// milliseconds, for each command group.
    pub(crate) acknowledge: bool,
}

/// An operation on its way, step by step, until it is done or has a result to take.
pub(crate) struct Advance<'a, 's, O: Operation, F> {
    pub(crate) run: &'a mut ActiveOperation<'s, O>,
    pub(crate) clock: &'a mut Clock,
    pub(crate) feed: &'a mut F,
    write_failure: Option<io::Error>,
    /// Whether something was written since the last read, which acknowledges what was read.
    has_written: bool,
}

impl<'a, 's, O: Operation, F: Feed<O>> Advance<'a, 's, O, F> {
    pub(crate) fn new(
        run: &'a mut ActiveOperation<'s, O>,
        clock: &'a mut Clock,
        feed: &'a mut F,
    ) -> Self {
        Self { run, clock, feed, write_failure: None, has_written: false }
    }

    /// Sets the clock for the next step. Returns `None` if the caller has to act.
    pub(crate) fn begin(&mut self) -> Option<Allowed> {
        let next = self.run.next();
        let acknowledge = !self.has_written && matches!(next, Next::Read);
        let actor = match next {
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
            // No command is pending, so that no timeout of RFC 5321 applies.
            self.clock.wait_for_the_caller();
        } else if write {
            // The timeout of a step starts again with each progress. After a failed write it does
            // not: no reply may extend the short time that is left for reading.
            self.clock.turn(self.run.step(), self.run.progress(), self.run.has_answer());
        }
        Some(Allowed { idle, write, acknowledge })
    }

    /// Hands the event to the operation. `incoming` begins with the octets that were read. The last
    /// `withheld` octets written are still held by TLS, and do not leave if the connection fails.
    pub(crate) fn end(
        &mut self,
        event: Result<IoEvent, Expired>,
        incoming: &[u8],
        withheld: usize,
    ) {
        match event {
            Ok(IoEvent::Read(octets)) if octets > 0 => {
                self.has_written = false;
                self.run.receive(&incoming[..octets]);
            }
            Ok(IoEvent::Wrote(octets)) => {
                self.has_written = true;
                self.run.wrote(octets);
                self.feed.wrote(self.run);
            }
            Ok(IoEvent::Moved | IoEvent::Fed) => {}
            // A server that refuses a message early, such as with 421 or 552, may close its side
            // without reading the rest. The write fails first, but the reply is in the receive
            // buffer, so that reading goes on for a short time.
            Ok(IoEvent::WriteFailed(error)) => {
                self.write_failure = Some(error);
                self.clock.close_in();
            }
            outcome => {
                let failure = match (self.write_failure.take(), outcome) {
                    // A server that rejects the client's certificate under TLS 1.3 sends its alert
                    // after the handshake. The alert is the cause, the failed write its effect.
                    (_, Ok(IoEvent::ReadFailed(error))) if is_failure_of_tls(&error) => {
                        broken(error)
                    }
                    (Some(error), _) | (None, Ok(IoEvent::ReadFailed(error))) => broken(error),
                    (None, Ok(_)) => Broken::Closed,
                    (None, Err(Expired)) => self.clock.expired(),
                };
                self.run.take_back(withheld);
                self.run.connection_failed(failure);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        HelloName, ReplyLimits, Timeouts,
        feed::Nothing,
        session::{Dialect, Hello, Session},
    };

    #[test]
    fn a_part_of_the_replies_is_acknowledged_at_once() {
        let name = HelloName::try_from("client.example.org").unwrap();
        let mut session = Session::new(Dialect::Smtp, name, ReplyLimits::default());
        let mut run = session.run(Hello::after_greeting()).unwrap();
        let mut clock = Clock::start(Timeouts::default());
        let mut nothing = Nothing;
        let mut advance = Advance::new(&mut run, &mut clock, &mut nothing);
        // Returns whether the step that follows the event begins with an acknowledgement.
        let mut step = |event: IoEvent, incoming: &[u8]| {
            advance.end(Ok(event), incoming, 0);
            advance.begin().map(|allowed| allowed.acknowledge)
        };
        let read = |octets: &'static [u8]| (IoEvent::Read(octets.len()), octets);
        let other = |event| (event, &b""[..]);
        for ((event, octets), expected) in [
            (read(b"220-"), Some(true)),
            // EHLO takes the acknowledgement with it.
            (read(b"a\r\n220 b\r\n"), Some(false)),
            (other(IoEvent::Wrote("EHLO client.example.org\r\n".len())), Some(false)),
            (other(IoEvent::Moved), Some(false)),
            (read(b"250-a\r\n"), Some(true)),
            (read(b"250 b\r\n"), None),
        ] {
            assert_eq!(step(event, octets), expected, "{}", octets.escape_ascii());
        }
    }
}
