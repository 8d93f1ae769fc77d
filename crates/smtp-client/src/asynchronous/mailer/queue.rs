//! The queue of a mailer: which job begins next, on which connection, and how many workers run.
//!
//! All decisions are made here under one lock, so that no two workers act on the same state. None
//! of them awaits or calls code of the callers.
use std::{
    collections::{HashMap, HashSet, VecDeque},
    mem,
    sync::{Arc, PoisonError, atomic::Ordering::Relaxed},
    task::{Poll, Waker},
    time::Duration,
};

use smtp_error::{Broken, Ended, Error, Step};
use tokio::{
    sync::{Notify, Semaphore, oneshot},
    time::Instant,
};

use super::{
    blame::is_one_too_many,
    builder::Options,
    capacity::Capacity,
    job::{Hold, Job, QueuedJob, QueuedMessage},
    stats::{Counters, MailerStats},
    sync::{Mutex, MutexGuard},
};
use crate::Connector;

/// What all handles and all workers of a mailer share.
pub(super) struct Shared {
    pub(super) connector: Connector,
    pub(super) options: Options,
    /// One permit per place in the queue.
    pub(super) places: Arc<Semaphore>,
    state: Mutex<State>,
    pub(super) counters: Counters,
    /// Notified when a worker exits, and when the pause before a retry ends.
    pub(super) exited: Notify,
    /// Notified when a message that waits for a retry may have nothing to wait for any more: the
    /// mailer is closed, or its caller is gone. Each of them then looks whether it is meant.
    pub(super) pause_ends: Notify,
}

struct State {
    /// Jobs that were begun before and are queued again stand at the front.
    queue: VecDeque<QueuedJob>,
    capacity: Capacity,
    /// The wakers of the workers that have nothing to do, by worker id.
    idle: HashMap<u64, Waker>,
    /// The workers that have a connection on which another message may begin.
    connected: HashSet<u64>,
    /// The last failure to connect, while no connection was opened since.
    last_failure: Option<Error>,
    /// The last failure to connect that no other attempt can mend, and until when the messages of
    /// [`Mailer::send_all`](super::Mailer::send_all) have it as their result at once.
    permanent_failure: Option<(Error, Instant)>,
    /// When a worker last closed or retired a connection.
    last_retired: Option<Instant>,
    /// How many workers run.
    workers: usize,
    /// The id of the worker that was started last; the first has the id 1.
    last_worker: u64,
    closed: bool,
    /// How many messages wait for a retry.
    paused: usize,
    /// When the last messages were begun: as many as the rate limit allows per period.
    begun: VecDeque<Instant>,
    /// Until when no message begins, because the server refused messages for concurrency or rate.
    pause_until: Option<Instant>,
    /// How many such refusals came in a row, up to [`MAX_COUNTED_REFUSALS`].
    refused_in_a_row: u32,
}

/// What a worker with a connection does next.
pub(super) enum NextAction {
    /// Begin this job, and start the worker with this id, if there is one.
    Begin(Job, Option<u64>),
    /// Ask again at this time.
    WaitUntil(Instant),
    /// Close the connection.
    Close,
}

/// What a worker without a connection does next.
pub(super) enum UnconnectedAction {
    Connect,
    /// Ask again at this time.
    WaitUntil(Instant),
    /// Nothing: the worker was removed and has to end.
    Exited,
}

/// An attempt to connect.
pub(super) struct ConnectAttempt {
    /// The number of attempts in a row, from 1.
    pub(super) number: u32,
    /// Whether the mailer had no other connection when the attempt began.
    alone: bool,
    /// The id of the last worker at that time.
    last_worker: u64,
}

/// What a worker does after it could not connect.
pub(super) enum AfterFailure {
    /// Try again after a pause.
    Retry,
    /// Nothing: other workers run the queued jobs. The worker was removed and has to end.
    Exited,
    /// Fail these jobs, because no other worker runs. If that is not the whole queue, try again
    /// after a pause.
    Fail(VecDeque<QueuedJob>),
}

