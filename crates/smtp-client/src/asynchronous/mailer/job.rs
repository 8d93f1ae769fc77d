//! Jobs: the entries of a mailer's queue, which are messages and waiters for a connection.
use std::sync::Arc;

use smtp_caps::Envelope;
use smtp_error::{Delivery, Error};
use tokio::{sync::oneshot, time::Instant};

use super::pooled::Checkout;
use crate::{Content, content::Reserved};

/// A job in the queue.
pub(super) struct QueuedJob {
    pub(super) job: Job,
    /// Dropped when a worker begins with the job, which ends the caller's wait timeout. `None` for
    /// a job that was begun before and is queued again.
    pub(super) begun: Option<oneshot::Sender<()>>,
    pub(super) hold: Hold,
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
    pub(super) envelope: Arc<Envelope>,
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
    result: oneshot::Sender<Result<Delivery, Error>>,
}

impl QueuedMessage {
    pub(super) fn new(
        envelope: Arc<Envelope>,
        content: Content<'static>,
        result: oneshot::Sender<Result<Delivery, Error>>,
    ) -> Self {
        Self {
            envelope,
            content: Some(content),
            copy: None,
            reserved: None,
            attempts: 0,
            refused: None,
            refused_by_session: false,
            result,
        }
    }

    /// Sends the result to the caller. A caller that dropped its future gets none.
    pub(super) fn complete(self, result: Result<Delivery, Error>) {
        let _ = self.result.send(result);
    }

    /// Completes a message that cannot be tried again. The replies to the last attempt say more to
    /// the caller than this error, so that they take precedence.
    fn fail(mut self, error: &Error) {
        let result = self.refused.take().ok_or_else(|| error.clone());
        self.complete(result);
    }
}

impl Job {
    /// Completes the job with this error.
    pub(super) fn fail(self, error: &Error) {
        match self {
            Self::Send(message) => message.fail(error),
            Self::Acquire(waiter) => drop(waiter.send(Err(error.clone()))),
        }
    }

    /// Returns whether the caller dropped its future.
    pub(super) fn is_canceled(&self) -> bool {
        match self {
            Self::Send(message) => message.result.is_closed(),
            Self::Acquire(waiter) => waiter.is_closed(),
        }
    }
}
