//! A connection with other settings for a while.
use std::ops::{Deref, DerefMut};

use crate::{Connection, Sending, Timeouts};

impl Connection {
    /// The same connection with other timeouts, for as long as the value lives: for one call,
    /// `connection.bounded(timeouts).noop().await`.
    pub fn bounded(&mut self, timeouts: Timeouts) -> Bounded<'_> {
        let usual = (self.timeouts, self.sending);
        self.timeouts = timeouts;
        Bounded { connection: self, usual }
    }

    /// How messages are sent, to look at or to change for all that follow.
    pub fn sending_mut(&mut self) -> &mut Sending {
        &mut self.sending
    }

    /// The same connection sending in this way, for as long as the value lives: for one message,
    /// `connection.sending(sending).send(&envelope, &text).await`.
    pub fn sending(&mut self, sending: Sending) -> Bounded<'_> {
        let usual = (self.timeouts, self.sending);
        self.sending = sending;
        Bounded { connection: self, usual }
    }
}

/// A connection with other settings for a while; dropping this restores the usual ones.
#[derive(Debug)]
pub struct Bounded<'c> {
    connection: &'c mut Connection,
    usual: (Timeouts, Sending),
}

impl Deref for Bounded<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl DerefMut for Bounded<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection
    }
}

impl Drop for Bounded<'_> {
    fn drop(&mut self) {
        (self.connection.timeouts, self.connection.sending) = self.usual;
    }
}
