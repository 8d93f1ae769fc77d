//! The connections of a server: how many there are, from where, and the tasks that serve them.
use std::{
    collections::HashMap,
    future::Future,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::task::JoinSet;
use tracing::warn;

use super::Capacity;

/// The connections of a server: how many there are, and the tasks that serve them.
pub(super) struct Connections {
    capacity: Capacity,
    counts: Mutex<Counts>,
    /// `None` after the end of the server.
    tasks: Mutex<Option<JoinSet<()>>>,
}

#[derive(Default)]
struct Counts {
    all: usize,
    by_network: HashMap<IpAddr, usize>,
}

/// The place of a connection, which it gives back when it ends.
pub(super) struct Place {
    connections: Arc<Connections>,
    network: Option<IpAddr>,
}

impl Connections {
    pub(super) fn new(capacity: Capacity) -> Self {
        Self { capacity, counts: Mutex::default(), tasks: Mutex::new(Some(JoinSet::new())) }
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a place for a client at this address, if there is room.
    pub(super) fn enter(connections: &Arc<Self>, address: Option<SocketAddr>) -> Option<Place> {
        let network = network(address);
        let mut counts = connections.counts();
        let here = network.and_then(|network| counts.by_network.get(&network)).copied();
        if counts.all >= connections.capacity.connections
            || here.unwrap_or_default() >= connections.capacity.per_address
        {
            return None;
        }
        counts.all += 1;
        if let Some(network) = network {
            *counts.by_network.entry(network).or_default() += 1;
        }
        drop(counts);
        Some(Place { connections: Arc::clone(connections), network })
    }

    fn tasks(&self) -> std::sync::MutexGuard<'_, Option<JoinSet<()>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        // A listener that is being stopped may still accept a connection. It is dropped.
        let mut tasks = self.tasks();
        let Some(tasks) = &mut *tasks else { return };
        // Tasks that have ended give back their memory.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Waits until the last connection has ended, at most for the time of grace, and drops those that
    /// are left.
    pub(super) async fn finish(&self) {
        let Some(mut tasks) = self.tasks().take() else { return };
        let all = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(self.capacity.grace, all).await.is_err() {
            warn!(connections = tasks.len(), "connections dropped at shutdown");
            tasks.shutdown().await;
        }
    }

    /// Drops all connections, without waiting for it.
    pub(super) fn abort(&self) {
        let tasks = self.tasks().take();
        drop(tasks);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.connections.counts();
        counts.all -= 1;
        if let Some(network) = self.network
            && let Some(count) = counts.by_network.get_mut(&network)
        {
            *count -= 1;
            if *count == 0 {
                counts.by_network.remove(&network);
            }
        }
    }
}

/// Returns the address, or the network of 64 bits that an IPv6 address is in: a single host has
/// all of it.
fn network(address: Option<SocketAddr>) -> Option<IpAddr> {
    match address?.ip() {
        IpAddr::V6(ip) => Some(IpAddr::V6((u128::from(ip) >> 64 << 64).into())),
        ip => Some(ip),
    }
}
