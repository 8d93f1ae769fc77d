//! The sentences of a mismatch.

use std::fmt;

use super::{Mismatch, MismatchKind};
use crate::counted::Counted;
use crate::escape::Escaped;
use crate::inbox::End;
use crate::matching::Matching;
use crate::script::{Event, Script};

impl fmt::Display for MismatchKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WrongLine => "the client sent another line",
            Self::SentAhead => "the client sent ahead: it did not wait for the reply",
            Self::SeveralSegments => "the client sent a group of lines in several segments",
            Self::ClosedEarly => "the client closed too early",
            Self::InsteadOfClose => "the client sent octets instead of closing",
            Self::AfterTheEnd => "the client sent octets after the end of the script",
            Self::Handshake => "the TLS handshake failed",
            Self::NotConnected => "the client did not connect",
            Self::Unfinished => "the client did nothing more",
            Self::Interrupted => "the runtime of the server was shut down",
            Self::Denied => "the client made mistakes that this test denies",
            Self::UnusedRule => "a required rule was never used",
            Self::NoMessage => "the message that the test waits for did not arrive",
            Self::UnexpectedMessage => "a message arrived where the test expects none",
        })
    }
}

/// The kind of mismatch, in the singular if there is one mistake.
pub(super) struct Kind<'a>(pub(super) &'a Mismatch);

impl fmt::Display for Kind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.kind(), self.0.findings().count()) {
            (MismatchKind::Denied, 1) => {
                f.write_str("the client made a mistake that this test denies")
            }
            (kind, _) => write!(f, "{kind}"),
        }
    }
}

/// The place of the mismatch.
pub(super) struct Place<'a>(pub(super) &'a Mismatch);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(mismatch) = self;
        if mismatch.script().is_none() {
            return Ok(());
        }
        write!(f, "connection {} of {}", mismatch.connection(), mismatch.0.scripts.len())?;
        match (mismatch.kind(), mismatch.script_line()) {
            (_, Some(line)) => match mismatch.script().and_then(Script::file) {
                Some(file) => write!(f, ", {}:{line}: ", file.display()),
                None => write!(f, ", line {line} of the script: "),
            },
            (MismatchKind::Unfinished, None) => f.write_str(", end of the script: "),
            (_, None) => f.write_str(": "),
        }
    }
}

/// What the script expected.
pub(super) struct Expected<'a>(pub(super) &'a Mismatch);

impl fmt::Display for Expected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.kind(), self.0.event()) {
            (MismatchKind::NotConnected, _) => f.write_str("a connection"),
            (MismatchKind::SentAhead, Some(Event::Server(reply))) => {
                write!(f, "nothing before the reply {}", Escaped(reply))
            }
            (MismatchKind::SeveralSegments, Some(Event::Client { octets, .. })) => {
                write!(f, "{} in one segment with the `C|` lines around it", Escaped(octets))
            }
            (_, Some(Event::Client { octets, matching: Matching::Glob })) => {
                write!(f, "a line that matches {}", Escaped(octets))
            }
            (_, Some(Event::Client { octets, .. })) => write!(f, "{}", Escaped(octets)),
            (_, Some(Event::Text)) => f.write_str("a message text that ends with CRLF.CRLF"),
            (_, Some(Event::Chunk(octets))) => {
                write!(f, "a chunk of {}", Counted(*octets, "octet"))
            }
            (_, Some(Event::Tls | Event::StartTls)) => f.write_str("a TLS handshake"),
            (_, Some(Event::Server(_) | Event::Raw(_))) => {
                f.write_str("the client to read what the server writes")
            }
            (_, Some(Event::Stall)) => f.write_str("the client to close"),
            (_, Some(_) | None) => f.write_str("the client to close"),
        }
    }
}

/// What was received instead.
pub(super) struct Received<'a>(pub(super) &'a Mismatch);

impl fmt::Display for Received<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let divergence = &self.0.0.divergence;
        let first = self.0.received();
        let first = &first[..first.len().min(MOST_SHOWN)];
        if !first.is_empty() {
            write!(f, "{}", Escaped(first))?;
        }
        let more = divergence.received.len() - first.len();
        if more > 0 {
            write!(f, " and {} more", Counted(more, "octet"))?;
        }
        let end = match divergence.end {
            Some(End::Closed) => "the end of the connection",
            Some(End::Cut) => "the end of the connection, without close_notify",
            Some(End::Failed) => "a failed connection",
            None if first.is_empty() => "nothing",
            None => return Ok(()),
        };
        if !first.is_empty() {
            f.write_str(", then ")?;
        }
        f.write_str(end)
    }
}

/// The octets of a line that are shown.
const MOST_SHOWN: usize = 256;
