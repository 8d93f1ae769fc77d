//! Workers of a mailer: each has at most one connection at a time, and runs queued jobs on it.
use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use smtp_error::{Delivery, Error};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};

use super::{
    blame::{Blame, Usage, is_unanswered_mail, refused_as_a_whole, refuses_mail},
    job::{Hold, Job, QueuedMessage, Waiter},
    job_stream::{JobStream, StreamState, lock},
    pooled::Checkout,
    queue::{AfterFailure, Shared, UnconnectedAction},
    remainder::{self, Remainder},
    retry,
    sync::{Mutex, spawn},
};
use crate::{
    Connection, Excess, Messages, Partial,
    clock::{backoff, later},
};

/// Removes a worker from the mailer when it is dropped.
///
/// A task may be dropped at any await, by the end of the runtime or by a panic. If the worker were
/// still counted then, [`close`](super::Mailer::close) and the callers in the queue would wait
/// forever.
struct WorkerGuard {
    shared: Arc<Shared>,
    id: u64,
    /// Whether the worker has removed itself already.
    exited: bool,
}

impl WorkerGuard {
    fn new(shared: Arc<Shared>, id: u64) -> Self {
        Self { shared, id, exited: false }
    }
}

impl Drop for WorkerGuard {
    fn drop(&mut self) {
        if !self.exited {
            self.shared.worker_aborted(self.id);
        }
    }
}

/// Starts the worker with this id.
pub(super) fn start(shared: &Arc<Shared>, id: u64) {
    spawn(work(WorkerGuard::new(Arc::clone(shared), id)));
}

/// Runs queued jobs until there are none.
async fn work(mut guard: WorkerGuard) {
    let (shared, id) = (Arc::clone(&guard.shared), guard.id);
    while wait_for_work(&shared, id).await {
        match connect(&shared, id).await {
            Ok(connection) => {
                shared.connection_opened(id);
                catch_panic(serve(&shared, id, connection)).await;
                shared.connection_retired(id);
            }
            Err(Exited) => break,
        }
    }
    guard.exited = true;
}

/// Waits until there is a job to connect for. Returns `false` if the worker was removed because
/// there is none.
async fn wait_for_work(shared: &Shared, worker: u64) -> bool {
    let mut alarm = pin!(sleep(Duration::ZERO));
    poll_fn(|cx| {
        loop {
            match shared.unconnected_action(worker, cx.waker()) {
                UnconnectedAction::Connect => return Poll::Ready(true),
                UnconnectedAction::Exited => return Poll::Ready(false),
                UnconnectedAction::WaitUntil(time) => {
                    alarm.as_mut().reset(time);
                    if alarm.as_mut().poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                }
            }
        }
    })
    .await
}

/// Ends `serving` if it panics, instead of passing the panic on.
///
/// The worker runs code of the callers: readers, iterators and closures. A panic there must fail
/// only the messages on this connection, whose callers get an error because the sender of their
/// result is dropped. The queue and its other callers go on.
async fn catch_panic(serving: impl Future<Output = ()>) {
    let mut serving = pin!(serving);
    poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| serving.as_mut().poll(cx)));
        polled.unwrap_or(Poll::Ready(()))
    })
    .await;
}

/// A worker was removed, because there is nothing for it to do.
struct Exited;

/// Opens a connection, with pauses between the attempts.
///
/// # Errors
/// This worker was removed: it leaves the jobs to others, or there are none.
async fn connect(shared: &Arc<Shared>, worker: u64) -> Result<Connection, Exited> {
    let mut number = 1;
    loop {
        let attempt = shared.begin_connecting(number);
        let error = match shared.connector.connect().await {
            Ok(connection) => return Ok(connection),
            Err(error) => error,
        };
        match shared.connect_failed(worker, &attempt, &error) {
            AfterFailure::Retry => sleep(pause(number)).await,
            AfterFailure::Exited => return Err(Exited),
            AfterFailure::Fail(failed) => {
                // An attempt for each of them would only repeat the failure, with all its pauses.
                for one in failed {
                    let error = if one.job.is_patient() && error.is_transient() {
                        error.clone().with_waited(shared.options.wait_timeout)
                    } else {
                        error.clone()
                    };
                    match one.job {
                        Job::Send(mut message) => {
                            let result = message.result_of_failure(&error);
                            retry::finish(shared, message, result);
                        }
                        waiter @ Job::Acquire(_) => shared.fail(waiter, &error),
                    }
                }
                if !wait_for_work(shared, worker).await {
                    return Err(Exited);
                }
                sleep(pause(number)).await;
            }
        }
        number += 1;
    }
}

