//! The trace: what a resolver answered and what was fetched, seen by a wrapper around each.
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use smtp_delivery::{Answer, DnsError, FetchError, FetchPolicy, Kind, Name, Resolve};

/// What was looked up and fetched, in the order in which the answers came.
#[derive(Clone, Default)]
pub(crate) struct Trace(Arc<Mutex<Seen>>);

#[derive(Clone, Default)]
pub(crate) struct Seen {
    pub(crate) lookups: Vec<(Name, Kind, Result<Answer, DnsError>)>,
    pub(crate) fetches: Vec<(Name, Result<Bytes, FetchError>)>,
}

/// A resolver, or what fetches policies, whose answers are traced.
pub(crate) struct Traced<T> {
    inner: T,
    trace: Trace,
}

impl Trace {
    /// Returns the same, traced.
    pub(crate) fn of<T>(&self, inner: T) -> Traced<T> {
        Traced { inner, trace: self.clone() }
    }

    /// Returns what was seen until now.
    pub(crate) fn seen(&self) -> Seen {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn record(&self, record: impl FnOnce(&mut Seen)) {
        record(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl<R: Resolve> Resolve for Traced<R> {
    async fn lookup(&self, name: &Name, kind: Kind) -> Result<Answer, DnsError> {
        let found = self.inner.lookup(name, kind).await;
        self.trace.record(|seen| seen.lookups.push((name.clone(), kind, found.clone())));
        found
    }
}

impl<F: FetchPolicy> FetchPolicy for Traced<F> {
    async fn fetch(&self, domain: &Name) -> Result<Bytes, FetchError> {
        let fetched = self.inner.fetch(domain).await;
        self.trace.record(|seen| seen.fetches.push((domain.clone(), fetched.clone())));
        fetched
    }
}
