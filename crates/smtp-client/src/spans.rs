//! Spans: the `tracing` span and event of each operation.
//!
//! Every operation of a [`Connector`](crate::Connector), a [`Connection`](crate::Connection) or a
//! [`Mailer`](crate::Mailer) is a span with the target [`TARGET`], and ends with one event. The
//! event has the level of the span, or WARN if an operation at INFO failed.
//!
//! | Span | Level | Operation |
//! |---|---|---|
//! | `connect` | INFO | connecting, up to a connection that is ready for messages |
//! | `login` | INFO | AUTH |
//! | `send` | INFO | one message: of `send`, of `send_many`, of a mailer |
//! | `command` | DEBUG | any other command, and the steps of `connect` |
//!
//! | Field | In | Value |
//! |---|---|---|
//! | `server` | `connect` | the URL of the server, without user name |
//! | `host` | `connect` | the host that the certificate must be for |
//! | `address` | `connect` | the IP address and the port that the client is connected to |
//! | `command` | `command` | the first [`Step`], such as `NOOP` or `TLS handshake` |
//! | `octets`, `recipients` | `send` | the size of the text, and the number of recipients |
//! | `accepted`, `refused` | `send` | the number of verdicts of each kind |
//! | `queue_id` | `send` | the identifier under which the server has queued the message ([`Verdict::queue_id`]), if it is the same for all recipients that were accepted |
//! | `in_doubt` | `send` | whether the message may have been accepted although no reply confirmed it |
//! | `attempts` | `send` | of a mailer: how often a connection began with the message |
//! | `retries` | `send` | of a mailer: how often the message was sent again to recipients that were refused for now |
//! | `outcome` | all | see below |
//! | `step` | all | the step that failed |
//! | `code` | all | the code of the last reply; of a message the one that accepted it, or else refused it |
//! | `duration_us` | all | the duration in whole microseconds |
//!
//! A field without a value is absent. The outcome of a message to which the server has replied is
//! `accepted`, `partial` or `refused`, for all, some or none of its recipients; that of any other
//! operation without an error is `done`. An error is `refused`, `misbehaved`, `unsupported`,
//! `invalid`, `source`, `token`, `broken` or `ended`, as its [`ErrorKind`] says. An operation whose
//! future was dropped is `canceled`.
//!
//! The message of the event is `NAME: OUTCOME`. An event at WARN stands for itself, for those who
//! show nothing below: it has the fields `reason`, and `server` for `connect`.
//!
//! The span of a message begins with the call and is a child of the caller's span, also where a
//! task of the mailer or a later call sends the message: of a mailer it includes the time in the
//! queue, all attempts and the pauses between them, of `send_many` it begins when the message is
//! taken. An attempt that a mailer repeats is an event at DEBUG in it, and so is a pause before a
//! retry. The connections of a mailer serve many messages: their spans have no parent.
//!
//! Mailboxes and the text of replies appear only at DEBUG and below, secrets at no level; a `reason`
//! has the codes of the reply with their registered meaning. A `queue_id` is text of the server's, but
//! one word, and absent if it has the form of an address. An event at DEBUG has the full error,
//! and events at TRACE under the target `smtp_session` have the commands and replies.
use std::{fmt, net::SocketAddr};

use smtp_caps::Envelope;
use smtp_codec::ContentFacts;
use smtp_error::{Delivery, Error, ErrorKind, Reply, ReplyCode, Step, Verdict};
use tracing::{
    Level, Span,
    field::{Empty, display},
};

use crate::{Server, clock::Instant};

/// The target of all spans of this crate, and of their events.
pub const TARGET: &str = "smtp_client";

/// The span of a running operation. If it is dropped before its end, the operation was canceled.
pub(crate) struct Watch {
    span: Span,
    name: &'static str,
    level: Level,
    /// `None` if no subscriber wants the span.
    began: Option<Instant>,
    ended: bool,
}

/// A span with the fields that every operation has. The parent is the current span unless one is
/// given.
macro_rules! span {
    ([$($parent:tt)*], $level:ident, $name:literal $(, $($field:tt)*)?) => {
        Watch::new($name, Level::$level, tracing::span!(
            target: TARGET,
            $($parent)*
            Level::$level,
            $name,
            $($($field)*,)?
            outcome = Empty,
            step = Empty,
            code = Empty,
            duration_us = Empty,
        ))
    };
}

/// The span of one message.
macro_rules! send_span {
    ([$($parent:tt)*], $envelope:expr, $text:expr) => {
        span!(
            [$($parent)*],
            INFO,
            "send",
            octets = $text.size,
            recipients = $envelope.rcpts().len(),
            accepted = Empty,
            refused = Empty,
            queue_id = Empty,
            in_doubt = Empty,
            attempts = Empty,
            retries = Empty
        )
    };
}

impl Watch {
    /// Begins the span of connecting to this server.
    pub(crate) fn connect(server: &Server) -> Self {
        span!([], INFO, "connect", server = %server, host = server.host(), address = Empty)
    }