/// Returns the pause after the attempt of this number.
fn pause(attempt: u32) -> Duration {
    backoff(Duration::from_secs(1), Duration::from_secs(30), attempt)
}

/// Runs queued jobs on this connection until it has to be closed or has failed.
async fn serve(shared: &Arc<Shared>, worker: u64, mut connection: Connection) {
    let learned = shared.learned_recipients();
    if let Some(most) = learned {
        connection.learn_rcpt_max(most);
    }
    let sending = *connection.sending_mut();
    let continues = sending.excess == Excess::Continue && sending.partial == Partial::Deliver;
    let usage = Usage::default();
    let mut service =
        Service { shared, worker, usage, closing: false, continues, learned, lowered: false };
    loop {
        let state = Arc::new(Mutex::new(StreamState::default()));
        if shared.keeps_order() {
            connection.sending_mut().ahead = None;
        }
        let begun = service.usage.results;
        let jobs = JobStream::new(Arc::clone(shared), worker, begun, Arc::clone(&state));
        let Ok(mut sending) = connection.send_many(Messages::kept(jobs)).await else { return };
        while let Some((_, result)) = sending.next().await {
            service.learn(sending.learned_rcpt_max());
            let queued = lock(&state).in_flight.pop_front();
            if let Some(queued) = queued {
                service.handle_result(queued, result);
                lock(&state).closing |= service.closing;
            }
        }
        drop(sending);
        let waiter = lock(&state).waiter.take();
        match waiter {
            Some(waiter) if connection.ended().is_none() && !service.closing => {
                service.usage.count_checkout();
                match check_out(connection, waiter).await {
                    Some(returned) => connection = returned,
                    None => return,
                }
            }
            // The last message before it ended the connection. The waiter has not lost its place.
            Some(waiter) => return shared.requeue(Job::Acquire(waiter), Hold::Nothing),
            None => {
                // The reply to QUIT changes no result. A server that does not answer it must not
                // delay queued jobs by the whole timeout of QUIT.
                let mut timeouts = *connection.timeouts_mut();
                if shared.queued() > 0 {
                    timeouts.quit = timeouts.quit.min(timeouts.close);
                }
                let _ = connection.scoped_timeouts(timeouts).quit().await;
                return;
            }
        }
    }
}

