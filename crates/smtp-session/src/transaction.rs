//! Mail transactions: MAIL, RCPT, DATA or BDAT, the content, and a verdict for every recipient
//! (RFC 5321, 3.3; RFC 2033, 4.2; RFC 2920; RFC 3030).
//!
//! This file decides what is written next, and what each reply means. The content on its way and
//! the recipients have files of their own.
use std::mem;

use smtp_caps::{Framing, Plan};
use smtp_codec::{Command, ContentFacts, Stuffer};
use smtp_error::{
    Delivery, Ended, Error, ErrorKind, KnownVerdicts, Misbehaved, Reply, ReplyCode, Step,
};

use crate::{
    ContentRequest, Dialect, EnvelopeRef, Operation, Partial, Sending, SendsContent, Session,
    operation::Protocol,
    replies::{Classes, Expected, PendingReply, refused},
    tally::Tally,
};

mod content;
mod recipients;
mod refusals;

pub use content::Piece;

use content::{Checks, Content, Flow, Way, Written};
use recipients::Recipients;

/// Sends one message.
///
/// How far commands run ahead of the replies, how the content travels and how many final replies
/// there are, are values; the course is one. After DATA the content is written only if the server
/// replied with 354 and accepted at least one recipient; in chunks it may leave with the commands.
/// Every recipient gets exactly one verdict: the first.
///
/// The message is held against the capabilities when the operation starts, and nothing is written
/// if the server does not offer what it needs. If the recipients are too many for one transaction
/// and the caller allows [further ones](crate::Excess::Continue), the content is needed again from
/// its beginning.
#[derive(Debug)]
pub struct Transaction<'a> {
    envelope: EnvelopeRef<'a>,
    pub(crate) facts: ContentFacts,
    sending: Sending,
    /// There is one once the transaction has begun.
    plan: Option<Plan>,
    /// Why the message is not sent, or not sent to further recipients.
    objection: Option<ErrorKind>,
    pub(crate) next: NextAction,
    recipients: Recipients,
    content: Content,
    /// The ordinals of its last pending reply, and of the last one that must come before the
    /// content is written where it waits for the recipients.
    last_reply: u64,
    last_reply_before_content: u64,
    /// Its number in the session, once it has begun.
    pub(crate) number: u64,
    /// The most recipients of the round.
    most_rcpts: usize,
    /// How often its content was begun.
    rounds: u32,
    /// Whether it was begun before the message before it was answered.
    pub(crate) ahead: bool,
    pub(crate) tally: Tally,
    /// Whether several final replies are expected, which are told apart by their number alone.
    several_finals: bool,
    /// Whether no other message needs the connection.
    pub(crate) alone: bool,
}

/// What a transaction does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NextAction {
    Begin,
    WriteReset,
    WriteMail,
    WriteRcpt,
    WriteData,
    /// Every command is written; the content is.
    WriteContent,
    /// Nothing more is written; the pending replies end the round.
    AwaitReplies,
    Nothing,
}

/// The message, and how it relates to the other messages of a batch.
impl<'a> Transaction<'a> {
    /// Returns a transaction for a message of this envelope, borrowed, shared or owned, whose
    /// content has these facts, with the defaults of [`Sending`].
    pub fn new(envelope: impl Into<EnvelopeRef<'a>>, facts: ContentFacts) -> Self {
        let envelope = envelope.into();
        let recipients = Recipients::new(envelope.rcpts().len());
        Self {
            envelope,
            facts,
            sending: Sending::default(),
            plan: None,
            objection: None,
            next: NextAction::Begin,
            recipients,
            content: Content::None,
            last_reply: 0,
            last_reply_before_content: 0,
            number: 0,
            most_rcpts: usize::MAX,
            rounds: 0,
            ahead: false,
            tally: Tally::default(),
            several_finals: false,
            alone: true,
        }
    }

    /// Sets how the message is sent.
    #[must_use]
    pub fn sending(mut self, sending: Sending) -> Self {
        self.sending = sending;
        self
    }

