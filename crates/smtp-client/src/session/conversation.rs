//! Conversations: what is done with a session.
use smtp_error::{Error, ErrorKind, Misbehaved, Reply, ReplyClass, ReplyCode, Step, Verdict};

use super::{Piece, Session};

/// Something that is done with a session: it says commands, hears replies, and comes to an answer.
///
/// This crate has these: [`Hello`](super::Hello), [`StartTls`](super::StartTls),
/// [`Auth`](super::Auth), [`Ask`](super::Ask), [`Xclient`](super::Xclient), [`Xforward`](super::Xforward),
/// [`Transaction`](super::Transaction) and [`Batch`](super::Batch). The methods are for
/// [`Run`](super::Run) to call.
pub trait Conversation {
    /// What it comes to.
    type Answer;

    /// What it is doing while nothing is owed.
    #[doc(hidden)]
    fn step(&self) -> Step;

    /// Says what may be said now. Called again after every reply and every write.
    #[doc(hidden)]
    fn speak(&mut self, session: &mut Session) -> Result<(), ErrorKind>;

    /// Hears the reply that `owed` was owed. It is one of those that `owed` may get, or a refusal.
    #[doc(hidden)]
    fn hear(&mut self, session: &mut Session, owed: Owed, reply: Reply) -> Result<(), ErrorKind>;

    /// Hears a reply that nobody is owed, during this step.
    #[doc(hidden)]
    fn interrupted(
        &mut self,
        session: &mut Session,
        step: Step,
        reply: Reply,
    ) -> Result<(), ErrorKind> {
        let _ = (session, step);
        Err(unasked(reply))
    }

    /// Whether the next piece of a text is wanted.
    #[doc(hidden)]
    fn wants_piece(&self, session: &Session) -> Option<Wanted> {
        let _ = session;
        None
    }

    /// Whether another message is wanted.
    #[doc(hidden)]
    fn wants_message(&self) -> bool {
        false
    }

    /// Whether there is a result to take.
    #[doc(hidden)]
    fn has_result(&self) -> bool {
        false
    }

    /// Whether nothing is under way, though it is not done.
    #[doc(hidden)]
    fn is_idle(&self) -> bool {
        false
    }

    /// Takes the next piece of the text.
    #[doc(hidden)]
    fn piece(&mut self, session: &mut Session, piece: Piece) -> Result<(), ErrorKind> {
        let _ = (session, piece);
        Ok(())
    }

    /// Takes the end of the text.
    #[doc(hidden)]
    fn end_of_text(&mut self, session: &mut Session) -> Result<(), ErrorKind> {
        let _ = session;
        Ok(())
    }

    /// Of which message a text is under way, counted as in [`Wanted`], and how many octets of it
    /// were handed to the transport.
    #[doc(hidden)]
    fn text_written(&self, session: &Session) -> Option<(usize, u64)> {
        let _ = session;
        None
    }

    /// The connection fails at this step: everything under way is over.
    #[doc(hidden)]
    fn handle_failure(&mut self, session: &Session, step: Step, kind: &ErrorKind) {
        let _ = (session, step, kind);
    }

    /// Whether a text has begun and the server's word on it is missing.
    #[doc(hidden)]
    fn is_mid_text(&self) -> bool {
        false
    }

    /// Whether a message may have been accepted, as things stand.
    #[doc(hidden)]
    fn is_in_doubt(&self, session: &Session) -> bool {
        let _ = session;
        false
    }

    /// Whether its answer rests on there being no more replies than were owed.
    #[doc(hidden)]
    fn is_counted(&self) -> bool {
        false
    }

    /// Whether its answer is known, and what is still owed changes nothing.
    #[doc(hidden)]
    fn is_settled(&self) -> bool {
        false
    }

    /// Whether there is nothing more to say or hear.
    #[doc(hidden)]
    fn is_done(&self, session: &Session) -> bool;

    /// The answer. Called once, when it is done.
    #[doc(hidden)]
    fn answer(self, session: &Session) -> Result<Self::Answer, Error>;

    /// What becomes of it when it failed before it was done.
    #[doc(hidden)]
    fn failed(self, error: Error) -> Result<Self::Answer, Error>
    where
        Self: Sized,
    {
        Err(error)
    }

    /// What is known of each recipient of the message that was being sent.
    #[doc(hidden)]
    fn verdicts(self) -> Vec<Option<Verdict>>
    where
        Self: Sized,
    {
        Vec::new()
    }
}

/// What a reply means that belongs to nothing: only 421 may come at any time.
pub(super) fn unasked(reply: Reply) -> ErrorKind {
    match reply.code() {
        ReplyCode::SERVICE_CLOSING => ErrorKind::Refused(reply),
        _ => Misbehaved::Unsolicited(reply).into(),
    }
}

/// A text that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Wanted {
    /// Of which message: how many messages whose results were not taken yet come before it.
    pub message: usize,
    /// Which time it is asked for from its beginning, from 1.
    pub round: u32,
}

/// A step that is owed a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct Owed {
    pub(super) step: Step,
    pub(super) expected: Expected,
    /// Whether the session itself asked, before the conversation began.
    pub(super) early: bool,
    /// Which transaction of the session it belongs to.
    pub(super) number: u64,
    /// Which recipient it is about, for RCPT and for LMTP's final replies.
    pub(super) recipient: usize,
    /// Where the octets end that ask for it, counted as [`Output::end`](super::Output::end) is: a
    /// reply that comes before all of them are handed to the transport is no reply to them.
    pub(super) asked: u64,
}

/// The replies that a step may get, apart from refusals. There is no rule like "every 2yz is
/// good": that is how mail gets lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
#[non_exhaustive]
pub enum Expected {
    /// One of these codes.
    Codes(&'static [u16]),
    /// Any 2yz: the final reply to a message.
    Completion,
    /// Any 2yz, or the word that one for each recipient comes first (PRDR).
    CompletionOrEach,
    /// Whatever the server says: the client has given up what it asks about.
    Any,
}

impl Owed {
    pub(super) fn new(step: Step, expected: Expected) -> Self {
        Self { step, expected, early: false, number: 0, recipient: 0, asked: 0 }
    }

    /// Whether this reply can answer the step: a refusal, or a code that it may get.
    pub(super) fn allows(self, reply: &Reply) -> bool {
        match (reply.code().class(), self.expected) {
            (ReplyClass::Transient | ReplyClass::Permanent, _) | (_, Expected::Any) => true,
            (ReplyClass::Completion, Expected::Completion | Expected::CompletionOrEach) => true,
            (_, Expected::Completion) => false,
            (_, Expected::CompletionOrEach) => reply.code() == ReplyCode::EACH_RECIPIENT,
            (_, Expected::Codes(codes)) => codes.contains(&reply.code().get()),
        }
    }
}
