//! The jobs for one connection of a mailer, as they come.
use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use futures_core::Stream;
use tokio::time::{Instant, Sleep, sleep};

use super::{
    parcel::{Borrower, Job, Parcel},
    queue::{Shared, Turn},
    worker::{Post, work},
};
use crate::{Message, clock::later};

/// What came of one stream of jobs.
#[derive(Default)]
pub(super) struct Round {
    pub(super) under_way: VecDeque<Box<Parcel>>,
    pub(super) borrower: Option<Borrower>,
    /// Whether no further job is begun on this connection.
    pub(super) over: bool,
}

pub(super) fn lock(round: &Mutex<Round>) -> MutexGuard<'_, Round> {
    round.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The messages for one connection, as they come, until it is to be closed or lent.
pub(super) struct Jobs {
    shared: Arc<Shared>,
    worker: u64,
    /// How many jobs were begun on this connection.
    begun: usize,
    round: Arc<Mutex<Round>>,
    over: bool,
    /// Whether there is nothing to do, as far as is known.
    idle: bool,
    /// When there has been nothing to do for too long, or when something may be begun.
    alarm: Pin<Box<Sleep>>,
}

impl Jobs {
    /// The jobs for a connection on which so many were begun before.
    pub(super) fn new(
        shared: Arc<Shared>,
        worker: u64,
        begun: usize,
        round: Arc<Mutex<Round>>,
    ) -> Self {
        let alarm = Box::pin(sleep(shared.limits.idle));
        Self { shared, worker, begun, round, over: false, idle: false, alarm }
    }

    fn message(&mut self, mut parcel: Box<Parcel>) -> Option<Message<'static>> {
        let mut content = parcel.content.take()?;
        parcel.spare = content.again();
        if parcel.spare.is_none() {
            let (same, reserved) = content.reserve();
            (content, parcel.reserved) = (same, Some(reserved));
        }
        let envelope = Arc::clone(&parcel.envelope);
        lock(&self.round).under_way.push_back(parcel);
        self.begun += 1;
        self.idle = false;
        Some(Message::new(envelope, content))
    }

    /// Starts a worker, if one is to be started.
    fn start(&self, number: Option<u64>) {
        if let Some(number) = number {
            tokio::spawn(work(Post::new(Arc::clone(&self.shared), number)));
        }
    }
}

impl Stream for Jobs {
    type Item = Message<'static>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while !self.over && !lock(&self.round).over {
            let turn = self.shared.poll_turn(self.worker, self.begun, cx.waker());
            if turn.is_pending() && !std::mem::replace(&mut self.idle, true) {
                let until = later(Instant::now(), self.shared.limits.idle);
                self.alarm.as_mut().reset(until);
            }
            match turn {
                Poll::Ready(Turn::Job(Job::Send(parcel), helper)) => {
                    self.start(helper);
                    if let Some(message) = self.message(parcel) {
                        return Poll::Ready(Some(message));
                    }
                }
                Poll::Ready(Turn::Job(Job::Lend(borrower), helper)) => {
                    self.start(helper);
                    lock(&self.round).borrower = Some(borrower);
                    break;
                }
                Poll::Ready(Turn::Later(until)) => {
                    self.idle = false;
                    self.alarm.as_mut().reset(until);
                    if self.alarm.as_mut().poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                }
                Poll::Ready(Turn::Leave) => break,
                Poll::Pending if self.alarm.as_mut().poll(cx).is_pending() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        self.shared.is_busy(self.worker);
        self.over = true;
        Poll::Ready(None)
    }
}