    /// Returns whether everything is written, so that another message may be begun after it: its
    /// content has ended, and no further round can follow for recipients that are too many.
    pub(crate) fn is_written(&self, session: &Session) -> bool {
        let is_last_round = || {
            !self.sending.has_further_rounds()
                || (!session.replies.awaits(self.last_reply_before_content)
                    && !self.recipients.have_excess())
        };
        // A surplus reply among several final ones would be taken for a reply to the next MAIL.
        let has_ended = || matches!(self.content, Content::Ended { .. }) && !self.several_finals;
        self.next == NextAction::Nothing || (has_ended() && is_last_round())
    }

    /// Returns whether the server refused it only for coming too early: then it can be sent again.
    pub(crate) fn came_too_early(&self) -> bool {
        self.ahead && self.next == NextAction::Nothing && self.recipients.all_came_too_early()
    }

    /// Returns whether its content is being given, and its end was not.
    pub(crate) fn is_given_content(&self) -> bool {
        matches!(self.content, Content::Flowing(_))
    }

    /// Prepares it to be begun again.
    pub(crate) fn start_over(&mut self) {
        self.plan = None;
        self.next = NextAction::Begin;
        self.recipients = Recipients::new(self.envelope.rcpts().len());
        self.content = Content::None;
        self.tally.begin_round();
        self.several_finals = false;
    }
}

