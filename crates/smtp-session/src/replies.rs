//! The replies of a session: those that are pending, the one being received, and what arrives
//! without being expected.
//!
//! A reply has no name of the command that it answers (RFC 5321, 4.2): the *n*-th reply answers the
//! *n*-th command. So every command that is written adds one entry to the queue of pending replies,
//! in the order of the octets on the wire, and a reply completes the oldest entry, never a guessed
//! one. This is the only count of expected replies in the session.
use std::collections::VecDeque;

use smtp_codec::{Deviations, ReplyDecoder, ReplyLimits};
use smtp_error::{
    Ended, ErrorKind, Excerpt, MalformedReply, Misbehaved, Reply, ReplyClass, ReplyCode, Step,
};

use crate::redaction::{Redaction, without_challenge};

/// The replies of a session.
pub(crate) struct Replies {
    limits: ReplyLimits,
    decoder: ReplyDecoder,
    deviations: Deviations,
    /// The replies that are expected, the oldest first.
    pending: VecDeque<PendingReply>,
    /// How many pending replies were completed since the session began.
    completed: u64,
    /// How many octets had been handed to the transport when the reply being received began.
    began: u64,
    /// Octets that arrived while no reply was pending.
    surplus: Vec<u8>,
    /// The octets that had arrived when the server closed an idle connection, if they were not a
    /// whole 421.
    last_octets: Option<Excerpt>,
}

/// A reply that is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(unnameable_types, reason = "only `Protocol` has it")]
pub struct PendingReply {
    pub(crate) step: Step,
    pub(crate) expected: Expected,
    /// Whether the session itself sent the command, before the operation began.
    pub(crate) early: bool,
    /// The number of the mail transaction that it belongs to.
    pub(crate) number: u64,
    /// The recipient that it is about, for RCPT and for the final replies of LMTP.
    pub(crate) recipient: usize,
    /// Where the octets of the command end, counted as [`Output::end`](crate::Output::end) is. A
    /// reply that begins before all of them were handed to the transport does not answer them.
    pub(crate) asked: u64,
}

/// The replies that a step may get, apart from refusals. There is no rule such as "every 2yz is
/// success": a server that replies to DATA with 250 would have the text executed as commands, and
/// one that replies to it with 354 after a 250 too many would have a message lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// One of these codes.
    Codes(&'static [u16]),
    /// Any 2yz.
    Completion,
    /// Any 2yz, or the code after which one reply for each recipient follows (PRDR).
    CompletionOrEach,
    /// Any reply at all: the client has given up what it is about.
    Any,
}

impl Expected {
    /// Returns the replies that may answer this step. This is the one table of them.
    pub(crate) fn at(step: Step) -> Self {
        match step {
            Step::Greeting | Step::StartTls | Step::Xclient => Self::Codes(&[220]),
            Step::Hello
            | Step::Reset
            | Step::Noop
            | Step::Mail
            | Step::Text
            | Step::Xforward
            | Step::Atrn => Self::Codes(&[250]),
            Step::Rcpt => Self::Codes(&[250, 251, 252]),
            Step::Data => Self::Codes(&[354]),
            Step::Auth => Self::Codes(&[235, 334]),
            Step::Etrn => Self::Codes(&[250, 251, 252, 253]),
            Step::Quit => Self::Codes(&[221]),
            Step::EndOfText | Step::Verify | Step::Expand | Step::Help | Step::Command => {
                Self::Completion
            }
            // No command belongs to them.
            _ => Self::Codes(&[]),
        }
    }
}

impl PendingReply {
    /// Returns the reply to a command of this step, with the codes of [`Expected::at`].
    pub(crate) fn new(step: Step) -> Self {
        let expected = Expected::at(step);
        Self { step, expected, early: false, number: 0, recipient: 0, asked: 0 }
    }

    /// Returns whether this reply can answer the step: a refusal, or a code that it may get.
    pub(crate) fn allows(self, reply: &Reply) -> bool {
        match (reply.code().class(), self.expected) {
            (ReplyClass::Transient | ReplyClass::Permanent, _) | (_, Expected::Any) => true,
            (ReplyClass::Completion, Expected::Completion | Expected::CompletionOrEach) => true,
            (_, Expected::Completion) => false,
            (_, Expected::CompletionOrEach) => reply.code() == ReplyCode::EACH_RECIPIENT,
            (_, Expected::Codes(codes)) => codes.contains(&reply.code().get()),
        }
    }
}

