//! Remainders: recipients that a message is sent to on another connection, because the server ended
//! the session before it had decided about them.
use smtp_error::{Delivery, ReplyCode, Step, Verdict};

use super::{
    job::QueuedMessage,
    retry::{Part, places, reduced},
};

/// Returns whether the session has ended (421) before the server decided about this recipient, or
/// has ended before a further transaction took it.
fn is_left(verdict: &Verdict) -> bool {
    let closing = verdict.reply().code() == ReplyCode::SERVICE_CLOSING;
    closing && verdict.step() != Step::EndOfText || verdict.is_transient() && verdict.is_too_many()
}

/// What a session that was ended (421) left of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remainder {
    /// Nothing: the session was not ended, or every recipient has a verdict of its own.
    None,
    /// All recipients have the message or were refused, but for some: that may be repeated until
    /// none is left, because each session takes a part of them.
    Rest,
    /// No recipient was accepted.
    All,
}

impl Remainder {
    /// Returns what this result of a message has left.
    pub(super) fn of(delivery: &Delivery) -> Self {
        let verdicts = || delivery.verdicts().map(|(_, verdict)| verdict);
        let ended = verdicts().any(|one| {
            one.reply().code() == ReplyCode::SERVICE_CLOSING && one.step() != Step::EndOfText
        });
        match (ended, delivery.any_accepted()) {
            (false, _) => Self::None,
            (true, true) => Self::Rest,
            (true, false) => Self::All,
        }
    }
}

/// Prepares a message with this result to be sent to the recipients that were left. Returns whether
/// it can be.
pub(super) fn prepare(queued: &mut QueuedMessage, delivery: &Delivery) -> bool {
    let places = places(queued.envelope.rcpts(), delivery, is_left);
    let Some(envelope) = reduced(&queued.envelope, &places) else { return false };
    let Some(content) = queued.take_content() else { return false };
    queued.content = Some(content);
    let verdicts = delivery.verdicts().map(|(_, verdict)| verdict.clone()).collect();
    let part = Part::new(queued.envelope.clone(), verdicts, places);
    queued.split(envelope, part.at(delivery.server().cloned()));
    true
}
