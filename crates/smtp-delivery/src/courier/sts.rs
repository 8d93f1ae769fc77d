//! The MTA-STS policies of a courier.
use std::{future::Future, pin::Pin, time::SystemTime};

use bytes::Bytes;

use super::lookups::Lookups;
use crate::{
    FetchError, FetchPolicy, Name, StoredPolicy,
    policies::{Found, Policies},
};

/// The most domains whose policies are kept.
const DOMAINS: usize = 10_000;

/// The policies, and what fetches them; `None` if none is looked for.
pub(super) struct Sts {
    policies: Policies,
    fetcher: Option<Box<dyn Fetcher>>,
}

/// Anything that fetches policies.
trait Fetcher: Send + Sync {
    fn fetch_one<'a>(&'a self, domain: &'a Name) -> Fetching<'a>;
}

/// A fetch under way.
type Fetching<'a> = Pin<Box<dyn Future<Output = Result<Bytes, FetchError>> + Send + 'a>>;

impl<F: FetchPolicy> Fetcher for F {
    fn fetch_one<'a>(&'a self, domain: &'a Name) -> Fetching<'a> {
        Box::pin(self.fetch(domain))
    }
}

impl FetchPolicy for Box<dyn Fetcher> {
    async fn fetch(&self, domain: &Name) -> Result<Bytes, FetchError> {
        (**self).fetch_one(domain).await
    }
}

impl Sts {
    pub(super) fn new(fetcher: impl FetchPolicy + 'static) -> Self {
        let fetcher = fetcher.is_in_use().then(|| Box::new(fetcher) as Box<dyn Fetcher>);
        Self { policies: Policies::new(DOMAINS), fetcher }
    }

    /// Returns the policy of a domain.
    pub(super) async fn find(&self, lookups: &Lookups, domain: &Name) -> Found {
        match &self.fetcher {
            Some(fetcher) => self.policies.find(lookups, fetcher, domain).await,
            None => Found::default(),
        }
    }

    pub(super) fn export(&self, now: SystemTime) -> Vec<StoredPolicy> {
        self.policies.export(now)
    }

    pub(super) fn import(&self, stored: impl IntoIterator<Item = StoredPolicy>, now: SystemTime) {
        self.policies.import(stored, now);
    }
}
