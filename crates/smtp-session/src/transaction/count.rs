//! Counting replies: what their number says where nothing else tells them apart.
//!
//! A reply has no name of the command that it answers; it answers the oldest one that waits. A
//! server that replies once too often shifts every reply that follows. After DATA the 354 shows
//! that both sides are in step, and the one reply to the text cannot be another's. Two cases remain:
//! MAIL, RCPT and BDAT are all answered with 250; and several final replies, one for each recipient,
//! are alike (LMTP, PRDR).
use smtp_error::{Reply, Step, Verdict};

use crate::Dialect;

/// The replies of a round.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// How many 2yz replies an acceptance takes at least, and how many were received.
    needed: usize,
    positive: usize,
    finals: Classes,
}

/// Numbers of replies.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Classes {
    completions: usize,
    refusals: usize,
}

/// A result that a surplus reply puts in question.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    /// How many 2yz replies are missing for an acceptance, where the text traveled in chunks.
    missing: Option<usize>,
    finals: Classes,
    /// Whether the first final reply is about one recipient alone. It cannot be shifted.
    first_stands: bool,
}

impl Tally {
    /// Takes note of a command. An acceptance takes one accepted recipient.
    pub(super) fn expect(&mut self, step: Step, is_first_rcpt: bool) {
        let needs = match step {
            Step::Reset | Step::Mail | Step::Text | Step::EndOfText => true,
            Step::Rcpt => is_first_rcpt,
            _ => false,
        };
        self.needed += usize::from(needs);
    }

    /// Returns what a surplus reply would put in question, now that the last reply was received.
    pub(super) fn counted(self, in_chunks: bool, dialect: Dialect) -> Option<Counted> {
        let Self { needed, positive, finals } = self;
        let several = finals.completions + finals.refusals > 1;
        let missing = in_chunks.then(|| needed.saturating_sub(positive));
        let first_stands = dialect == Dialect::Lmtp;
        (in_chunks || several).then_some(Counted { missing, finals, first_stands })
    }

    /// Takes note of a reply to a command of this step.
    pub(super) fn receive(&mut self, step: Step, reply: &Reply) {
        self.positive += usize::from(reply.is_completion());
        if step == Step::EndOfText {
            self.finals.add(reply);
        }
    }
}

impl Classes {
    /// Counts a reply.
    pub(crate) fn add(&mut self, reply: &Reply) {
        self.completions += usize::from(reply.is_completion());
        self.refusals += usize::from(reply.is_transient() || reply.is_permanent());
    }
}

impl Counted {
    /// Returns whether another result is possible if these replies were received as well.
    pub(crate) fn is_upset_by(&self, surplus: Classes) -> bool {
        match self.missing {
            // Fewer 2yz replies than an acceptance takes exclude it.
            Some(missing) => surplus.completions >= missing,
            // Whichever of the replies is the surplus one: if all are alike, the result is the same.
            None => {
                self.finals.completions + surplus.completions > 0
                    && self.finals.refusals + surplus.refusals > 0
            }
        }
    }

    /// Returns the verdicts that stand if a surplus reply has upset the result.
    pub(crate) fn standing(&self, verdicts: Vec<Option<Verdict>>) -> Vec<Option<Verdict>> {
        let mut first_stands = self.first_stands;
        let mut stands = |verdict: &Verdict| match verdict.step() {
            _ if self.missing.is_some() => false,
            Step::EndOfText => std::mem::take(&mut first_stands),
            _ => true,
        };
        verdicts.into_iter().map(|verdict| verdict.filter(&mut stands)).collect()
    }
}
