//! How many deliveries to a domain are under way.
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Name;

/// Counts the deliveries to each domain, and makes those wait that are too many.
pub(super) struct Domains {
    limit: usize,
    /// The domains to which deliveries are under way, or wait.
    busy: Mutex<HashMap<Name, Weak<Semaphore>>>,
}

/// At this many domains, those that nothing goes to any more are forgotten.
const CROWDED: usize = 1000;

impl Domains {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, busy: Mutex::default() }
    }

    /// Waits until there may be another delivery to each of these domains. It is under way until
    /// what is returned is dropped.
    pub(super) async fn enter(&self, domains: &[Name]) -> Vec<OwnedSemaphorePermit> {
        // All wait in the same order, so that no two wait for each other.
        let mut domains: Vec<_> = domains.iter().collect();
        domains.sort_unstable();
        let mut permits = Vec::with_capacity(domains.len());
        for domain in domains {
            // It is never closed.
            permits.extend(self.semaphore(domain).acquire_owned().await);
        }
        permits
    }

    fn semaphore(&self, domain: &Name) -> Arc<Semaphore> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(semaphore) = busy.get(domain).and_then(Weak::upgrade) {
            return semaphore;
        }
        if busy.len() >= CROWDED {
            busy.retain(|_, semaphore| semaphore.strong_count() > 0);
        }
        let semaphore = Arc::new(Semaphore::new(self.limit));
        busy.insert(domain.clone(), Arc::downgrade(&semaphore));
        semaphore
    }
}
