//! Verdicts: what the server said about each recipient of a message.
use alloc::vec::Vec;
use core::fmt;

use crate::{Reply, Step};

/// The server's word on one recipient: its reply, and the step at which it was given.
///
/// A verdict is either a 2yz reply to the end of the text (accepted), or a 4yz or 5yz reply at
/// any step (refused).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Verdict {
    step: Step,
    reply: Reply,
}

impl Verdict {
    /// The verdict that `reply` gives at `step`.
    pub fn new(step: Step, reply: Reply) -> Self {
        Self { step, reply }
    }

    /// Whether the server took responsibility for the message to this recipient.
    pub fn is_accepted(&self) -> bool {
        self.step == Step::EndOfText && self.reply.is_completion()
    }

    /// Whether the server refused, and the same message may be accepted later.
    pub fn is_transient(&self) -> bool {
        self.reply.is_transient()
    }

    /// The step at which the reply was given.
    pub fn step(&self) -> Step {
        self.step
    }

    /// The reply, with the queue identifier that many servers put into its text.
    pub fn reply(&self) -> &Reply {
        &self.reply
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.is_accepted() { "accepted" } else { "refused" };
        write!(f, "{word} at {}: {}", self.step, self.reply)
    }
}

/// The server has answered for every recipient: one verdict each, in the order of the envelope.
///
/// Recipients may have been refused, even all of them: look at the verdicts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
#[must_use = "recipients may have been refused"]
pub struct Delivery {
    verdicts: Vec<Verdict>,
}

impl Delivery {
    /// A delivery with these verdicts, one per recipient.
    pub fn new(verdicts: Vec<Verdict>) -> Self {
        Self { verdicts }
    }

    /// The verdicts, one per recipient, in the order of the envelope.
    pub fn verdicts(&self) -> &[Verdict] {
        &self.verdicts
    }

    /// Whether every recipient was accepted.
    pub fn all_accepted(&self) -> bool {
        self.verdicts.iter().all(Verdict::is_accepted)
    }

    /// Whether at least one recipient was accepted.
    pub fn any_accepted(&self) -> bool {
        self.verdicts.iter().any(Verdict::is_accepted)
    }

    /// The refused recipients: their places in the envelope, from 0, and their verdicts.
    pub fn refused(&self) -> impl Iterator<Item = (usize, &Verdict)> {
        self.verdicts.iter().enumerate().filter(|(_, verdict)| !verdict.is_accepted())
    }
}