    /// Begins the span of an operation with this first step: `login` for AUTH, `command` for
    /// others.
    pub(crate) fn begin(step: Step) -> Self {
        match step {
            Step::Auth => span!([], INFO, "login"),
            step => span!([], DEBUG, "command", command = %step),
        }
    }

    /// Begins the span of sending this message, in the current span.
    pub(crate) fn send(envelope: &Envelope, text: ContentFacts) -> Self {
        send_span!([], envelope, text)
    }

    /// The same, in this span.
    pub(crate) fn send_in(parent: &Span, envelope: &Envelope, text: ContentFacts) -> Self {
        send_span!([parent: parent,], envelope, text)
    }

    fn new(name: &'static str, level: Level, span: Span) -> Self {
        let began = (!span.is_disabled()).then(Instant::now);
        Self { span, name, level, began, ended: false }
    }

    /// Returns the span, to instrument the future of the operation.
    pub(crate) fn span(&self) -> Span {
        self.span.clone()
    }

    /// Ends the span of connecting to this server.
    pub(crate) fn connected<T>(mut self, server: &Server, outcome: &Result<T, Error>) {
        match outcome {
            Ok(_) => self.close("done", None),
            Err(error) => {
                let outcome = self.fail(error, None);
                let (reason, name) = (Reason(error), self.name);
                tracing::warn!(
                    target: TARGET, parent: &self.span, %server, %reason, "{name}: {outcome}"
                );
            }
        }
    }

    /// Records that this attempt to send a message is followed by another one.
    #[cfg(feature = "tokio")]
    pub(crate) fn repeated(&self, attempt: u32, sent: &Result<Delivery, Error>) {
        match sent {
            Ok(delivery) => {
                let reason = Refusals(delivery);
                tracing::debug!(target: TARGET, parent: &self.span, attempt, %reason, "repeated");
            }
            Err(error) => {
                tracing::debug!(target: TARGET, parent: &self.span, attempt, %error, "repeated");
            }
        }
    }

    /// Records that this retry follows, after this pause.
    #[cfg(feature = "tokio")]
    pub(crate) fn pausing(&self, retry: u32, pause: std::time::Duration, sent: &Delivery) {
        let (reason, seconds) = (Refusals(sent), pause.as_secs());
        tracing::debug!(target: TARGET, parent: &self.span, retry, seconds, %reason, "pausing");
    }

    /// Records that this retry failed. The refusals before it may stand.
    #[cfg(feature = "tokio")]
    pub(crate) fn retry_failed(&self, retry: u32, error: &Error) {
        tracing::debug!(target: TARGET, parent: &self.span, retry, %error, "retry failed");
    }

    /// Ends the span of a message of a mailer with its result.
    #[cfg(feature = "tokio")]
    pub(crate) fn mailed(self, sent: &Result<Delivery, Error>, attempts: u32, retries: u32) {
        self.span.record("attempts", attempts);
        if retries > 0 {
            self.span.record("retries", retries);
        }
        self.sent(sent, None);
    }

    /// Ends the span of a message with its result. `last` is the code of the last reply.
    pub(crate) fn sent(mut self, sent: &Result<Delivery, Error>, last: Option<ReplyCode>) {
        let delivery = match sent {
            Ok(delivery) => delivery,
            Err(error) => {
                if self.began.is_some() {
                    self.count(&mut error.verdicts().filter_map(|(_, verdict)| verdict));
                    self.span.record("in_doubt", error.in_doubt());
                }
                return self.end(sent, last);
            }
        };
        let outcome = match delivery {
            all if all.all_accepted() => "accepted",
            some if some.any_accepted() => "partial",
            _ => "refused",
        };
        let mut code = None;
        // Counting is wasted without a subscriber, which is the usual case.
        if self.began.is_some() {
            let mut verdicts = delivery.verdicts().map(|(_, verdict)| verdict);
            self.count(&mut verdicts.clone());
            let decisive = verdicts.clone().find(|verdict| verdict.is_accepted());
            code = decisive.or_else(|| verdicts.next()).map(|verdict| verdict.reply().code());
        }
        if outcome == "accepted" {
            return self.close(outcome, code);
        }
        self.record(outcome, code);
        let (reason, name) = (Refusals(delivery), self.name);
        tracing::warn!(target: TARGET, parent: &self.span, %reason, "{name}: {outcome}");
    }

    /// Records the number of verdicts of each kind, and the queue identifier that those have in
    /// common that accept.
    fn count(&self, verdicts: &mut dyn Iterator<Item = &Verdict>) {
        let (mut accepted, mut refused) = (0, 0);
        let mut first: Option<&Verdict> = None;
        let mut common = true;
        for verdict in verdicts {
            if !verdict.is_accepted() {
                refused += 1;
                continue;
            }
            accepted += 1;
            let first = *first.get_or_insert(verdict);
            // Most recipients share one reply, which is not searched again.
            common &= first.reply() == verdict.reply() || first.queue_id() == verdict.queue_id();
        }
        self.span.record("accepted", accepted);
        self.span.record("refused", refused);
        let id = first.filter(|_| common).and_then(Verdict::queue_id);
        if let Some(id) = id.filter(|id| !id.contains('@')) {
            self.span.record("queue_id", id);
        }
    }