/// The number of refusals in a row from which on the pause does not grow.
const MAX_COUNTED_REFUSALS: u32 = 4;
/// How long a server may still count a connection after it was closed: its own side has to notice
/// the end first, often in another process than the one that counts.
const LINGERING: Duration = Duration::from_secs(5);
/// How long the messages of [`Mailer::send_all`](super::Mailer::send_all) fail with a permanent
/// failure to connect. With an attempt for each of many messages, a wrong password would lock the
/// account.
const PERMANENT: Duration = Duration::from_secs(60);

impl Shared {
    pub(super) fn new(connector: Connector, options: Options) -> Self {
        let places = Arc::new(Semaphore::new(options.queue_limit.min(Semaphore::MAX_PERMITS)));
        let state = Mutex::new(State::new(&options));
        Self {
            connector,
            options,
            places,
            state,
            counters: Counters::default(),
            exited: Notify::new(),
            pause_ends: Notify::new(),
        }
    }

    /// Locks the state. A poisoned lock is used all the same: every change under it is complete
    /// before anything can panic.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a job. Returns the id of the worker that the caller has to start for it, if one is
    /// needed.
    ///
    /// # Errors
    /// The mailer is closed.
    pub(super) fn push(&self, queued: QueuedJob) -> Result<Option<u64>, Ended> {
        let mut state = self.state();
        if state.closed {
            return Err(Ended::MailerClosed);
        }
        // A canceled job gives its place back at once, but stays in the queue until it is first. It
        // must not pile up after a job that is held for long.
        if state.queue.len() / 2 > self.options.queue_limit {
            state.queue.retain(|one| !one.job.is_canceled());
        }
        state.queue.push_back(queued);
        Ok(self.wake_or_start(&mut state))
    }

    /// Appends many jobs, whose callers do not wait for a place. Returns the id of the worker that
    /// the caller has to start for them, if one is needed.
    ///
    /// # Errors
    /// The mailer is closed, or a permanent failure to connect is known. The jobs are given back.
    pub(super) fn push_all(
        &self,
        jobs: Vec<QueuedJob>,
    ) -> Result<Option<u64>, (Error, Vec<QueuedJob>)> {
        let mut state = self.state();
        if state.closed {
            return Err((Error::new(Step::Connect, Ended::MailerClosed), jobs));
        }
        if let Some(error) = state.permanent_failure(Instant::now()) {
            return Err((error, jobs));
        }
        let count = jobs.len();
        state.queue.extend(jobs);
        for _ in 1..count.min(state.idle.len()) {
            self.wake_or_start(&mut state);
        }
        Ok(self.wake_or_start(&mut state))
    }

    /// Completes a job that was not begun with this error.
    pub(super) fn fail(&self, job: Job, error: &Error) {
        job.fail(error, &self.counters);
    }

