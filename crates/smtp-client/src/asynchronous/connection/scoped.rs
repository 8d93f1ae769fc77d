//! A connection with other settings for a while.
use std::ops::{Deref, DerefMut};

use crate::{Connection, Sending, Timeouts};

impl Connection {
    /// The same connection with other timeouts, for as long as the value lives: for one call,
    /// `connection.scoped_timeouts(timeouts).noop().await`.
    pub fn scoped_timeouts(&mut self, timeouts: Timeouts) -> ScopedSettings<'_> {
        let usual = (self.timeouts, self.sending);
        self.timeouts = timeouts;
        ScopedSettings { connection: self, usual }
    }

    /// How messages are sent, to look at or to change for all that follow.
    pub fn sending_mut(&mut self) -> &mut Sending {
        &mut self.sending
    }

    /// The same connection sending in this way, for as long as the value lives: for one message,
    /// `connection.scoped_sending(sending).send(&envelope, &text).await`.
    pub fn scoped_sending(&mut self, sending: Sending) -> ScopedSettings<'_> {
        let usual = (self.timeouts, self.sending);
        self.sending = sending;
        ScopedSettings { connection: self, usual }
    }
}

/// A connection with other settings for a while; dropping this restores the usual ones.
#[derive(Debug)]
pub struct ScopedSettings<'c> {
    connection: &'c mut Connection,
    usual: (Timeouts, Sending),
}

impl Deref for ScopedSettings<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl DerefMut for ScopedSettings<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection
    }
}

impl Drop for ScopedSettings<'_> {
    fn drop(&mut self) {
        (self.connection.timeouts, self.connection.sending) = self.usual;
    }
}
