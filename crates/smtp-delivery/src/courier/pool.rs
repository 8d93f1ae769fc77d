//! The pool: connections that are kept, how many there are to a host, and which hosts are left alone
//! for a while.
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use smtp_client::{Connection, Rate};
use tokio::{
    runtime::Handle,
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, sleep_until, timeout},
};

use super::LONGEST;
use crate::{Demand, Name};

/// What a connection can be used for again: the same address, host and protection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) address: SocketAddr,
    /// The host that the certificate was for.
    pub(super) host: Option<Name>,
    pub(super) demand: Demand,
}

/// The limits of the pool.
#[derive(Clone, Debug)]
pub(super) struct PoolLimits {
    /// The most connections that are used at a time.
    pub(super) connections: usize,
    /// The most connections to an address.
    pub(super) per_host: usize,
    /// The most messages on a connection.
    pub(super) messages: usize,
    /// The most messages to an address per period.
    pub(super) rate: Option<Rate>,
    /// How long a connection is kept unused.
    pub(super) idle: Duration,
    /// The first and the longest time for which a host that failed is left alone.
    pub(super) deferral: (Duration, Duration),
}

/// The most hosts of which something is remembered, if nothing is open to them.
const REMEMBERED: usize = 10_000;
/// How long the end of a session may take that is not needed any more.
const QUIT_LIMIT: Duration = Duration::from_secs(5);

/// Connections, shared by all deliveries of a courier.
#[derive(Clone)]
pub(super) struct Pool(Arc<Shared>);

struct Shared {
    limits: PoolLimits,
    /// One permit for each connection that is in use.
    in_use: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    hosts: HashMap<SocketAddr, Host>,
    /// Hosts that may not be connected to in one way: the protection cannot be had.
    unfit: HashMap<Key, Deferral>,
    is_closed: bool,
    /// Whether a task closes what is idle for too long.
    is_swept: bool,
}

struct Host {
    /// Connections: those that are being opened, those that are idle and those whose session is
    /// being ended are among them.
    open: usize,
    /// The most connections: fewer than the limit after the host said that there are too many.
    limit: usize,
    /// When the host said so.
    reduced: Option<Instant>,
    /// Whether a connection was opened since the host last failed. Until then one is tried at a time.
    is_known: bool,
    idle: Vec<Idle>,
    deferral: Option<Deferral>,
    /// When the next message may be sent, by the rate.
    next_message: Instant,
    /// Wakes those who wait for a connection.
    changed: Arc<Notify>,
}

struct Idle {
    key: Key,
    connection: Connection,
    place: Place,
    messages: usize,
    since: Instant,
}

/// A host that is left alone.
#[derive(Clone, Copy)]
struct Deferral {
    until: Instant,
    failures: u32,
}

/// A place among the connections to an address, from before the connection is opened until it is
/// closed. Dropped, it makes room for another. The lock must not be held then.
struct Place {
    shared: Weak<Shared>,
    address: SocketAddr,
}

/// The right to a connection, and the connection once it is open.
pub(super) struct Lease {
    shared: Arc<Shared>,
    key: Key,
    connection: Option<Connection>,
    /// There is one until the lease is dropped.
    place: Option<Place>,
    messages: usize,
    _in_use: Option<OwnedSemaphorePermit>,
}

impl Pool {
    pub(super) fn new(limits: PoolLimits) -> Self {
        let in_use = Arc::new(Semaphore::new(limits.connections.max(1)));
        Self(Arc::new(Shared { limits, in_use, state: Mutex::default() }))
    }

    /// Waits for a connection, or for the right to open one. What is idle is used first.
    ///
    /// # Errors
    /// The host failed a short while ago: after how long it is tried again.
    pub(super) async fn lease(&self, key: &Key) -> Result<Lease, Duration> {
        let mut lease = loop {
            let changed = self.0.state().host(&self.0.limits, key.address).changed.clone();
            // Whatever changes from here on is noticed.
            let notified = changed.notified();
            match self.0.take(key)? {
                Taken::Lease(lease) => break lease,
                Taken::Wait => notified.await,
                Taken::Evicted(idle) => {
                    end_session(idle);
                    notified.await;
                }
            }
        };
        // The semaphore is never closed.
        lease._in_use = Arc::clone(&self.0.in_use).acquire_owned().await.ok();
        Ok(lease)
    }

    /// The host was connected to with this protection.
    pub(super) fn opened(&self, key: &Key) {
        let mut state = self.0.state();
        state.unfit.remove(key);
        let host = state.host(&self.0.limits, key.address);
        host.deferral = None;
        if !host.is_known {
            host.is_known = true;
            for _ in 0..host.limit {
                host.changed.notify_one();
            }
        }
    }

