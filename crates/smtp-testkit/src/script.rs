//! A parsed script: what the server says, what it expects to hear, and in which order.

mod direction;
mod error;
mod parse;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

pub use self::error::{ScriptError, ScriptErrorKind};
use crate::escape::Escaped;
use crate::matching::Matching;

/// One connection, written as RFC 5321, appendix D, writes dialogues.
///
/// The format is described on the [crate page](crate#the-format-of-scripts).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    entries: Vec<Entry>,
}

impl Script {
    /// Reads a script; the error names the line and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        parse::entries(text).map(|entries| Self { entries })
    }

    /// What happens, in order; comments and empty lines are not part of it.
    ///
    /// Whoever tests a protocol engine without a socket walks these: hand it the octets of
    /// [`Event::Server`], and hold what it writes against [`Event::Client`].
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(crate) fn needs_tls(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry.event, Event::Tls | Event::StartTls))
    }
}

impl FromStr for Script {
    type Err = ScriptError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// One line of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The line in the text of the script, counted from one.
    pub line: usize,
    /// What happens there.
    pub event: Event,
}

/// What one line of a script makes happen.
///
/// Its `Display` is the line as a script writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// `C:`, `C|` or `C~`: the client sends this line.
    Client {
        /// The line with its CRLF; for [`Matching::Glob`], the pattern with CRLF.
        octets: Vec<u8>,
        /// How what arrives is held against it.
        matching: Matching,
    },
    /// `S:`: the server sends this line, given with its CRLF. Neighbors are one write.
    Server(Vec<u8>),
    /// `[raw "..."]`: the server sends exactly these octets, whatever the client has sent.
    Raw(Vec<u8>),
    /// `[split N]`: the block of `S:` lines that follows leaves in writes of this many octets.
    Split(usize),
    /// `[text]`: the client sends a message text, up to the line with a single dot.
    Text,
    /// `[chunk N]`: the client sends this many octets, whatever they are.
    Chunk(usize),
    /// `[delay 30s]`: the server does nothing for this long.
    Delay(Duration),
    /// `[tls]`: the connection begins with a TLS handshake.
    Tls,
    /// `[starttls]`: a TLS handshake takes place now.
    StartTls,
    /// `[tls-abort]`: the server closes instead of the handshake that the client expects.
    TlsAbort,
    /// `[close]`: the server closes the connection, with `close_notify` under TLS.
    Close,
    /// `[abort]`: the server closes the connection, without `close_notify`.
    Abort,
    /// `[reset]`: the server resets the connection.
    Reset,
    /// `[half-close]`: the server says that it will write no more, and reads on.
    HalfClose,
    /// `[stall]`: the server neither reads nor writes until the client has gone.
    Stall,
    /// `[expect-close]`: the client closes, or says that it will write no more.
    ExpectClose,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client { octets, matching } => {
                write!(f, "{}", ScriptLine(matching.prefix(), octets))
            }
            Self::Server(octets) => write!(f, "{}", ScriptLine("S:", octets)),
            Self::Raw(octets) => write!(f, "[raw {}]", Escaped(octets)),
            Self::Split(octets) => write!(f, "[split {octets}]"),
            Self::Text => f.write_str("[text]"),
            Self::Chunk(octets) => write!(f, "[chunk {octets}]"),
            Self::Delay(time) if time.subsec_millis() == 0 => {
                write!(f, "[delay {}s]", time.as_secs())
            }
            Self::Delay(time) => write!(f, "[delay {}ms]", time.as_millis()),
            Self::Tls => f.write_str("[tls]"),
            Self::StartTls => f.write_str("[starttls]"),
            Self::TlsAbort => f.write_str("[tls-abort]"),
            Self::Close => f.write_str("[close]"),
            Self::Abort => f.write_str("[abort]"),
            Self::Reset => f.write_str("[reset]"),
            Self::HalfClose => f.write_str("[half-close]"),
            Self::Stall => f.write_str("[stall]"),
            Self::ExpectClose => f.write_str("[expect-close]"),
        }
    }
}

/// A line on the wire as a script writes it: without its CRLF, and escaped where it is not text.
struct ScriptLine<'a>(&'static str, &'a [u8]);

impl fmt::Display for ScriptLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(prefix, octets) = self;
        let line = String::from_utf8_lossy(octets.strip_suffix(b"\r\n").unwrap_or(octets));
        if line.is_empty() { f.write_str(prefix) } else { write!(f, "{prefix} {line}") }
    }
}

#[cfg(test)]
mod tests;