/// What is written next.
impl Transaction<'_> {
    /// Holds the message against what the server offers. If it cannot be sent, nothing is written.
    fn begin(&mut self, session: &mut Session) {
        self.number = session.mail.next_number();
        match self.sending.plan(session, &self.envelope, self.facts) {
            Ok(plan) => {
                self.most_rcpts = self.sending.most_rcpts(&plan, session);
                self.begin_round(session);
                // Without a plan the message counts as not begun.
                self.plan = self.objection.is_none().then_some(plan);
            }
            Err(kind) => self.object(kind),
        }
    }

    /// Begins a round, unless the server accepts no further transaction in this session.
    fn begin_round(&mut self, session: &mut Session) {
        match session.mail.admit_transaction(&session.capabilities) {
            Ok(()) if session.mail.is_open() => self.next = NextAction::WriteReset,
            Ok(()) => self.next = NextAction::WriteMail,
            Err(over) => self.object(over.into()),
        }
    }

    /// Ends the transaction for a reason that is not the server's.
    fn object(&mut self, kind: ErrorKind) {
        self.objection = Some(kind);
        self.next = NextAction::Nothing;
    }

    /// Writes the next command, and returns what follows it.
    fn write_command(&mut self, session: &mut Session) -> Result<NextAction, ErrorKind> {
        let Some(plan) = &self.plan else { return Ok(NextAction::Nothing) };
        Ok(match self.next {
            NextAction::WriteReset => {
                session.write(Command::Rset, Command::MAX_LINE)?;
                self.expect(session, PendingReply::new(Step::Reset));
                NextAction::WriteMail
            }
            NextAction::WriteMail => {
                session.write_mail(plan.mail(), self.number)?;
                self.expect(session, PendingReply::new(Step::Mail));
                NextAction::WriteRcpt
            }
            NextAction::WriteRcpt => match self.recipients.next_to_send(self.most_rcpts) {
                Some(recipient) => {
                    session.write_rcpt(&self.envelope.rcpts()[recipient])?;
                    let reply = PendingReply { recipient, ..PendingReply::new(Step::Rcpt) };
                    self.expect(session, reply);
                    NextAction::WriteRcpt
                }
                None if plan.framing() == Framing::Data => NextAction::WriteData,
                None => NextAction::WriteContent,
            },
            NextAction::WriteData => {
                session.write(Command::Data, Command::MAX_LINE)?;
                self.expect(session, PendingReply::new(Step::Data));
                NextAction::WriteContent
            }
            other => other,
        })
    }

    /// Expects a reply to what was written last.
    fn expect(&mut self, session: &mut Session, reply: PendingReply) {
        self.tally.expect(reply.step, self.recipients.sent() == 1);
        session.expect(PendingReply { number: self.number, ..reply });
        self.last_reply = session.replies.last_expected();
        if matches!(reply.step, Step::Reset | Step::Mail | Step::Rcpt) {
            self.last_reply_before_content = self.last_reply;
        }
    }

    /// Returns whether the next command may be written although replies are pending (RFC 2920).
    fn may_run_ahead(&self, session: &Session) -> bool {
        let Some(plan) = &self.plan else { return false };
        if !plan.is_pipelined() || !session.output.has_room_for_commands() {
            return false;
        }
        if !matches!(self.next, NextAction::WriteData | NextAction::WriteContent) {
            return true;
        }
        let waits = self.sending.awaits_recipients(plan.framing(), session.dialect, self.facts);
        let oldest = session.replies.next_pending();
        // A content never leaves before a greeting or capabilities that are only anticipated; nor
        // before its RSET is answered, without which the recipients of the transaction before
        // would get it.
        let is_premature = self.next == NextAction::WriteContent
            && oldest.is_some_and(|oldest| {
                let own_reset = oldest.step == Step::Reset && oldest.number == self.number;
                oldest.early || (!self.ahead && own_reset)
            });
        let has_to_wait = waits && session.replies.awaits(self.last_reply_before_content);
        !is_premature && !has_to_wait
    }

    /// Returns whether no recipient remains for the content: every one of this round was refused,
    /// or one was and the caller wants all or none.
    fn has_no_recipient(&self, session: &Session) -> bool {
        let withheld =
            self.sending.partial == Partial::Withhold && self.recipients.refusal().is_some();
        !session.replies.awaits(self.last_reply)
            && (withheld || self.recipients.accepted().next().is_none())
    }

    /// Returns whether only its final reply is missing: of many messages that run ahead most are in
    /// this state.
    fn awaits_final_reply(&self) -> bool {
        self.next == NextAction::WriteContent
            && matches!(self.content, Content::Ended { .. })
            && !self.recipients.are_decided()
    }

    /// Returns whether the connection is closed instead of writing the rest of the content: every
    /// recipient was refused while it was being written, and to write it would only delay the
    /// verdicts. A message that shares the connection with others writes it for their sake.
    fn is_abandoned(&self, session: &Session) -> bool {
        self.alone
            && self.recipients.are_decided()
            && self.is_mid_text()
            && !session.output.is_empty()
    }

    fn is_in_chunks(&self) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.framing() == Framing::Chunks)
    }

    /// Writes the next chunk, or begins the content that the chunks are made of. Returns whether
    /// there was anything to do.
    fn write_chunk(&mut self, session: &mut Session) -> Result<bool, ErrorKind> {
        if matches!(self.content, Content::None) && self.is_in_chunks() {
            self.begin_content(Way::chunks(self.sending.largest_chunk()), session);
            return Ok(true);
        }
        let Some(written) = self.content.write_chunk(session)? else { return Ok(false) };
        self.tally.announce_chunk();
        match written {
            Written::Chunk => self.expect(session, PendingReply::new(Step::Text)),
            Written::Last { mark, began } => self.content_ended(mark, began, session),
        }
        Ok(true)
    }

    fn begin_content(&mut self, way: Way, session: &Session) {
        let Some(plan) = &self.plan else { return };
        let checks = self
            .facts
            .unseen
            .then(|| Box::new(Checks::new(&self.sending, plan, self.facts.binary)));
        let flow = Flow::new(way, self.facts, checks, session.output.end());
        self.content = Content::Flowing(flow);
        self.rounds += 1;
    }

    /// Expects the final replies, now that the end of the content is written: one, or one for each
    /// recipient.
    fn content_ended(&mut self, mark: u64, began: u64, session: &mut Session) {
        self.content = Content::Ended { mark, began };
        self.tally.expect(Step::EndOfText, false);
        // PRDR is never derived, so that the envelope has it if MAIL does.
        let asks = self.envelope.mail().raw_params().find("PRDR").is_some();
        let each = session.dialect == Dialect::Smtp && asks;
        let final_reply = PendingReply {
            number: self.number,
            asked: mark + 1,
            expected: if each { Expected::CompletionOrEach } else { Expected::Completion },
            ..PendingReply::new(Step::EndOfText)
        };
        let finals = self.recipients.expect_final(session, final_reply);
        self.last_reply = session.replies.last_expected();
        self.several_finals = each || finals > 1;
        // Whatever the server replies to the dot, the transaction is over (RFC 5321, 4.1.1.4).
        if !self.is_in_chunks() {
            session.mail.close(self.number);
        }
    }

    /// Ends the round: another one follows for the recipients that are left, or the transaction is
    /// over.
    fn round_over(&mut self, session: &mut Session) {
        self.content = Content::None;
        self.tally.begin_round();
        if let Some(most) = self.recipients.limit_shown() {
            session.mail.learn_rcpt_max(most);
        }
        if self.recipients.next_round(self.sending.has_further_rounds()) {
            if let Some(plan) = &self.plan {
                self.most_rcpts = self.sending.most_rcpts(plan, session);
            }
            self.begin_round(session);
        } else {
            self.next = NextAction::Nothing;
        }
    }
}

