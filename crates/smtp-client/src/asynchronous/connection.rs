//! The connection: a session over a stream, one operation at a time.
use smtp_error::Error;

use crate::{
    Messages, SendMany, Timeouts,
    asynchronous::{
        connect::log_in,
        drive::{Wire, in_span},
        stream::Io,
    },
    connection::{connection, scoped_settings, session_commands, verbs},
    session::{Sending, Session},
    tls::TlsFacts,
};

/// An open connection to a server.
///
/// A serial protocol has one operation at a time, so every operation takes `&mut self`. Each is
/// bounded by the [`Timeouts`]. Dropping the future of an operation ends the session, unless
/// nothing of it was written: the next call says so, instead of taking a late reply for its own,
/// and closes the connection.
/// The same holds after an error that leaves the two sides out of step, and after 421.
pub struct Connection {
    session: Session,
    /// Gone when the session has ended.
    wire: Option<Wire>,
    timeouts: Timeouts,
    sending: Sending,
    /// What is known of the TLS around it.
    tls: Option<TlsFacts>,
}

impl Connection {
    /// Sends many messages, one after the other or [running ahead](crate::Ahead), and has a result
    /// for each, in their order and as soon as it is known. A message that is refused or cannot be
    /// sent disturbs no other.
    ///
    /// The messages come from an iterator, or from a stream by way of [`Messages::stream`].
    ///
    /// # Errors
    /// The session has ended; then none was taken.
    pub async fn send_many<'c, 'm>(
        &'c mut self,
        messages: impl Into<Messages<'m>>,
    ) -> Result<SendMany<'c, 'm>, Error> {
        let (wire, dispatch) = self.dispatch(messages.into()).await?;
        Ok(SendMany::new(wire, dispatch))
    }

    /// Changes whenever something was changed that the next message would notice.
    pub(crate) fn changes(&self) -> u32 {
        self.session.changes()
    }
}

connection!([async], [.await]);
session_commands!([async], [.await]);
verbs!([async], [.await], Box<dyn Io>);
scoped_settings!();