    /// The host could not be connected to. It is left alone for a while, longer after each time.
    pub(super) fn failed(&self, key: &Key) {
        let mut state = self.0.state();
        let limits = &self.0.limits;
        let host = state.host(limits, key.address);
        host.is_known = false;
        host.deferral = Some(Deferral::after(host.deferral, limits.deferral));
        host.changed.notify_waiters();
    }

    /// The protection cannot be had there. Connections with another one are not affected.
    pub(super) fn unfit(&self, key: &Key) {
        let mut state = self.0.state();
        let earlier = state.unfit.get(key).copied();
        state.unfit.insert(key.clone(), Deferral::after(earlier, self.0.limits.deferral));
        if state.unfit.len() > REMEMBERED {
            let now = Instant::now();
            state.unfit.retain(|_, deferral| deferral.until > now);
        }
        state.host(&self.0.limits, key.address).changed.notify_waiters();
    }

    /// The host says that there are too many connections. Fewer are opened for as long as a host is
    /// left alone at most; if there is no other, it has failed.
    pub(super) fn too_many(&self, key: &Key) {
        {
            let mut state = self.0.state();
            let host = state.host(&self.0.limits, key.address);
            if host.open > 1 {
                host.limit = host.open - 1;
                host.reduced = Some(Instant::now());
                return;
            }
        }
        self.failed(key);
    }

    /// Closes what is idle, and keeps no connection from now on.
    pub(super) async fn close(&self) {
        let idle: Vec<_> = {
            let mut state = self.0.state();
            state.is_closed = true;
            state.hosts.values_mut().flat_map(Host::drain).collect()
        };
        futures_util::future::join_all(idle.into_iter().map(quit)).await;
    }

    /// Returns the number of open connections, idle ones and those that are being closed included.
    pub(super) fn open(&self) -> usize {
        self.0.state().hosts.values().map(|host| host.open).sum()
    }
}

enum Taken {
    Lease(Lease),
    /// A connection with another protection gave up its place.
    Evicted(Idle),
    Wait,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that could panic runs while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(self: &Arc<Self>, key: &Key) -> Result<Taken, Duration> {
        let mut state = self.state();
        let now = Instant::now();
        if let Some(wait) = state.unfit.get(key).and_then(|deferral| deferral.rest(now)) {
            return Err(wait);
        }
        let host = state.host(&self.limits, key.address);
        if let Some(wait) = host.deferral.and_then(|deferral| deferral.rest(now)) {
            return Err(wait);
        }
        let lease = |connection, place, messages| Lease {
            shared: Arc::clone(self),
            key: key.clone(),
            connection,
            place: Some(place),
            messages,
            _in_use: None,
        };
        // The one that was used last is the least likely to have been closed.
        if let Some(place) = host.idle.iter().rposition(|idle| idle.key == *key) {
            let idle = host.idle.remove(place);
            return Ok(Taken::Lease(lease(Some(idle.connection), idle.place, idle.messages)));
        }
        if host.reduced.is_some_and(|since| since + self.limits.deferral.1 <= now) {
            (host.limit, host.reduced) = (self.limits.per_host, None);
        }
        if host.open < if host.is_known { host.limit } else { 1 } {
            host.open += 1;
            let place = Place { shared: Arc::downgrade(self), address: key.address };
            return Ok(Taken::Lease(lease(None, place, 0)));
        }
        if host.idle.is_empty() {
            return Ok(Taken::Wait);
        }
        Ok(Taken::Evicted(host.idle.remove(0)))
    }

    /// Closes what has been idle for too long. Returns when that is to be looked at again.
    fn sweep(&self) -> Option<Instant> {
        let mut expired = Vec::new();
        let mut state = self.state();
        let now = Instant::now();
        let mut next = None;
        for host in state.hosts.values_mut() {
            let is_expired = |idle: &mut Idle| idle.since + self.limits.idle <= now;
            expired.extend(host.idle.extract_if(.., is_expired));
            let expires = host.idle.iter().map(|idle| idle.since + self.limits.idle).min();
            next = match (next, expires) {
                (Some(one), Some(other)) => Some(Instant::min(one, other)),
                (one, other) => one.or(other),
            };
        }
        state.is_swept = next.is_some();
        drop(state);
        expired.into_iter().for_each(end_session);
        next
    }
}

