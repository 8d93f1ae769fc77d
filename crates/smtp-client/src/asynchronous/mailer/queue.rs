//! The queue of a mailer: what waits for its turn, and who is there to do it.
use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
    time::Duration,
};

use smtp_error::{Ended, Error, Step};
use tokio::{
    sync::{Notify, Semaphore, oneshot},
    time::Instant,
};

use super::{
    MailerLimits,
    blame::is_one_too_many,
    capacity::Capacity,
    parcel::{Hold, Job, Waiting},
};
use crate::Connector;

/// What all handles and all workers of a mailer share.
pub(super) struct Shared {
    pub(super) connector: Connector,
    pub(super) limits: MailerLimits,
    /// One permit for each that may wait.
    pub(super) room: Arc<Semaphore>,
    state: Mutex<State>,
    /// Told when a worker leaves.
    pub(super) left: Notify,
}

struct State {
    waiting: VecDeque<Waiting>,
    capacity: Capacity,
    /// The workers, by their numbers, that have nothing to do, and how to wake them.
    idle: HashMap<u64, Waker>,
    /// Those that have a connection on which another message may be sent.
    serving: HashSet<u64>,
    /// When a worker was last finished with a connection.
    left_connection: Option<Instant>,
    /// How many workers there are, and how many there have been.
    workers: usize,
    numbers: u64,
    closed: bool,
    /// When the last messages were begun, as many as the rate is about.
    begun: VecDeque<Instant>,
    /// Until when no message is begun, because the server refused the last ones for their pace,
    /// and how many that were in a row.
    pause_until: Option<Instant>,
    refused_in_a_row: u32,
}

/// What there is to do for a worker that looks.
pub(super) enum Turn {
    /// This, and the worker of this number is to be started if there is one.
    Job(Job, Option<u64>),
    /// Nothing before this time.
    Later(Instant),
    /// Nothing on this connection.
    Leave,
}

/// What a worker without a connection has to do.
pub(super) enum Stay {
    Connect,
    /// Nothing before this time.
    Until(Instant),
    /// Nothing; it has left.
    Left,
}

/// An attempt to connect.
pub(super) struct Attempt {
    /// Which one in a row, from 1.
    pub(super) number: u32,
    /// Whether no other worker was there, and how many there had been.
    alone: bool,
    workers_so_far: u64,
}

/// What is to be done after a connection could not be opened.
pub(super) enum Failed {
    /// Try again after a pause.
    Again,
    /// Others have, or are about to have, a connection for what waits. This worker has left.
    Left,
    /// No other worker is there. What waits fails.
    All(VecDeque<Waiting>),
}

/// The most refusals in a row that make the pause longer.
const LONGEST_PAUSE: u32 = 4;
/// How long a server may still count a connection that was closed.
const LINGERING: Duration = Duration::from_secs(5);

impl Shared {
    pub(super) fn new(connector: Connector, limits: MailerLimits) -> Self {
        let room = Arc::new(Semaphore::new(limits.waiting.get().min(Semaphore::MAX_PERMITS)));
        let state = Mutex::new(State::new(limits));
        Self { connector, limits, room, state, left: Notify::new() }
    }

    /// Nothing in it can be half done: a panic elsewhere leaves it whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a job at the end, and says the number of the worker that has to be started for it, if
    /// one has. A mailer that is closed takes none.
    pub(super) fn push(&self, waiting: Waiting) -> Result<Option<u64>, Ended> {
        let mut state = self.state();
        if state.closed {
            return Err(Ended::Quit);
        }
        // Those that were given up behind one that waits for long must not pile up.
        if state.waiting.len() / 2 > self.limits.waiting.get() {
            state.waiting.retain(|one| !one.job.is_given_up());
        }
        state.waiting.push_back(waiting);
        Ok(self.call(&mut state))
    }

