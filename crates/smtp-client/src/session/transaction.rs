//! Mail transactions: MAIL, RCPT, DATA, the text, and a verdict for every recipient
//! (RFC 5321, 3.3; RFC 2033, 4.2; RFC 2920).
use smtp_caps::{Envelope, Objection, Plan};
use smtp_codec::{Body, Command, Stuffer, TextFacts};
use smtp_error::{
    Delivery, Ended, Error, ErrorKind, Extension, Misbehaved, Reply, ReplyCode, Step, Unsupported,
    Verdict,
};

use super::{
    Conversation, Dialect, Session, TextPhase,
    conversation::{Expected, Owed},
};

/// Sends one message.
///
/// How far it runs ahead of the replies is the plan's business, and how many replies end it is
/// the dialect's; the walk is one. The text is written only if the server invited it and at least
/// one recipient was taken, and every recipient gets exactly one verdict: the first.
#[derive(Debug)]
pub struct Transaction<'a> {
    envelope: &'a Envelope,
    plan: Plan,
    turn: Turn,
    slots: Vec<Slot>,
    /// How many slots are not settled.
    open: usize,
}

/// What is said next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Reset,
    Mail,
    Rcpt(usize),
    Data,
    /// Everything is said but the text.
    Text,
    /// Nothing more is said, but replies are owed.
    GiveUp,
    Done,
}

/// How far a recipient has come.
#[derive(Clone, Debug)]
enum Slot {
    /// RCPT is not answered.
    Open,
    /// RCPT was answered with 2yz.
    Taken,
    Settled(Verdict),
}

/// How many octets of commands may wait to be written before more are encoded.
const COMMANDS_AHEAD: usize = 64 * 1024;

impl<'a> Transaction<'a> {
    /// A transaction for a message of this envelope whose text has these properties.
    ///
    /// # Errors
    /// Says why the message cannot be sent to this server.
    pub fn new(
        session: &Session,
        envelope: &'a Envelope,
        text: TextFacts,
    ) -> Result<Self, Objection> {
        let plan = Plan::new(session.capabilities(), envelope, text)?;
        if plan.mail().declared_body() == Some(Body::BinaryMime) {
            // It needs BDAT; DATA is forbidden to it (RFC 3030, 3).
            return Err(Unsupported::ByClient(Extension::BinaryMime).into());
        }
        let turn = if session.dirty { Turn::Reset } else { Turn::Mail };
        let slots = vec![Slot::Open; envelope.rcpts().len()];
        let open = slots.len();
        Ok(Self { envelope, plan, turn, slots, open })
    }

    /// Says the next command, and whose turn it is then.
    fn say(&self, session: &mut Session) -> Result<Turn, ErrorKind> {
        let code = |step, code| Owed::new(step, Expected::Codes(code));
        Ok(match self.turn {
            Turn::Reset => {
                session.say(Command::Rset, Command::MAX_LINE, code(Step::Reset, &[250]))?;
                Turn::Mail
            }
            Turn::Mail => {
                let limit = session.capabilities.mail_line_limit();
                session.say(
                    Command::Mail(self.plan.mail().borrowed()),
                    limit,
                    code(Step::Mail, &[250]),
                )?;
                session.dirty = true;
                Turn::Rcpt(0)
            }
            Turn::Rcpt(recipient) => match self.envelope.rcpts().get(recipient) {
                Some(rcpt) => {
                    let limit = session.capabilities.rcpt_line_limit();
                    let owed = Owed { recipient, ..code(Step::Rcpt, &[250, 251, 252]) };
                    session.say(Command::Rcpt(rcpt.borrowed()), limit, owed)?;
                    Turn::Rcpt(recipient + 1)
                }
                None => Turn::Data,
            },
            Turn::Data if self.open == 0 => Turn::GiveUp,
            Turn::Data => {
                session.say(Command::Data, Command::MAX_LINE, code(Step::Data, &[354]))?;
                Turn::Text
            }
            turn => turn,
        })
    }

    /// Gives this verdict to every recipient that has none.
    fn settle_all(&mut self, step: Step, reply: &Reply) {
        for recipient in 0..self.slots.len() {
            self.settle(recipient, step, reply);
        }
    }

    /// Gives this verdict to a recipient, unless it has one: the first stands.
    fn settle(&mut self, recipient: usize, step: Step, reply: &Reply) {
        let slot = &mut self.slots[recipient];
        if !matches!(slot, Slot::Settled(_)) {
            *slot = Slot::Settled(Verdict::new(step, reply.clone()));
            self.open -= 1;
        }
    }

    /// The server answered DATA with 354.
    fn invited(&mut self, session: &mut Session) {
        let taken = self.slots.iter().any(|slot| matches!(slot, Slot::Taken));
        if taken && self.turn == Turn::Text {
            session.text = TextPhase::Open(Stuffer::new(), session.output.end());
        } else {
            // It waits for a text that must not be sent, and an empty one might be delivered to
            // somebody. Closing is the one answer that cannot be misunderstood.
            session.end(Ended::Failed { step: Step::Data });
            self.turn = Turn::Done;
        }
    }

    /// A final reply: to all recipients that were taken, or with LMTP to one of them.
    fn conclude(&mut self, session: &mut Session, owed: Owed, reply: &Reply) {
        match session.dialect {
            Dialect::Smtp => self.settle_all(Step::EndOfText, reply),
            Dialect::Lmtp => self.settle(owed.recipient, Step::EndOfText, reply),
        }
        if self.open == 0 {
            session.text = TextPhase::None;
            session.dirty = false;
            self.turn = Turn::Done;
        }
    }