impl State {
    fn host(&mut self, limits: &PoolLimits, address: SocketAddr) -> &mut Host {
        if self.hosts.len() >= REMEMBERED && !self.hosts.contains_key(&address) {
            let now = Instant::now();
            self.hosts.retain(|_, host| host.is_needed(now));
        }
        self.hosts.entry(address).or_insert_with(|| Host {
            open: 0,
            limit: limits.per_host.max(1),
            reduced: None,
            is_known: false,
            idle: Vec::new(),
            deferral: None,
            next_message: Instant::now(),
            changed: Arc::default(),
        })
    }
}

impl Host {
    fn is_needed(&self, now: Instant) -> bool {
        self.open > 0
            || Arc::strong_count(&self.changed) > 1
            || self.deferral.is_some_and(|deferral| deferral.until > now)
            || self.next_message > now
    }

    fn drain(&mut self) -> Vec<Idle> {
        self.changed.notify_waiters();
        std::mem::take(&mut self.idle)
    }
}

impl Deferral {
    /// Returns the deferral after another failure.
    fn after(earlier: Option<Self>, (first, longest): (Duration, Duration)) -> Self {
        let now = Instant::now();
        // Failures of attempts that began before the host was left alone count once.
        let failures = match earlier {
            Some(earlier) if earlier.until > now => return earlier,
            Some(earlier) => earlier.failures.saturating_add(1),
            None => 0,
        };
        let period = first.saturating_mul(1 << failures.min(16)).min(longest);
        Self { until: now + period, failures }
    }

    fn rest(&self, now: Instant) -> Option<Duration> {
        let rest = self.until.saturating_duration_since(now);
        (!rest.is_zero()).then_some(rest)
    }
}

impl Lease {
    /// Returns the connection, if there is one.
    pub(super) fn connection(&mut self) -> Option<&mut Connection> {
        self.connection.as_mut()
    }

    /// Gives the lease the connection that was opened.
    pub(super) fn set_connection(&mut self, connection: Connection) {
        (self.connection, self.messages) = (Some(connection), 0);
    }

    /// Returns whether no message was sent on the connection before.
    pub(super) fn is_fresh(&self) -> bool {
        self.messages == 0
    }

    /// Keeps the connection for no other message: its session takes none.
    pub(super) fn exhaust(&mut self) {
        self.messages = usize::MAX;
    }

    /// Waits until the rate allows another message, and counts it.
    pub(super) async fn pace(&mut self) {
        self.messages = self.messages.saturating_add(1);
        let wait = match self.shared.limits.rate {
            None => return,
            Some(rate) => {
                let now = Instant::now();
                let count = u32::try_from(rate.messages()).unwrap_or(u32::MAX).max(1);
                let within = rate.within().min(LONGEST);
                let interval = within / count;
                let mut state = self.shared.state();
                let host = state.host(&self.shared.limits, self.key.address);
                // As many as the period allows may come at once, if none came before.
                let earliest = host.next_message.max(now);
                host.next_message = earliest + interval;
                (earliest + interval).saturating_duration_since(now + within)
            }
        };
        sleep(wait).await;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(place) = self.place.take() else { return };
        let usable = self.connection.take().filter(|connection| connection.ended().is_none());
        let Some(connection) = usable else { return };
        let (key, messages, since) = (self.key.clone(), self.messages, Instant::now());
        let idle = Idle { key, connection, place, messages, since };
        let mut state = self.shared.state();
        if self.messages >= self.shared.limits.messages || state.is_closed {
            drop(state);
            return end_session(idle);
        }
        let is_swept = state.is_swept;
        let host = state.host(&self.shared.limits, self.key.address);
        host.idle.push(idle);
        host.changed.notify_one();
        if !is_swept && let Ok(runtime) = Handle::try_current() {
            state.is_swept = true;
            runtime.spawn(sweep(Arc::downgrade(&self.shared)));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(shared) = self.shared.upgrade() else { return };
        let mut state = shared.state();
        let host = state.host(&shared.limits, self.address);
        host.open -= 1;
        host.changed.notify_one();
    }
}

/// Closes idle connections in time, until there is none.
async fn sweep(shared: Weak<Shared>) {
    loop {
        let Some(next) = shared.upgrade().and_then(|shared| shared.sweep()) else { return };
        sleep_until(next).await;
    }
}

/// Ends a session that is not needed any more, without keeping the caller waiting.
fn end_session(idle: Idle) {
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(quit(idle));
    }
}

/// Ends a session. The host counts the connection until it is closed, and so does its place.
async fn quit(idle: Idle) {
    let Idle { mut connection, place, .. } = idle;
    // Nothing depends on the reply.
    let _ = timeout(QUIT_LIMIT, connection.quit()).await;
    drop(connection);
    drop(place);
}
