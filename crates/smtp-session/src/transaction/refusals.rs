//! Refusals: those that are about a message as a whole or about the session, and the errors that have
//! the verdicts that stand.
use std::mem;

use smtp_error::{Delivery, Error, KnownVerdicts, Reply, Step};

use super::{NextAction, Transaction};
use crate::{
    Partial, Session,
    replies::{Classes, refused},
};

impl Transaction<'_> {
    /// Refuses the message as a whole.
    pub(super) fn refuse(&mut self, step: Step, reply: &Reply) {
        // DATA without a recipient is refused for that, which is no verdict on those of another round.
        if step != Step::Data || self.recipients.accepted_count() > 0 {
            self.recipients.decide_all(step, reply);
        }
        self.next = NextAction::AwaitReplies;
        self.tally.refuse();
    }

    /// Returns whether this refusal of MAIL is about what was before the message: 503 for the commands
    /// before it (RFC 5321, 4.2.2), or 530 for a login that is missing, after the server had accepted
    /// a MAIL in this session. Of content that is on the way, the refusal is the verdict.
    pub(super) fn is_out_of_sequence(&self, session: &Session, reply: &Reply) -> bool {
        !self.ahead
            && session.is_out_of_sequence(reply)
            && self.content.is_unwritten(&session.output)
    }

    /// Returns this delivery, unless the caller wants all or none and no recipient is accepted: then
    /// the first refusal is the error.
    pub(super) fn unless_withheld(&self, delivery: Delivery) -> Result<Delivery, Error> {
        if self.sending.partial != Partial::Withhold || delivery.any_accepted() {
            return Ok(delivery);
        }
        let Some((_, first)) = delivery.verdicts().next() else { return Ok(delivery) };
        let error = Error::new(first.step(), refused(first.reply().clone()));
        Err(error.with_verdicts(delivery.into()))
    }

    /// Takes what is known of each recipient.
    pub(super) fn take_verdicts(&mut self) -> KnownVerdicts {
        let verdicts = mem::take(&mut self.recipients).into_verdicts();
        KnownVerdicts::new(self.envelope.forward_paths(), verdicts)
    }

    /// Takes back the verdicts that this surplus puts in question, if it does, with this error.
    pub(super) fn check_count(&mut self, surplus: Classes, error: Error) -> Result<Error, Error> {
        let upset = self.tally.counted().filter(|counted| counted.is_upset_by(surplus));
        let Some(counted) = upset else { return Ok(error) };
        let standing = counted.standing(self.take_verdicts());
        Err(error.with_verdicts(standing).with_in_doubt(true))
    }
}
