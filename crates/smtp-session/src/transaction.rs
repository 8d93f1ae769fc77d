//! Mail transactions: MAIL, RCPT, DATA or BDAT, the text, and a verdict for every recipient
//! (RFC 5321, 3.3; RFC 2033, 4.2; RFC 2920; RFC 3030).
use smtp_caps::Plan;
use smtp_codec::ContentFacts;
use smtp_error::{Delivery, Ended, Error, ErrorKind, Reply, Step, Verdict};

use super::{
    ContentRequest, Dialect, Excess, Operation, Partial, Sending, SendsContent, Session,
    operation::{Expected, PendingReply, Protocol},
};

mod count;
mod envelope;
mod flow;
mod hearing;
mod opening;
mod pieces;
mod saying;
mod slots;
mod text;

pub use envelope::EnvelopeRef;
pub use flow::Piece;

pub(super) use count::{Classes, Counted};

use count::Tally;
use saying::comes_before_text;
use slots::Slots;
use text::Text;

/// Sends one message.
///
/// How far it runs ahead of the replies, how the text travels and how many replies end it are
/// values; the walk is one. Behind DATA the text is written only if the server invited it and at
/// least one recipient was taken; in chunks it may go out with the commands. Every recipient gets
/// exactly one verdict: the first.
///
/// What the message needs is held against the capabilities when the operation begins, and
/// nothing is written if the server does not offer it. If the recipients are too many for one
/// transaction and the caller wants it [so](crate::Excess::Continue), the text is asked for again
/// from its beginning.
#[derive(Debug)]
pub struct Transaction<'a> {
    envelope: EnvelopeRef<'a>,
    facts: ContentFacts,
    sending: Sending,
    /// There is one from the first turn on.
    plan: Option<Plan>,
    /// Why it is not sent, or goes no further.
    objection: Option<ErrorKind>,
    turn: Turn,
    slots: Slots,
    text: Text,
    /// How many replies it is owed, and how many of them before anybody is asked for the text.
    owed: usize,
    unanswered: usize,
    /// Its number in the session, from its first turn on.
    number: u64,
    /// How often its text was begun.
    rounds: u32,
    /// Whether it was begun before the message before it was answered.
    ahead: bool,
    /// How many recipients are still to be answered for before the final reply (PRDR).
    each: usize,
    tally: Tally,
    /// Whether a chunk was announced in this round.
    announced: bool,
    /// What a surplus reply would put in question: from the last reply of a round to the first of
    /// the next.
    counted: Option<Counted>,
    /// Whether several final replies are expected, which are told apart by their number alone.
    several_finals: bool,
    /// Whether no other message needs the connection.
    alone: bool,
    /// Whether the message as a whole was refused, with a chunk behind it under way.
    rejected: bool,
}

/// What is said next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Begin,
    Reset,
    Mail,
    Rcpt,
    Data,
    /// Everything is said but the text.
    Text,
    /// Nothing more is said, but replies are owed.
    GiveUp,
    Done,
}

/// How much text may wait to be written before more is asked for, in octets.
const TEXT_AHEAD: usize = 256 * 1024;

impl<'a> Transaction<'a> {
    /// A transaction for a message of this envelope, borrowed, shared or owned, whose text has these
    /// properties, sent as the defaults of [`Sending`] have it.
    pub fn new(envelope: impl Into<EnvelopeRef<'a>>, text: ContentFacts) -> Self {
        let envelope = envelope.into();
        let slots = Slots::new(envelope.rcpts().len());
        Self {
            envelope,
            facts: text,
            sending: Sending::default(),
            plan: None,
            objection: None,
            turn: Turn::Begin,
            slots,
            text: Text::None,
            owed: 0,
            unanswered: 0,
            number: 0,
            rounds: 0,
            ahead: false,
            each: 0,
            tally: Tally::default(),
            announced: false,
            counted: None,
            several_finals: false,
            alone: true,
            rejected: false,
        }
    }

    /// The same transaction, sent in this way.
    #[must_use]
    pub fn sending(mut self, sending: Sending) -> Self {
        self.sending = sending;
        self
    }

    /// Whether nobody is to get the text: every recipient of this round was refused, or one was
    /// and the caller wants all or none.
    fn is_pointless(&self) -> bool {
        let withheld = self.sending.partial == Partial::Withhold && self.slots.refusal().is_some();
        self.owed == 0 && (withheld || self.slots.taken().next().is_none())
    }

    /// Whether all of it was said, and only the final reply is to come: of many messages that run
    /// ahead that is what most are doing.
    fn waits_for_the_end(&self) -> bool {
        self.turn == Turn::Text
            && matches!(self.text, Text::Ended { .. })
            && !self.slots.are_settled()
    }

    /// Returns whether the connection is closed instead of writing the rest of the text: every
    /// recipient was refused while it waited, and to write it would only delay the verdicts. A
    /// message that shares the connection with others writes it for their sake.
    fn is_abandoned(&self, session: &Session) -> bool {
        self.alone && self.slots.are_settled() && self.is_mid_text() && !session.output.is_empty()
    }

    /// What was under way is over: another round for those that are left, or the end.
    fn round_over(&mut self, session: &Session) {
        self.text = Text::None;
        let excess = match self.sending.partial {
            Partial::Deliver => self.sending.excess,
            Partial::Withhold => Excess::Refuse,
        };
        let again = self.slots.next_round(excess);
        self.tally = Tally::default();
        self.turn = if again { Turn::first(session) } else { Turn::Done };
    }
}

