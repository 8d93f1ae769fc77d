//! Spans: what a subscriber of `tracing` sees of each operation.
//!
//! Every operation of a [`Connector`](crate::Connector) or a [`Connection`](crate::Connection) is a
//! span with the target [`TARGET`], and ends with one event of the same level.
//!
//! | Span | Level | What it is |
//! |---|---|---|
//! | `connect` | INFO | everything up to a connection that can be used |
//! | `login` | INFO | AUTH |
//! | `send` | INFO | one message |
//! | `command` | DEBUG | any other command, and the parts of `connect` |
//!
//! | Field | In | What it says |
//! |---|---|---|
//! | `server` | `connect` | the address that was given, without any mailbox |
//! | `command` | `command` | the [`Step`] that it begins with, such as `NOOP` or `TLS handshake` |
//! | `octets`, `recipients` | `send` | the size of the text, and how many are to get it |
//! | `accepted`, `refused` | `send` | how many verdicts of each kind are known |
//! | `in_doubt` | `send` | whether the message may have been accepted without a word |
//! | `outcome` | all | `done`, `canceled`, or whose fault it was: `refused`, `misbehaved`, `unsupported`, `invalid`, `source`, `broken`, `ended` |
//! | `step` | all | where it failed |
//! | `code` | all | the code of the last reply |
//! | `duration_ms` | all | how long it took, in milliseconds |
//!
//! A field that has nothing to say is absent. No mailbox and no word of the server's stands above
//! DEBUG, and a secret nowhere: what went wrong is told in full by an event at DEBUG, and the
//! dialogue by events at TRACE under the target `smtp_session`.
use smtp_caps::Envelope;
use smtp_codec::ContentFacts;
use smtp_error::{Delivery, Error, ErrorKind, ReplyCode, Step, Verdict};
use tracing::{Level, Span, field::Empty};

use crate::{Server, clock::Instant};

/// The target of all spans of this crate, and of their events.
pub const TARGET: &str = "smtp_client";

/// An operation that is watched. Dropped before its end, it was canceled.
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
    /// Watches how a connection to this server is opened.
    pub(crate) fn connect(server: &Server) -> Self {
        span!(INFO, "connect", server = %server)
    }

    /// Watches what begins with this step. AUTH is a login, anything else a command.
    pub(crate) fn begin(step: Step) -> Self {
        match step {
            Step::Auth => span!(INFO, "login"),
            step => span!(DEBUG, "command", command = %step),
        }
    }

    /// Watches how this message is sent.
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

    /// The span in which the operation happens.
    pub(crate) fn span(&self) -> Span {
        self.span.clone()
    }

    /// Says what a message came to, and what the server said last.
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
            // Nobody listens, as is usual.
            _ if self.span.is_disabled() => {}
            Ok(delivery) => count(&mut delivery.verdicts().iter()),
            Err(error) => {
                count(&mut error.verdicts().iter().flatten());
                self.span.record("in_doubt", error.in_doubt());
            }
        }
        self.end(sent, last);
    }

    /// Says how it ended, and what the server said last.
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

/// Whose fault it was, in one word.
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
