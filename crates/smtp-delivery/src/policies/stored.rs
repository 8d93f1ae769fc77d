//! A policy that outlives the program. No I/O.
use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{InvalidStsPolicy, Name, StsPolicy};

/// The MTA-STS policy of a domain, to be kept while the program does not run.
///
/// Without it, an attacker that blocks the DNS or the policy host after a restart can undo the protection of
/// a domain. The parts are texts and a number; how they are stored is up to the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPolicy {
    domain: Name,
    id: Arc<str>,
    policy: Arc<StsPolicy>,
    expires: u64,
}

impl StoredPolicy {
    /// Returns the policy of this domain with this identifier, from its text. It expires so many
    /// seconds after 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    /// The text is not a policy.
    pub fn new(
        domain: Name,
        id: impl Into<Arc<str>>,
        text: &str,
        expires: u64,
    ) -> Result<Self, InvalidStsPolicy> {
        let policy = Arc::new(StsPolicy::parse(text.as_bytes())?);
        Ok(Self { domain, id: id.into(), policy, expires })
    }

    pub(super) fn after(
        domain: Name,
        id: Arc<str>,
        policy: Arc<StsPolicy>,
        expires: SystemTime,
    ) -> Self {
        let expires = expires.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Self { domain, id, policy, expires }
    }

    /// Returns the domain.
    pub fn domain(&self) -> &Name {
        &self.domain
    }

    /// Returns the identifier of the policy: that of the TXT record when it was fetched.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the policy. Its text is that of [`Display`](std::fmt::Display).
    pub fn policy(&self) -> &StsPolicy {
        &self.policy
    }

    /// Returns when the policy expires, in seconds since 1970-01-01T00:00:00Z.
    pub fn expires(&self) -> u64 {
        self.expires
    }

    /// Returns for how long the policy is valid from `now` on. It is not longer than the lifetime that
    /// any policy can have, whatever happened to the clock.
    pub(super) fn left(&self, now: SystemTime) -> Option<Duration> {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let left = Duration::from_secs(self.expires).checked_sub(now)?;
        (!left.is_zero()).then_some(left.min(StsPolicy::MAX_AGE))
    }

    pub(super) fn into_parts(self) -> (Name, Arc<str>, Arc<StsPolicy>) {
        (self.domain, self.id, self.policy)
    }
}
