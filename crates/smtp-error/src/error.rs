//! Errors: what went wrong, when, who said so, and whether a message may have been accepted.
use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use crate::{
    Broken, Cause, Excerpt, Hint, Invalid, Limited, MalformedReply, Misbehaved, Reply, Step,
    Unsupported, Verdict, reply::printable,
};

/// Why an operation did not come to its end.
///
/// It says what ([`kind`](Self::kind), split by blame), when ([`step`](Self::step)), who said so
/// ([`reply`](Self::reply)), and whether a message may have been accepted
/// ([`in_doubt`](Self::in_doubt)). Code that sends again is right if it never does so by itself
/// while `in_doubt` holds.
#[derive(Clone, thiserror::Error)]
#[error("{}: {}{}{}{}{}", .0.step, .0.kind, Received(.0.excerpt.as_ref()), Behind(.0.explanation.as_deref()), if .0.in_doubt { " (the message may have been accepted)" } else { "" }, Behind(.0.hint))]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    step: Step,
    kind: ErrorKind,
    in_doubt: bool,
    verdicts: Vec<Option<Verdict>>,
    hint: Option<Hint>,
    explanation: Option<Box<str>>,
    excerpt: Option<Excerpt>,
}

/// How many octets of an explanation are kept.
const EXPLANATION: usize = 1024;

impl Error {
    /// An error of this kind at this step, of an operation that cannot have delivered anything.
    pub fn new(step: Step, kind: impl Into<ErrorKind>) -> Self {
        Self(Box::new(Inner {
            step,
            kind: kind.into(),
            in_doubt: false,
            verdicts: Vec::new(),
            hint: None,
            explanation: None,
            excerpt: None,
        }))
    }

    /// The same error, saying whether the message may have been accepted.
    #[must_use]
    pub fn with_in_doubt(mut self, in_doubt: bool) -> Self {
        self.0.in_doubt = in_doubt;
        self
    }

    /// The same error, with the verdicts that were known when it happened.
    #[must_use]
    pub fn with_verdicts(mut self, verdicts: Vec<Option<Verdict>>) -> Self {
        self.0.verdicts = verdicts;
        self
    }

    /// The same error, with what is likely to be the matter.
    #[must_use]
    pub fn with_hint(mut self, hint: Hint) -> Self {
        self.0.hint = Some(hint);
        self
    }

    /// The same error, with what the server said about it besides its reply. No more than 1,024
    /// octets are kept, and what must not be shown is escaped.
    #[must_use]
    pub fn with_explanation(mut self, octets: &[u8]) -> Self {
        let kept = &octets[..octets.len().min(EXPLANATION)];
        self.0.explanation = Some(printable(kept).into_owned().into_boxed_str());
        self
    }

    /// The same error, with octets that the server sent and that are not a whole reply. Secrets
    /// must have been taken out.
    #[must_use]
    pub fn with_excerpt(mut self, excerpt: Excerpt) -> Self {
        self.0.excerpt = Some(excerpt);
        self
    }

    /// What went wrong, and by whose fault.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// What was being done.
    pub fn step(&self) -> Step {
        self.0.step
    }

    /// What the server said, if it is the server's word that ended the operation.
    pub fn reply(&self) -> Option<&Reply> {
        match &self.0.kind {
            ErrorKind::Refused(reply)
            | ErrorKind::Ended(Ended::ServerClosing(reply) | Ended::NotReset(reply)) => Some(reply),
            ErrorKind::Misbehaved(
                Misbehaved::Unsolicited(reply) | Misbehaved::WrongCode { reply, .. },
            ) => Some(reply),
            _ => None,
        }
    }

    /// What the server said besides its reply: with OAuth, why it does not take the token; of a
    /// server that refuses EHLO and fails at HELO, the refusal.
    pub fn explanation(&self) -> Option<&str> {
        self.0.explanation.as_deref()
    }

    /// Returns the octets that the server sent and that are not a whole reply, if any led to the
    /// error or preceded it: the received part of a reply when the connection ended or the time
    /// ran out, the lines of a malformed reply, octets that no command is waiting for, or clear
    /// text in place of TLS. They never count as an answer.
    pub fn excerpt(&self) -> Option<&Excerpt> {
        self.0.excerpt.as_ref()
    }

