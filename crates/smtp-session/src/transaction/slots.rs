//! The recipients of a transaction, each with how far it has come: to its first and only verdict.
use smtp_error::{Reply, ReplyCode, Step, Verdict};

use crate::Excess;

/// One slot for each recipient of the envelope.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    /// How many have no verdict.
    open: usize,
    /// Where to look for the next one that waits.
    cursor: usize,
    /// How many were said in this round, and how many of them were taken.
    said: usize,
    taken: usize,
}

/// How far a recipient has come.
#[derive(Clone, Debug)]
enum Slot {
    /// RCPT was not said in this round. Before, it was one too many.
    Waiting(Option<Verdict>),
    /// RCPT was said and is not answered.
    Said,
    /// RCPT was answered with 2yz.
    Taken,
    Settled(Verdict),
}

impl Slot {
    fn is_too_many(&self) -> bool {
        matches!(self, Self::Settled(verdict) if was_too_many(verdict))
    }
}

impl Slots {
    pub(super) fn new(recipients: usize) -> Self {
        let slots = vec![Slot::Waiting(None); recipients];
        Self { slots, open: recipients, cursor: 0, said: 0, taken: 0 }
    }

    /// The next recipient of this round, unless it has as many as one transaction takes.
    pub(super) fn say_next(&mut self, most: usize) -> Option<usize> {
        if self.said >= most {
            return None;
        }
        let waiting = |slot: &Slot| matches!(slot, Slot::Waiting(_));
        let recipient = self.cursor + self.slots[self.cursor..].iter().position(waiting)?;
        self.slots[recipient] = Slot::Said;
        self.cursor = recipient + 1;
        self.said += 1;
        Some(recipient)
    }

    /// How many recipients were said in this round.
    pub(super) fn said(&self) -> usize {
        self.said
    }

    /// Whether every recipient has its verdict.
    pub(super) fn are_settled(&self) -> bool {
        self.open == 0
    }

    /// Whether a recipient of this round has no verdict.
    pub(super) fn are_open(&self) -> bool {
        self.slots.iter().any(|slot| matches!(slot, Slot::Said | Slot::Taken))
    }

    /// The recipients that were taken and wait for their verdict.
    pub(super) fn taken(&self) -> impl Iterator<Item = usize> {
        let taken = |(_, slot): &(usize, &Slot)| matches!(slot, Slot::Taken);
        self.slots.iter().enumerate().filter(taken).map(|(recipient, _)| recipient)
    }

    /// RCPT was answered with 2yz.
    pub(super) fn take(&mut self, recipient: usize) {
        if let slot @ Slot::Said = &mut self.slots[recipient] {
            *slot = Slot::Taken;
            self.taken += 1;
        }
    }

    /// Gives this verdict to a recipient, unless it has one: the first stands.
    pub(super) fn settle(&mut self, recipient: usize, step: Step, reply: &Reply) {
        let slot = &mut self.slots[recipient];
        if !matches!(slot, Slot::Settled(_)) {
            *slot = Slot::Settled(Verdict::new(step, reply.clone()));
            self.open -= 1;
        }
    }

    /// Gives this verdict to every recipient that was taken and has none.
    pub(super) fn settle_taken(&mut self, step: Step, reply: &Reply) {
        for recipient in 0..self.slots.len() {
            if matches!(self.slots[recipient], Slot::Taken) {
                self.settle(recipient, step, reply);
            }
        }
    }

    /// Gives this verdict to every recipient that has none.
    pub(super) fn settle_all(&mut self, step: Step, reply: &Reply) {
        for recipient in 0..self.slots.len() {
            self.settle(recipient, step, reply);
        }
    }

    /// Nothing is known of any recipient after all.
    pub(super) fn forget(&mut self) {
        self.open = self.slots.len();
        self.slots.fill(Slot::Said);
    }

    /// Whether every recipient has a verdict of this kind.
    pub(super) fn all_settled_by(&self, kind: impl Fn(&Verdict) -> bool) -> bool {
        self.slots.iter().all(|slot| matches!(slot, Slot::Settled(verdict) if kind(verdict)))
    }

    /// The refusal of a recipient, if there is one.
    pub(super) fn refusal(&self) -> Option<&Verdict> {
        self.slots.iter().find_map(|slot| match slot {
            Slot::Settled(verdict) if !verdict.is_accepted() => Some(verdict),
            _ => None,
        })
    }

    /// This round is over: whether another one is needed for those who were not said, or, if the
    /// caller wants that, were too many. Each round takes somebody, so that there is an end.
    pub(super) fn next_round(&mut self, excess: Excess) -> bool {
        if excess == Excess::Continue && self.taken > 0 {
            for slot in self.slots.iter_mut().filter(|slot| slot.is_too_many()) {
                if let Slot::Settled(verdict) = std::mem::replace(slot, Slot::Waiting(None)) {
                    *slot = Slot::Waiting(Some(verdict));
                    self.open += 1;
                }
            }
        }
        (self.cursor, self.said, self.taken) = (0, 0, 0);
        self.slots.iter().any(|slot| matches!(slot, Slot::Waiting(_)))
    }

    /// Whether there are recipients that another round may be for.
    pub(super) fn have_excess(&self) -> bool {
        self.slots.iter().any(|slot| matches!(slot, Slot::Waiting(_)) || slot.is_too_many())
    }

    pub(super) fn into_verdicts(self) -> Vec<Option<Verdict>> {
        let verdict = |slot| match slot {
            Slot::Settled(verdict) => Some(verdict),
            // What was said of it stands as long as it is not asked about again.
            Slot::Waiting(before) => before,
            Slot::Said | Slot::Taken => None,
        };
        self.slots.into_iter().map(verdict).collect()
    }
}

/// Whether the recipient was one too many: the enhanced code says so, or else 452 does
/// (RFC 5321, 4.5.3.1.10).
fn was_too_many(verdict: &Verdict) -> bool {
    let reply = verdict.reply();
    let said_so = match reply.enhanced() {
        Some(code) => (code.subject(), code.detail()) == (5, 3),
        None => reply.code() == ReplyCode::INSUFFICIENT_STORAGE,
    };
    verdict.step() == Step::Rcpt && said_so
}
