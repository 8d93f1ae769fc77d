//! The connection: a session over a stream, one operation at a time.
use smtp_error::Error;

use crate::{
    Message, Server, Timeouts,
    blocking::{
        ReleasedStream, SendMany,
        connect::log_in,
        drive::{Driver, in_span},
        handshake::handshake,
    },
    connection::{connection, scoped_settings, session_commands, verbs},
    session::{Sending, Session},
    tls::TlsFacts,
};

/// An open connection to a server.
///
/// A serial protocol has one operation at a time, so every operation takes `&mut self`. Each blocks
/// until it is done, and is bounded by the [`Timeouts`]. After an error that leaves the two sides
/// out of step, and after 421, the session has ended: the next call says so, instead of taking a
/// late reply for its own.
pub struct Connection {
    session: Session,
    /// Gone when the session has ended.
    driver: Option<Driver>,
    server: Server,
    timeouts: Timeouts,
    sending: Sending,
    /// What is known of the TLS around it.
    tls: Option<TlsFacts>,
}

impl Connection {
    /// Sends many messages, one after the other or [running ahead](crate::Ahead), and has a result
    /// for each, with the index of the message, in their order and as soon as it is known. A message
    /// that is refused or cannot be sent disturbs no other.
    ///
    /// # Errors
    /// The session has ended; then none was taken.
    pub fn send_many<'c, 'm>(
        &'c mut self,
        messages: impl IntoIterator<Item = Message<'m>, IntoIter: Send + 'm>,
    ) -> Result<SendMany<'c, 'm>, Error> {
        let (driver, dispatch) = self.dispatch(SendMany::supply(messages))?;
        Ok(SendMany::new(driver, dispatch))
    }
}

connection!([], []);
session_commands!([], []);
verbs!([], [], ReleasedStream);
scoped_settings!();