    /// Ends the span with the outcome and the code of the last reply.
    pub(crate) fn end<T>(mut self, outcome: &Result<T, Error>, last: Option<ReplyCode>) {
        let Err(error) = outcome else { return self.close("done", last) };
        let outcome = self.fail(error, last);
        let (reason, name) = (Reason(error), self.name);
        if self.level == Level::INFO {
            tracing::warn!(target: TARGET, parent: &self.span, %reason, "{name}: {outcome}");
        } else {
            tracing::debug!(target: TARGET, parent: &self.span, "{name}: {outcome}");
        }
    }

    /// Records an error, and returns the outcome that it is.
    fn fail(&mut self, error: &Error, last: Option<ReplyCode>) -> &'static str {
        self.span.record("step", display(error.step()));
        tracing::debug!(target: TARGET, parent: &self.span, %error);
        let code = error.reply().map(|reply| reply.code()).or(last);
        let outcome = fault(error.kind());
        self.record(outcome, code);
        outcome
    }

    fn record(&mut self, outcome: &'static str, code: Option<ReplyCode>) {
        self.ended = true;
        if let Some(began) = self.began {
            self.span.record("outcome", outcome);
            let microseconds = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.span.record("duration_us", microseconds);
            if let Some(code) = code {
                self.span.record("code", code.get());
            }
        }
    }

    fn close(&mut self, outcome: &'static str, code: Option<ReplyCode>) {
        self.record(outcome, code);
        let name = self.name;
        if self.level == Level::INFO {
            tracing::info!(target: TARGET, parent: &self.span, "{name}: {outcome}");
        } else {
            tracing::debug!(target: TARGET, parent: &self.span, "{name}: {outcome}");
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.ended {
            self.close("canceled", None);
        }
    }
}

/// Records in the current span, which is that of connecting, what the client is connected to.
pub(crate) fn connected_to(address: Option<SocketAddr>) {
    if let Some(address) = address {
        Span::current().record("address", display(address));
    }
}

/// Returns the kind of an error, for the field `outcome`.
fn fault(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Refused(_) => "refused",
        ErrorKind::Misbehaved(_) => "misbehaved",
        ErrorKind::Unsupported(_) => "unsupported",
        ErrorKind::Invalid(_) | ErrorKind::Envelope(_) => "invalid",
        ErrorKind::Source(_) => "source",
        ErrorKind::Token(_) => "token",
        ErrorKind::Broken(_) => "broken",
        ErrorKind::Ended(_) => "ended",
        _ => "failed",
    }
}

/// Displays why an operation failed, without the text of replies, which may have mailboxes, and
/// without the errors of the caller's own code.
struct Reason<'a>(&'a Error);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(error) = self;
        write!(f, "{}: ", error.step())?;
        match (error.reply(), error.kind()) {
            (Some(reply), _) => Codes(reply).fmt(f)?,
            (None, ErrorKind::Source(_)) => f.write_str("reading the mail data failed")?,
            (None, ErrorKind::Token(_)) => f.write_str("fetching the access token failed")?,
            (None, ErrorKind::Invalid(invalid)) => {
                write!(f, "{}: {}", invalid.field, invalid.flaw)?;
            }
            (None, ErrorKind::Envelope(invalid)) => invalid.why().fmt(f)?,
            (None, kind) => kind.fmt(f)?,
        }
        if error.in_doubt() {
            f.write_str(" (the message may have been accepted)")?;
        }
        if let Some(hint) = error.hint() {
            write!(f, " ({hint})")?;
        }
        error.advice().map_or(Ok(()), |advice| write!(f, " ({advice})"))
    }
}

/// Displays why the first recipient was refused that was, and how many were.
struct Refusals<'a>(&'a Delivery);

impl fmt::Display for Refusals<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut refused = self.0.refused().map(|(_, verdict)| verdict);
        let Some(first) = refused.next() else { return Ok(()) };
        let (count, all) = (1 + refused.count(), self.0.verdicts().len());
        let codes = Codes(first.reply());
        write!(f, "{}: {codes} ({count} of {all} recipients refused)", first.step())?;
        first.advice().map_or(Ok(()), |advice| write!(f, " ({advice})"))
    }
}

/// Displays the codes of a reply, with the meaning of the more exact one that has one.
struct Codes<'a>(&'a Reply);

impl fmt::Display for Codes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (code, enhanced) = (self.0.code(), self.0.enhanced());
        write!(f, "{code}")?;
        if let Some(enhanced) = enhanced {
            write!(f, " {enhanced}")?;
        }
        let meaning = enhanced.and_then(|code| code.meaning()).or_else(|| code.meaning());
        meaning.map_or(Ok(()), |meaning| write!(f, " {meaning}"))
    }
}
