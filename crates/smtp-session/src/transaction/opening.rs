//! The opening of a transaction: the message, held against what the server offers and takes.
use smtp_caps::Plan;
use smtp_error::{ErrorKind, Limited, ReplyCode, Step, Unsupported};

use super::{
    Excess, Partial, Session, Slots, Text, Transaction, Turn,
    count::{Counted, Tally},
};

impl Turn {
    /// Whose turn it is at the beginning of a round.
    pub(super) fn first(session: &Session) -> Self {
        if session.open.is_some() { Self::Reset } else { Self::Mail }
    }
}

impl Transaction<'_> {
    /// Holds the message against what the server offers. If it cannot be sent, nothing is written.
    pub(super) fn begin(&mut self, session: &mut Session) {
        match self.plan_for(session) {
            Ok(plan) => {
                self.plan = Some(plan);
                self.number = session.next_number();
                self.turn = Turn::first(session);
            }
            Err(kind) => {
                self.objection = Some(kind);
                self.turn = Turn::Done;
            }
        }
    }

    fn plan_for(&self, session: &mut Session) -> Result<Plan, ErrorKind> {
        let mut plan = Plan::new(session.capabilities(), &self.envelope, self.facts)?;
        plan = plan.raw_headers(self.sending.raw_headers)?.framed(self.sending.framing)?;
        let refuses = self.sending.excess == Excess::Refuse;
        if plan.excess_rcpts() > 0 && (refuses || self.sending.partial == Partial::Withhold) {
            let limit = plan.rcpt_max().unwrap_or_default().into();
            let asked = self.envelope.rcpts().len() as u64;
            let what = Limited::Recipients;
            return Err(Unsupported::TooMany { what, asked, limit }.into());
        }
        session.admit(&self.envelope)?;
        Ok(plan)
    }

    /// Whether everything is said, so that another message may be begun behind it: its text has
    /// ended, and no further round can follow for those that are too many.
    pub(crate) fn is_said_out(&self) -> bool {
        let last = || {
            let refuses =
                self.sending.excess == Excess::Refuse || self.sending.partial == Partial::Withhold;
            refuses || (self.unanswered == 0 && !self.slots.have_excess())
        };
        // A surplus reply among several final ones would pass for a reply to the next MAIL.
        let said = matches!(self.text, Text::Ended { .. }) && !self.several_finals && last();
        self.turn == Turn::Done || said
    }

    /// Whether nothing of it was said.
    pub(crate) fn is_unbegun(&self) -> bool {
        self.turn == Turn::Begin
    }

    /// Whether the server only took offense at its coming too early: then it can be sent again.
    pub(crate) fn came_too_early(&self) -> bool {
        self.ahead
            && self.turn == Turn::Done
            && self.slots.all_settled_by(|verdict| {
                matches!(verdict.step(), Step::Reset | Step::Mail)
                    && verdict.reply().code() == ReplyCode::BAD_SEQUENCE
            })
    }

    /// Its number in the session, once it has begun.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// What a surplus reply would put in question.
    pub(crate) fn counted(&self) -> Option<Counted> {
        self.counted
    }

    /// The size of the text in octets, if it is known.
    pub(crate) fn size(&self) -> Option<u64> {
        self.facts.size
    }

    /// Returns whether its text is being given, and its end was not.
    pub(crate) fn is_given_text(&self) -> bool {
        matches!(self.text, Text::Flowing(_))
    }

    /// Sets whether no other message needs the connection.
    pub(crate) fn set_alone(&mut self, alone: bool) {
        self.alone = alone;
    }

    /// Says whether it is begun before the message before it is answered.
    pub(crate) fn set_ahead(&mut self, ahead: bool) {
        self.ahead = ahead;
    }

    /// Begins anew.
    pub(crate) fn renew(&mut self) {
        self.plan = None;
        self.turn = Turn::Begin;
        self.slots = Slots::new(self.envelope.rcpts().len());
        self.text = Text::None;
        self.tally = Tally::default();
        self.several_finals = false;
    }
}