/// What a reply means.
impl Transaction<'_> {
    /// Handles 354.
    fn invited(&mut self, session: &mut Session) {
        if self.next == NextAction::WriteContent && self.recipients.accepted().next().is_some() {
            self.begin_content(Way::Data(Stuffer::new()), session);
        } else {
            // The server waits for a content that must not be sent, and an empty one might be
            // delivered. To close the connection is the one answer that cannot be misunderstood.
            session.end(Ended::Failed { step: Step::Data });
            self.next = NextAction::Nothing;
        }
    }

    /// Handles a final reply: for every recipient that was accepted, or for one of them.
    fn handle_final_reply(
        &mut self,
        session: &mut Session,
        pending: PendingReply,
        reply: &Reply,
    ) -> Result<(), ErrorKind> {
        if reply.code() == ReplyCode::EACH_RECIPIENT {
            // One reply for each recipient follows, and then the final one. No other reply is
            // pending: nothing is written after a content with several final replies.
            let one = PendingReply { expected: Expected::Completion, ..pending };
            self.recipients.expect_each_before_final(&mut session.replies, one);
            self.last_reply = session.replies.last_expected();
            return Ok(());
        }
        let refused = !reply.is_completion();
        let for_all = session.dialect == Dialect::Smtp && !self.recipients.await_each();
        if !refused && for_all && self.tally.excludes(reply) {
            self.recipients.forget();
            let reply = reply.clone();
            return Err(Misbehaved::WrongCode { step: Step::EndOfText, reply }.into());
        }
        self.recipients.decide_finally(session.dialect, pending.recipient, reply);
        if !session.replies.awaits(self.last_reply) {
            // RFC 3030 does not say whether a refused chunk ends the transaction.
            if !refused {
                session.mail.close(self.number);
            }
            self.tally.end_round(session.dialect);
            self.round_over(session);
        }
        Ok(())
    }

    /// Handles 421: the session is over. Before the end of the content it is the verdict on every
    /// recipient; after it, on the recipients that it is the final reply for.
    fn handle_closing(
        &mut self,
        session: &mut Session,
        pending: PendingReply,
        reply: Reply,
    ) -> Result<(), ErrorKind> {
        match pending.step {
            Step::EndOfText => self.handle_final_reply(session, pending, &reply)?,
            // The content was handed over whole, and there are servers that reply 421 to one
            // recipient and go on with the others.
            Step::Rcpt if self.content.is_in_doubt(&session.output) => {
                self.recipients.decide(pending.recipient, Step::Rcpt, &reply);
            }
            Step::Rcpt => {
                if self.recipients.accepted_count() > 0 {
                    session.mail.learn_rcpt_max(self.recipients.accepted_count());
                }
                self.recipients.decide_all(Step::Rcpt, &reply);
            }
            step => self.recipients.decide_all(step, &reply),
        }
        self.next = NextAction::Nothing;
        if self.recipients.are_decided() { Ok(()) } else { Err(refused(reply)) }
    }

    /// Returns whether the server can have known of the content when it began its reply. After DATA
    /// it waits for it; of chunks it knows nothing before they are announced.
    fn was_content_known(&self, session: &Session) -> bool {
        let announced = |began| !self.is_in_chunks() || session.replies.began() > began;
        self.content.began().is_some_and(announced)
    }
}

