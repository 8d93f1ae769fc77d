//! Spans: the `tracing` span and event of each operation.
//!
//! Every operation of a [`Connector`](crate::Connector) or a [`Connection`](crate::Connection) is a
//! span with the target [`TARGET`], and ends with one event of the same level.
//!
//! | Span | Level | Operation |
//! |---|---|---|
//! | `connect` | INFO | connecting, up to a connection that is ready for messages |
//! | `login` | INFO | AUTH |
//! | `send` | INFO | one message |
//! | `command` | DEBUG | any other command, and the steps of `connect` |
//!
//! | Field | In | Value |
//! |---|---|---|
//! | `server` | `connect` | the address of the server, without user name |
//! | `command` | `command` | the first [`Step`], such as `NOOP` or `TLS handshake` |
//! | `octets`, `recipients` | `send` | the size of the text, and the number of recipients |
//! | `accepted`, `refused` | `send` | the number of verdicts of each kind |
//! | `in_doubt` | `send` | whether the message may have been accepted although no reply confirmed it |
//! | `outcome` | all | `done`, `canceled`, or the kind of the error: `refused`, `misbehaved`, `unsupported`, `invalid`, `source`, `broken`, `ended` |
//! | `step` | all | the step that failed |
//! | `code` | all | the code of the last reply |
//! | `duration_ms` | all | the duration in milliseconds |
//!
//! A field without a value is absent. Mailboxes and the text of replies appear only at DEBUG and
//! below, secrets at no level. An event at DEBUG has the full error, and events at TRACE under the
//! target `smtp_session` have the commands and replies.
use smtp_caps::Envelope;
use smtp_codec::ContentFacts;
use smtp_error::{Delivery, Error, ErrorKind, ReplyCode, Step, Verdict};
use tracing::{Level, Span, field::Empty};

use crate::{Server, clock::Instant};

/// The target of all spans of this crate, and of their events.
pub const TARGET: &str = "smtp_client";

/// The span of a running operation. If it is dropped before [`end`](Self::end), the operation was
/// canceled.
pub(crate) struct Watch {
    span: Span,
    level: Level,
    began: Instant,
    ended: bool,
}

/// A span with the fields that every operation has.
macro_rules! span {
    ($level:ident, $name:literal $(, $($field:tt)*)?) => {
        Watch::new(Level::$level, tracing::span!(
            target: TARGET,
            Level::$level,
            $name,
            $($($field)*,)?
            outcome = Empty,
            step = Empty,
            code = Empty,
            duration_ms = Empty,
        ))
    };
}

impl Watch {
    /// Begins the span of connecting to this server.
    pub(crate) fn connect(server: &Server) -> Self {
        span!(INFO, "connect", server = %server)
    }

    /// Begins the span of an operation with this first step: `login` for AUTH, `command` for
    /// others.
    pub(crate) fn begin(step: Step) -> Self {
        match step {
            Step::Auth => span!(INFO, "login"),
            step => span!(DEBUG, "command", command = %step),
        }
    }

    /// Begins the span of sending this message.
    pub(crate) fn send(envelope: &Envelope, text: ContentFacts) -> Self {
        span!(
            INFO,
            "send",
            octets = text.size,
            recipients = envelope.rcpts().len(),
            accepted = Empty,
            refused = Empty,
            in_doubt = Empty
        )
    }

    fn new(level: Level, span: Span) -> Self {
        Self { span, level, began: Instant::now(), ended: false }
    }

    /// Returns the span, to instrument the future of the operation.
    pub(crate) fn span(&self) -> Span {
        self.span.clone()
    }

    /// Ends the span of a message with its result and the code of the last reply.
    pub(crate) fn sent(self, sent: &Result<Delivery, Error>, last: Option<ReplyCode>) {
        let count = |verdicts: &mut dyn Iterator<Item = &Verdict>| {
            let (mut accepted, mut all) = (0, 0);
            for verdict in verdicts {
                accepted += usize::from(verdict.is_accepted());
                all += 1;
            }
            self.span.record("accepted", accepted);
            self.span.record("refused", all - accepted);
        };
        match sent {
            // Counting is wasted without a subscriber, which is the usual case.
            _ if self.span.is_disabled() => {}
            Ok(delivery) => count(&mut delivery.verdicts().iter()),
            Err(error) => {
                count(&mut error.verdicts().iter().flatten());
                self.span.record("in_doubt", error.in_doubt());
            }
        }
        self.end(sent, last);
    }

    /// Ends the span with the outcome and the code of the last reply.
    pub(crate) fn end<T>(mut self, outcome: &Result<T, Error>, last: Option<ReplyCode>) {
        let Err(error) = outcome else { return self.close("done", last) };
        self.span.record("step", tracing::field::display(error.step()));
        tracing::debug!(target: TARGET, parent: &self.span, %error);
        let code = error.reply().map(|reply| reply.code()).or(last);
        self.close(fault(error.kind()), code);
    }

    fn close(&mut self, outcome: &'static str, code: Option<ReplyCode>) {
        self.ended = true;
        if !self.span.is_disabled() {
            self.span.record("outcome", outcome);
            self.span.record("duration_ms", self.began.elapsed().as_secs_f64() * 1000.0);
            if let Some(code) = code {
                self.span.record("code", code.get());
            }
        }
        if self.level == Level::INFO {
            tracing::info!(target: TARGET, parent: &self.span, "{outcome}");
        } else {
            tracing::debug!(target: TARGET, parent: &self.span, "{outcome}");
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

/// Returns the kind of an error, for the field `outcome`.
fn fault(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Refused(_) => "refused",
        ErrorKind::Misbehaved(_) => "misbehaved",
        ErrorKind::Unsupported(_) => "unsupported",
        ErrorKind::Invalid(_) => "invalid",
        ErrorKind::Source(_) => "source",
        ErrorKind::Broken(_) => "broken",
        ErrorKind::Ended(_) => "ended",
        _ => "failed",
    }
}
