//! What the callers of a mailer do, as data; and what has to be true of it in any order of events.
use std::{
    collections::HashMap,
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};

use shuttle::{
    Config, MaxSteps, Runner,
    future::{JoinHandle, block_on, spawn, yield_now},
    rand::{Rng, thread_rng},
    scheduler::{PctScheduler, RandomScheduler},
};
use smtp_client::{Ahead, Delivery, Envelope, Error, MailData, Mailer, Message, Retry, Sending};
use tokio::runtime::{Builder, Runtime};

use crate::server::{Host, Manner};

/// A time that does not pass. A worker that was not woken would look again by itself after it.
const NEVER: Duration = Duration::from_secs(1 << 30);
const SECOND: Duration = Duration::from_secs(1);
/// The steps of an execution after which it counts as one that does not end. The longest that do
/// have a hundredth of them.
const STEPS: usize = 200_000;

/// What callers do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    pub(crate) server: Manner,
    pub(crate) connections: usize,
    pub(crate) queue_limit: usize,
    /// How long a message waits for a connection.
    pub(crate) wait_timeout: Duration,
    pub(crate) ahead: bool,
    pub(crate) retry: bool,
    /// The tasks that send, and the messages of each, one after the other.
    pub(crate) tasks: (usize, usize),
    /// The messages of `send_all`.
    pub(crate) collected: usize,
    /// The tasks that acquire a connection.
    pub(crate) acquires: usize,
    /// Whether callers drop some of their futures.
    pub(crate) given_up: bool,
    /// Whether the mailer is closed while messages are sent.
    pub(crate) closed: bool,
    /// Whether time passes, second by second, at any moment. Otherwise nothing may wait for it.
    pub(crate) time: bool,
    /// Whether every message is accepted.
    pub(crate) delivers: bool,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            server: Manner::default(),
            connections: 2,
            queue_limit: 100,
            wait_timeout: NEVER,
            ahead: false,
            retry: false,
            tasks: (3, 2),
            collected: 0,
            acquires: 0,
            given_up: false,
            closed: false,
            time: false,
            delivers: true,
        }
    }
}

/// What a caller was told.
#[derive(Debug)]
enum Claim {
    Result(Result<Delivery, Error>),
    /// The future was dropped.
    Dropped,
}

/// One execution.
struct Run {
    scenario: Scenario,
    host: Arc<Host>,
    mailer: Mailer,
    claims: Mutex<HashMap<String, Claim>>,
    over: AtomicBool,
    clock: Arc<Runtime>,
}

impl Scenario {
    /// Runs it in this number of orders by each scheduler, the same in every run of the test.
    ///
    /// Of the orders, half are those of a random walk, and half have few switches at random places.
    #[track_caller]
    pub(crate) fn check(self, orders: usize) {
        let factor = std::env::var("SIMULATION_FACTOR").map_or(1, |text| text.parse().unwrap());
        let orders = orders * factor;
        let mut config = Config::new();
        config.stack_size = 1 << 20;
        config.max_steps = MaxSteps::FailAfter(STEPS);
        // The clock stands still but for `advance`. What awaits a time wakes its task, which
        // belongs to shuttle, only then.
        let clock = Builder::new_current_thread().enable_time().start_paused(true).build();
        let clock = Arc::new(clock.unwrap());
        let entered = clock.enter();
        let execution = {
            let clock = Arc::clone(&clock);
            move || block_on(Arc::new(Run::new(self, &clock)).execute())
        };
        let random = RandomScheduler::new_from_seed(1, orders);
        Runner::new(random, config.clone()).run(execution.clone());
        let few_switches = PctScheduler::new_from_seed(1, 4, orders);
        Runner::new(few_switches, config).run(execution);
        drop(entered);
    }
}

impl Run {
    fn new(scenario: Scenario, clock: &Arc<Runtime>) -> Self {
        let host = Host::new(scenario.server);
        let mut sending = Sending::default();
        sending.ahead = scenario.ahead.then(Ahead::default);
        let builder = Mailer::builder(host.connector().sending(sending))
            .connections(scenario.connections)
            .queue_limit(scenario.queue_limit)
            .wait_timeout(scenario.wait_timeout)
            .idle_timeout(NEVER)
            .retry(scenario.retry.then(|| Retry::new(2).first_pause(SECOND)));
        let mailer = builder.build();
        let clock = Arc::clone(clock);
        Self {
            scenario,
            host,
            mailer,
            claims: Mutex::default(),
            over: AtomicBool::new(false),
            clock,
        }
    }

