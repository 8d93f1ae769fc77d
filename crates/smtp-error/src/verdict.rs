//! Verdicts: the result of a message for one of its recipients.
use core::fmt;

use crate::{Reply, ReplyCode, Step, queue_id};

/// The result for one recipient: the reply that decided it, and the step that it answered.
///
/// A verdict is either a 2yz reply to the end of the mail data (accepted), or a 4yz or 5yz reply at
/// any step (refused).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Verdict {
    step: Step,
    reply: Reply,
}

impl Verdict {
    /// Returns the verdict of `reply` at `step`.
    pub fn new(step: Step, reply: Reply) -> Self {
        Self { step, reply }
    }

    /// Returns whether the server accepted responsibility for the message to this recipient.
    pub fn is_accepted(&self) -> bool {
        self.step == Step::EndOfText && self.reply.is_completion()
    }

    /// Returns whether the server refused and may accept the same message later (4yz).
    pub fn is_transient(&self) -> bool {
        self.reply.is_transient()
    }

    /// Returns whether the recipient was one too many for the mail transaction: RCPT was refused with
    /// the enhanced code X.5.3, or with 452 and no enhanced code (RFC 5321, 4.5.3.1.10).
    pub fn is_too_many(&self) -> bool {
        let is_too_many = match self.reply.enhanced() {
            Some(code) => (code.subject(), code.detail()) == (5, 3),
            None => self.reply.code() == ReplyCode::INSUFFICIENT_STORAGE,
        };
        self.step == Step::Rcpt && is_too_many
    }

    /// Returns the step that the reply answered.
    pub fn step(&self) -> Step {
        self.step
    }

    /// Returns the reply.
    pub fn reply(&self) -> &Reply {
        &self.reply
    }

    /// Returns the identifier under which the server has queued the message, if it accepted it and
    /// its reply has one in a form that is known: that of Postfix, Exim, Sendmail, OpenSMTPD,
    /// Exchange, Amazon SES, Gmail, Haraka, qmail, Dovecot and others.
    ///
    /// It is what the server's log has; the text comes from the server, and is nothing to rely on.
    /// For qmail it is the time and the process, `1700000000 qp 12345`; for Exchange the
    /// `InternalId`. An identifier that could be a word of a language is left out.
    pub fn queue_id(&self) -> Option<&str> {
        self.is_accepted().then(|| self.reply.lines().find_map(queue_id::in_line)).flatten()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let result = if self.is_accepted() { "accepted" } else { "refused" };
        write!(f, "{result} at {}: {}", self.step, self.reply)
    }
}
