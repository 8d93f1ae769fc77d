//! The queue of a mailer: what waits for its turn, and who is there to do it.
use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

use smtp_caps::Envelope;
use smtp_error::{Delivery, Ended, Error, Step};
use tokio::{
    sync::{Notify, Semaphore, oneshot},
    time::Instant,
};

use super::{MailerLimits, lent::Loan};
use crate::{Connector, Content};

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

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    /// The workers, by their numbers, that have nothing to do, and how to wake them.
    idle: HashMap<u64, Waker>,
    /// Those that have a connection.
    serving: HashSet<u64>,
    /// How many workers there are, and how many there have been.
    workers: usize,
    numbers: u64,
    closed: bool,
    /// When the last messages were begun, as many as the rate is about.
    begun: VecDeque<Instant>,
}

/// What waits. Whoever waits for it learns that its turn has come when `turn` is dropped; what is
/// tried again has had its turn.
pub(super) struct Waiting {
    pub(super) job: Job,
    pub(super) turn: Option<oneshot::Sender<()>>,
}

/// What is to be done on a connection.
pub(super) enum Job {
    Send(Box<Parcel>),
    Lend(Borrower),
}

/// Where a connection that is lent goes.
pub(super) type Borrower = oneshot::Sender<Result<Loan, Error>>;

/// A message, and where its result goes.
pub(super) struct Parcel {
    pub(super) envelope: Arc<Envelope>,
    /// Gone while it is being sent.
    pub(super) content: Option<Content<'static>>,
    /// What is sent if it is tried again, where the content can be given twice.
    pub(super) spare: Option<Content<'static>>,
    /// How often it was tried.
    pub(super) attempts: u32,
    result: oneshot::Sender<Result<Delivery, Error>>,
}

impl Parcel {
    pub(super) fn new(
        envelope: Arc<Envelope>,
        content: Content<'static>,
        result: oneshot::Sender<Result<Delivery, Error>>,
    ) -> Self {
        Self { envelope, content: Some(content), spare: None, attempts: 0, result }
    }

    /// Says what became of it, to whoever still wants to know.
    pub(super) fn settle(self, result: Result<Delivery, Error>) {
        let _ = self.result.send(result);
    }
}

impl Job {
    /// It cannot be done.
    pub(super) fn fail(self, error: &Error) {
        match self {
            Self::Send(parcel) => parcel.settle(Err(error.clone())),
            Self::Lend(borrower) => drop(borrower.send(Err(error.clone()))),
        }
    }

    /// Whether nobody waits for it any more.
    fn is_given_up(&self) -> bool {
        match self {
            Self::Send(parcel) => parcel.result.is_closed(),
            Self::Lend(borrower) => borrower.is_closed(),
        }
    }
}

/// What there is to do for a worker that looks.
pub(super) enum Turn {
    Job(Job),
    /// Not before this time, to keep to the rate.
    Later(Instant),
    /// Nothing, and nothing more will come.
    Closed,
}

impl Shared {
    pub(super) fn new(connector: Connector, limits: MailerLimits) -> Self {
        let room = Arc::new(Semaphore::new(limits.waiting.get().min(Semaphore::MAX_PERMITS)));
        Self { connector, limits, room, state: Mutex::default(), left: Notify::new() }
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

    /// Puts what has to be tried again at the front, behind what has to be already.
    pub(super) fn push_again(&self, job: Job) {
        let waiting = &mut self.state().waiting;
        let place = waiting.iter().take_while(|one| one.turn.is_none()).count();
        waiting.insert(place, Waiting { job, turn: None });
    }

    /// Wakes a worker, or has one started if there may be one more.
    fn call(&self, state: &mut State) -> Option<u64> {
        let idle = state.idle.keys().next().copied();
        if let Some(waker) = idle.and_then(|number| state.idle.remove(&number)) {
            waker.wake();
            return None;
        }
        if state.workers >= self.limits.connections.get() {
            return None;
        }
        state.workers += 1;
        state.numbers += 1;
        Some(state.numbers)
    }

    /// The next thing to do for this worker, which is woken when there is one.
    pub(super) fn poll_turn(&self, worker: u64, waker: &Waker) -> Poll<Turn> {
        let mut state = self.state();
        state.idle.remove(&worker);
        state.drop_given_up();
        let Some(first) = state.waiting.front() else {
            if state.closed {
                return Poll::Ready(Turn::Closed);
            }
            state.idle.insert(worker, waker.clone());
            return Poll::Pending;
        };
        if let (Job::Send(_), Some(rate)) = (&first.job, self.limits.rate) {
            let now = Instant::now();
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
        match state.waiting.pop_front() {
            Some(Waiting { job, turn }) => {
                drop(turn);
                Poll::Ready(Turn::Job(job))
            }
            None => Poll::Pending,
        }
    }

    /// Whether there is something to do. If there is not, the worker has left.
    pub(super) fn stay(&self, worker: u64) -> bool {
        let mut state = self.state();
        state.drop_given_up();
        if state.waiting.is_empty() {
            state.idle.remove(&worker);
            state.workers -= 1;
            drop(state);
            self.left.notify_waiters();
            return false;
        }
        true
    }

    /// This worker has other things to do than to wait for a turn.
    pub(super) fn is_busy(&self, worker: u64) {
        self.state().idle.remove(&worker);
    }

    /// This worker has a connection.
    pub(super) fn begin_to_serve(&self, worker: u64) {
        self.state().serving.insert(worker);
    }

    /// This worker's connection is gone.
    pub(super) fn served(&self, worker: u64) {
        self.state().serving.remove(&worker);
    }

    /// This worker cannot connect. Others that can do what waits; if there are none, it is handed
    /// out.
    pub(super) fn take_unless_served(&self) -> Option<VecDeque<Waiting>> {
        let mut state = self.state();
        state.serving.is_empty().then(|| std::mem::take(&mut state.waiting))
    }

    /// This worker is gone. If nobody is left for what waits, that fails.
    pub(super) fn leave(&self, worker: u64) {
        let mut state = self.state();
        state.idle.remove(&worker);
        state.serving.remove(&worker);
        state.workers -= 1;
        // It may have been woken for something that it did not do.
        state.idle.drain().for_each(|(_, waker)| waker.wake());
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
        state.idle.drain().for_each(|(_, waker)| waker.wake());
        self.room.close();
    }
}

impl State {
    fn drop_given_up(&mut self) {
        while self.waiting.front().is_some_and(|first| first.job.is_given_up()) {
            self.waiting.pop_front();
        }
    }
}
