//! The MTA-STS policies of domains: found, fetched, kept, refreshed.
use std::{
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use quick_cache::sync::Cache;
use tokio::time::{Instant, timeout};
use tracing::{debug, warn};

use crate::{
    DnsError, DnsFailure, FetchError, FetchPolicy, InvalidStsPolicy, InvalidStsRecord, Kind, Name,
    Proof, Record, Resolve, ResultType, StsMode, StsPolicy, StsRecord,
};

pub use self::stored::StoredPolicy;

mod stored;

/// The policies of a bounded number of domains, by the rules of RFC 8461.
///
/// Only domains that announce a policy are kept. One fetch at a time runs for a domain, and the others
/// that need its result wait for it.
#[derive(Debug)]
pub(crate) struct Policies {
    domains: Cache<Name, Arc<Domain>>,
}

/// What applies to a domain now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    /// The policy, whatever its mode.
    pub(crate) policy: Option<Arc<StsPolicy>>,
    /// What is wrong, also where a policy from before applies.
    ///
    /// Without a policy, [`StsProblem::Dns`] leaves open whether the domain has one.
    pub(crate) problem: Option<StsProblem>,
}

/// What is wrong with the MTA-STS policy of a domain.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StsProblem {
    /// The DNS does not tell whether the domain has a policy.
    #[error("MTA-STS: {0}")]
    Dns(#[from] DnsError),
    /// The record of the domain is not valid.
    #[error(transparent)]
    Record(#[from] InvalidStsRecord),
    /// The policy was not fetched.
    #[error("fetching the MTA-STS policy failed: {0}")]
    Fetch(#[from] FetchError),
    /// What was fetched is not a policy.
    #[error(transparent)]
    Policy(#[from] InvalidStsPolicy),
}

impl StsProblem {
    /// Returns the kind of failure for a report.
    pub fn result_type(&self) -> ResultType {
        match self {
            Self::Fetch(FetchError::Certificate(_)) => ResultType::StsWebPkiInvalid,
            Self::Dns(_) | Self::Fetch(_) => ResultType::StsPolicyFetchError,
            Self::Record(_) | Self::Policy(_) => ResultType::StsPolicyInvalid,
        }
    }
}

/// A domain that announces a policy, or did.
#[derive(Debug, Default)]
struct Domain {
    known: Mutex<Known>,
    /// Held by the one that fetches.
    fetching: tokio::sync::Mutex<()>,
}

/// What is known of a domain.
#[derive(Debug, Default)]
struct Known {
    held: Option<Held>,
    failed: Option<Failed>,
}

/// A policy that was fetched.
#[derive(Clone, Debug)]
struct Held {
    policy: Arc<StsPolicy>,
    id: Arc<str>,
    refresh: Instant,
    expires: Instant,
}

/// A fetch that failed.
#[derive(Clone, Debug)]
struct Failed {
    problem: StsProblem,
    id: Arc<str>,
    at: Instant,
}

/// What to do about a record.
enum Need {
    /// Nothing: this applies.
    Nothing(Found),
    /// This applies, and it is time to fetch the policy again.
    Refresh(Found),
    /// The policy is not known.
    Fetch,
}

impl Policies {
    /// How long a fetch that failed is not repeated for the same identifier (RFC 8461, 3.3).
    const PAUSE: Duration = Duration::from_secs(5 * 60);
    /// The same for another identifier, so that a domain that changes it in each answer is not fetched
    /// from for each message.
    const PAUSE_FOR_OTHERS: Duration = Duration::from_secs(60);
    /// The shortest lifetime of a policy. A `max_age` of 0 would mean a fetch for each message.
    const MIN_LIFETIME: Duration = Duration::from_secs(5 * 60);
    /// The time limit of a fetch, in case that the implementation has none.
    const TIME_LIMIT: Duration = Duration::from_secs(120);

    /// Returns a cache that keeps the policies of about so many domains.
    pub(crate) fn new(domains: usize) -> Self {
        Self { domains: Cache::new(domains) }
    }

    /// Returns the policy that applies to this domain now. It waits for the DNS, and for a fetch where
    /// the policy is not known or was changed. If the future is dropped, another one fetches.
    pub(crate) async fn find(
        &self,
        resolver: &impl Resolve,
        fetcher: &impl FetchPolicy,
        name: &Name,
    ) -> Found {
        let record = match record(resolver, name).await {
            Ok(Some(record)) => record,
            Ok(None) => return self.held(name, None),
            Err(problem) => return self.held(name, Some(problem)),
        };
        let Ok(domain) =
            self.domains.get_or_insert_with(name, || Ok::<_, Infallible>(Arc::default()));
        let _fetching = match domain.need(record.id()) {
            Need::Nothing(found) => return found,
            Need::Refresh(found) => match domain.fetching.try_lock() {
                Ok(guard) => guard,
                // What is held is good enough for those that would wait.
                Err(_) => return found,
            },
            Need::Fetch => domain.fetching.lock().await,
        };
        // The one that had the lock may have fetched what is needed.
        if let Need::Nothing(found) = domain.need(record.id()) {
            return found;
        }
        let found = domain.fetch(fetcher, name, &record).await;
        // The domain may have had to make room for others in the meantime.
        if self.domains.peek(name).is_none() {
            self.domains.insert(name.clone(), domain.clone());
        }
        found
    }

    /// Returns the policy from before that applies where the domain announces none.
    fn held(&self, name: &Name, problem: Option<StsProblem>) -> Found {
        let domain = self.domains.get(name);
        let policy = domain.and_then(|domain| domain.known().valid(Instant::now()));
        Found { policy: policy.map(|held| held.policy), problem }
    }

    /// Returns the policies that have not expired, to be kept while the program does not run. `now` is
    /// the time of the calendar.
    pub(crate) fn export(&self, now: SystemTime) -> Vec<StoredPolicy> {
        let instant = Instant::now();
        let stored = |(name, domain): (Name, Arc<Domain>)| {
            let Held { policy, id, expires, .. } = domain.known().valid(instant)?;
            Some(StoredPolicy::after(name, id, policy, now.checked_add(expires - instant)?))
        };
        self.domains.iter().filter_map(stored).collect()
    }

    /// Adds policies that were exported. Those that have expired are ignored, and so are those of
    /// domains of which one is held.
    pub(crate) fn import(&self, stored: impl IntoIterator<Item = StoredPolicy>, now: SystemTime) {
        let instant = Instant::now();
        for stored in stored {
            let Some(left) = stored.left(now) else { continue };
            let (name, id, policy) = stored.into_parts();
            let refresh = instant + left.saturating_sub(policy.max_age() / 2);
            let Ok(domain) =
                self.domains.get_or_insert_with(&name, || Ok::<_, Infallible>(Arc::default()));
            let held = Held { policy, id, refresh, expires: instant + left };
            domain.known().held.get_or_insert(held);
        }
    }
}

impl Domain {
    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing that holds the lock can leave a part of a change.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides by what is known about a policy with this identifier.
    fn need(&self, id: &str) -> Need {
        let (known, now) = (self.known(), Instant::now());
        let held = known.valid(now);
        let is_current = held.as_ref().is_some_and(|held| *held.id == *id);
        let is_fresh = held.as_ref().is_some_and(|held| now < held.refresh);
        let policy = held.map(|held| held.policy);
        if is_current && is_fresh {
            return Need::Nothing(Found { policy, problem: None });
        }
        match &known.failed {
            Some(failed) if failed.is_recent(id, now) => {
                Need::Nothing(Found { policy, problem: Some(failed.problem.clone()) })
            }
            _ if is_current => Need::Refresh(Found { policy, problem: None }),
            _ => Need::Fetch,
        }
    }

    /// Fetches the policy, and remembers it or that there is none.
    async fn fetch(&self, fetcher: &impl FetchPolicy, name: &Name, record: &StsRecord) -> Found {
        let fetched = timeout(Policies::TIME_LIMIT, fetcher.fetch(name)).await;
        let fetched = fetched.unwrap_or(Err(FetchError::TimedOut)).map_err(StsProblem::from);
        let read = fetched.and_then(|text| Ok(StsPolicy::parse(&text)?));
        let (now, id): (_, Arc<str>) = (Instant::now(), record.id().into());
        let mut known = self.known();
        match read {
            Ok(policy) => {
                let policy = Arc::new(policy);
                let lifetime = policy.max_age().max(Policies::MIN_LIFETIME);
                let (refresh, expires) = (now + lifetime / 2, now + lifetime);
                let held = Some(Held { policy: policy.clone(), id, refresh, expires });
                *known = Known { held, failed: None };
                Found { policy: Some(policy), problem: None }
            }
            Err(problem) => {
                let policy = known.valid(now).map(|held| held.policy);
                if policy.as_ref().is_some_and(|policy| policy.mode() == StsMode::None) {
                    debug!(domain = %name, %problem, "MTA-STS policy not fetched");
                } else {
                    warn!(domain = %name, %problem, "MTA-STS policy not fetched");
                }
                known.failed = Some(Failed { problem: problem.clone(), id, at: now });
                Found { policy, problem: Some(problem) }
            }
        }
    }
}

impl Known {
    /// Returns the policy that is held, if it has not expired.
    fn valid(&self, now: Instant) -> Option<Held> {
        self.held.clone().filter(|held| now < held.expires)
    }
}

impl Failed {
    /// Returns whether a policy with this identifier is not to be fetched yet.
    fn is_recent(&self, id: &str, now: Instant) -> bool {
        let pause = match *self.id == *id {
            true => Policies::PAUSE,
            false => Policies::PAUSE_FOR_OTHERS,
        };
        now < self.at + pause
    }
}

/// Looks up the record of a domain.
async fn record(resolver: &impl Resolve, name: &Name) -> Result<Option<StsRecord>, StsProblem> {
    // A domain whose name leaves no room for the label cannot announce anything.
    let Ok(at) = name.with_prefix("_mta-sts") else { return Ok(None) };
    let answer = resolver.lookup(&at, Kind::Txt).await?;
    if answer.proof() == Proof::Bogus {
        return Err(DnsError::new(at, Kind::Txt, DnsFailure::Bogus).into());
    }
    let texts = answer.records().iter().filter_map(|record| match record {
        Record::Txt(text) => Some(&text[..]),
        _ => None,
    });
    Ok(StsRecord::parse(texts)?)
}

#[cfg(test)]
mod tests;