    /// Cancels a queued job whose wait timeout has passed. Returns `false` if it was begun.
    pub(super) fn withdraw<T>(
        &self,
        begun: &mut oneshot::Receiver<()>,
        outcome: &mut oneshot::Receiver<T>,
    ) -> bool {
        // A worker begins a job under the same lock. Without it, a job could begin between the two
        // steps, and be sent although its caller was told that it was not.
        let _state = self.state();
        let is_queued = matches!(begun.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        if is_queued {
            outcome.close();
        }
        is_queued
    }

    /// Returns the error of a job that waited for longer than it may: that of the last attempt to
    /// connect, if there is no connection because of it.
    pub(super) fn wait_timed_out(&self) -> Error {
        let after = self.options.wait_timeout;
        let state = self.state();
        match &state.last_failure {
            Some(error) if state.connected.is_empty() => error.clone().with_waited(after),
            _ => {
                let broken = match state.connected.is_empty() {
                    true => Broken::StillConnecting { after },
                    false => Broken::NoConnection { after },
                };
                Error::new(Step::Connect, broken).with_server(&self.connector.peer())
            }
        }
    }

    /// Queues a job again that was begun before: ahead of the new jobs, and after those that were
    /// queued again earlier, so that messages keep their order.
    pub(super) fn requeue(&self, job: Job, hold: Hold) {
        let mut state = self.state();
        state.insert(job, hold, Instant::now());
        state.wake_all();
    }

    /// Queues a message for a retry, in the place of one that was begun before. Returns the id of the
    /// worker that the caller has to start for it, if one is needed.
    ///
    /// # Errors
    /// The message cannot be sent, and is given back: the mailer is closed, or a permanent failure to
    /// connect is known.
    pub(super) fn resume(
        &self,
        message: Box<QueuedMessage>,
    ) -> Result<Option<u64>, (Error, Box<QueuedMessage>)> {
        let mut state = self.state();
        let now = Instant::now();
        if state.closed {
            return Err((Error::new(Step::Connect, Ended::MailerClosed), message));
        }
        if let Some(error) = state.permanent_failure(now) {
            return Err((error, message));
        }
        state.insert(Job::Send(message), Hold::Nothing, now);
        self.counters.retries.fetch_add(1, Relaxed);
        Ok(self.wake_or_start(&mut state))
    }

    /// Counts a message that waits for a retry. Returns whether the mailer is open, so that it may.
    pub(super) fn begin_pause(&self) -> bool {
        let mut state = self.state();
        state.paused += usize::from(!state.closed);
        !state.closed
    }

    /// Records that a message does not wait any more.
    pub(super) fn end_pause(&self) {
        self.state().paused -= 1;
        self.exited.notify_waiters();
    }

    /// Wakes an idle worker, preferably one that is connected. Returns the id of a worker to start
    /// if none is idle and another one is allowed.
    fn wake_or_start(&self, state: &mut State) -> Option<u64> {
        let connected = state.idle.keys().find(|worker| state.connected.contains(worker));
        let idle = connected.or_else(|| state.idle.keys().next()).copied();
        if let Some(waker) = idle.and_then(|worker| state.idle.remove(&worker)) {
            waker.wake();
            return None;
        }
        state.reserve_worker(Instant::now())
    }

    /// Returns what a worker does next on a connection on which `done` jobs were begun. If there is
    /// nothing to do, `waker` is called when that changes.
    pub(super) fn poll_action(&self, worker: u64, done: usize, waker: &Waker) -> Poll<NextAction> {
        let mut state = self.state();
        let now = Instant::now();
        state.idle.remove(&worker);
        state.drop_canceled();
        // If all connections are in use, a job that needs a new one would wait until one of them
        // is idle for long enough to be closed. The first worker that asks makes room.
        let renew = done > 0 && state.wants_new_connection();
        if renew || done >= state.capacity.messages(now) {
            return Poll::Ready(NextAction::Close);
        }
        let Some(place) = state.next_place(now, done == 0) else {
            return state.nothing_to_do(worker, now, waker);
        };
        if let (Job::Send(_), Some(rate)) = (&state.queue[place].job, self.options.rate) {
            let full = state.begun.len() >= rate.messages();
            let free = state.begun.front().map(|&begun| begun + rate.within());
            if let Some(free) = free.filter(|&free| full && free > now) {
                return Poll::Ready(NextAction::WaitUntil(free));
            }
            if full {
                state.begun.pop_front();
            }
            state.begun.push_back(now);
        }
        let Some(QueuedJob { job, begun, since, .. }) = state.queue.remove(place) else {
            return Poll::Pending;
        };
        drop(begun);
        self.counters.waiting.count(now - since);
        if done > 0 {
            self.counters.reused.fetch_add(1, Relaxed);
        }
        // Each worker that begins a job starts at most one other. The number of connections grows
        // step by step, and a server that refuses the second one is not sent all others as well.
        let more = state.idle.is_empty() && state.next_place(now, true).is_some();
        let helper = if more { state.reserve_worker(now) } else { None };
        Poll::Ready(NextAction::Begin(job, helper))
    }

    /// Returns what a worker without a connection does next. It is removed if no job is queued, or
    /// if more workers run than the server was found to accept.
    pub(super) fn unconnected_action(&self, worker: u64, waker: &Waker) -> UnconnectedAction {
        let mut state = self.state();
        let now = Instant::now();
        state.idle.remove(&worker);
        state.queue.retain(|one| !one.job.is_canceled());
        if state.queue.is_empty() || state.workers > state.capacity.connections() {
            state.remove_worker(worker);
            drop(state);
            self.exited.notify_waiters();
            return UnconnectedAction::Exited;
        }
        match (state.next_place(now, true), state.next_due(now)) {
            // A connection that is opened before the pause is over would be idle, and counted by
            // the server that has just refused more.
            (None, Some(due)) => {
                state.idle.insert(worker, waker.clone());
                UnconnectedAction::WaitUntil(due)
            }
            _ => UnconnectedAction::Connect,
        }
    }

    /// Removes the waker of a worker that no longer polls for jobs: a wake-up that went to it would
    /// be lost, and with it the start of the job.
    pub(super) fn unregister_idle(&self, worker: u64) {
        self.state().idle.remove(&worker);
    }

    /// Records that a worker begins to connect.
    pub(super) fn begin_connecting(&self, number: u32) -> ConnectAttempt {
        let state = self.state();
        let lingers = state.last_retired.is_some_and(|retired| retired.elapsed() < LINGERING);
        let alone = state.workers == 1 && !lingers;
        ConnectAttempt { number, alone, last_worker: state.last_worker }
    }

    /// Records that a worker has a connection.
    pub(super) fn connection_opened(&self, worker: u64) {
        let mut state = self.state();
        state.connected.insert(worker);
        (state.last_failure, state.permanent_failure) = (None, None);
        drop(state);
        self.counters.opened.fetch_add(1, Relaxed);
    }

    /// Records that the connection of a worker is closed, or that no further message begins on it.
    pub(super) fn connection_retired(&self, worker: u64) {
        let mut state = self.state();
        state.connected.remove(&worker);
        state.last_retired = Some(Instant::now());
    }

    /// Returns what a worker does after it could not connect.
    ///
    /// While other workers run, no message fails because of it: they have a connection, or are
    /// connecting, and the last of them fails the queue if it must. Repeating a refusal that may be
    /// about the number of connections would keep a server busy that has just asked for fewer, so
    /// that the worker exits instead. If the other workers have exited or failed in the meantime,
    /// the attempt is repeated once with no other connection, because only then the refusal is
    /// certainly not about their number.
    pub(super) fn connect_failed(
        &self,
        worker: u64,
        attempt: &ConnectAttempt,
        error: &Error,
    ) -> AfterFailure {
        let mut state = self.state();
        let now = Instant::now();
        let others = state.workers - 1;
        let one_too_many = is_one_too_many(error);
        state.last_failure = Some(error.clone());
        self.counters.failed.fetch_add(1, Relaxed);
        let more = error.is_transient() && attempt.number < self.options.attempts;
        if others > 0 {
            if more && !one_too_many {
                return AfterFailure::Retry;
            }
            state.capacity.lower_to(others, now);
            state.remove_worker(worker);
            drop(state);
            self.exited.notify_waiters();
            return AfterFailure::Exited;
        }
        // A worker that was started and has exited since then may have been counted by the server.
        let alone = attempt.alone && attempt.last_worker == state.last_worker;
        let repeat = one_too_many && !alone && attempt.number == 1;
        if repeat {
            state.capacity.lower_to(1, now);
        }
        if more || repeat {
            return AfterFailure::Retry;
        }
        let queue = mem::take(&mut state.queue);
        if !error.is_transient() {
            state.permanent_failure = now.checked_add(PERMANENT).map(|at| (error.clone(), at));
            return AfterFailure::Fail(queue);
        }
        let wait_timeout = self.options.wait_timeout;
        let waits =
            |one: &QueuedJob| one.job.is_patient() && now.duration_since(one.since) < wait_timeout;
        let (waiting, failed) = queue.into_iter().partition(waits);
        state.queue = waiting;
        AfterFailure::Fail(failed)
    }

    /// Records that the server refused another message on a connection after this number of them.
    pub(super) fn learn_messages(&self, messages: usize) {
        self.state().capacity.learn_messages(messages, Instant::now());
    }

    /// Records that the server dropped commands that were sent ahead.
    pub(super) fn keep_order(&self) {
        self.state().capacity.keep_order();
    }

    /// Returns whether messages are not sent ahead, whatever the setting.
    pub(super) fn keeps_order(&self) -> bool {
        self.state().capacity.keeps_order()
    }

    /// Returns the number of recipients per transaction that was learned from the server.
    pub(super) fn learned_recipients(&self) -> Option<usize> {
        self.state().capacity.recipients(Instant::now())
    }

    /// Records that the server accepted this number of recipients in a transaction and no more.
    pub(super) fn learn_recipients(&self, recipients: usize) {
        self.state().capacity.learn_recipients(recipients, Instant::now());
    }

    /// Records that a refusal was not about the number of messages on the connection.
    pub(super) fn forget_messages(&self) {
        self.state().capacity.forget_messages();
    }

    /// Records that the server refused a message for concurrency or rate, at its attempt of this
    /// number. Returns whether the worker has to close its connection, because the mailer now has
    /// one fewer.
    ///
    /// No message begins during the pause, whose length grows with the attempts and with the
    /// refusals in a row. The refused message is not held beyond it: if it waited longer than the
    /// others, they would use up the rate, and it would be refused again.
    pub(super) fn slow_down(&self, attempts: u32, pause: impl FnOnce(u32) -> Duration) -> bool {
        let mut state = self.state();
        let now = Instant::now();
        state.refused_in_a_row = (state.refused_in_a_row + 1).min(MAX_COUNTED_REFUSALS);
        let until = now.checked_add(pause(state.refused_in_a_row.max(attempts)));
        state.pause_until = until.max(state.pause_until);
        let connections = state.capacity.connections().min(state.workers);
        state.capacity.lower_to(connections - 1, now);
        connections > 1
    }

    /// Records that the server accepted a message: the next pause is short again.
    pub(super) fn reset_refusals(&self) {
        self.state().refused_in_a_row = 0;
    }

    /// Removes a worker whose task was dropped. If it was the last one, the queued jobs fail: no
    /// task is left that could run them.
    pub(super) fn worker_aborted(&self, worker: u64) {
        let mut state = self.state();
        state.remove_worker(worker);
        let orphans = match state.workers {
            0 => mem::take(&mut state.queue),
            _ => VecDeque::new(),
        };
        drop(state);
        let closed = Error::new(Step::Connect, Ended::Closed);
        orphans.into_iter().for_each(|queued| self.fail(queued.job, &closed));
        self.exited.notify_waiters();
    }

    /// Returns a snapshot of what was counted, and of the present state.
    pub(super) fn stats(&self) -> MailerStats {
        let mut stats = self.counters.snapshot();
        stats.queued = self.queued();
        let state = self.state();
        stats.paused = state.paused;
        stats.open = state.connected.len();
        stats.idle = state.idle.keys().filter(|id| state.connected.contains(id)).count();
        stats
    }

    /// Returns the number of workers.
    pub(super) fn workers(&self) -> usize {
        self.state().workers
    }

    /// Returns the number of messages that wait for a retry.
    pub(super) fn pauses(&self) -> usize {
        self.state().paused
    }

    /// Returns whether the mailer accepts no further job.
    pub(super) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Returns the number of queued jobs that were not canceled.
    pub(super) fn queued(&self) -> usize {
        self.state().queue.iter().filter(|one| !one.job.is_canceled()).count()
    }

    /// Accepts no further job. Those in the queue are still run.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.wake_all();
        self.places.close();
        drop(state);
        self.pause_ends.notify_waiters();
    }
}