    /// Takes a job back, unless its turn has come.
    pub(super) fn take_back<T>(
        &self,
        turn: &mut oneshot::Receiver<()>,
        outcome: &mut oneshot::Receiver<T>,
    ) -> bool {
        // A worker takes a job while the state is locked.
        let _state = self.state();
        let waits = matches!(turn.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        if waits {
            outcome.close();
        }
        waits
    }

    /// Puts what has to be tried again at the front, after what has to be already.
    pub(super) fn push_again(&self, job: Job, hold: Hold) {
        let mut state = self.state();
        let place = state.waiting.iter().take_while(|one| one.turn.is_none()).count();
        state.waiting.insert(place, Waiting { job, turn: None, hold });
        state.wake_all();
    }

    /// Wakes a worker, or has one started if there may be one more.
    fn call(&self, state: &mut State) -> Option<u64> {
        let connected = state.idle.keys().find(|number| state.serving.contains(number));
        let idle = connected.or_else(|| state.idle.keys().next()).copied();
        if let Some(waker) = idle.and_then(|number| state.idle.remove(&number)) {
            waker.wake();
            return None;
        }
        state.one_more(Instant::now())
    }

    /// The next thing to do for this worker, on a connection on which it has done so many already.
    /// The worker is woken when there is one.
    pub(super) fn poll_turn(&self, worker: u64, done: usize, waker: &Waker) -> Poll<Turn> {
        let mut state = self.state();
        let now = Instant::now();
        state.idle.remove(&worker);
        state.drop_given_up();
        let renew = done > 0 && state.wants_new_connection();
        if renew || done >= state.capacity.messages(now) {
            return Poll::Ready(Turn::Leave);
        }
        let Some(place) = state.next_place(now, done == 0) else {
            return state.nothing_to_do(worker, now, waker);
        };
        if let (Job::Send(_), Some(rate)) = (&state.waiting[place].job, self.limits.rate) {
            let full = state.begun.len() >= rate.messages().get();
            let free = state.begun.front().map(|&begun| begun + rate.within());
            if let Some(free) = free.filter(|&free| full && free > now) {
                return Poll::Ready(Turn::Later(free));
            }
            if full {
                state.begun.pop_front();
            }
            state.begun.push_back(now);
        }
        let Some(Waiting { job, turn, .. }) = state.waiting.remove(place) else {
            return Poll::Pending;
        };
        drop(turn);
        let more = state.idle.is_empty() && state.next_place(now, true).is_some();
        let helper = if more { state.one_more(now) } else { None };
        Poll::Ready(Turn::Job(job, helper))
    }

    /// Whether there is something to do for a worker without a connection, which is woken when
    /// there is. If there is nothing, or there are too many workers, it has left.
    pub(super) fn stay(&self, worker: u64, waker: &Waker) -> Stay {
        let mut state = self.state();
        let now = Instant::now();
        state.idle.remove(&worker);
        state.waiting.retain(|one| !one.job.is_given_up());
        if state.waiting.is_empty() || state.workers > state.capacity.connections() {
            state.depart(worker);
            drop(state);
            self.left.notify_waiters();
            return Stay::Left;
        }
        match (state.next_place(now, true), state.next_due(now)) {
            (None, Some(due)) => {
                state.idle.insert(worker, waker.clone());
                Stay::Until(due)
            }
            _ => Stay::Connect,
        }
    }

    /// This worker has other things to do than to wait for a turn.
    pub(super) fn is_busy(&self, worker: u64) {
        self.state().idle.remove(&worker);
    }

    /// This worker begins to connect.
    pub(super) fn attempt(&self, number: u32) -> Attempt {
        let state = self.state();
        let lingers = state.left_connection.is_some_and(|left| left.elapsed() < LINGERING);
        let alone = state.workers == 1 && !lingers;
        Attempt { number, alone, workers_so_far: state.numbers }
    }

    /// This worker has a connection.
    pub(super) fn begin_to_serve(&self, worker: u64) {
        self.state().serving.insert(worker);
    }

    /// This worker's connection is gone, or takes no further message.
    pub(super) fn served(&self, worker: u64) {
        let mut state = self.state();
        state.serving.remove(&worker);
        state.left_connection = Some(Instant::now());
    }

    /// This worker could not connect.
    ///
    /// While other workers are there, no message fails for it: they have a connection, or are about
    /// to have one, or to fail in their turn. A refusal that may have been about the number of
    /// connections is not repeated then; and if the others have failed in the meantime, it is
    /// repeated alone before it counts.
    pub(super) fn not_connected(&self, worker: u64, attempt: &Attempt, error: &Error) -> Failed {
        let mut state = self.state();
        let now = Instant::now();
        let others = state.workers - 1;
        let one_too_many = is_one_too_many(error);
        let more = error.is_transient() && attempt.number < self.limits.attempts.get();
        if others > 0 {
            if more && !one_too_many {
                return Failed::Again;
            }
            state.capacity.lower_to(others, now);
            state.depart(worker);
            drop(state);
            self.left.notify_waiters();
            return Failed::Left;
        }
        let alone = attempt.alone && attempt.workers_so_far == state.numbers;
        let repeat = one_too_many && !alone && attempt.number == 1;
        if repeat {
            state.capacity.lower_to(1, now);
        }
        if more || repeat {
            return Failed::Again;
        }
        Failed::All(std::mem::take(&mut state.waiting))
    }

    /// The server refused another message on a connection that had carried this many.
    pub(super) fn learn_messages(&self, messages: usize) {
        self.state().capacity.learn_messages(messages, Instant::now());
    }

    /// The server did not refuse a message because of those before it.
    pub(super) fn forget_messages(&self) {
        self.state().capacity.forget_messages();
    }

    /// The server refused a message because of concurrency or rate, which was tried this often. No
    /// message is begun for as long as `pause` says for so many attempts, or for so many refusals
    /// in a row. This one is tried first after that: if it waited longer than the others, they
    /// would use up the rate, and it would be refused again. Returns whether the connection has to
    /// be closed, because there may be one fewer.
    pub(super) fn slow_down(&self, attempts: u32, pause: impl FnOnce(u32) -> Duration) -> bool {
        let mut state = self.state();
        let now = Instant::now();
        state.refused_in_a_row = (state.refused_in_a_row + 1).min(LONGEST_PAUSE);
        let until = now.checked_add(pause(state.refused_in_a_row.max(attempts)));
        state.pause_until = until.max(state.pause_until);
        let connections = state.capacity.connections().min(state.workers);
        state.capacity.lower_to(connections - 1, now);
        connections > 1
    }

    /// The server accepts messages at this pace.
    pub(super) fn keep_pace(&self) {
        self.state().refused_in_a_row = 0;
    }

    /// This worker is gone. If nobody is left for what waits, that fails.
    pub(super) fn leave(&self, worker: u64) {
        let mut state = self.state();
        state.depart(worker);
        let orphans = match state.workers {
            0 => std::mem::take(&mut state.waiting),
            _ => VecDeque::new(),
        };
        drop(state);
        let gone = Error::new(Step::Connect, Ended::Closed);
        orphans.into_iter().for_each(|waiting| waiting.job.fail(&gone));
        self.left.notify_waiters();
    }

    /// How many workers there are.
    pub(super) fn workers(&self) -> usize {
        self.state().workers
    }

    /// How many jobs wait.
    pub(super) fn waiting(&self) -> usize {
        self.state().waiting.iter().filter(|one| !one.job.is_given_up()).count()
    }

    /// Takes nothing more on; what waits is still done.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.wake_all();
        self.room.close();
    }
}

