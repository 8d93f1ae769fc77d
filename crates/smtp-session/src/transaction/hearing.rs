//! What the server's replies mean for the recipients of a transaction.
use smtp_codec::Stuffer;
use smtp_error::{Ended, Error, ErrorKind, Misbehaved, Reply, ReplyCode, Step};

use super::{
    Dialect, Expected, PendingReply, Session, Transaction, Turn,
    count::{Classes, Counted},
    flow::Way,
};

impl Transaction<'_> {
    /// Hears a reply that was owed.
    pub(super) fn hear_reply(
        &mut self,
        session: &mut Session,
        owed: PendingReply,
        reply: Reply,
    ) -> Result<(), ErrorKind> {
        if reply.code() == ReplyCode::SERVICE_CLOSING {
            return self.shut_down(session, owed, reply);
        }
        let refused = reply.is_transient() || reply.is_permanent();
        if owed.step == Step::Mail {
            // The round before is over for good: its last reply was the last.
            self.counted = None;
            self.announced = self.is_in_chunks() && !self.text.is_unsaid(session);
        }
        match owed.step {
            Step::Reset if self.ahead && reply.code() == ReplyCode::BAD_SEQUENCE => {
                self.give_up(Step::Reset, &reply);
            }
            Step::Reset if refused => return Err(session.not_reset(reply)),
            Step::Mail if refused => {
                // In chunks no 354 shows that the refusal was the reply to MAIL: if it was a
                // surplus one, a transaction is open that the next message must not be added to.
                let came_early = self.ahead && reply.code() == ReplyCode::BAD_SEQUENCE;
                if came_early || !self.is_in_chunks() {
                    session.close_transaction(self.number);
                }
                self.give_up(Step::Mail, &reply);
            }
            Step::Rcpt if refused => self.slots.settle(owed.recipient, Step::Rcpt, &reply),
            Step::Rcpt => self.slots.take(owed.recipient),
            Step::Data if refused => self.give_up(Step::Data, &reply),
            Step::Data => self.invited(session),
            // A chunk that is not the last: no other follows, and the server drops those that do.
            Step::Text if refused => self.give_up(Step::Text, &reply),
            Step::EndOfText => return self.conclude(session, owed, &reply),
            _ => {}
        }
        Ok(())
    }

    /// Hears a reply that nobody is owed.
    ///
    /// A refusal while the text still flows is the server's word: the text is cut off there, or its
    /// end was on the way already. Anything else makes no sense there; nor does a refusal with LMTP
    /// when the end was on the way, because nobody can tell for which recipients it is.
    pub(super) fn hear_unasked(
        &mut self,
        session: &mut Session,
        step: Step,
        reply: Reply,
    ) -> Result<(), ErrorKind> {
        let flowing = self.has_heard_of_text(session);
        // It began before the end of the text was written, and is no reply to that.
        let step = if flowing || step == Step::EndOfText { Step::Text } else { step };
        let for_whom = session.dialect == Dialect::Smtp || !self.text.is_in_doubt(session);
        if reply.code() == ReplyCode::SERVICE_CLOSING && for_whom {
            let owed = PendingReply::new(step, Expected::Codes(&[]));
            return self.shut_down(session, owed, reply);
        }
        let refused = reply.is_transient() || reply.is_permanent();
        if !(flowing && refused && for_whom) {
            return Err(Misbehaved::Unsolicited(reply).into());
        }
        self.slots.settle_all(step, &reply);
        session.end(Ended::Failed { step });
        self.turn = Turn::Done;
        Ok(())
    }

    /// Whether the reply that came can be about the text. Behind DATA the server waits for it; of
    /// chunks it knows nothing before they are announced.
    fn has_heard_of_text(&self, session: &Session) -> bool {
        let announced = |began| !self.is_in_chunks() || session.reply_began > began;
        self.text.began().is_some_and(announced)
    }

    /// Refuses to take the last reply for the verdict if others have arrived after it.
    pub(super) fn check_count(&mut self, session: &Session) -> Result<(), Error> {
        match (session.surplus(), self.counted) {
            (Some(surplus), Some(counted)) if counted.is_upset_by(surplus.classes) => {
                Err(self.upset(counted, session.error(Step::EndOfText, surplus.misbehaved)))
            }
            _ => Ok(()),
        }
    }

    /// What is known of a transaction that failed so: the same, unless another was to follow and
    /// the last reply to this one was none.
    pub(super) fn check_failure(&mut self, error: Error) -> Result<Error, Error> {
        let ErrorKind::Misbehaved(Misbehaved::Unsolicited(reply)) = error.kind() else {
            return Ok(error);
        };
        let mut surplus = Classes::default();
        surplus.add(reply);
        match self.counted {
            Some(counted) if counted.is_upset_by(surplus) => Err(self.upset(counted, error)),
            _ => Ok(error),
        }
    }

    fn upset(&mut self, counted: Counted, error: Error) -> Error {
        let verdicts = std::mem::take(&mut self.slots).into_verdicts();
        error.with_verdicts(counted.standing(verdicts)).with_in_doubt(true)
    }

    /// The message as a whole was refused.
    fn give_up(&mut self, step: Step, reply: &Reply) {
        self.slots.settle_all(step, reply);
        self.turn = Turn::GiveUp;
        self.rejected = true;
    }

    /// The server answered DATA with 354.
    fn invited(&mut self, session: &mut Session) {
        if self.turn == Turn::Text && self.slots.taken().next().is_some() {
            self.begin_text(Way::Data(Stuffer::new()), session);
        } else {
            // It waits for a text that must not be sent, and an empty one might be delivered to
            // somebody. Closing is the one answer that cannot be misunderstood.
            session.end(Ended::Failed { step: Step::Data });
            self.turn = Turn::Done;
        }
    }

    /// A reply behind the end of the text: to all recipients that were taken, or to one of them.
    fn conclude(
        &mut self,
        session: &mut Session,
        owed: PendingReply,
        reply: &Reply,
    ) -> Result<(), ErrorKind> {
        if reply.code() == ReplyCode::EACH_RECIPIENT {
            self.expect_each(session, owed);
            return Ok(());
        }
        let refused = !reply.is_completion();
        let for_all = session.dialect == Dialect::Smtp && self.each == 0;
        if !refused && for_all && self.is_strange(reply) {
            self.slots.forget();
            let reply = reply.clone();
            return Err(Misbehaved::WrongCode { step: Step::EndOfText, reply }.into());
        }
        match session.dialect {
            Dialect::Smtp if self.each > 0 && reply.code() != ReplyCode::SERVICE_CLOSING => {
                self.each -= 1;
                // Who is not refused here waits for the final reply.
                if refused {
                    self.slots.settle(owed.recipient, Step::EndOfText, reply);
                }
            }
            Dialect::Smtp => self.slots.settle_taken(Step::EndOfText, reply),
            Dialect::Lmtp => self.slots.settle(owed.recipient, Step::EndOfText, reply),
        }
        if self.owed == 0 {
            // What a refused chunk leaves behind is not stated.
            if !refused {
                session.close_transaction(self.number);
            }
            self.counted = self.tally.counted(self.announced, session.dialect);
            self.round_over(session);
        }
        Ok(())
    }

    /// Whether this acceptance of the text cannot be one. The message was refused before, or a
    /// chunk of it; and where nothing but their number tells the replies apart, one that speaks of an
    /// address is the answer to a recipient: there was one too many before it.
    fn is_strange(&self, reply: &Reply) -> bool {
        let of_an_address = || reply.enhanced().is_some_and(|code| code.subject() == 1);
        self.rejected || (self.announced && of_an_address())
    }

    /// One reply for each recipient follows, and then the final one.
    fn expect_each(&mut self, session: &mut Session, owed: PendingReply) {
        let owed = PendingReply { expected: Expected::Completion, ..owed };
        let each: Vec<PendingReply> =
            self.slots.taken().map(|recipient| PendingReply { recipient, ..owed }).collect();
        self.each = each.len();
        self.owed += each.len() + 1;
        session.owed.push_front(owed);
        each.into_iter().rev().for_each(|owed| session.owed.push_front(owed));
    }

    /// The server said 421: the session is over. Before the end of the text that is its word on
    /// every recipient; behind it, it is a word on those that it answers for.
    fn shut_down(
        &mut self,
        session: &mut Session,
        owed: PendingReply,
        reply: Reply,
    ) -> Result<(), ErrorKind> {
        match owed.step {
            Step::EndOfText => self.conclude(session, owed, &reply)?,
            // The text was handed over whole, and there are servers that say 421 to one recipient
            // and go on with the others.
            Step::Rcpt if self.text.is_in_doubt(session) => {
                self.slots.settle(owed.recipient, Step::Rcpt, &reply);
            }
            step => self.slots.settle_all(step, &reply),
        }
        self.turn = Turn::Done;
        if self.slots.are_settled() { Ok(()) } else { Err(Ended::ServerClosing(reply).into()) }
    }
}