/// Gives the connection to a waiter and waits until it is returned. Returns `None` if it cannot be
/// used for other jobs: the session has ended, or the caller authenticated or changed what the
/// server or the client announced, so that later messages would be sent under another identity.
async fn check_out(mut connection: Connection, waiter: Waiter) -> Option<Connection> {
    let (timeouts, sending) = (*connection.timeouts_mut(), *connection.sending_mut());
    let changes = connection.changes();
    let (return_to, returned) = oneshot::channel();
    let mut connection = match waiter.send(Ok(Checkout { connection, return_to })) {
        Ok(()) => returned.await.ok()?,
        // The caller dropped its future in the meantime.
        Err(Ok(checkout)) => checkout.connection,
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
    shared: &'a Arc<Shared>,
    worker: u64,
    usage: Usage,
    /// Whether no further message begins on it.
    closing: bool,
    /// Whether recipients that are too many for one transaction get another one.
    continues: bool,
    /// The most recipients of a transaction, as learned before the message and on this connection.
    learned: Option<usize>,
    /// Whether the last message has lowered that number.
    lowered: bool,
}

impl Service<'_> {
    /// Completes a message with its result, or queues it again if it was certainly not accepted and
    /// the reason is not the message itself.
    fn handle_result(&mut self, mut queued: Box<QueuedMessage>, result: Result<Delivery, Error>) {
        let before = self.usage;
        // What was refused as a whole is judged alike, whichever form the caller gets it in.
        let whole = result.as_ref().err().and_then(refused_as_a_whole);
        queued.withheld = whole.as_ref().and_then(|_| result.as_ref().err().cloned());
        let result = whole.map_or(result, Ok);
        self.usage.count_message(&result);
        if let Some(begun) = queued.begun_at.take() {
            self.shared.counters.sending.count(begun.elapsed());
        }
        if result.as_ref().is_ok_and(Delivery::any_accepted) {
            self.shared.reset_refusals();
        }
        // The previous session refused it after others, and a new one refuses it as the first: the
        // refusal was about the message, and the number of messages that was learned is wrong.
        if queued.refused_by_session && before.mails == 0 && refuses_mail(&result) {
            self.shared.forget_messages();
        }
        if before.results > 0 && result.as_ref().is_err_and(is_unanswered_mail) {
            self.shared.keep_order();
        }
        let blame = Blame::of(&result, before);
        queued.attempts += u32::from(blame != Blame::Session);
        let hold = match blame {
            Blame::Message | Blame::Connection => Hold::Nothing,
            Blame::Session => self.close_session(before, &result),
            Blame::Throttling => {
                self.slow_down(queued.attempts);
                Hold::Nothing
            }
            Blame::Policy => hold_after(queued.attempts),
        };
        // A content that can be produced only once is given back here if the session refused the
        // message before a piece was taken.
        if let Some(reserved) = &queued.reserved
            && blame == Blame::Session
        {
            queued.copy = reserved.take();
        }
        if blame == Blame::Message && self.continues && self.may_continue(&result, queued.attempts)
        {
            return self.send_remainder(queued, result);
        }
        let again = blame != Blame::Message && queued.attempts < self.shared.options.attempts;
        if again && queued.copy.is_some() {
            queued.watch.repeated(queued.tries, &result);
            queued.content = queued.copy.take();
            queued.refused_by_session = blame == Blame::Session;
            queued.refused = result.ok();
            self.shared.requeue(Job::Send(queued), hold);
        } else {
            retry::finish(self.shared, queued, result);
        }
    }

    /// Takes over what the session has learned about the most recipients of a transaction.
    fn learn(&mut self, most: Option<usize>) {
        self.lowered = most != self.learned;
        if let Some(most) = most.filter(|_| self.lowered) {
            self.learned = Some(most);
            self.shared.learn_recipients(most);
        }
    }

    /// Returns whether a message with this result, at its attempt of this number, is sent to the
    /// recipients that the end of the session has left: some were accepted, or it is known that fewer
    /// may be.
    fn may_continue(&self, result: &Result<Delivery, Error>, attempts: u32) -> bool {
        let Ok(delivery) = result else { return false };
        match Remainder::of(delivery) {
            Remainder::None => false,
            Remainder::Rest => true,
            Remainder::All => self.lowered && attempts < self.shared.options.attempts,
        }
    }

    /// Sends a message on another connection to the recipients that the end of this session has left.
    /// What was accepted or refused stands.
    fn send_remainder(&mut self, mut queued: Box<QueuedMessage>, result: Result<Delivery, Error>) {
        queued.watch.repeated(queued.tries, &result);
        let any_accepted = result.as_ref().is_ok_and(Delivery::any_accepted);
        let result = queued.rejoin(result);
        match &result {
            Ok(delivery) if remainder::prepare(&mut queued, delivery) => {
                queued.attempts -= u32::from(any_accepted);
                if !std::mem::replace(&mut self.closing, true) {
                    self.shared.connection_retired(self.worker);
                }
                self.shared.requeue(Job::Send(queued), Hold::NewConnection);
            }
            _ => retry::finish(self.shared, queued, result),
        }
    }

    /// Begins no further message on this connection. The message that showed it is the first on
    /// another connection; messages that were pipelined after it only keep their order.
    fn close_session(&mut self, before: Usage, result: &Result<Delivery, Error>) -> Hold {
        if std::mem::replace(&mut self.closing, true) {
            return Hold::Nothing;
        }
        self.shared.connection_retired(self.worker);
        // A caller that had the connection may have sent any number of messages on it, so that the
        // count of this worker says nothing about the server's limit.
        if refuses_mail(result) && !before.checked_out {
            self.shared.learn_messages(before.mails);
        }
        Hold::NewConnection
    }

    /// Pauses all messages of the mailer, and closes this connection if others remain.
    fn slow_down(&mut self, attempts: u32) {
        if !self.closing && self.shared.slow_down(attempts, pause) {
            self.closing = true;
            self.shared.connection_retired(self.worker);
        }
    }
}

/// Returns the hold of a message after this number of attempts.
fn hold_after(attempts: u32) -> Hold {
    Hold::Until(later(Instant::now(), pause(attempts)))
}
