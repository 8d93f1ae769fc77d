//! The recipients of a mail transaction, each on its way to its one verdict.
use std::{collections::VecDeque, sync::Arc};

use smtp_error::{Delivery, Error, ForwardPaths, KnownVerdicts, Reply, ReplyCode, Step, Verdict};

use crate::{
    Dialect, Session,
    replies::{PendingReply, Replies},
};

/// The recipients of the envelope, in its order.
#[derive(Debug, Default)]
pub(super) struct Recipients {
    states: Vec<State>,
    /// How many have no verdict.
    open: usize,
    /// Where to look for the next one that waits.
    cursor: usize,
    /// How many RCPT commands were written in this round, and how many of them were accepted.
    sent: usize,
    accepted: usize,
    /// How many replies about one recipient are pending before the final reply (PRDR).
    each: usize,
    /// The verdicts of an earlier round on those that wait because they were too many, in their
    /// order. They are kept apart so that a state is no larger than a verdict, and a delivery is
    /// collected in place.
    excess: VecDeque<(usize, Verdict)>,
}

/// How far a recipient has come.
#[derive(Clone, Debug)]
enum State {
    /// RCPT was not written in this round.
    Waiting,
    /// RCPT was written, and its reply is pending.
    Sent,
    /// RCPT was answered with 2yz.
    Accepted,
    /// It has its verdict.
    Decided(Verdict),
}

impl State {
    fn is_too_many(&self) -> bool {
        matches!(self, Self::Decided(verdict) if verdict.is_too_many())
    }
}

impl Recipients {
    pub(super) fn new(recipients: usize) -> Self {
        let states = vec![State::Waiting; recipients];
        Self {
            states,
            open: recipients,
            cursor: 0,
            sent: 0,
            accepted: 0,
            each: 0,
            excess: VecDeque::new(),
        }
    }

    /// Returns the next recipient to write RCPT for, unless the round has `most` already.
    pub(super) fn next_to_send(&mut self, most: usize) -> Option<usize> {
        if self.sent >= most {
            return None;
        }
        let waiting = |state: &State| matches!(state, State::Waiting);
        let recipient = self.cursor + self.states[self.cursor..].iter().position(waiting)?;
        self.states[recipient] = State::Sent;
        // RCPT is written in the order of the envelope, in which the earlier verdicts are.
        if self.excess.front().is_some_and(|(first, _)| *first == recipient) {
            self.excess.pop_front();
        }
        self.cursor = recipient + 1;
        self.sent += 1;
        Some(recipient)
    }

    /// Returns how many RCPT commands were written in this round.
    pub(super) fn sent(&self) -> usize {
        self.sent
    }

    /// Returns how many recipients were accepted in this round, if the server refused others as too
    /// many and accepted none after the first of those: then it has a limit.
    pub(super) fn limit_shown(&self) -> Option<usize> {
        let first = self.states.iter().position(State::is_too_many)?;
        let later = &self.states[first..self.cursor];
        let is_limit =
            later.iter().all(|one| matches!(one, State::Decided(one) if !one.is_accepted()));
        (is_limit && self.accepted > 0).then_some(self.accepted)
    }

    /// Returns how many recipients were accepted in this round.
    pub(super) fn accepted_count(&self) -> usize {
        self.accepted
    }

    /// Returns whether every recipient has its verdict.
    pub(super) fn are_decided(&self) -> bool {
        self.open == 0
    }

    /// Returns whether a recipient of this round has no verdict.
    pub(super) fn has_undecided(&self) -> bool {
        self.states.iter().any(|state| matches!(state, State::Sent | State::Accepted))
    }

    /// Returns the recipients that were accepted and wait for their verdict.
    pub(super) fn accepted(&self) -> impl Iterator<Item = usize> {
        let accepted = |(_, state): &(usize, &State)| matches!(state, State::Accepted);
        self.states.iter().enumerate().filter(accepted).map(|(recipient, _)| recipient)
    }

    /// Records that RCPT was answered with 2yz.
    pub(super) fn accept(&mut self, recipient: usize) {
        if let state @ State::Sent = &mut self.states[recipient] {
            *state = State::Accepted;
            self.accepted += 1;
        }
    }

    /// Gives this verdict to a recipient, unless it has one: the first stands.
    pub(super) fn decide(&mut self, recipient: usize, step: Step, reply: &Reply) {
        let state = &mut self.states[recipient];
        if !matches!(state, State::Decided(_)) {
            *state = State::Decided(Verdict::new(step, reply.clone()));
            self.open -= 1;
        }
    }

    /// Gives this verdict to every recipient that was accepted and has none.
    pub(super) fn decide_accepted(&mut self, step: Step, reply: &Reply) {
        for recipient in 0..self.states.len() {
            if matches!(self.states[recipient], State::Accepted) {
                self.decide(recipient, step, reply);
            }
        }
    }

    /// Gives this verdict to every recipient that has none.
    pub(super) fn decide_all(&mut self, step: Step, reply: &Reply) {
        for recipient in 0..self.states.len() {
            self.decide(recipient, step, reply);
        }
    }

