//! Errors: the kind, the step, the reply, and whether a message may have been accepted.
use alloc::{boxed::Box, sync::Arc};
use core::{fmt, time::Duration};

use crate::{
    Broken, Cause, Excerpt, Hint, Invalid, InvalidEnvelope, KnownVerdicts, Limited, MalformedReply,
    Misbehaved, Peer, Reply, Step, Unsupported, Verdict, reply::printable,
};

/// Why an operation failed.
///
/// An error has a [`kind`](Self::kind), split by blame, the [`step`](Self::step) that failed, the
/// [`reply`](Self::reply) that decided it, if there is one, and whether the message may have been
/// accepted all the same ([`in_doubt`](Self::in_doubt)). A caller that retries must not do so
/// automatically while `in_doubt` is true: the message could be delivered twice.
///
/// `Display` is one line: the step, the [`server`](Self::server), what happened, and what to do if
/// that is known. `Debug` is the same line, which is what a `main` that returns an error prints, and
/// so is that of the other errors for callers; `{:#?}` has the fields.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    step: Step,
    server: Option<Arc<Peer>>,
    kind: ErrorKind,
    in_doubt: bool,
    verdicts: KnownVerdicts,
    hint: Option<Hint>,
    explanation: Option<Box<str>>,
    excerpt: Option<Excerpt>,
    waited: Option<Duration>,
    other_port: Option<Error>,
}

/// The most octets of an explanation that an error keeps.
const MAX_EXPLANATION: usize = 1024;

impl Error {
    /// Returns an error of this kind at this step, not in doubt.
    pub fn new(step: Step, kind: impl Into<ErrorKind>) -> Self {
        Self(Box::new(Inner {
            step,
            server: None,
            kind: kind.into(),
            in_doubt: false,
            verdicts: KnownVerdicts::default(),
            hint: None,
            explanation: None,
            excerpt: None,
            waited: None,
            other_port: None,
        }))
    }

    /// Sets the server that the error is about, unless the error names one already.
    #[must_use]
    pub fn with_server(mut self, server: &Arc<Peer>) -> Self {
        self.0.server.get_or_insert_with(|| Arc::clone(server));
        self
    }

    /// Sets whether the message may have been accepted.
    #[must_use]
    pub fn with_in_doubt(mut self, in_doubt: bool) -> Self {
        self.0.in_doubt = in_doubt;
        self
    }

    /// Sets the verdicts that were known when the error occurred.
    #[must_use]
    pub fn with_verdicts(mut self, verdicts: KnownVerdicts) -> Self {
        self.0.verdicts = verdicts;
        self
    }

    /// Sets the likely cause.
    #[must_use]
    pub fn with_hint(mut self, hint: Hint) -> Self {
        self.0.hint = Some(hint);
        self
    }

    /// Sets what the server sent about the failure besides its reply. The error keeps at most 1,024
    /// octets, and escapes control characters.
    #[must_use]
    pub fn with_explanation(mut self, octets: &[u8]) -> Self {
        let kept = &octets[..octets.len().min(MAX_EXPLANATION)];
        self.0.explanation = Some(printable(kept).into_owned().into_boxed_str());
        self
    }

    /// Sets octets that the server sent and that are not a whole reply. The caller must have
    /// removed secrets from them.
    #[must_use]
    pub fn with_excerpt(mut self, excerpt: Excerpt) -> Self {
        self.0.excerpt = Some(excerpt);
        self
    }

    /// Sets how long a message waited in the queue of a mailer, without a connection, before this
    /// error of connecting became its result.
    #[must_use]
    pub fn with_waited(mut self, waited: Duration) -> Self {
        self.0.waited = Some(waited);
        self
    }

    /// Sets the error of another port of the same server, which could not be used either.
    #[must_use]
    pub fn with_other_port(mut self, error: Self) -> Self {
        self.0.other_port = Some(error);
        self
    }

    /// Returns what failed, split by blame.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Returns the step that failed.
    pub fn step(&self) -> Step {
        self.0.step
    }