impl Protocol for Transaction<'_> {
    fn current_step(&self) -> Step {
        match self.next {
            NextAction::WriteReset => Step::Reset,
            NextAction::Begin | NextAction::WriteMail => Step::Mail,
            NextAction::WriteRcpt => Step::Rcpt,
            NextAction::WriteData | NextAction::AwaitReplies => Step::Data,
            NextAction::WriteContent | NextAction::Nothing => Step::Text,
        }
    }

    fn write_commands(&mut self, session: &mut Session) -> Result<(), ErrorKind> {
        if self.awaits_final_reply() {
            return Ok(());
        }
        loop {
            match self.next {
                NextAction::Nothing => return Ok(()),
                _ if self.is_abandoned(session) => {
                    session.end(Ended::Failed { step: Step::Text });
                    self.next = NextAction::Nothing;
                }
                NextAction::AwaitReplies if session.replies.awaits(self.last_reply) => {
                    return Ok(());
                }
                NextAction::AwaitReplies => self.round_over(session),
                NextAction::Begin => self.begin(session),
                _ if !session.replies.none_pending() && !self.may_run_ahead(session) => {
                    return Ok(());
                }
                NextAction::WriteData | NextAction::WriteContent
                    if self.content.is_unwritten(&session.output)
                        && self.has_no_recipient(session) =>
                {
                    self.next = NextAction::AwaitReplies;
                }
                NextAction::WriteContent => {
                    if !self.write_chunk(session)? {
                        return Ok(());
                    }
                }
                _ => self.next = self.write_command(session)?,
            }
        }
    }

    fn handle_reply(
        &mut self,
        session: &mut Session,
        pending: PendingReply,
        reply: Reply,
    ) -> Result<(), ErrorKind> {
        self.tally.receive(pending.step, &reply);
        if reply.code() == ReplyCode::SERVICE_CLOSING {
            return self.handle_closing(session, pending, reply);
        }
        let is_refusal = reply.is_transient() || reply.is_permanent();
        let came_too_early = self.ahead && reply.code() == ReplyCode::BAD_SEQUENCE;
        if pending.step == Step::Mail {
            let announced = self.is_in_chunks() && !self.content.is_unwritten(&session.output);
            self.tally.mail_answered(announced);
        }
        match pending.step {
            Step::Reset if came_too_early => self.refuse(Step::Reset, &reply),
            Step::Reset if is_refusal => return Err(session.not_reset(reply)),
            Step::Mail if is_refusal && self.is_out_of_sequence(session, &reply) => {
                return Err(session.out_of_sequence(reply));
            }
            Step::Mail if is_refusal => {
                // In chunks no 354 shows that the refusal was the reply to MAIL: if it was a
                // surplus one, a transaction is open that the next message must not be added to.
                if came_too_early || !self.is_in_chunks() {
                    session.mail.close(self.number);
                }
                self.refuse(Step::Mail, &reply);
            }
            Step::Mail => session.mail.accept(),
            Step::Rcpt if is_refusal => {
                self.recipients.decide(pending.recipient, Step::Rcpt, &reply)
            }
            Step::Rcpt => self.recipients.accept(pending.recipient),
            Step::Data if is_refusal => self.refuse(Step::Data, &reply),
            Step::Data => self.invited(session),
            // A chunk that is not the last: no other follows, and the server drops those that do.
            Step::Text if is_refusal => self.refuse(Step::Text, &reply),
            Step::EndOfText => return self.handle_final_reply(session, pending, &reply),
            _ => {}
        }
        Ok(())
    }

    /// A refusal while the content is being written is the verdict: the content is cut off there,
    /// or its end was on the way already. Any other reply breaks the protocol there; so does a
    /// refusal with LMTP when the end was on the way, because it does not tell for which recipients
    /// it is.
    fn handle_unsolicited(
        &mut self,
        session: &mut Session,
        step: Step,
        reply: Reply,
    ) -> Result<(), ErrorKind> {
        let is_known = self.was_content_known(session);
        // It began before the end of the content was written, and does not answer that.
        let step = if is_known || step == Step::EndOfText { Step::Text } else { step };
        let for_all =
            session.dialect == Dialect::Smtp || !self.content.is_in_doubt(&session.output);
        if reply.code() == ReplyCode::SERVICE_CLOSING && for_all {
            return self.handle_closing(session, PendingReply::new(step), reply);
        }
        let is_refusal = reply.is_transient() || reply.is_permanent();
        if !(is_known && is_refusal && for_all) {
            return Err(Misbehaved::Unsolicited(reply).into());
        }
        self.recipients.decide_all(step, &reply);
        session.end(Ended::Failed { step });
        self.next = NextAction::Nothing;
        Ok(())
    }

    fn is_mid_text(&self) -> bool {
        !matches!(self.content, Content::None)
    }

    /// Only recipients of this round can have got the message: neither those that were refused nor
    /// those that wait for another round.
    fn is_in_doubt(&self, session: &Session) -> bool {
        self.content.is_in_doubt(&session.output) && self.recipients.has_undecided()
    }

    fn has_answer(&self) -> bool {
        self.recipients.are_decided()
    }

    fn is_counted(&self) -> bool {
        self.tally.counted().is_some()
    }

    fn is_done(&self, _: &Session) -> bool {
        self.next == NextAction::Nothing
    }
}

