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
    /// The client has sent AUTH and no other command since. Its next lines may be responses with a
    /// password, even if the server has refused AUTH, so findings must not quote them.
    pub(super) may_send_secrets: bool,
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

    /// Updates [`may_send_secrets`](Self::may_send_secrets) for a line of the client.
    pub(super) fn note_auth(&mut self, line: &[u8]) {
        match verb(line).as_str() {
            "AUTH" => self.may_send_secrets = true,
            verb if COMMANDS.contains(&verb) => self.may_send_secrets = false,
            _ => {}
        }
    }

    /// Returns a line that the client has sent ahead as a finding may name it.
    pub(super) fn quote(&self, line: &[u8]) -> String {
        match verb(line).as_str() {
            "AUTH" => "`AUTH`".to_owned(),
            verb if self.may_send_secrets && !COMMANDS.contains(&verb) => "a line".to_owned(),
            _ => format!("`{}`", String::from_utf8_lossy(&line[..line.len().min(60)]).trim_end()),
        }
    }

    /// Resets everything that was learned without TLS (RFC 3207, 4.2).
    pub(super) fn encrypted(&mut self, facts: Option<TlsFacts>) {
        *self = Self { tls: facts, ..Self::default() };
    }
}

/// The commands that cannot be mistaken for a response of AUTH.
const COMMANDS: [&str; 19] = [
    "EHLO", "HELO", "LHLO", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP", "QUIT", "VRFY", "EXPN",
    "HELP", "STARTTLS", "ETRN", "ATRN", "BURL", "XCLIENT", "XFORWARD",
];

/// The first word of a line, in upper case.
fn verb(line: &[u8]) -> String {
    let line = line.trim_ascii();
    let word = line.split(|octet| octet.is_ascii_whitespace()).next().unwrap_or_default();
    String::from_utf8_lossy(&word[..word.len().min(60)]).to_ascii_uppercase()
}

/// The domain of a recipient, in lower case.
pub(super) fn domain(rcpt: &Command) -> Option<String> {
    Some(rcpt.path()?.rsplit_once('@')?.1.to_ascii_lowercase())
}