/// Classifies a refusal. A 421 is always the same kind of error, whatever it replies to: the server
/// ends the session (RFC 5321, 3.8), and the next session may succeed.
pub(crate) fn refused(reply: Reply) -> ErrorKind {
    match reply.code() {
        ReplyCode::SERVICE_CLOSING => Ended::ServerClosing(reply).into(),
        _ => ErrorKind::Refused(reply),
    }
}

/// Classifies a reply that no command is waiting for: only 421 may come at any time.
pub(crate) fn unsolicited(reply: Reply) -> ErrorKind {
    match reply.code() {
        ReplyCode::SERVICE_CLOSING => refused(reply),
        _ => Misbehaved::Unsolicited(reply).into(),
    }
}

/// Numbers of replies by class.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Classes {
    pub(crate) completions: usize,
    pub(crate) refusals: usize,
}

impl Classes {
    /// Counts this reply alone.
    pub(crate) fn of(reply: &Reply) -> Self {
        let mut classes = Self::default();
        classes.add(reply);
        classes
    }

    /// Counts a reply.
    pub(crate) fn add(&mut self, reply: &Reply) {
        self.completions += usize::from(reply.is_completion());
        self.refusals += usize::from(reply.is_transient() || reply.is_permanent());
    }
}

/// What arrived after the last expected reply.
pub(crate) struct Surplus {
    /// What is wrong with the first of it.
    pub(crate) misbehaved: Misbehaved,
    /// The whole replies in it.
    pub(crate) classes: Classes,
}

impl Replies {
    pub(crate) fn new(limits: ReplyLimits) -> Self {
        Self {
            limits,
            decoder: ReplyDecoder::new(limits, Deviations::TOLERANT),
            deviations: Deviations::empty(),
            pending: VecDeque::new(),
            completed: 0,
            began: 0,
            surplus: Vec::new(),
            last_octets: None,
        }
    }

    /// Expects one more reply, after those that are expected already.
    pub(crate) fn expect(&mut self, reply: PendingReply) {
        self.pending.push_back(reply);
    }

    /// Expects a greeting, whose last line may refuse although the lines before it do not.
    pub(crate) fn expect_greeting(&mut self, early: bool) {
        self.decoder = ReplyDecoder::new(self.limits, Deviations::TOLERANT).greeting();
        self.expect(PendingReply { early, ..PendingReply::new(Step::Greeting) });
    }

    /// Accepts lines of at least this many octets, CRLF included, until the next
    /// [`restart`](Self::restart).
    pub(crate) fn accept_lines_of(&mut self, octets: usize) {
        let mut limits = self.limits;
        limits.line = limits.line.max(octets);
        self.decoder = ReplyDecoder::new(limits, Deviations::TOLERANT);
    }

    /// Begins to receive the next reply within the usual limits.
    pub(crate) fn restart(&mut self) {
        self.decoder = ReplyDecoder::new(self.limits, Deviations::TOLERANT);
    }

    /// Returns the oldest reply that is expected.
    pub(crate) fn next_pending(&self) -> Option<&PendingReply> {
        self.pending.front()
    }

    /// Returns whether no reply is expected.
    pub(crate) fn none_pending(&self) -> bool {
        self.pending.is_empty()
    }

    /// Returns the ordinal of the reply that was expected last, counted from the beginning of the
    /// session.
    pub(crate) fn last_expected(&self) -> u64 {
        self.completed + self.pending.len() as u64
    }

    /// Returns whether the reply of this ordinal has not come.
    pub(crate) fn awaits(&self, ordinal: u64) -> bool {
        self.completed < ordinal
    }

    /// Receives octets, of which `handed` octets of the client's had been handed to the transport.
    /// Returns a reply once it is whole, and leaves what follows it in `octets`.
    pub(crate) fn receive(
        &mut self,
        octets: &mut &[u8],
        handed: u64,
    ) -> Result<Option<Reply>, MalformedReply> {
        if self.decoder.is_idle() {
            self.began = handed;
        }
        let Some(decoded) = self.decoder.decode(octets)? else { return Ok(None) };
        self.deviations |= decoded.deviations;
        Ok(Some(decoded.reply))
    }

    /// Returns the pending reply that the reply just received completes, if there is one. What
    /// counts is where the reply began: one that began before its command was written answers
    /// nothing, however late it ends.
    pub(crate) fn complete(&mut self) -> Option<PendingReply> {
        self.pending.front().filter(|pending| pending.asked <= self.began)?;
        let completed = self.pending.pop_front()?;
        self.completed += 1;
        if completed.step == Step::Greeting {
            // Every reply after the greeting has one code.
            self.restart();
        }
        Some(completed)
    }