impl State {
    fn new(limits: MailerLimits) -> Self {
        Self {
            waiting: VecDeque::new(),
            capacity: Capacity::new(limits),
            idle: HashMap::new(),
            serving: HashSet::new(),
            left_connection: None,
            workers: 0,
            numbers: 0,
            closed: false,
            begun: VecDeque::new(),
            pause_until: None,
            refused_in_a_row: 0,
        }
    }

    fn drop_given_up(&mut self) {
        while self.waiting.front().is_some_and(|first| first.job.is_given_up()) {
            self.waiting.pop_front();
        }
    }

    /// The place of the next job that may be begun now, on a connection that is new or not.
    fn next_place(&self, now: Instant, is_new: bool) -> Option<usize> {
        let paused = self.pause_until.is_some_and(|until| until > now);
        self.waiting.iter().position(|one| {
            let free = match one.hold {
                Hold::Nothing => true,
                Hold::Until(time) => time <= now,
                Hold::NewConnection => is_new,
            };
            free && !(paused && matches!(one.job, Job::Send(_))) && !one.job.is_given_up()
        })
    }

    /// When the next job may be begun that has to wait for a time only.
    fn next_due(&self, now: Instant) -> Option<Instant> {
        let paused = self.pause_until.filter(|&until| until > now);
        let due = |one: &Waiting| match (one.hold, &one.job) {
            (Hold::Until(time), Job::Send(_)) => Some(paused.map_or(time, |until| until.max(time))),
            (Hold::Until(time), Job::Lend(_)) => Some(time),
            (_, Job::Send(_)) => paused,
            (_, Job::Lend(_)) => None,
        };
        self.waiting.iter().filter(|one| !one.job.is_given_up()).filter_map(due).min()
    }

    /// Whether a job waits for a new connection that no worker is about to open.
    fn wants_new_connection(&self) -> bool {
        let mut again = self.waiting.iter().take_while(|one| one.turn.is_none());
        self.serving.len() == self.workers
            && again.any(|one| one.hold == Hold::NewConnection && !one.job.is_given_up())
    }

    /// A worker with a connection finds no job to begin.
    fn nothing_to_do(&mut self, worker: u64, now: Instant, waker: &Waker) -> Poll<Turn> {
        if self.closed && self.waiting.iter().all(|one| one.job.is_given_up()) {
            return Poll::Ready(Turn::Leave);
        }
        self.idle.insert(worker, waker.clone());
        self.next_due(now).map_or(Poll::Pending, |due| Poll::Ready(Turn::Later(due)))
    }

    /// The number of a worker that is to be started, if there may be one more.
    fn one_more(&mut self, now: Instant) -> Option<u64> {
        let most = self.capacity.connections();
        if self.workers > most || (self.workers == most && !self.capacity.raise(now)) {
            return None;
        }
        self.workers += 1;
        self.numbers += 1;
        Some(self.numbers)
    }

    /// A worker leaves. The others look what there is to do for them: it may have been woken for
    /// something that it did not do.
    fn depart(&mut self, worker: u64) {
        self.idle.remove(&worker);
        self.serving.remove(&worker);
        self.workers -= 1;
        self.wake_all();
    }

    fn wake_all(&mut self) {
        self.idle.drain().for_each(|(_, waker)| waker.wake());
    }
}