    /// The server said 421: the session is over. Before the end of the text that is its word on
    /// every recipient; behind it, it is a word on those that it answers for.
    fn shut_down(
        &mut self,
        session: &mut Session,
        owed: Owed,
        reply: Reply,
    ) -> Result<(), ErrorKind> {
        if owed.step != Step::EndOfText {
            self.settle_all(owed.step, &reply);
            self.turn = Turn::Done;
            return Ok(());
        }
        self.conclude(session, owed, &reply);
        if self.turn == Turn::Done { Ok(()) } else { Err(Ended::ShutDown(reply).into()) }
    }

    fn verdicts(self) -> Vec<Option<Verdict>> {
        self.slots.into_iter().map(Slot::verdict).collect()
    }
}

impl Slot {
    fn verdict(self) -> Option<Verdict> {
        match self {
            Self::Settled(verdict) => Some(verdict),
            Self::Open | Self::Taken => None,
        }
    }
}

impl Conversation for Transaction<'_> {
    type Answer = Delivery;

    fn step(&self) -> Step {
        match self.turn {
            Turn::Reset => Step::Reset,
            Turn::Mail => Step::Mail,
            Turn::Rcpt(_) => Step::Rcpt,
            Turn::Data | Turn::GiveUp => Step::Data,
            Turn::Text | Turn::Done => Step::Text,
        }
    }

    fn speak(&mut self, session: &mut Session) -> Result<(), ErrorKind> {
        while !matches!(self.turn, Turn::Text | Turn::GiveUp | Turn::Done) {
            let ahead = self.plan.is_pipelined() && session.output.len() < COMMANDS_AHEAD;
            if !session.owed.is_empty() && !ahead {
                break;
            }
            self.turn = self.say(session)?;
        }
        Ok(())
    }

    fn hear(&mut self, session: &mut Session, owed: Owed, reply: Reply) -> Result<(), ErrorKind> {
        if reply.code() == ReplyCode::SHUTTING_DOWN {
            return self.shut_down(session, owed, reply);
        }
        let refused = reply.is_transient() || reply.is_permanent();
        match owed.step {
            Step::Reset if refused => return Err(ErrorKind::Refused(reply)),
            Step::Reset => {}
            Step::Mail if refused => {
                session.dirty = false;
                self.settle_all(Step::Mail, &reply);
                self.turn = Turn::GiveUp;
            }
            Step::Rcpt if refused => self.settle(owed.recipient, Step::Rcpt, &reply),
            Step::Rcpt => {
                let slot = &mut self.slots[owed.recipient];
                if matches!(slot, Slot::Open) {
                    *slot = Slot::Taken;
                }
            }
            Step::Data if refused => {
                self.settle_all(Step::Data, &reply);
                self.turn = Turn::GiveUp;
            }
            Step::Data => self.invited(session),
            Step::EndOfText => self.conclude(session, owed, &reply),
            _ => {}
        }
        Ok(())
    }

    /// A refusal while the text still flows is the server's word: the text is cut off there, or its
    /// end was on the way already. Anything else makes no sense there; nor does a refusal with LMTP
    /// when the end was on the way, because nobody can tell for which recipients it is.
    fn interrupted(
        &mut self,
        session: &mut Session,
        step: Step,
        reply: Reply,
    ) -> Result<(), ErrorKind> {
        let flowing = !matches!(session.text, TextPhase::None);
        let step = if flowing { Step::Text } else { step };
        let for_whom = session.dialect == Dialect::Smtp || !session.in_doubt();
        if reply.code() == ReplyCode::SHUTTING_DOWN && for_whom {
            let owed = Owed::new(step, Expected::Codes(&[]));
            return self.shut_down(session, owed, reply);
        }
        let refused = reply.is_transient() || reply.is_permanent();
        if !(flowing && refused && for_whom) {
            return Err(Misbehaved::Unsolicited(reply).into());
        }
        self.settle_all(step, &reply);
        session.end(Ended::Failed { step });
        self.turn = Turn::Done;
        Ok(())
    }

    fn text_ended(&mut self, session: &mut Session) {
        let taken = |(_, slot): &(usize, &Slot)| matches!(slot, Slot::Taken);
        let replies = match session.dialect {
            Dialect::Smtp => 1,
            Dialect::Lmtp => usize::MAX,
        };
        let owed = Owed::new(Step::EndOfText, Expected::Completion);
        for (recipient, _) in self.slots.iter().enumerate().filter(taken).take(replies) {
            session.owed.push_back(Owed { recipient, ..owed });
        }
    }

    fn is_done(&self, session: &Session) -> bool {
        match self.turn {
            Turn::Done => true,
            Turn::GiveUp => session.owed.is_empty(),
            _ => false,
        }
    }

    fn answer(self, _: &Session) -> Result<Delivery, ErrorKind> {
        let verdicts: Option<Vec<_>> = self.verdicts().into_iter().collect();
        verdicts.map(Delivery::new).ok_or(ErrorKind::Ended(Ended::Failed { step: Step::Text }))
    }

    /// What broke behind the last verdict changes none.
    fn failed(self, error: Error) -> Result<Delivery, Error> {
        if self.open == 0 {
            return Ok(Delivery::new(self.verdicts().into_iter().flatten().collect()));
        }
        Err(error.known(self.verdicts()))
    }
}
