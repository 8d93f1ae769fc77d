//! The trait of those who fetch MTA-STS policies. No I/O.
use std::{future::Future, sync::Arc};

use bytes::Bytes;
use smtp_error::Cause;

use crate::{DnsError, Name, StsPolicy};

/// Fetches MTA-STS policies.
///
/// An implementation has a limit of time and of size, and checks what RFC 8461, 3.3 says: the
/// certificate is valid for `mta-sts.DOMAIN`, the status is 200, and no redirect is followed.
pub trait FetchPolicy: Send + Sync {
    /// Fetches the text of `https://mta-sts.DOMAIN/.well-known/mta-sts.txt`.
    ///
    /// # Errors
    /// There is no text that may be used.
    fn fetch(&self, domain: &Name) -> impl Future<Output = Result<Bytes, FetchError>> + Send;

    /// Returns whether policies are looked for at all.
    fn is_in_use(&self) -> bool {
        true
    }
}

impl<F: FetchPolicy> FetchPolicy for Arc<F> {
    async fn fetch(&self, domain: &Name) -> Result<Bytes, FetchError> {
        F::fetch(self, domain).await
    }

    fn is_in_use(&self) -> bool {
        F::is_in_use(self)
    }
}

/// No policies at all, for a [`Courier`](crate::Courier) without MTA-STS: domains that publish a policy
/// and no TLSA records get what opportunistic TLS gives.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "it says no, and nothing else")]
pub struct NoPolicies;

impl FetchPolicy for NoPolicies {
    async fn fetch(&self, _: &Name) -> Result<Bytes, FetchError> {
        Err(FetchError::NotAHost)
    }

    fn is_in_use(&self) -> bool {
        false
    }
}

/// Why a policy was not fetched. All of it may succeed later.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The name of the policy host cannot be that of a host.
    #[error("`mta-sts` and the domain make no name of a host")]
    NotAHost,
    /// The addresses of the policy host cannot be looked up.
    #[error("policy host: {0}")]
    Dns(#[from] DnsError),
    /// The policy host has no address.
    #[error("the policy host has no address")]
    NoAddress,
    /// No connection to an address of the policy host. The cause is that of the last address tried.
    #[error("connecting to the policy host failed: {0}")]
    Connect(#[source] Cause),
    /// The certificate of the policy host is not valid, or not for its name: `sts-webpki-invalid` of
    /// RFC 8460, 4.3.
    #[error("the certificate of the policy host is not valid: {0}")]
    Certificate(#[source] Cause),
    /// The TLS handshake with the policy host failed for another reason.
    #[error("TLS handshake with the policy host failed: {0}")]
    Tls(#[source] Cause),
    /// The policy host answered with a status that is not 200.
    #[error("the policy host answered with the HTTP status {0} instead of 200")]
    Status(u16),
    /// The media type is not `text/plain`, or is not stated.
    #[error("the media type of the policy is not `text/plain`")]
    MediaType,
    /// The policy has more than 64 KiB, or the response around it more than any such policy needs.
    #[error(
        "the response of the policy host is too large; the limit is {} octets",
        StsPolicy::MAX_SIZE
    )]
    TooLarge,
    /// The policy host did not complete its response in time.
    #[error("the policy host did not complete its response in time")]
    TimedOut,
    /// The connection failed, or the response is not HTTP.
    #[error("the response of the policy host cannot be read: {0}")]
    Http(#[source] Cause),
    /// Something else.
    #[error("{0}")]
    Other(#[source] Cause),
}
