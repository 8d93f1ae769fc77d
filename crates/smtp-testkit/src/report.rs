//! What was said on the connections of a server, as it went over the wire.

use std::fmt;
use std::time::Duration;

use crate::message::Message;
use crate::transcript::Transcript;

/// Everything that a server saw and did.
#[derive(Clone, Debug, Default)]
pub struct Report {
    connections: Vec<Conversation>,
}

impl Report {
    pub(crate) fn push(&mut self, conversation: Conversation) {
        self.connections.push(conversation);
    }

    /// The connections, in the order of their scripts.
    pub fn connections(&self) -> &[Conversation] {
        &self.connections
    }

    /// The lines of all connections, one connection after the other.
    pub fn dialogue(&self) -> impl Iterator<Item = &Line> {
        self.connections.iter().flat_map(|connection| &connection.dialogue)
    }

    /// The messages of all connections, in the order in which they arrived.
    pub fn messages(&self) -> Vec<&Message> {
        self.connections.iter().flat_map(|connection| &connection.messages).collect()
    }
}

/// What was said on one connection.
///
/// Its `Display` is the dialogue as a script writes it.
#[derive(Clone, Debug, Default)]
pub struct Conversation {
    pub(crate) dialogue: Vec<Line>,
    pub(crate) messages: Vec<Message>,
    pub(crate) tls: Option<TlsFacts>,
}

impl Conversation {
    /// What went over the wire, in the order in which the script came to it.
    pub fn dialogue(&self) -> &[Line] {
        &self.dialogue
    }

    /// What `[text]` and `[chunk]` took; a text written as `C:` lines is dialogue only.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// How TLS went; `None` if the connection stayed in clear.
    pub fn tls(&self) -> Option<TlsFacts> {
        self.tls
    }
}

impl fmt::Display for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.dialogue.iter().try_for_each(|line| writeln!(f, "{}", Transcript(line)))
    }
}

/// A piece of the dialogue: a line, a text, a chunk, or something that happened besides.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Line {
    /// Who wrote it.
    pub speaker: Speaker,
    /// What was written, with its CRLF; for the stage, what happened, in words.
    pub octets: Vec<u8>,
    /// The time since the connection was accepted.
    pub elapsed: Duration,
    /// The line of the script that was being played; `None` after the last one.
    pub script_line: Option<usize>,
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
    /// The client said `close_notify` before it closed, and the script came to read it.
    pub close_notify: bool,
}
