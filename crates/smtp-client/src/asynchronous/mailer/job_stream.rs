//! The stream of jobs for one connection of a mailer.
use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, PoisonError},
    task::{Context, Poll},
};

use futures_core::Stream;
use tokio::time::{Instant, Sleep, sleep};

use super::{
    job::{Job, QueuedMessage, Waiter},
    queue::{NextAction, Shared},
    sync::{Mutex, MutexGuard},
    worker,
};
use crate::{Message, clock::later};

/// What a stream of jobs and the worker that sends its messages share.
///
/// [`send_many`](crate::Connection::send_many) owns the stream while the worker takes the results,
/// so that neither can hold the state of the other.
#[derive(Default)]
pub(super) struct StreamState {
    /// The messages that were given to the connection and have no result yet, the oldest first.
    pub(super) in_flight: VecDeque<Box<QueuedMessage>>,
    /// The waiter that ended the stream, if one did.
    pub(super) waiter: Option<Waiter>,
    /// Whether no further job begins on this connection.
    pub(super) closing: bool,
}

pub(super) fn lock(state: &Mutex<StreamState>) -> MutexGuard<'_, StreamState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The messages for one connection. It ends when the connection is to be closed, and when a waiter
/// is next: the waiter gets the connection once all messages before it have results.
pub(super) struct JobStream {
    shared: Arc<Shared>,
    worker: u64,
    /// How many jobs were begun on this connection.
    begun: usize,
    state: Arc<Mutex<StreamState>>,
    ended: bool,
    /// Whether the alarm is set for the end of the idle time.
    idle: bool,
    /// Fires when the connection has been idle for too long, or when a held job may begin.
    alarm: Pin<Box<Sleep>>,
}

impl JobStream {
    /// Creates the stream for a connection on which `begun` jobs were begun before.
    pub(super) fn new(
        shared: Arc<Shared>,
        worker: u64,
        begun: usize,
        state: Arc<Mutex<StreamState>>,
    ) -> Self {
        let alarm = Box::pin(sleep(shared.options.idle_timeout));
        Self { shared, worker, begun, state, ended: false, idle: false, alarm }
    }

    fn begin(&mut self, mut queued: Box<QueuedMessage>) -> Option<Message<'static>> {
        let mut content = queued.content.take()?;
        queued.copy = content.again();
        if queued.copy.is_none() {
            let (same, reserved) = content.reserve();
            (content, queued.reserved) = (same, Some(reserved));
        }
        let envelope = queued.envelope.clone();
        queued.begun_at = Some(Instant::now());
        queued.tries += 1;
        lock(&self.state).in_flight.push_back(queued);
        self.begun += 1;
        self.idle = false;
        Some(Message::new(envelope, content))
    }

    /// Starts the worker that [`NextAction::Begin`] asks for.
    fn start(&self, helper: Option<u64>) {
        if let Some(id) = helper {
            worker::start(&self.shared, id);
        }
    }
}

impl Stream for JobStream {
    type Item = Message<'static>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while !self.ended && !lock(&self.state).closing {
            let action = self.shared.poll_action(self.worker, self.begun, cx.waker());
            // The idle time runs from the first poll without work; later ones must not extend it.
            if action.is_pending() && !std::mem::replace(&mut self.idle, true) {
                let until = later(Instant::now(), self.shared.options.idle_timeout);
                self.alarm.as_mut().reset(until);
            }
            match action {
                Poll::Ready(NextAction::Begin(Job::Send(queued), worker)) => {
                    self.start(worker);
                    if let Some(message) = self.begin(queued) {
                        return Poll::Ready(Some(message));
                    }
                }
                Poll::Ready(NextAction::Begin(Job::Acquire(waiter), worker)) => {
                    self.start(worker);
                    lock(&self.state).waiter = Some(waiter);
                    break;
                }
                Poll::Ready(NextAction::WaitUntil(time)) => {
                    self.idle = false;
                    self.alarm.as_mut().reset(time);
                    if self.alarm.as_mut().poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                }
                Poll::Ready(NextAction::Close) => break,
                Poll::Pending if self.alarm.as_mut().poll(cx).is_pending() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        self.shared.unregister_idle(self.worker);
        self.ended = true;
        Poll::Ready(None)
    }
}
