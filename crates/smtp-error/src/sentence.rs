//! The sentence of an error: what was attempted, at which server, what happened, and what to do.
use core::fmt;

use crate::{Advice, Error, ErrorKind, Hint, Misbehaved, Step};

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        tell(self, f)?;
        if let Some(other) = self.other_port() {
            f.write_str("; other port: ")?;
            tell(other, f)?;
        }
        if self.in_doubt() {
            f.write_str(" (the message may have been accepted)")?;
        }
        if let Some(waited) = self.waited() {
            write!(f, " (waited {waited:?} for a connection)")?;
        }
        if let Some(hint) = self.hint() {
            write!(f, " (hint: {hint})")?;
        } else if let Some(advice) = self.advice()
            // The text has the mechanisms of both sides, which says more.
            && advice != Advice::UseAnotherMechanism
        {
            write!(f, " (hint: {advice})")?;
        }
        Ok(())
    }
}

/// The most octets that are shown of a line that the server sent in place of TLS.
const MAX_LINE: usize = 120;

/// Displays what was attempted, at which server, and what happened.
fn tell(error: &Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{}", error.step())?;
    if let Some(server) = error.server() {
        write!(f, " {} {server}", preposition(error.step()))?;
    }
    match (error.kind(), error.hint()) {
        // Where in the reply it is malformed tells nothing.
        (ErrorKind::Misbehaved(Misbehaved::Malformed(_)), Some(Hint::OtherProtocol(_))) => {
            f.write_str(": the server sent something else than an SMTP reply")?;
        }
        (kind, _) => write!(f, ": {kind}")?,
    }
    match error.excerpt() {
        // In place of TLS, what follows the first line is an answer to octets of TLS.
        Some(excerpt) if error.step() == Step::Handshake => {
            write!(f, " (received \"{}\")", excerpt.first_line(MAX_LINE))?;
        }
        Some(excerpt) => write!(f, " (received \"{excerpt}\")")?,
        None => {}
    }
    if let Some(explanation) = error.explanation() {
        write!(f, " ({explanation})")?;
    }
    Ok(())
}

/// Returns the word between a step and the server.
fn preposition(step: Step) -> &'static str {
    match step {
        Step::Connect => "to",
        Step::Handshake => "with",
        Step::Greeting => "of",
        _ => "at",
    }
}
