//! What was said on the connections of a server, as it went over the wire.

use std::fmt;
use std::time::Duration;

use crate::escape::Escaped;
use crate::lint::{Finding, Lint};
use crate::login::Login;
use crate::message::Message;
use crate::transcript::Transcript;

/// Everything that a server saw and did.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub(crate) connections: Vec<Conversation>,
}

impl Report {
    /// The connections, in the order in which they were made.
    pub fn connections(&self) -> &[Conversation] {
        &self.connections
    }

    /// The lines of all connections, one connection after the other.
    pub fn dialogue(&self) -> impl Iterator<Item = &Line> {
        self.connections.iter().flat_map(|connection| &connection.dialogue)
    }

    /// The messages of all connections, in the order in which they arrived.
    pub fn messages(&self) -> Vec<&Message> {
        let mut messages: Vec<&Message> =
            self.connections.iter().flat_map(|connection| &connection.messages).collect();
        messages.sort_by_key(|message| message.number);
        messages
    }

    /// What the clients did wrong, as a server with rules saw it. With a script it is what is wrong
    /// with the texts; of everything else the script is the judge.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.connections.iter().flat_map(|connection| &connection.findings)
    }

    /// The kinds of mistakes that were made, each once.
    pub fn lints(&self) -> Vec<Lint> {
        let mut lints: Vec<Lint> = self.findings().map(|finding| finding.lint).collect();
        lints.sort();
        lints.dedup();
        lints
    }
}

/// What was said on one connection.
///
/// Its `Display` is the dialogue as a script writes it.
#[derive(Clone, Debug, Default)]
pub struct Conversation {
    pub(crate) dialogue: Vec<Line>,
    pub(crate) messages: Vec<Message>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) tls: Option<TlsFacts>,
    pub(crate) server_name: Option<String>,
    pub(crate) login: Option<Login>,
}

impl Conversation {
    /// What went over the wire, in the order in which the script came to it.
    pub fn dialogue(&self) -> &[Line] {
        &self.dialogue
    }

    /// What `[text]` and `[chunk]` took, or a server with rules; a text that a script has as `C:`
    /// lines is dialogue only, and so is one that was refused.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// How TLS went; `None` if the connection stayed in clear.
    pub fn tls(&self) -> Option<TlsFacts> {
        self.tls
    }

    /// The name of the server that the client put into its handshake.
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// How the client logged in.
    pub fn login(&self) -> Option<&Login> {
        self.login.as_ref()
    }

    /// What the client did wrong, in the order in which it was noticed.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The client has ended its side, under TLS with a word or without.
    pub(crate) fn closed(&mut self, close_notify: bool) {
        if let Some(tls) = &mut self.tls {
            tls.close_notify = close_notify;
        }
    }
}

impl fmt::Display for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.dialogue.iter().try_for_each(|line| writeln!(f, "{}", Transcript(line)))
    }
}

/// A piece of the dialogue: a line, a text, a chunk, or something that happened besides.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Line {
    /// Who wrote it.
    pub speaker: Speaker,
    /// What was written, with its CRLF; for the stage, what happened, in words.
    pub octets: Vec<u8>,
    /// The time since the connection was accepted.
    pub elapsed: Duration,
    /// The line of the script that was being played; `None` after the last one, and without one.
    pub script_line: Option<usize>,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { speaker, octets, elapsed, .. } = self;
        write!(f, "{speaker:?} {} at {elapsed:?}", Escaped(octets))
    }
}

/// Who wrote a piece of the dialogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Speaker {
    /// The client under test.
    Client,
    /// The server, as its script told it.
    Server,
    /// Neither: a handshake, or the end of the connection.
    Stage,
}

/// How TLS went on a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsFacts {
    /// The client said `close_notify` before it closed, and the server came to read it.
    pub close_notify: bool,
    /// The version that the two agreed on.
    pub version: TlsVersion,
    /// The client showed a certificate.
    pub client_certificate: bool,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TlsVersion {
    /// 1.2.
    #[default]
    V12,
    /// 1.3.
    V13,
}