    /// Returns the server that the error is about: the host and port that the client connected to,
    /// or wanted to connect to. `None` if no connection was involved.
    pub fn server(&self) -> Option<&Peer> {
        self.0.server.as_deref()
    }

    /// Returns the reply that ended the operation, if a reply did.
    pub fn reply(&self) -> Option<&Reply> {
        match &self.0.kind {
            ErrorKind::Refused(reply)
            | ErrorKind::Ended(
                Ended::ServerClosing(reply) | Ended::NotReset(reply) | Ended::OutOfSequence(reply),
            ) => Some(reply),
            ErrorKind::Misbehaved(
                Misbehaved::Unsolicited(reply) | Misbehaved::WrongCode { reply, .. },
            ) => Some(reply),
            _ => None,
        }
    }

    /// Returns what the server sent besides its reply: with OAuth, why it refused the token; of a
    /// server that refused EHLO and then failed at HELO, the refusal of EHLO.
    pub fn explanation(&self) -> Option<&str> {
        self.0.explanation.as_deref()
    }

    /// Returns the octets that the server sent and that are not a whole reply, if any led to the
    /// error or preceded it: the received part of a reply when the connection ended or the step
    /// timed out, the lines of a malformed reply, octets that no command is waiting for, or clear
    /// text in place of TLS. They never count as a reply.
    pub fn excerpt(&self) -> Option<&Excerpt> {
        self.0.excerpt.as_ref()
    }

    /// Returns whether the server may have accepted the message for the recipients that have no
    /// verdict: the connection was lost, the step timed out, or the reply was not valid, after the
    /// end of the mail data was handed to the transport. A retry may deliver the message twice.
    ///
    /// `false` means that the server certainly did not accept the message for them.
    pub fn in_doubt(&self) -> bool {
        self.0.in_doubt
    }

    /// Returns each recipient of the message with its verdict, if that was known when the error
    /// occurred, in the order of the envelope. Empty if no message was being sent.
    ///
    /// The recipient is its forward-path as in [`Delivery::verdicts`](crate::Delivery::verdicts).
    pub fn verdicts(
        &self,
    ) -> impl ExactSizeIterator<Item = (&str, Option<&Verdict>)> + DoubleEndedIterator + Clone {
        self.0.verdicts.iter()
    }

    /// Returns the likely cause, if there is one, and what to do.
    pub fn hint(&self) -> Option<Hint> {
        // Nothing is to be done about a message in doubt that sends it a second time.
        self.0.hint.or_else(|| Hint::about(&self.0.kind).filter(|_| !self.0.in_doubt))
    }

    /// Returns how long a message waited in the queue of a mailer, if it was the end of that wait
    /// which made this error of connecting its result: step, kind, reply and hint are those of the
    /// last attempt to connect. `None` for the error of an operation that was tried.
    pub fn waited(&self) -> Option<Duration> {
        self.0.waited
    }

    /// Returns the error of the other port, if the server was to be reached on one of two ports and
    /// neither could be used. This error is that of the port where the client came further.
    pub fn other_port(&self) -> Option<&Self> {
        self.0.other_port.as_ref()
    }

    /// Returns whether the same operation may succeed later on another connection: not on a port
    /// where the server sends TLS, or another protocol, in place of a greeting. An error that is
    /// [in doubt](Self::in_doubt) may be transient as well. A mailer that is closed stays closed.
    pub fn is_transient(&self) -> bool {
        match &self.0.kind {
            ErrorKind::Ended(Ended::MailerClosed) => false,
            ErrorKind::Refused(reply) => reply.is_transient(),
            ErrorKind::Misbehaved(_) | ErrorKind::Broken(_) if self.is_of_another_protocol() => {
                false
            }
            ErrorKind::Misbehaved(_) | ErrorKind::Ended(_) | ErrorKind::Token(_) => true,
            ErrorKind::Broken(broken) => broken.is_transient(),
            // MAILMAX and RCPTDOMAINMAX count per session (RFC 9422): a new session starts at zero.
            ErrorKind::Unsupported(Unsupported::TooMany { what, .. }) => {
                *what != Limited::Recipients
            }
            ErrorKind::Unsupported(_)
            | ErrorKind::Invalid(_)
            | ErrorKind::Envelope(_)
            | ErrorKind::Source(_) => false,
        }
    }
}

