//! Jobs: the entries of a mailer's queue, which are messages and waiters for a connection.
use smtp_error::{Delivery, Error};
use tokio::{sync::oneshot, time::Instant};

use super::{pooled::Checkout, send_all::Ticket, stats::Counters};
use crate::{Content, content::Reserved, session::EnvelopeRef, spans::Watch};

/// A job in the queue.
pub(super) struct QueuedJob {
    pub(super) job: Job,
    /// Dropped when a worker begins with the job, which ends the caller's wait timeout. `None` for
    /// a job whose caller does not wait for that.
    pub(super) begun: Option<oneshot::Sender<()>>,
    /// Whether it was begun before, and is queued again.
    pub(super) again: bool,
    pub(super) hold: Hold,
    /// When it was queued.
    pub(super) since: Instant,
}

/// What has to happen before a queued job may begin, besides the jobs ahead of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    Nothing,
    /// It does not begin before this time.
    Until(Instant),
    /// It begins only as the first job of a connection.
    NewConnection,
}

/// What is to be done on a connection.
pub(super) enum Job {
    Send(Box<QueuedMessage>),
    Acquire(Waiter),
}

/// Where a connection for [`Mailer::acquire`](super::Mailer::acquire) goes.
pub(super) type Waiter = oneshot::Sender<Result<Checkout, Error>>;

/// A message, and where its result goes.
pub(super) struct QueuedMessage {
    pub(super) envelope: EnvelopeRef<'static>,
    /// `None` while a connection has it.
    pub(super) content: Option<Content<'static>>,
    /// The content for another attempt, if it can be produced twice.
    pub(super) copy: Option<Content<'static>>,
    /// For a content that can be produced only once: gives it back as long as no piece was taken.
    pub(super) reserved: Option<Reserved>,
    /// How many attempts were made.
    pub(super) attempts: u32,
    /// The replies to the last attempt, if the message was refused for reasons other than its own.
    /// They become the result if no further attempt can be made.
    pub(super) refused: Option<Delivery>,
    /// Whether the last refusal was about the session ([`Blame::Session`](super::blame::Blame)).
    pub(super) refused_by_session: bool,
    /// When a connection began with it last.
    pub(super) begun_at: Option<Instant>,
    /// How often a connection began with it.
    pub(super) tries: u32,
    /// Its span, a child of the caller's.
    pub(super) watch: Watch,
    result: ResultSender,
}

/// Where the result of a message goes.
pub(super) enum ResultSender {
    /// To the future of [`Mailer::send`](super::Mailer::send).
    Caller(oneshot::Sender<Result<Delivery, Error>>),
    /// To where the results of [`Mailer::send_all`](super::Mailer::send_all) are collected.
    Collected(Ticket),
}

impl ResultSender {
    /// Returns whether the caller is gone.
    fn is_canceled(&self) -> bool {
        match self {
            Self::Caller(sender) => sender.is_closed(),
            Self::Collected(ticket) => ticket.is_canceled(),
        }
    }
}

impl QueuedMessage {
    pub(super) fn new(
        envelope: EnvelopeRef<'static>,
        content: Content<'static>,
        watch: Watch,
        result: ResultSender,
    ) -> Self {
        Self {
            envelope,
            content: Some(content),
            copy: None,
            reserved: None,
            attempts: 0,
            refused: None,
            refused_by_session: false,
            begun_at: None,
            tries: 0,
            watch,
            result,
        }
    }

    /// Sends the result to the caller. A caller that dropped its future gets none.
    pub(super) fn complete(self, result: Result<Delivery, Error>, counters: &Counters) {
        counters.count_result(&result);
        self.watch.mailed(&result, self.tries);
        match self.result {
            ResultSender::Caller(sender) => drop(sender.send(result)),
            ResultSender::Collected(ticket) => ticket.put(result),
        }
    }

    /// Completes a message that cannot be tried again. The replies to the last attempt say more to
    /// the caller than this error, so that they take precedence.
    fn fail(mut self, error: &Error, counters: &Counters) {
        let result = self.refused.take().ok_or_else(|| error.clone());
        self.complete(result, counters);
    }
}

impl Job {
    /// Completes the job with this error.
    pub(super) fn fail(self, error: &Error, counters: &Counters) {
        match self {
            Self::Send(message) => message.fail(error, counters),
            Self::Acquire(waiter) => drop(waiter.send(Err(error.clone()))),
        }
    }

    /// Returns whether it waits for a connection however many attempts that takes, up to the wait
    /// timeout: a message of [`Mailer::send_all`](super::Mailer::send_all).
    pub(super) fn is_patient(&self) -> bool {
        matches!(self, Self::Send(message) if matches!(message.result, ResultSender::Collected(_)))
    }

    /// Returns whether the caller dropped its future.
    pub(super) fn is_canceled(&self) -> bool {
        match self {
            Self::Send(message) => message.result.is_canceled(),
            Self::Acquire(waiter) => waiter.is_closed(),
        }
    }
}