    /// Expects the final reply, or with LMTP one for each recipient that was accepted. Returns how
    /// many that are.
    pub(super) fn expect_final(&self, session: &mut Session, one: PendingReply) -> usize {
        match session.dialect {
            Dialect::Smtp => {
                session.replies.expect(one);
                1
            }
            Dialect::Lmtp => self.expect_each(&mut session.replies, one),
        }
    }

    fn expect_each(&self, replies: &mut Replies, one: PendingReply) -> usize {
        let accepted = self.accepted();
        accepted.map(|recipient| replies.expect(PendingReply { recipient, ..one })).count()
    }

    /// Expects one reply for each recipient that was accepted, and then the final one (PRDR).
    pub(super) fn expect_each_before_final(&mut self, replies: &mut Replies, one: PendingReply) {
        self.each = self.expect_each(replies, one);
        replies.expect(one);
    }

    /// Returns whether replies about one recipient are pending before the final reply.
    pub(super) fn await_each(&self) -> bool {
        self.each > 0
    }

    /// Gives a final reply as the verdict to those that it is for: every recipient that was
    /// accepted, or this one.
    pub(super) fn decide_finally(&mut self, dialect: Dialect, recipient: usize, reply: &Reply) {
        let step = Step::EndOfText;
        match dialect {
            Dialect::Smtp if self.each > 0 && reply.code() != ReplyCode::SERVICE_CLOSING => {
                self.each -= 1;
                // A recipient that is not refused here waits for the final reply.
                if !reply.is_completion() {
                    self.decide(recipient, step, reply);
                }
            }
            Dialect::Smtp => self.decide_accepted(step, reply),
            Dialect::Lmtp => self.decide(recipient, step, reply),
        }
    }

    /// Takes back every verdict.
    pub(super) fn forget(&mut self) {
        self.open = self.states.len();
        self.excess.clear();
        self.states.fill(State::Sent);
    }

    /// Returns whether every recipient was refused by 503 to RSET or MAIL: the server accepts no
    /// commands that run ahead.
    pub(super) fn all_came_too_early(&self) -> bool {
        let too_early = |verdict: &Verdict| {
            matches!(verdict.step(), Step::Reset | Step::Mail)
                && verdict.reply().code() == ReplyCode::BAD_SEQUENCE
        };
        self.states.iter().all(|state| matches!(state, State::Decided(one) if too_early(one)))
    }

    /// Returns the first refusal of a recipient, if there is one.
    pub(super) fn refusal(&self) -> Option<&Verdict> {
        self.states.iter().find_map(|state| match state {
            State::Decided(verdict) if !verdict.is_accepted() => Some(verdict),
            _ => None,
        })
    }

    /// Ends this round. Returns whether another one is needed, for recipients that RCPT was not
    /// written for or, if the caller wants that, that were too many. A further round for the latter
    /// is begun only after one in which the server accepted a recipient, so that the rounds end.
    pub(super) fn next_round(&mut self, with_excess: bool) -> bool {
        if with_excess && self.accepted > 0 {
            let states = self.states.iter_mut().enumerate();
            for (recipient, state) in states.filter(|(_, state)| state.is_too_many()) {
                if let State::Decided(verdict) = std::mem::replace(state, State::Waiting) {
                    self.excess.push_back((recipient, verdict));
                    self.open += 1;
                }
            }
            self.excess.make_contiguous().sort_by_key(|(recipient, _)| *recipient);
        }
        (self.cursor, self.sent, self.accepted) = (0, 0, 0);
        self.states.iter().any(|state| matches!(state, State::Waiting))
    }

    /// Returns whether there are recipients that another round may be for.
    pub(super) fn have_excess(&self) -> bool {
        self.states.iter().any(|state| matches!(state, State::Waiting) || state.is_too_many())
    }

    /// Returns the delivery if every recipient has its verdict, or this error with those that are
    /// known.
    pub(super) fn into_delivery(
        self,
        forward_paths: Arc<dyn ForwardPaths>,
        error: impl FnOnce() -> Error,
    ) -> Result<Delivery, Error> {
        let verdicts = self.into_verdicts();
        if verdicts.iter().all(Option::is_some) {
            // Collected in place: `flatten` would allocate.
            let verdicts = verdicts.into_iter().map_while(|verdict| verdict).collect();
            return Ok(Delivery::new(forward_paths, verdicts));
        }
        Err(error().with_verdicts(KnownVerdicts::new(forward_paths, verdicts)))
    }

    pub(super) fn into_verdicts(self) -> Vec<Option<Verdict>> {
        let verdict = |state| match state {
            State::Decided(verdict) => Some(verdict),
            State::Waiting | State::Sent | State::Accepted => None,
        };
        let mut verdicts: Vec<_> = self.states.into_iter().map(verdict).collect();
        // An earlier verdict stands as long as RCPT is not written again.
        for (recipient, verdict) in self.excess {
            verdicts[recipient] = Some(verdict);
        }
        verdicts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_as_large_as_a_verdict_so_that_a_delivery_is_collected_in_place() {
        assert_eq!(size_of::<State>(), size_of::<Verdict>());
        assert_eq!(size_of::<Option<Verdict>>(), size_of::<Verdict>());
    }
}