    /// Returns how many octets had been handed to the transport when the reply began.
    pub(crate) fn began(&self) -> u64 {
        self.began
    }

    /// Returns what was unusual about the replies so far.
    pub(crate) fn deviations(&self) -> Deviations {
        self.deviations
    }

    /// Expects nothing any more.
    pub(crate) fn forget(&mut self) {
        self.pending.clear();
    }

    /// Keeps octets that arrived while no reply was pending.
    pub(crate) fn keep_surplus(&mut self, octets: &[u8]) {
        self.surplus.extend_from_slice(octets);
    }

    /// Returns whether octets arrived that belong to no expected reply.
    pub(crate) fn has_surplus(&self) -> bool {
        !self.surplus.is_empty() || !self.decoder.is_idle()
    }

    /// Takes the first reply of the surplus, if it is whole.
    pub(crate) fn take_surplus(&mut self) -> Result<Option<Reply>, MalformedReply> {
        let surplus = std::mem::take(&mut self.surplus);
        Ok(self.decoder.decode(&mut &*surplus)?.map(|decoded| decoded.reply))
    }

    /// Returns what arrived after the last expected reply, if that breaks the protocol. A 421 may
    /// come at any time, and what follows it does not count.
    pub(crate) fn surplus(&self, redaction: &Redaction) -> Option<Surplus> {
        if self.surplus.is_empty() || self.surplus.starts_with(b"421") {
            return None;
        }
        let mut decoder = ReplyDecoder::new(self.limits, Deviations::TOLERANT);
        let mut octets = &*self.surplus;
        let (mut first, mut classes) = (None, Classes::default());
        let last = loop {
            match decoder.decode(&mut octets) {
                Ok(Some(decoded)) => {
                    classes.add(&decoded.reply);
                    let reply = redaction.redact(decoded.reply);
                    let reply = without_challenge(&reply).into_owned();
                    first.get_or_insert(Misbehaved::Unsolicited(reply));
                }
                Ok(None) => break Misbehaved::UnsolicitedOctets,
                Err(malformed) => break malformed.into(),
            }
        };
        Some(Surplus { misbehaved: first.unwrap_or(last), classes })
    }

    /// Returns the octets that arrived and are not a whole reply, without secrets.
    pub(crate) fn excerpt(&self, redaction: &Redaction) -> Option<Excerpt> {
        let mut octets = self.decoder.partial();
        octets.extend_from_slice(&self.surplus);
        (!octets.is_empty()).then(|| Excerpt::new(&redaction.redact_octets(&octets)))
    }

    /// Keeps what had arrived when the server closed an idle connection, for the errors after that.
    pub(crate) fn keep_last_octets(&mut self, octets: Option<Excerpt>) {
        self.last_octets = octets;
    }

    /// Returns what had arrived when the server closed an idle connection.
    pub(crate) fn last_octets(&self) -> Option<&Excerpt> {
        self.last_octets.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(code: u16) -> Reply {
        Reply::new(ReplyCode::new(code).unwrap(), "x")
    }

    #[test]
    fn only_421_may_come_at_any_time() {
        assert!(matches!(unsolicited(reply(421)), ErrorKind::Ended(Ended::ServerClosing(_))));
        for code in [250, 420, 422, 521, 550] {
            let kind = unsolicited(reply(code));
            assert!(matches!(kind, ErrorKind::Misbehaved(Misbehaved::Unsolicited(_))), "{kind:?}");
        }
    }

    #[test]
    fn a_reply_is_counted_in_its_class() {
        let classes = |code| {
            let Classes { completions, refusals } = Classes::of(&reply(code));
            (completions, refusals)
        };
        assert_eq!([250, 354, 450, 550].map(classes), [(1, 0), (0, 0), (0, 1), (0, 1)]);
    }

    #[test]
    fn what_was_unusual_about_any_reply_is_known() {
        let mut replies = Replies::new(ReplyLimits::default());
        for (octets, expected) in [
            (&b"250 ok\r\n"[..], Deviations::empty()),
            (b"250 ok\n", Deviations::BARE_LF),
            (b"250 ok\r\n", Deviations::BARE_LF),
        ] {
            assert!(replies.receive(&mut &*octets, 0).unwrap().is_some());
            assert_eq!(replies.deviations(), expected);
        }
    }

    #[test]
    fn a_pending_reply_is_small_because_there_is_one_for_each_recipient() {
        assert!(size_of::<PendingReply>() <= 56);
    }
}