impl State {
    fn new(options: &Options) -> Self {
        Self {
            queue: VecDeque::new(),
            capacity: Capacity::new(options),
            idle: HashMap::new(),
            connected: HashSet::new(),
            last_failure: None,
            permanent_failure: None,
            last_retired: None,
            workers: 0,
            last_worker: 0,
            closed: false,
            paused: 0,
            begun: VecDeque::new(),
            pause_until: None,
            refused_in_a_row: 0,
        }
    }

    /// Queues a job that was begun before.
    fn insert(&mut self, job: Job, hold: Hold, since: Instant) {
        let place = self.queue.iter().take_while(|one| one.again).count();
        self.queue.insert(place, QueuedJob { job, begun: None, again: true, hold, since });
    }

    /// Returns the last failure to connect that no other attempt can mend, if it is recent.
    fn permanent_failure(&self, now: Instant) -> Option<Error> {
        let (error, until) = self.permanent_failure.as_ref()?;
        (now < *until).then(|| error.clone())
    }

    fn drop_canceled(&mut self) {
        while self.queue.front().is_some_and(|first| first.job.is_canceled()) {
            self.queue.pop_front();
        }
    }

    /// Returns the place of the next job that may begin now on a connection, new or not. A pause
    /// holds messages only: the server has not refused session commands.
    fn next_place(&self, now: Instant, is_new: bool) -> Option<usize> {
        let paused = self.pause_until.is_some_and(|until| until > now);
        self.queue.iter().position(|one| {
            let free = match one.hold {
                Hold::Nothing => true,
                Hold::Until(time) => time <= now,
                Hold::NewConnection => is_new,
            };
            free && !(paused && matches!(one.job, Job::Send(_))) && !one.job.is_canceled()
        })
    }

