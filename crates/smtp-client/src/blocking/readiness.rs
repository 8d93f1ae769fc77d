//! Readiness: what tells when sockets that never block can be read or written again.
use std::{
    io,
    time::{Duration, Instant as Measured},
};

use mio::{Events, Interest, Poll, Token, event::Source};

use crate::clock::Instant;

/// What sockets are waited on with.
///
/// Readiness is reported once (edge-triggered): a wait ends when a socket has become ready since
/// the last read or write that failed with `WouldBlock`, so callers try both before they wait.
pub(super) struct Readiness {
    poll: Poll,
    events: Events,
}

/// How long one wait takes at most; systems have bounds of their own.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

impl Readiness {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { poll: Poll::new()?, events: Events::with_capacity(4) })
    }

    /// Waits on this socket from now on.
    pub(super) fn add(&self, socket: &mut impl Source) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(socket, Token(0), both)
    }

    /// Waits on this socket no more.
    pub(super) fn remove(&self, socket: &mut impl Source) -> io::Result<()> {
        self.poll.registry().deregister(socket)
    }

    /// Waits until something can be read or written again. Returns whether that was before the
    /// deadline.
    pub(super) fn wait(&mut self, deadline: Instant) -> io::Result<bool> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        let begun = Measured::now();
        match self.poll.poll(&mut self.events, Some(left.min(LONGEST_WAIT))) {
            // The clock of a runtime may stand still.
            Ok(()) => Ok(!self.events.is_empty() || begun.elapsed() < left),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(error),
        }
    }

    pub(super) fn wait_for_ever(&mut self) -> io::Result<()> {
        match self.poll.poll(&mut self.events, None) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }
}
