//! A parsed script: the lines of the server, the lines expected of the client, and their order.

mod direction;
mod error;
pub(crate) mod parse;

use std::fmt;
use std::fs;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

pub use self::error::{ScriptError, ScriptErrorKind};
use crate::escape::Escaped;
use crate::matching::Matching;

/// The script of one connection, in the style of RFC 5321, appendix D.
///
/// The [crate page](crate#the-format-of-scripts) describes the format.
#[derive(Clone, Debug, Default)]
pub struct Script {
    entries: Vec<Entry>,
    file: Option<PathBuf>,
}

impl Script {
    /// Parses a script. The error names the line, the problem and the place of this call.
    #[track_caller]
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let caller = Location::caller();
        let entries = parse::entries(text).map_err(|error| error.given_at(caller))?;
        Ok(Self { entries, file: None })
    }

    /// Reads and parses a file; errors and mismatches name it.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, ScriptError> {
        let path = path.as_ref();
        let text = fs::read_to_string(path).map_err(|error| {
            ScriptError::new(0, "", ScriptErrorKind::Unreadable { cause: error.kind() }).of(path)
        })?;
        let entries = parse::entries(&text).map_err(|error| error.of(path))?;
        Ok(Self { entries, file: Some(path.to_owned()) })
    }

    /// The file that the script was read from.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The entries in order, without comments and empty lines.
    ///
    /// A test of a protocol engine without a socket can iterate over these: pass the octets of
    /// [`Event::Server`] to the engine, and compare its output with [`Event::Client`].
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(crate) fn needs_tls(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry.event, Event::Tls | Event::StartTls))
    }
}

/// Two scripts are equal if they have the same entries, regardless of their files.
impl PartialEq for Script {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl Eq for Script {}

impl FromStr for Script {
    type Err = ScriptError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse::entries(text).map(|entries| Self { entries, file: None })
    }
}

/// One line of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The line in the text of the script, counted from one.
    pub line: usize,
    /// The event of the line.
    pub event: Event,
}

/// The event of one line of a script.
///
/// `Display` is the line in the format of scripts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// `C:`, `C|` or `C~`: the client sends this line.
    Client {
        /// The line with its CRLF; for [`Matching::Glob`], the pattern with CRLF.
        octets: Vec<u8>,
        /// How the received line has to match.
        matching: Matching,
    },
    /// `S:`: the server sends this line, which includes its CRLF. Adjacent lines are one write.
    Server(Vec<u8>),
    /// `[raw "..."]`: the server sends exactly these octets, even if the client has sent something.
    Raw(Vec<u8>),
    /// `[split N]`: the block of `S:` lines that follows is written in pieces of this many octets.
    Split(usize),
    /// `[dribble N T]`: the same, with this time between two writes.
    Dribble {
        /// The octets of each write.
        octets: usize,
        /// The time between two writes.
        every: Duration,
    },
    /// `[text]`: the client sends a message text, up to the line with a single dot.
    Text,
    /// `[chunk N]`: the client sends this many octets, whatever they are.
    Chunk(usize),
    /// `[delay 30s]`: the server waits for this long.
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
    /// `[half-close]`: the server closes its writing half, and reads on.
    HalfClose,
    /// `[stall]`: the server neither reads nor writes until the client has closed.
    Stall,
    /// `[expect-close]`: the client closes the connection or its writing half.
    ExpectClose,
    /// `[usual]`: the server gives its usual reply. Only an [`Answer`](crate::Answer) may contain
    /// it.
    Usual,
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
            Self::Dribble { octets, every } => write!(f, "[dribble {octets} {}]", Time(*every)),
            Self::Delay(time) => write!(f, "[delay {}]", Time(*time)),
            Self::Tls => f.write_str("[tls]"),
            Self::StartTls => f.write_str("[starttls]"),
            Self::TlsAbort => f.write_str("[tls-abort]"),
            Self::Close => f.write_str("[close]"),
            Self::Abort => f.write_str("[abort]"),
            Self::Reset => f.write_str("[reset]"),
            Self::HalfClose => f.write_str("[half-close]"),
            Self::Stall => f.write_str("[stall]"),
            Self::ExpectClose => f.write_str("[expect-close]"),
            Self::Usual => f.write_str("[usual]"),
        }
    }
}

/// A time in the format of scripts.
struct Time(Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.subsec_millis() {
            0 => write!(f, "{}s", self.0.as_secs()),
            _ => write!(f, "{}ms", self.0.as_millis()),
        }
    }
}

/// A line in the format of scripts: without its CRLF, and lossy if it is not UTF-8.
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