    /// Returns when the next job may begin that is held only until a time.
    fn next_due(&self, now: Instant) -> Option<Instant> {
        let paused = self.pause_until.filter(|&until| until > now);
        let due = |one: &QueuedJob| match (one.hold, &one.job) {
            (Hold::Until(time), Job::Send(_)) => Some(paused.map_or(time, |until| until.max(time))),
            (Hold::Until(time), Job::Acquire(_)) => Some(time),
            (_, Job::Send(_)) => paused,
            (_, Job::Acquire(_)) => None,
        };
        self.queue.iter().filter(|one| !one.job.is_canceled()).filter_map(due).min()
    }

    /// Returns whether a job waits for a new connection and no worker is connecting.
    fn wants_new_connection(&self) -> bool {
        // Only jobs that were begun before have this hold, and they stand at the front.
        let mut again = self.queue.iter().take_while(|one| one.again);
        self.connected.len() == self.workers
            && again.any(|one| one.hold == Hold::NewConnection && !one.job.is_canceled())
    }

    /// Returns what a worker with a connection does that finds no job to begin.
    fn nothing_to_do(&mut self, worker: u64, now: Instant, waker: &Waker) -> Poll<NextAction> {
        if self.closed && self.queue.iter().all(|one| one.job.is_canceled()) {
            return Poll::Ready(NextAction::Close);
        }
        self.idle.insert(worker, waker.clone());
        self.next_due(now).map_or(Poll::Pending, |due| Poll::Ready(NextAction::WaitUntil(due)))
    }

    /// Counts another worker and returns its id, if one is allowed. Above the learned number of
    /// connections one is allowed only as a probe.
    fn reserve_worker(&mut self, now: Instant) -> Option<u64> {
        let most = self.capacity.connections();
        if self.workers > most || (self.workers == most && !self.capacity.raise(now)) {
            return None;
        }
        self.workers += 1;
        self.last_worker += 1;
        Some(self.last_worker)
    }

    /// Removes a worker, and wakes all others: this one may have been woken for a job that it does
    /// not begin any more.
    fn remove_worker(&mut self, worker: u64) {
        self.idle.remove(&worker);
        self.connected.remove(&worker);
        self.workers -= 1;
        if self.workers == 0 {
            // Jobs that are queued from now on wait for attempts of their own.
            self.last_failure = None;
        }
        self.wake_all();
    }

    fn wake_all(&mut self) {
        self.idle.drain().for_each(|(_, waker)| waker.wake());
    }
}
