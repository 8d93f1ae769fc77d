//! The argument of the closure with which a test answers commands itself.

use crate::command::Command;
use crate::login::Login;
use crate::message::Message;
use crate::report::TlsFacts;
use crate::rule::{Case, What};

/// A point of the dialogue at which the server has to reply, and the state of the connection there.
pub struct Asked<'a>(pub(crate) &'a Case<'a>);

impl<'a> Asked<'a> {
    /// The command to reply to; `None` at the end of a message text.
    pub fn command(&self) -> Option<&'a Command> {
        match self.0.what {
            What::Command(command) => Some(command),
            _ => None,
        }
    }

    /// The verb of the command; empty at the end of a message text.
    pub fn verb(&self) -> &'a str {
        self.command().map_or("", Command::verb)
    }

    /// The message whose text has ended and to which the server has to reply.
    pub fn message(&self) -> Option<&'a Message> {
        self.0.message
    }

    /// The recipient whose reply is pending at the end of a text; `None` unless each recipient has
    /// a reply of its own (LMTP and PRDR).
    pub fn recipient(&self) -> Option<&'a str> {
        match self.0.what {
            What::TextFor(recipient) => Some(recipient),
            _ => None,
        }
    }

    /// The number of the connection, counted from one.
    pub fn connection(&self) -> usize {
        self.0.connection + 1
    }

    /// The sender of the transaction; empty before MAIL, and for the null reverse-path.
    pub fn sender(&self) -> &'a str {
        self.0.sender
    }

    /// The facts of the TLS session; `None` without TLS.
    pub fn tls(&self) -> Option<TlsFacts> {
        self.0.tls
    }

    /// The login of the client, if it has logged in.
    pub fn login(&self) -> Option<&'a Login> {
        self.0.login
    }
}

impl std::fmt::Debug for Asked<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asked")
            .field("command", &self.command())
            .field("message", &self.message())
            .finish_non_exhaustive()
    }
}