    async fn execute(self: Arc<Self>) {
        let Scenario { tasks, collected, acquires, closed, time, .. } = self.scenario;
        let mut callers: Vec<JoinHandle<()>> = Vec::new();
        callers.extend((0..tasks.0).map(|task| spawn(Arc::clone(&self).send(task))));
        callers.extend((0..acquires).map(|_| spawn(Arc::clone(&self).acquire())));
        if collected > 0 {
            callers.push(spawn(Arc::clone(&self).send_all()));
        }
        if closed {
            let mailer = self.mailer.clone();
            callers.push(spawn(async move { mailer.close().await }));
        }
        let clock = time.then(|| spawn(Arc::clone(&self).pass_time()));
        for caller in callers {
            caller.await.unwrap();
        }
        self.mailer.close().await;
        assert_eq!(self.mailer.connections(), 0, "a closed mailer has connections");
        self.host.ended().await;
        self.over.store(true, Relaxed);
        if let Some(clock) = clock {
            clock.await.unwrap();
        }
        self.compare();
    }

    async fn send(self: Arc<Self>, task: usize) {
        for number in 0..self.scenario.tasks.1 {
            let path = format!("m{task}.{number}@example.org");
            let (envelope, content) = message(&path);
            let sent = self.mailer.send(envelope, content);
            let claim = match self.scenario.given_up && thread_rng().gen_bool(0.5) {
                true => given_up(sent).await,
                false => Some(sent.await),
            };
            self.claim(path, claim.map_or(Claim::Dropped, Claim::Result));
        }
    }

    async fn send_all(self: Arc<Self>) {
        let paths = (0..self.scenario.collected).map(|number| format!("c{number}@example.org"));
        let messages = paths.map(|path| {
            let (envelope, content) = message(&path);
            (path, Message::new(envelope, content))
        });
        let mut results = self.mailer.send_all(messages);
        while let Some((path, result)) = results.next().await {
            self.claim(path, Claim::Result(result));
        }
    }

    async fn acquire(self: Arc<Self>) {
        match self.mailer.acquire().await {
            // A session that the server has ended is the caller's to see.
            Ok(mut connection) => drop(connection.noop().await),
            Err(error) => assert!(!self.scenario.delivers, "{error}"),
        }
    }

    async fn pass_time(self: Arc<Self>) {
        while !self.over.load(Relaxed) {
            yield_now().await;
            self.clock.block_on(tokio::time::advance(SECOND));
        }
    }

    fn claim(&self, path: String, claim: Claim) {
        let known = self.claims.lock().unwrap().insert(path, claim);
        assert!(known.is_none(), "a second result: {known:?}");
    }

    /// What the server has is what the callers were told.
    fn compare(&self) {
        let claims = self.claims.lock().unwrap();
        let Scenario { tasks, collected, delivers, .. } = self.scenario;
        assert_eq!(claims.len(), tasks.0 * tasks.1 + collected, "a message has no result");
        for (path, claim) in &*claims {
            let (least, most) = match claim {
                Claim::Result(Ok(delivery)) if delivery.all_accepted() => (1, 1),
                Claim::Result(Err(error)) if error.in_doubt() => (0, 1),
                Claim::Result(_) => (0, 0),
                Claim::Dropped => (0, 1),
            };
            let count = self.host.count(path);
            assert!((least..=most).contains(&count), "{path}: {claim:?}, and there {count} times");
            assert!(!delivers || least == 1, "{path}: {claim:?}");
        }
        let stats = self.mailer.stats();
        assert_eq!((stats.queued, stats.paused, stats.open, stats.idle), (0, 0, 0, 0));
        let results = stats.accepted
            + stats.partly_accepted
            + stats.refused
            + stats.in_doubt
            + stats.not_sent;
        assert!(results <= claims.len() as u64, "a message was settled twice: {stats:?}");
        assert!(!delivers || results == claims.len() as u64, "{stats:?}");
    }
}

fn message(path: &str) -> (Envelope, MailData) {
    let envelope = Envelope::new(path, ["r@example.com"]).unwrap();
    (envelope, MailData::new("Subject: s\r\n\r\nt\r\n").unwrap())
}

/// Awaits a future for a while, and drops it.
async fn given_up<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    for _ in 0..thread_rng().gen_range(0..40) {
        let polled = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
        if let Poll::Ready(result) = polled {
            return Some(result);
        }
        yield_now().await;
    }
    None
}
