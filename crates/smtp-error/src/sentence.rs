//! The sentence of an error: what was attempted, at which server, what happened, and what to do.
use core::fmt;

use crate::{Error, ErrorKind, Step, Unsupported};

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
        if let Some(hint) = self.hint() {
            write!(f, " (hint: {hint})")?;
        } else if let Some(advice) = self.advice()
            // It has the mechanisms of both sides, which says more.
            && !matches!(self.kind(), ErrorKind::Unsupported(Unsupported::Mechanism(_)))
        {
            write!(f, " (hint: {advice})")?;
        }
        if let Some(waited) = self.waited() {
            write!(f, " (waited {waited:?} for a connection)")?;
        }
        Ok(())
    }
}

/// Displays what was attempted, at which server, and what happened.
fn tell(error: &Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{}", error.step())?;
    if let Some(server) = error.server() {
        write!(f, " {} {server}", preposition(error.step()))?;
    }
    write!(f, ": {}", error.kind())?;
    if let Some(excerpt) = error.excerpt() {
        write!(f, " (received \"{excerpt}\")")?;
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
