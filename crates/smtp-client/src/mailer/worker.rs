//! Workers of a mailer: each has one connection at a time, and does what waits on it.
use std::{
    collections::VecDeque,
    hash::{BuildHasher, RandomState},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use futures_core::Stream;
use smtp_error::{Delivery, Error, ErrorKind, ReplyCode, Step, Unsupported, Verdict};
use tokio::{
    sync::oneshot,
    time::{Instant, Sleep, sleep},
};

use super::{
    lent::Loan,
    queue::{Borrower, Job, Parcel, Shared, Turn},
};
use crate::{Connection, Message, Messages, clock::later};

/// A worker's post. It may be dropped at any point, with the runtime or by a panic of the caller's,
/// and those who wait must hear of it.
pub(super) struct Post {
    shared: Arc<Shared>,
    number: u64,
    left: bool,
}

impl Post {
    /// The post of the worker of this number.
    pub(super) fn new(shared: Arc<Shared>, number: u64) -> Self {
        Self { shared, number, left: false }
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        if !self.left {
            self.shared.leave(self.number);
        }
    }
}

/// Works until there is nothing to do.
pub(super) async fn work(mut post: Post) {
    let (shared, number) = (Arc::clone(&post.shared), post.number);
    while shared.stay(number) {
        match connect(&shared).await {
            Ok(connection) => {
                shared.begin_to_serve(number);
                serve(&shared, number, connection).await;
                shared.served(number);
            }
            Err(error) => match shared.take_unless_served() {
                // Whoever waits would meet with the same.
                Some(waiting) => waiting.into_iter().for_each(|one| one.job.fail(&error)),
                // The server takes no more connections than there are.
                None => return,
            },
        }
    }
    post.left = true;
}

/// Opens a connection, with pauses between the tries.
async fn connect(shared: &Shared) -> Result<Connection, Error> {
    let mut attempt = 1;
    loop {
        match shared.connector.connect().await {
            Err(error) if error.is_transient() && attempt < shared.limits.attempts.get() => {
                sleep(pause(attempt)).await;
                attempt += 1;
            }
            outcome => return outcome,
        }
    }
}

/// The pause after the try of this number: a second, doubled with each up to half a minute, and up
/// to a half of that by chance, so that many do not come back at the same time.
fn pause(attempt: u32) -> Duration {
    let seconds = 1_u64 << (attempt - 1).min(5);
    let longest = Duration::from_secs(seconds.min(30));
    let chance = RandomState::new().hash_one(attempt) % 1000;
    longest + longest.mul_f64(chance as f64 / 2000.0)
}

/// Does on this connection what waits, until it has to be closed or has failed.
async fn serve(shared: &Arc<Shared>, number: u64, mut connection: Connection) {
    let mut served = 0;
    loop {
        let round = Arc::new(Mutex::new(Round::default()));
        let jobs = Jobs::new(Arc::clone(shared), number, served, Arc::clone(&round));
        let Ok(mut sending) = connection.send_many(Messages::kept(jobs)).await else { return };
        while let Some(result) = sending.next().await {
            let parcel = lock(&round).under_way.pop_front();
            if let Some(parcel) = parcel {
                settle(shared, parcel, result, served > 0);
                served += 1;
            }
        }
        drop(sending);
        let borrower = lock(&round).borrower.take();
        match borrower {
            Some(borrower) if connection.ended().is_none() => {
                served += 1;
                match lend(connection, borrower).await {
                    Some(back) => connection = back,
                    None => return,
                }
            }
            // It comes first when there is a connection again.
            Some(borrower) => return shared.push_again(Job::Lend(borrower)),
            None => {
                // Nothing depends on how it goes.
                let _ = connection.quit().await;
                return;
            }
        }
    }
}

/// Lends the connection, and takes it back in a known state, unless its session has ended or it is
/// not what it was: authenticated, or speaking for another client.
async fn lend(mut connection: Connection, borrower: Borrower) -> Option<Connection> {
    let (timeouts, sending) = (*connection.timeouts_mut(), *connection.sending_mut());
    let changes = connection.changes();
    let (back, returned) = oneshot::channel();
    let mut connection = match borrower.send(Ok(Loan { connection, back })) {
        Ok(()) => returned.await.ok()?,
        // Nobody waits for it any more.
        Err(Ok(loan)) => loan.connection,
        Err(Err(_)) => return None,
    };
    (*connection.timeouts_mut(), *connection.sending_mut()) = (timeouts, sending);
    if connection.changes() != changes {
        let _ = connection.quit().await;
        return None;
    }
    connection.ended().is_none().then_some(connection)
}

/// Says what became of a message, or tries it again if it was certainly not accepted and another
/// connection may do better.
fn settle(shared: &Shared, mut parcel: Box<Parcel>, result: Result<Delivery, Error>, used: bool) {
    parcel.attempts += 1;
    let again = match &result {
        Ok(delivery) => used && delivery.verdicts().iter().all(was_shut_down),
        Err(error) => may_try_again(error, used),
    };
    if again && parcel.attempts < shared.limits.attempts.get() && parcel.spare.is_some() {
        parcel.content = parcel.spare.take();
        shared.push_again(Job::Send(parcel));
    } else {
        parcel.settle(result);
    }
}

/// Whether the server ended the session before it had taken the message.
fn was_shut_down(verdict: &Verdict) -> bool {
    verdict.step() != Step::EndOfText && verdict.reply().code() == ReplyCode::SHUTTING_DOWN
}

/// Whether a message with this error was certainly not accepted, and it is the connection's fault.
fn may_try_again(error: &Error, used: bool) -> bool {
    let untouched = !error.in_doubt() && error.verdicts().iter().all(Option::is_none);
    let another = match error.kind() {
        ErrorKind::Broken(_) | ErrorKind::Ended(_) | ErrorKind::Misbehaved(_) => true,
        ErrorKind::Refused(reply) => reply.code() == ReplyCode::SHUTTING_DOWN,
        ErrorKind::Unsupported(Unsupported::TooMany { .. }) => used && error.is_transient(),
        _ => false,
    };
    untouched && another
}

/// What came of one stream of jobs.
#[derive(Default)]
struct Round {
    under_way: VecDeque<Box<Parcel>>,
    borrower: Option<Borrower>,
}

fn lock(round: &Mutex<Round>) -> std::sync::MutexGuard<'_, Round> {
    round.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The messages for one connection, as they come, until it is to be closed or lent.
struct Jobs {
    shared: Arc<Shared>,
    worker: u64,
    /// How many more messages the connection is used for.
    left: usize,
    round: Arc<Mutex<Round>>,
    over: bool,
    /// Whether there is nothing to do, as far as is known.
    idle: bool,
    /// When there has been nothing to do for too long, or when the rate allows more.
    alarm: Pin<Box<Sleep>>,
}

impl Jobs {
    fn new(shared: Arc<Shared>, worker: u64, served: usize, round: Arc<Mutex<Round>>) -> Self {
        let left = shared.limits.messages.get().saturating_sub(served);
        let alarm = Box::pin(sleep(shared.limits.idle));
        Self { shared, worker, left, round, over: false, idle: false, alarm }
    }

    fn message(&mut self, mut parcel: Box<Parcel>) -> Option<Message<'static>> {
        let content = parcel.content.take()?;
        parcel.spare = content.again();
        let envelope = Arc::clone(&parcel.envelope);
        lock(&self.round).under_way.push_back(parcel);
        self.left -= 1;
        self.idle = false;
        Some(Message::new(envelope, content))
    }
}

impl Stream for Jobs {
    type Item = Message<'static>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while !self.over && self.left > 0 {
            let turn = self.shared.poll_turn(self.worker, cx.waker());
            if turn.is_pending() && !std::mem::replace(&mut self.idle, true) {
                let until = later(Instant::now(), self.shared.limits.idle);
                self.alarm.as_mut().reset(until);
            }
            match turn {
                Poll::Ready(Turn::Job(Job::Send(parcel))) => {
                    if let Some(message) = self.message(parcel) {
                        return Poll::Ready(Some(message));
                    }
                }
                Poll::Ready(Turn::Job(Job::Lend(borrower))) => {
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
                Poll::Ready(Turn::Closed) => break,
                Poll::Pending if self.alarm.as_mut().poll(cx).is_pending() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        self.shared.is_busy(self.worker);
        self.over = true;
        Poll::Ready(None)
    }
}