    /// Whether the message may have been accepted by the server, for the recipients that have no
    /// verdict: the line broke, or time ran out, or the server's answer made no sense, after the
    /// end of the text had been handed to the transport. Sending again may deliver it twice.
    ///
    /// `false` means that it certainly was not accepted for them.
    pub fn in_doubt(&self) -> bool {
        self.0.in_doubt
    }

    /// What the server had said about each recipient when it happened, in the order of the
    /// envelope. Empty if no message was being sent.
    pub fn verdicts(&self) -> &[Option<Verdict>] {
        &self.0.verdicts
    }

    /// What is likely to be the matter, if there is a guess.
    pub fn hint(&self) -> Option<Hint> {
        self.0.hint
    }

    /// Whether the same operation may succeed later on another connection, as things stand. An
    /// error that is [in doubt](Self::in_doubt) may be transient as well.
    pub fn is_transient(&self) -> bool {
        match &self.0.kind {
            ErrorKind::Refused(reply) => reply.is_transient(),
            ErrorKind::Misbehaved(_) | ErrorKind::Ended(_) | ErrorKind::Token(_) => true,
            ErrorKind::Broken(broken) => !matches!(broken, Broken::Tls(_)),
            // Another session has its own count.
            ErrorKind::Unsupported(Unsupported::TooMany { what, .. }) => {
                *what != Limited::Recipients
            }
            ErrorKind::Unsupported(_) | ErrorKind::Invalid(_) | ErrorKind::Source(_) => false,
        }
    }
}

/// Shows something in parentheses behind the error, if it is there.
struct Behind<T>(Option<T>);

impl<T: fmt::Display> fmt::Display for Behind<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |shown| write!(f, " ({shown})"))
    }
}

/// Shows the octets that are not a whole reply, if there are any.
struct Received<'a>(Option<&'a Excerpt>);

impl fmt::Display for Received<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |excerpt| write!(f, " (received \"{excerpt}\")"))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("step", &self.0.step)
            .field("kind", &self.0.kind)
            .field("in_doubt", &self.0.in_doubt)
            .field("verdicts", &self.0.verdicts)
            .field("hint", &self.0.hint)
            .field("explanation", &self.0.explanation)
            .field("excerpt", &self.0.excerpt)
            .finish()
    }
}

/// What went wrong, split by blame.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The server refused, with a 4yz or 5yz reply.
    #[error("refused: {0}")]
    Refused(Reply),
    /// The server broke the protocol.
    #[error(transparent)]
    Misbehaved(#[from] Misbehaved),
    /// The server cannot do what was asked. Nothing was written.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// The caller asked for what no client may send. Nothing was written.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// What the caller gave the text from failed before its end. What was begun was cut off there:
    /// the server has no message.
    #[error("the text could not be read: {0}")]
    Source(#[source] Cause),
    /// The line broke.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// The session has ended. If it had ended before, nothing was written. It may also have ended
    /// between the final replies of LMTP, and then the error is [in doubt](Error::in_doubt).
    #[error(transparent)]
    Ended(#[from] Ended),
    /// What the caller gets tokens from failed. Nothing was written.
    #[error("no token: {0}")]
    Token(#[source] Cause),
}

impl From<MalformedReply> for ErrorKind {
    fn from(malformed: MalformedReply) -> Self {
        Self::Misbehaved(malformed.into())
    }
}

/// Why a session takes no further command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Ended {
    /// It was ended with QUIT.
    #[error("the session was ended with QUIT")]
    Quit,
    /// ATRN turned the roles around: the other side is the client now.
    #[error("the roles were turned around with ATRN")]
    Turned,
    /// The server said 421, asked or unasked.
    #[error("the server shut the session down: {0}")]
    ServerClosing(Reply),
    /// The server closed the connection while nothing was under way.
    #[error("the server had closed the connection")]
    Closed,
    /// The server refused RSET, so that an earlier mail transaction may still be open. Nothing
    /// that follows is sent on this connection; on another one it may be.
    #[error("the server refused RSET, which an earlier mail transaction made necessary: {0}")]
    NotReset(Reply),
    /// An operation before failed in a way that leaves the two sides out of step.
    #[error("the session ended when {step} failed")]
    Failed {
        /// The step that failed.
        step: Step,
    },
    /// The future of an operation before was dropped while it was under way.
    #[error("the session ended when {step} was canceled{}", if *.in_doubt { " (its message may have been accepted)" } else { "" })]
    Canceled {
        /// The step that was under way.
        step: Step,
        /// Whether the message of the operation that was dropped may have been accepted.
        in_doubt: bool,
    },
}
