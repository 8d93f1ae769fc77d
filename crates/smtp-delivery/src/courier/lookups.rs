//! Lookups: answers of the DNS, kept for as long as they may be used.
use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use quick_cache::sync::Cache;
use tokio::time::{Instant, timeout};

use crate::{Answer, DnsError, DnsFailure, Kind, Name, Proof, Record, Resolve};

/// The most answers that are kept.
const ANSWERS: usize = 10_000;
/// The most records of an answer that are used. A domain with more has made a mistake, or wants a
/// courier to be busy.
const RECORDS: usize = 100;
/// The most octets of a text: those of an MTA-STS record (RFC 8461, 3.1) are far fewer, and others
/// are not looked for.
const TEXT: usize = 4096;
/// An answer is used again for at least this long, so that a message to many recipients needs one.
const SHORTEST: Duration = Duration::from_secs(1);
/// An answer is used again for at most this long.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// A failed lookup is not repeated for this long (RFC 2308, 7 allows five minutes).
const FAILURE: Duration = Duration::from_secs(30);

/// Any resolver.
trait Resolver: Send + Sync {
    fn look_up<'a>(
        &'a self,
        name: &'a Name,
        kind: Kind,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, DnsError>> + Send + 'a>>;
}

impl<R: Resolve> Resolver for R {
    fn look_up<'a>(
        &'a self,
        name: &'a Name,
        kind: Kind,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, DnsError>> + Send + 'a>> {
        Box::pin(self.lookup(name, kind))
    }
}

/// A resolver with a memory. Several tasks that need the same answer cause one lookup.
pub(super) struct Lookups {
    resolver: Box<dyn Resolver>,
    kept: Cache<(Name, Kind), Kept>,
    /// How long a lookup may take.
    limit: Duration,
}

#[derive(Clone)]
struct Kept {
    found: Result<Arc<Answer>, Arc<DnsError>>,
    expires: Instant,
}

impl Lookups {
    pub(super) fn new(resolver: impl Resolve + 'static, limit: Duration) -> Self {
        Self { resolver: Box::new(resolver), kept: Cache::new(ANSWERS), limit }
    }

    /// Looks up these records, or returns what is known of them.
    pub(super) async fn look_up(&self, name: &Name, kind: Kind) -> Result<Arc<Answer>, DnsError> {
        let key = (name.clone(), kind);
        // What has expired makes room for the guard, which all but one task wait for.
        self.kept.remove_if(&key, |kept| kept.expires <= Instant::now());
        let guard = match self.kept.get_value_or_guard_async(&key).await {
            Ok(kept) => return kept.found.map_err(|error| DnsError::clone(&error)),
            Err(guard) => guard,
        };
        let found = match timeout(self.limit, self.resolver.look_up(name, kind)).await {
            Ok(Ok(answer)) if answer.proof() == Proof::Bogus => Err(DnsFailure::Bogus),
            Ok(Ok(answer)) => Ok(Arc::new(bounded(answer))),
            Ok(Err(error)) => Err(error.failure),
            Err(_) => Err(DnsFailure::TimedOut),
        };
        let found = found.map_err(|failure| Arc::new(DnsError::new(name.clone(), kind, failure)));
        let lifetime = found.as_ref().map_or(FAILURE, |answer| answer.ttl());
        let expires = Instant::now() + lifetime.clamp(SHORTEST, LONGEST);
        // It fails if the place was taken in between, by a value that is as good.
        let _ = guard.insert(Kept { found: found.clone(), expires });
        found.map_err(|error| DnsError::clone(&error))
    }
}

impl Resolve for Lookups {
    async fn lookup(&self, name: &Name, kind: Kind) -> Result<Answer, DnsError> {
        self.look_up(name, kind).await.map(|answer| Answer::clone(&answer))
    }
}

/// Returns the answer without what is too much of it.
fn bounded(mut answer: Answer) -> Answer {
    answer.retain(|record| !matches!(record, Record::Txt(text) if text.len() > TEXT));
    answer.truncate(RECORDS);
    answer
}
