//! Workers of a mailer: each has one connection at a time, and does what waits on it.
use std::{
    collections::VecDeque,
    future::poll_fn,
    hash::{BuildHasher, RandomState},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use smtp_error::{Delivery, Error};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};

use super::{
    blame::{Blame, Usage, refuses_mail},
    jobs::{Jobs, Round, lock},
    parcel::{Borrower, Hold, Job, Parcel, Waiting},
    pooled::Loan,
    queue::{Failed, Shared, Stay},
};
use crate::{Connection, Messages, clock::later};

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
    while stay(&shared, number).await {
        match connect(&shared, number).await {
            Ok(connection) => {
                shared.begin_to_serve(number);
                survive(serve(&shared, number, connection)).await;
                shared.served(number);
            }
            Err(None) => break,
            // Whatever waits would meet with the same.
            Err(Some((error, waiting))) => {
                waiting.into_iter().for_each(|one| one.job.fail(&error));
            }
        }
    }
    post.left = true;
}

/// Waits until there is something to do. If there is nothing, the worker has left.
async fn stay(shared: &Shared, number: u64) -> bool {
    let mut alarm = pin!(sleep(Duration::ZERO));
    poll_fn(|cx| {
        loop {
            match shared.stay(number, cx.waker()) {
                Stay::Connect => return Poll::Ready(true),
                Stay::Left => return Poll::Ready(false),
                Stay::Until(due) => {
                    alarm.as_mut().reset(due);
                    if alarm.as_mut().poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                }
            }
        }
    })
    .await
}

/// Ends with a panic of the callers' code, such as a reader or a closure, instead of passing it on:
/// it costs the messages on this connection, and nothing that waits. They learn of it when what
/// they wait for is dropped.
async fn survive(serving: impl Future<Output = ()>) {
    let mut serving = pin!(serving);
    poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| serving.as_mut().poll(cx)));
        polled.unwrap_or(Poll::Ready(()))
    })
    .await;
}

/// Opens a connection, with pauses between the attempts. If that fails, the error and what waits
/// and fails with it; nothing if this worker has left.
async fn connect(
    shared: &Shared,
    worker: u64,
) -> Result<Connection, Option<(Error, VecDeque<Waiting>)>> {
    let mut number = 1;
    loop {
        let attempt = shared.attempt(number);
        let error = match shared.connector.connect().await {
            Ok(connection) => return Ok(connection),
            Err(error) => error,
        };
        match shared.not_connected(worker, &attempt, &error) {
            Failed::Again => sleep(pause(number)).await,
            Failed::Left => return Err(None),
            Failed::All(waiting) => return Err(Some((error, waiting))),
        }
        number += 1;
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
    let mut service = Service { shared, number, usage: Usage::default(), over: false };
    loop {
        let round = Arc::new(Mutex::new(Round::default()));
        let jobs = Jobs::new(Arc::clone(shared), number, service.usage.results, Arc::clone(&round));
        let Ok(mut sending) = connection.send_many(Messages::kept(jobs)).await else { return };
        while let Some(result) = sending.next().await {
            let parcel = lock(&round).under_way.pop_front();
            if let Some(parcel) = parcel {
                service.settle(parcel, result);
                lock(&round).over |= service.over;
            }
        }
        drop(sending);
        let borrower = lock(&round).borrower.take();
        match borrower {
            Some(borrower) if connection.ended().is_none() && !service.over => {
                service.usage.lend();
                match lend(connection, borrower).await {
                    Some(back) => connection = back,
                    None => return,
                }
            }
            // It comes first when there is a connection again.
            Some(borrower) => return shared.push_again(Job::Lend(borrower), Hold::Nothing),
            None => {
                // Nothing depends on how it goes, and what waits is not held up for long.
                let mut timeouts = *connection.timeouts_mut();
                if shared.waiting() > 0 {
                    timeouts.quit = timeouts.quit.min(timeouts.close);
                }
                let _ = connection.scoped_timeouts(timeouts).quit().await;
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

/// The use of one connection.
struct Service<'a> {
    shared: &'a Shared,
    number: u64,
    usage: Usage,
    /// Whether no further message is begun on it.
    over: bool,
}

impl Service<'_> {
    /// Gives a message its result, or tries it again if it was certainly not accepted for a reason
    /// that is not its own.
    fn settle(&mut self, mut parcel: Box<Parcel>, result: Result<Delivery, Error>) {
        let before = self.usage;
        self.usage.count(&result);
        if result.as_ref().is_ok_and(Delivery::any_accepted) {
            self.shared.keep_pace();
        }
        // The session before had room for it: it is refused in this one, too.
        if parcel.left_session && before.mails == 0 && refuses_mail(&result) {
            self.shared.forget_messages();
        }
        let blame = Blame::of(&result, before);
        parcel.attempts += u32::from(blame != Blame::Session);
        let hold = match blame {
            Blame::Message | Blame::Connection => Hold::Nothing,
            Blame::Session => self.leave_session(before, &result),
            Blame::Pace => {
                self.slow_down(parcel.attempts);
                Hold::Nothing
            }
            Blame::Policy => hold_for(parcel.attempts),
        };
        // The message was not begun as far as its text goes, so that this was no attempt.
        if let Some(reserved) = parcel.reserved.take().filter(|_| blame == Blame::Session) {
            parcel.spare = reserved.take();
        }
        let again = blame != Blame::Message && parcel.attempts < self.shared.limits.attempts.get();
        if again && parcel.spare.is_some() {
            parcel.content = parcel.spare.take();
            parcel.left_session = blame == Blame::Session;
            parcel.refused = result.ok();
            self.shared.push_again(Job::Send(parcel), hold);
        } else {
            parcel.settle(result);
        }
    }

    /// No further message is begun on this connection, and the message is the first on another one.
    /// Those that ran ahead with it come after it.
    fn leave_session(&mut self, before: Usage, result: &Result<Delivery, Error>) -> Hold {
        if std::mem::replace(&mut self.over, true) {
            return Hold::Nothing;
        }
        self.shared.served(self.number);
        if refuses_mail(result) && !before.lent {
            self.shared.learn_messages(before.mails);
        }
        Hold::NewConnection
    }

    /// No message is begun for a while, and there is one connection fewer if others remain.
    fn slow_down(&mut self, attempts: u32) {
        if !self.over && self.shared.slow_down(attempts, pause) {
            self.over = true;
            self.shared.served(self.number);
        }
    }
}

/// The pause before a message is tried again after so many attempts.
fn hold_for(attempts: u32) -> Hold {
    Hold::Until(later(Instant::now(), pause(attempts)))
}
