//! Verdicts: the result of a message for each of its recipients.
use alloc::vec::Vec;
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

/// The verdicts for all recipients of a message, in the order of the envelope.
///
/// The server may have refused some recipients, or all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
#[must_use = "recipients may have been refused"]
pub struct Delivery {
    verdicts: Vec<Verdict>,
}

impl Delivery {
    /// Returns a delivery with these verdicts, one per recipient.
    pub fn new(verdicts: Vec<Verdict>) -> Self {
        Self { verdicts }
    }

    /// Returns the verdicts, one per recipient, in the order of the envelope.
    pub fn verdicts(&self) -> &[Verdict] {
        &self.verdicts
    }

    /// Returns whether every recipient was accepted.
    pub fn all_accepted(&self) -> bool {
        self.verdicts.iter().all(Verdict::is_accepted)
    }

    /// Returns whether at least one recipient was accepted.
    pub fn any_accepted(&self) -> bool {
        self.verdicts.iter().any(Verdict::is_accepted)
    }

    /// Returns the refused recipients: their positions in the envelope, from 0, and their verdicts.
    pub fn refused(&self) -> impl Iterator<Item = (usize, &Verdict)> {
        self.verdicts.iter().enumerate().filter(|(_, verdict)| !verdict.is_accepted())
    }
}
