//! Verdicts: the result of a message for one of its recipients.
use core::fmt;

use crate::{Reply, Step};

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

    /// Returns the step that the reply answered.
    pub fn step(&self) -> Step {
        self.step
    }

    /// Returns the reply. Many servers put their queue identifier into its text.
    pub fn reply(&self) -> &Reply {
        &self.reply
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let result = if self.is_accepted() { "accepted" } else { "refused" };
        write!(f, "{result} at {}: {}", self.step, self.reply)
    }
}
