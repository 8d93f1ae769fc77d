//! The connection: a session over a stream, one operation at a time.
use smtp_error::Error;

use crate::{
    Messages, SendMany, Server, Timeouts,
    asynchronous::{
        connect::log_in,
        drive::{Driver, in_span},
        handshake::handshake,
        stream::Io,
    },
    connection::{connection, scoped_settings, session_commands, verbs},
    session::{Sending, Session},
    tls::TlsFacts,
};

/// An open connection to a server.
///
/// SMTP allows one operation at a time, so every operation takes `&mut self`. Each is bounded by
/// the [`Timeouts`]. Dropping the future of an operation ends the session, unless nothing of it was
/// written: a late reply could otherwise be taken for the reply to the next command. The next call
/// returns [`ErrorKind::Ended`](crate::ErrorKind::Ended) and closes the connection. The same
/// applies after an error that leaves client and server out of step, and after 421.
pub struct Connection {
    session: Session,
    /// `None` when the session has ended.
    driver: Option<Driver>,
    server: Server,
    timeouts: Timeouts,
    sending: Sending,
    /// `None` without TLS.
    tls: Option<TlsFacts>,
}

impl Connection {
    /// Sends many messages, one after the other or [running ahead](crate::Ahead), and has a result
    /// for each, with the index of the message, in their order and as soon as it is known. A message
    /// that is refused or cannot be sent disturbs no other.
    ///
    /// The messages come from an iterator, or with [`Messages::stream`] from a stream.
    ///
    /// # Errors
    /// The session has ended. No message was taken then.
    pub async fn send_many<'c, 'm>(
        &'c mut self,
        messages: impl Into<Messages<'m>>,
    ) -> Result<SendMany<'c, 'm>, Error> {
        let (driver, dispatch) = self.dispatch(messages.into()).await?;
        Ok(SendMany::new(driver, dispatch))
    }

    /// Returns a counter that changes with everything that would affect a later message: the
    /// authentication, XCLIENT, XFORWARD, the capabilities, the client name.
    pub(crate) fn changes(&self) -> u32 {
        self.session.changes()
    }

    /// Sets the most recipients of a mail transaction, as learned on another connection.
    pub(crate) fn learn_rcpt_max(&mut self, most: usize) {
        self.session.learn_rcpt_max(most);
    }
}

connection!([async], [.await]);
session_commands!([async], [.await]);
verbs!([async], [.await], Box<dyn Io>);
scoped_settings!();
