//! What a test is asked, where it answers commands itself.

use crate::command::Command;
use crate::login::Login;
use crate::message::Message;
use crate::report::TlsFacts;
use crate::rule::{Case, What};

/// A place in the dialogue where a reply is due, and what is known there.
pub struct Asked<'a>(pub(crate) &'a Case<'a>);

impl<'a> Asked<'a> {
    /// The command that is to be answered; `None` where it is something else.
    pub fn command(&self) -> Option<&'a Command> {
        match self.0.what {
            What::Command(command) => Some(command),
            _ => None,
        }
    }

    /// The verb of the command; empty where it is something else.
    pub fn verb(&self) -> &'a str {
        self.command().map_or("", Command::verb)
    }

    /// The message whose text has ended and is to be answered.
    pub fn message(&self) -> Option<&'a Message> {
        self.0.message
    }

    /// The recipient whose reply to the text is due, where each has one.
    pub fn recipient(&self) -> Option<&'a str> {
        match self.0.what {
            What::TextFor(recipient) => Some(recipient),
            _ => None,
        }
    }

    /// The connection, counted from one.
    pub fn connection(&self) -> usize {
        self.0.connection + 1
    }

    /// The sender of the transaction; empty before MAIL, and for a notification.
    pub fn sender(&self) -> &'a str {
        self.0.sender
    }

    /// How TLS went; `None` in clear.
    pub fn tls(&self) -> Option<TlsFacts> {
        self.0.tls
    }

    /// How the client logged in.
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
