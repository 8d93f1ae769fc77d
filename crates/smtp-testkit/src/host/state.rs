//! The state of a connection.

use std::collections::BTreeSet;

use crate::command::Command;
use crate::login::Login;
use crate::report::TlsFacts;

/// The state that determines which commands are valid.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) hello: Hello,
    pub(super) tls: Option<TlsFacts>,
    /// No command was received since the handshake of STARTTLS.
    pub(super) fresh_tls: bool,
    pub(super) login: Option<Login>,
    pub(super) envelope: Option<Envelope>,
    /// The number of accepted MAIL commands.
    pub(super) mails: usize,
    /// The domains of all accepted recipients, in lower case.
    pub(super) domains: BTreeSet<String>,
    /// The server will close the connection, after QUIT or 421.
    pub(super) closing: bool,
}

/// The greeting command of the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Hello {
    /// None, or none since TLS began.
    #[default]
    Missing,
    /// HELO, which offers no extensions.
    Plain,
    /// EHLO or LHLO.
    Extended,
}

/// An open transaction.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) mail: Command,
    pub(super) rcpts: Vec<Command>,
    /// The number of refused recipients.
    pub(super) refused: usize,
    /// The chunks received so far; `None` before the first.
    pub(super) chunks: Option<Chunks>,
}

#[derive(Debug, Default)]
pub(super) struct Chunks {
    pub(super) text: Vec<u8>,
    pub(super) sizes: Vec<usize>,
}

impl Envelope {
    pub(super) fn new(mail: Command) -> Self {
        Self { mail, rcpts: Vec::new(), refused: 0, chunks: None }
    }

    /// Returns whether MAIL has a parameter.
    pub(super) fn has_param(&self, name: &str) -> bool {
        self.mail.param(name).is_some()
    }

    pub(super) fn body(&self) -> String {
        self.mail.param("BODY").unwrap_or("7BIT").to_ascii_uppercase()
    }
}

impl State {
    /// The address in MAIL; empty before it.
    pub(super) fn sender(&self) -> &str {
        self.envelope.as_ref().and_then(|envelope| envelope.mail.path()).unwrap_or_default()
    }

    /// Resets everything that was learned without TLS (RFC 3207, 4.2).
    pub(super) fn encrypted(&mut self, facts: Option<TlsFacts>) {
        *self = Self { tls: facts, ..Self::default() };
    }
}

/// The domain of a recipient, in lower case.
pub(super) fn domain(rcpt: &Command) -> Option<String> {
    Some(rcpt.path()?.rsplit_once('@')?.1.to_ascii_lowercase())
}