impl Error {
    /// Returns whether the server sent TLS, or another protocol, in place of a greeting. Where it
    /// sent nothing, the same hint is a guess: the server may be slow.
    fn is_of_another_protocol(&self) -> bool {
        self.0.excerpt.is_some()
            && matches!(self.0.hint, Some(Hint::ImplicitTls | Hint::OtherProtocol(_)))
    }
}

impl core::error::Error for Error {}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return fmt::Display::fmt(self, f);
        }
        f.debug_struct("Error")
            .field("step", &self.0.step)
            .field("server", &self.0.server)
            .field("kind", &self.0.kind)
            .field("in_doubt", &self.0.in_doubt)
            .field("verdicts", &self.0.verdicts)
            .field("hint", &self.0.hint)
            .field("explanation", &self.0.explanation)
            .field("excerpt", &self.0.excerpt)
            .field("waited", &self.0.waited)
            .field("other_port", &self.0.other_port)
            .finish()
    }
}

/// What failed, split by blame.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The server refused, with a 4yz or 5yz reply.
    #[error("refused: {0}")]
    Refused(Reply),
    /// The server violated the protocol.
    #[error(transparent)]
    Misbehaved(#[from] Misbehaved),
    /// The server does not offer what the operation needs. Nothing was written.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// The caller gave a value that no client may send. Nothing was written.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The caller's addresses make no envelope. Nothing was written.
    #[error(transparent)]
    Envelope(#[from] InvalidEnvelope),
    /// The caller's source of the mail data failed before its end. The client cut the transfer off
    /// there, so that the server has no complete message.
    #[error("reading the mail data failed: {0}")]
    Source(#[source] Cause),
    /// The connection failed.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// The session has ended. If it ended before the operation, nothing was written. It may also
    /// end between the final replies of LMTP, and then the error is [in doubt](Error::in_doubt).
    #[error(transparent)]
    Ended(#[from] Ended),
    /// The caller's source of access tokens failed. Nothing was written.
    #[error("fetching the access token failed: {0}")]
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
    /// The client ended the session with QUIT.
    #[error("the session has ended with QUIT")]
    Quit,
    /// The mailer is closed. The message was not sent.
    #[error("the mailer is closed; create another one")]
    MailerClosed,
    /// ATRN reversed the roles: the peer is the client now (RFC 2645).
    #[error("ATRN reversed the roles of client and server")]
    RolesReversed,
    /// The server sent 421, as a reply or unsolicited.
    #[error("the server is closing the connection: {0}")]
    ServerClosing(Reply),
    /// The server closed the connection while no operation was in progress.
    #[error("the server closed the connection while it was idle")]
    Closed,
    /// The server refused RSET, so that an earlier mail transaction may still be open. The client
    /// sends nothing more on this connection; the operation may succeed on another one.
    #[error("the server refused RSET, so an earlier mail transaction may still be open: {0}")]
    NotReset(Reply),
    /// The server refused MAIL with 503 or 530 after it had accepted a MAIL in this session: it has
    /// lost what the client relies on, such as the login. The refusal is not about the message, which
    /// was not sent; the operation may succeed on another connection.
    #[error(
        "the server no longer accepts MAIL in this session, and not because of the message: {0}"
    )]
    OutOfSequence(Reply),
    /// An earlier operation failed, and client and server no longer agree on the session state.
    #[error("the session ended when {step} failed")]
    Failed {
        /// The step that failed.
        step: Step,
    },
    /// The future of an earlier operation was dropped before it completed.
    #[error("the session ended when {step} was canceled{}", if *.in_doubt { " (its message may have been accepted)" } else { "" })]
    Canceled {
        /// The step that was in progress.
        step: Step,
        /// Whether the server may have accepted the message of the dropped operation.
        in_doubt: bool,
    },
}
