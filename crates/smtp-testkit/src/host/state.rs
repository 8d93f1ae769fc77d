//! What a connection has come to.

use std::collections::BTreeSet;

use crate::command::Command;
use crate::login::Login;
use crate::report::TlsFacts;

/// Everything that decides what may come next.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) hello: Hello,
    pub(super) tls: Option<TlsFacts>,
    /// No command has come since the handshake of STARTTLS.
    pub(super) fresh_tls: bool,
    pub(super) login: Option<Login>,
    pub(super) envelope: Option<Envelope>,
    /// How many MAIL commands were accepted.
    pub(super) mails: usize,
    /// The domains of all recipients that were accepted, in lower case.
    pub(super) domains: BTreeSet<String>,
    /// The client has said QUIT, or the server has given up on it.
    pub(super) farewell: bool,
}

/// How the client introduced itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Hello {
    /// Not yet, or not since TLS began.
    #[default]
    Missing,
    /// With HELO: nothing was offered.
    Plain,
    /// With EHLO or LHLO.
    Extended,
}

/// A transaction that has begun.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) mail: Command,
    pub(super) rcpts: Vec<Command>,
    /// How many recipients were refused.
    pub(super) refused: usize,
    /// What came in chunks so far; `None` before the first.
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

    /// Whether MAIL has a parameter.
    pub(super) fn says(&self, name: &str) -> bool {
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

    /// Forgets what was learned before TLS (RFC 3207, 4.2).
    pub(super) fn encrypted(&mut self, facts: Option<TlsFacts>) {
        *self = Self { tls: facts, ..Self::default() };
    }
}

/// The domain of a recipient, in lower case.
pub(super) fn domain(rcpt: &Command) -> Option<String> {
    Some(rcpt.path()?.rsplit_once('@')?.1.to_ascii_lowercase())
}
