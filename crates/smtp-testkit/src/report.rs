//! The report of a server: the dialogues on its connections.

use std::fmt;
use std::time::Duration;

use crate::counted::Counted;
use crate::escape::Escaped;
use crate::lint::{Finding, Lint};
use crate::login::Login;
use crate::message::Message;
use crate::transcript::Transcript;

/// Everything that a server received and did, as far as it [keeps](crate::Keep) it.
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

    /// The mistakes of the clients that a server with rules detected. With a script, these are only
    /// the mistakes in message texts; the script itself checks everything else.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.connections.iter().flat_map(|connection| &connection.findings)
    }

    /// The kinds of mistakes that were made, without duplicates.
    pub fn lints(&self) -> Vec<Lint> {
        let mut lints: Vec<Lint> = self.findings().map(|finding| finding.lint).collect();
        lints.sort();
        lints.dedup();
        lints
    }
}

/// The dialogue on one connection.
///
/// `Display` shows it in the format of scripts.
#[derive(Clone, Debug, Default)]
pub struct Conversation {
    /// Counted from zero.
    pub(crate) number: usize,
    pub(crate) dialogue: Vec<Line>,
    /// The number of pieces of the dialogue before it that are not kept.
    pub(crate) omitted: usize,
    pub(crate) messages: Vec<Message>,
    pub(crate) findings: Vec<Finding>,
    /// How many of the findings the messages have.
    pub(crate) reported: usize,
    pub(crate) ended: bool,
    pub(crate) tls: Option<TlsFacts>,
    pub(crate) server_name: Option<String>,
    pub(crate) login: Option<Login>,
}

impl Conversation {
    /// The number of the connection, counted from one.
    pub fn number(&self) -> usize {
        self.number + 1
    }

    /// The number of pieces before the [dialogue](Self::dialogue) that the server does not
    /// [keep](crate::Keep::lines); zero by default.
    pub fn omitted(&self) -> usize {
        self.omitted
    }

    /// The lines and texts that were sent, in the order in which the server processed them.
    pub fn dialogue(&self) -> &[Line] {
        &self.dialogue
    }

    /// The messages that `[text]` and `[chunk]` received, or that a server with rules accepted. A
    /// text that a script has as `C:` lines is only in the dialogue.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// The facts of the TLS session; `None` if the connection stayed in clear.
    pub fn tls(&self) -> Option<TlsFacts> {
        self.tls
    }

    /// The server name that the client sent in its handshake (SNI).
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// The login of the client, if it has logged in.
    pub fn login(&self) -> Option<&Login> {
        self.login.as_ref()
    }

    /// The mistakes of the client, in the order in which they were detected.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Records a mistake in the last piece of the dialogue.
    pub(crate) fn mistake(&mut self, lint: Lint, what: String) {
        let at = self.dialogue.len().saturating_sub(1);
        self.findings.push(Finding { lint, at, what });
    }

    /// Drops the first `count` pieces of the dialogue, and the mistakes that they show.
    pub(crate) fn forget(&mut self, count: usize) {
        self.dialogue.drain(..count);
        self.omitted += count;
        let dropped = self.findings.partition_point(|finding| finding.at < count);
        self.findings.drain(..dropped);
        self.reported = self.reported.saturating_sub(dropped);
        self.findings.iter_mut().for_each(|finding| finding.at -= count);
    }

    /// Records how the client ended its side under TLS.
    pub(crate) fn closed(&mut self, close_notify: bool) {
        if let Some(tls) = &mut self.tls {
            tls.close_notify = close_notify;
        }
    }
}

impl fmt::Display for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.omitted > 0 {
            writeln!(f, "# {} before this one not kept", Counted(self.omitted, "piece"))?;
        }
        self.dialogue.iter().try_for_each(|line| writeln!(f, "{}", Transcript(line)))
    }
}

/// A piece of the dialogue: a line, a message text, a chunk, or an event such as a handshake.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Line {
    /// Who wrote it.
    pub speaker: Speaker,
    /// The octets as sent, with CRLF; for an event, its description.
    pub octets: Vec<u8>,
    /// The number of further octets, which the server does not [keep](crate::Keep::line_octets);
    /// zero by default.
    pub omitted: usize,
    /// The time since the connection was accepted.
    pub elapsed: Duration,
    /// The line of the script that was being played; `None` after the last line, and without a
    /// script.
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
    /// The server.
    Server,
    /// An event: a handshake, or the end of the connection.
    Stage,
}

/// The facts of the TLS session of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsFacts {
    /// Whether the client sent `close_notify` before it closed, and the server read it.
    pub close_notify: bool,
    /// The negotiated version.
    pub version: TlsVersion,
    /// Whether the client presented a certificate.
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