impl Operation for Transaction<'_> {
    type Answer = Delivery;

    type Request = ContentRequest;

    fn request(&self, session: &Session, failed: bool) -> Option<ContentRequest> {
        if failed { None } else { self.content_request(session) }
    }

    fn answer(&mut self, session: &Session) -> Result<Delivery, Error> {
        if let Some(kind) = self.objection.take() {
            let error = Error::new(Step::Mail, kind);
            return Err(match self.plan {
                Some(_) => error.with_verdicts(self.take_verdicts()),
                None => error,
            });
        }
        // Others have arrived after the last reply: it may not have been the reply to the content.
        if let Some(surplus) = session.surplus() {
            let error = session.error(Step::EndOfText, surplus.misbehaved);
            self.check_count(surplus.classes, error)?;
        }
        let forward_paths = self.envelope.forward_paths();
        let refusal = self.recipients.refusal().map(|verdict| verdict.reply().clone());
        let recipients = mem::take(&mut self.recipients);
        let delivery = recipients.into_delivery(forward_paths, || match refusal {
            Some(reply) => Error::new(Step::Rcpt, ErrorKind::Refused(reply)),
            None => Error::new(Step::Text, Ended::Failed { step: Step::Text }),
        });
        let delivery = self.unless_withheld(delivery?)?;
        Ok(session.name_server_of(delivery))
    }

    /// What fails after the last verdict changes none.
    fn failed(&mut self, mut error: Error) -> Result<Delivery, Error> {
        if self.next == NextAction::Begin {
            return Err(error);
        }
        // Another round was to follow, and its first reply was a surplus one.
        if let ErrorKind::Misbehaved(Misbehaved::Unsolicited(reply)) = error.kind() {
            let surplus = Classes::of(reply);
            error = self.check_count(surplus, error)?;
        }
        if self.recipients.are_decided() {
            let recipients = mem::take(&mut self.recipients);
            let delivery = recipients.into_delivery(self.envelope.forward_paths(), || error)?;
            return self.unless_withheld(delivery);
        }
        Err(error.with_verdicts(self.take_verdicts()))
    }

    fn verdicts(&mut self) -> Vec<KnownVerdicts> {
        vec![self.take_verdicts()]
    }
}
