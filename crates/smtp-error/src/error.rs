//! Errors: what went wrong, when, who said so, and whether a message may have been accepted.
use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::{fmt, time::Duration};

use crate::{Invalid, Limited, MalformedReply, Misbehaved, Reply, Step, Unsupported, Verdict};

/// Why an operation did not come to its end.
///
/// It says what ([`kind`](Self::kind), split by blame), when ([`step`](Self::step)), who said so
/// ([`reply`](Self::reply)), and whether a message may have been accepted
/// ([`in_doubt`](Self::in_doubt)). Code that sends again is right if it never does so by itself
/// while `in_doubt` holds.
#[derive(Clone, thiserror::Error)]
#[error("{}: {}{}", .0.step, .0.kind, if .0.in_doubt { " (the message may have been accepted)" } else { "" })]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    step: Step,
    kind: ErrorKind,
    in_doubt: bool,
    verdicts: Vec<Option<Verdict>>,
}

impl Error {
    /// An error of this kind at this step, of an operation that cannot have delivered anything.
    pub fn new(step: Step, kind: impl Into<ErrorKind>) -> Self {
        let kind = kind.into();
        Self(Box::new(Inner { step, kind, in_doubt: false, verdicts: Vec::new() }))
    }

    /// The same error, saying whether the message may have been accepted.
    #[must_use]
    pub fn doubt(mut self, in_doubt: bool) -> Self {
        self.0.in_doubt = in_doubt;
        self
    }

    /// The same error, with the verdicts that were known when it happened.
    #[must_use]
    pub fn known(mut self, verdicts: Vec<Option<Verdict>>) -> Self {
        self.0.verdicts = verdicts;
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
            ErrorKind::Refused(reply) | ErrorKind::Ended(Ended::ShutDown(reply)) => Some(reply),
            ErrorKind::Misbehaved(
                Misbehaved::Unsolicited(reply) | Misbehaved::WrongCode { reply, .. },
            ) => Some(reply),
            _ => None,
        }
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

    /// Whether the same operation may succeed later on another connection, as things stand. An
    /// error that is [in doubt](Self::in_doubt) may be transient as well.
    pub fn is_transient(&self) -> bool {
        match &self.0.kind {
            ErrorKind::Refused(reply) => reply.is_transient(),
            ErrorKind::Misbehaved(_) | ErrorKind::Ended(_) => true,
            ErrorKind::Broken(broken) => !matches!(broken, Broken::Tls(_)),
            // Another session has its own count.
            ErrorKind::Unsupported(Unsupported::TooMany { what, .. }) => {
                *what != Limited::Recipients
            }
            ErrorKind::Unsupported(_) | ErrorKind::Invalid(_) | ErrorKind::Source(_) => false,
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("step", &self.0.step)
            .field("kind", &self.0.kind)
            .field("in_doubt", &self.0.in_doubt)
            .field("verdicts", &self.0.verdicts)
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
}

impl From<MalformedReply> for ErrorKind {
    fn from(malformed: MalformedReply) -> Self {
        Self::Misbehaved(malformed.into())
    }
}

/// The line broke: no word of the server's ended the operation.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Broken {
    /// The other side closed the connection.
    #[error("the server closed the connection")]
    Closed,
    /// Nothing happened for as long as this step may take.
    #[error("timed out after {after:?}")]
    TimedOut {
        /// How long was waited.
        after: Duration,
    },
    /// The operation as a whole took longer than the caller allows.
    #[error("the operation took longer than {limit:?}")]
    Deadline {
        /// What the caller allows.
        limit: Duration,
    },
    /// The transport failed.
    #[error("{0}")]
    Io(#[source] Cause),
    /// TLS failed: the handshake, or the check of the server's certificate.
    #[error("{0}")]
    Tls(#[source] Cause),
}

#[cfg(feature = "std")]
impl From<std::io::Error> for Broken {
    fn from(error: std::io::Error) -> Self {
        Self::Io(Cause::new(error))
    }
}

/// The error of another library, shared so that errors can be cloned.
#[derive(Clone)]
pub struct Cause(Arc<dyn core::error::Error + Send + Sync>);

impl Cause {
    /// This error as a cause.
    pub fn new(error: impl core::error::Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(error))
    }

    /// The error, if it is of type `E`: `std::io::Error`, or an error of the TLS library.
    pub fn downcast_ref<E: core::error::Error + 'static>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl core::error::Error for Cause {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        self.0.source()
    }
}

/// Why a session takes no further command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Ended {
    /// It was ended with QUIT.
    #[error("the session was ended with QUIT")]
    Quit,
    /// The server said 421, asked or unasked.
    #[error("the server shut the session down: {0}")]
    ShutDown(Reply),
    /// The server closed the connection while nothing was under way.
    #[error("the server had closed the connection")]
    Closed,
    /// An operation before failed in a way that leaves the two sides out of step.
    #[error("the session ended when {step} failed")]
    Failed {
        /// The step that failed.
        step: Step,
    },
    /// The future of an operation before was dropped while it was under way.
    #[error("the session ended when {step} was cancelled{}", if *.in_doubt { " (its message may have been accepted)" } else { "" })]
    Cancelled {
        /// The step that was under way.
        step: Step,
        /// Whether the message of the operation that was dropped may have been accepted.
        in_doubt: bool,
    },
}