impl Protocol for Transaction<'_> {
    fn current_step(&self) -> Step {
        match self.turn {
            Turn::Reset => Step::Reset,
            Turn::Begin | Turn::Mail => Step::Mail,
            Turn::Rcpt => Step::Rcpt,
            Turn::Data | Turn::GiveUp => Step::Data,
            Turn::Text | Turn::Done => Step::Text,
        }
    }

    fn write_commands(&mut self, session: &mut Session) -> Result<(), ErrorKind> {
        if self.waits_for_the_end() {
            return Ok(());
        }
        loop {
            let ready = session.owed.is_empty() || self.may_run_ahead(session);
            match self.turn {
                Turn::Done => return Ok(()),
                _ if self.is_abandoned(session) => {
                    session.end(Ended::Failed { step: Step::Text });
                    self.turn = Turn::Done;
                }
                Turn::GiveUp if self.owed == 0 => self.round_over(session),
                Turn::GiveUp => return Ok(()),
                Turn::Begin => self.begin(session),
                _ if !ready => return Ok(()),
                Turn::Data | Turn::Text if self.text.is_unsaid(session) && self.is_pointless() => {
                    self.turn = Turn::GiveUp;
                }
                Turn::Text => {
                    if !self.say_chunk(session)? {
                        return Ok(());
                    }
                }
                _ => self.turn = self.say(session)?,
            }
        }
    }

    fn handle_reply(
        &mut self,
        session: &mut Session,
        owed: PendingReply,
        reply: Reply,
    ) -> Result<(), ErrorKind> {
        self.owed -= 1;
        self.tally.receive(owed.step, &reply);
        self.unanswered -= usize::from(comes_before_text(owed.step));
        self.hear_reply(session, owed, reply)
    }

    fn handle_unsolicited(
        &mut self,
        session: &mut Session,
        step: Step,
        reply: Reply,
    ) -> Result<(), ErrorKind> {
        self.hear_unasked(session, step, reply)
    }

    fn is_mid_text(&self) -> bool {
        !matches!(self.text, Text::None)
    }

    /// Only recipients of this round can have got the text: neither those that were refused nor
    /// those that wait for another round.
    fn is_in_doubt(&self, session: &Session) -> bool {
        self.text.is_in_doubt(session) && self.slots.are_open()
    }

    fn has_answer(&self) -> bool {
        self.slots.are_settled()
    }

    fn is_counted(&self) -> bool {
        self.counted.is_some()
    }

    fn is_done(&self, _: &Session) -> bool {
        self.turn == Turn::Done
    }
}

impl Operation for Transaction<'_> {
    type Answer = Delivery;

    type Request = ContentRequest;

    fn request(&self, session: &Session, failed: bool) -> Option<ContentRequest> {
        if failed { None } else { self.content_request(session) }
    }

    fn answer(mut self, session: &Session) -> Result<Delivery, Error> {
        if let Some(kind) = self.objection {
            let error = Error::new(Step::Mail, kind);
            let begun = self.plan.is_some();
            return Err(if begun {
                error.with_verdicts(self.slots.into_verdicts())
            } else {
                error
            });
        }
        self.check_count(session)?;
        let refusal = self.slots.refusal().map(|verdict| verdict.reply().clone());
        let verdicts = self.slots.into_verdicts();
        if verdicts.iter().all(Option::is_some) {
            return Ok(Delivery::new(verdicts.into_iter().map_while(|known| known).collect()));
        }
        let error = match refusal {
            Some(reply) => Error::new(Step::Rcpt, ErrorKind::Refused(reply)),
            None => Error::new(Step::Text, Ended::Failed { step: Step::Text }),
        };
        Err(error.with_verdicts(verdicts))
    }

    /// What broke behind the last verdict changes none.
    fn failed(mut self, error: Error) -> Result<Delivery, Error> {
        if self.turn == Turn::Begin {
            return Err(error);
        }
        let error = self.check_failure(error)?;
        let settled = self.slots.are_settled();
        let verdicts = self.slots.into_verdicts();
        if settled {
            return Ok(Delivery::new(verdicts.into_iter().map_while(|known| known).collect()));
        }
        Err(error.with_verdicts(verdicts))
    }

    fn verdicts(self) -> Vec<Option<Verdict>> {
        self.slots.into_verdicts()
    }
}

impl SendsContent for Transaction<'_> {
    fn content_request(&self, session: &Session) -> Option<ContentRequest> {
        let wants = self.turn == Turn::Text
            && session.output.len() < TEXT_AHEAD
            && matches!(&self.text, Text::Flowing(flow) if flow.wants_more());
        wants.then_some(ContentRequest { message: 0, round: self.rounds })
    }

    fn piece(&mut self, session: &mut Session, piece: Piece) -> Result<(), ErrorKind> {
        self.take_piece(session, piece)
    }

    fn end_of_text(&mut self, session: &mut Session) -> Result<(), ErrorKind> {
        self.take_end(session)
    }

    fn text_written(&self, session: &Session) -> Option<(usize, u64)> {
        let written = session.output.handed().checked_sub(self.text.began()?)?;
        (written > 0).then_some((0, written))
    }
}
