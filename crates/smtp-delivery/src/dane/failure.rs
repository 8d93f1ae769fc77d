//! Why the certificate of a server is not the one that its TLSA records have. No I/O.
use std::fmt;

use rustls::{CertificateError, pki_types::UnixTime};
use smtp_error::Cause;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use webpki::EndEntityCert;

use crate::Name;

/// Why a server is not authenticated by its TLSA records.
///
/// A handshake that the [`DaneVerifier`](super::DaneVerifier) refuses fails with it:
/// [`DaneFailure::of`] finds it in the cause of the error.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DaneFailure {
    /// No record matches a certificate that the server sent.
    #[error("no TLSA record matches a certificate that the server sent")]
    NoMatch,
    /// A record of usage 2 (DANE-TA) matches the certificate of the server itself, and no issuer of
    /// it. A certificate is not its own trust anchor (RFC 5280, 6.1): such a record needs usage 3.
    #[error(
        "a TLSA record of usage 2 (DANE-TA) matches the server's own certificate instead of an \
         issuer's; the record needs usage 3 (DANE-EE)"
    )]
    OwnCertificate,
    /// No valid chain leads from the certificate of the server to a trust anchor of the records.
    #[error("the server sent no valid chain of certificates to a trust anchor of TLSA: {0}")]
    Chain(#[source] Cause),
    /// The chain is valid, and the certificate is for other names.
    #[error("the certificate is for {}, and not for {}", List(presented), List(expected))]
    Name {
        /// The names of which the certificate has to have one.
        expected: Vec<Name>,
        /// The DNS names in the certificate, at most [`DaneFailure::MAX_NAMES`] of them.
        presented: Vec<String>,
    },
    /// The certificate, or another of its chain, has expired.
    #[error("a certificate of the chain expired on {}", Date(not_after))]
    Expired {
        /// The last moment at which the certificate was valid.
        not_after: UnixTime,
    },
    /// The certificate, or another of its chain, is not valid yet.
    #[error("a certificate of the chain is not valid before {}", Date(not_before))]
    NotYetValid {
        /// The first moment at which the certificate is valid.
        not_before: UnixTime,
    },
}

impl DaneFailure {
    /// The most names of a certificate in a [`Name`](Self::Name): an issuer can put thousands into
    /// one.
    pub const MAX_NAMES: usize = 10;

    /// Returns the failure that a handshake ended with, if it is one of DANE. The cause is that of a
    /// [`Broken::Tls`](smtp_client::Broken::Tls), or an error of rustls.
    pub fn of(cause: &Cause) -> Option<&Self> {
        match cause.downcast_ref()? {
            rustls::Error::InvalidCertificate(CertificateError::Other(other)) => {
                other.0.downcast_ref()
            }
            _ => None,
        }
    }

    /// Returns why the chain of a certificate is not valid.
    pub(super) fn of_chain(error: webpki::Error) -> Self {
        match error {
            webpki::Error::CertExpired { not_after, .. } => Self::Expired { not_after },
            webpki::Error::CertNotValidYet { not_before, .. } => Self::NotYetValid { not_before },
            other => Self::Chain(Cause::new(other)),
        }
    }

    /// Returns that a certificate is for other names than these.
    pub(super) fn of_name(certificate: &EndEntityCert<'_>, expected: &[Name]) -> Self {
        let presented = certificate.valid_dns_names().take(Self::MAX_NAMES);
        Self::Name {
            expected: expected.to_vec(),
            presented: presented.map(str::to_owned).collect(),
        }
    }
}

/// Displays names, separated by commas.
struct List<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for List<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, others)) = self.0.split_first() else { return f.write_str("no name") };
        write!(f, "{first}")?;
        others.iter().try_for_each(|name| write!(f, ", {name}"))
    }
}

/// Displays a moment, such as `2026-01-31T12:00:00Z`; one after the year 9999, in seconds.
struct Date<'a>(&'a UnixTime);

impl fmt::Display for Date<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let date = i64::try_from(seconds).ok().and_then(|seconds| {
            OffsetDateTime::from_unix_timestamp(seconds).ok()?.format(&Rfc3339).ok()
        });
        match date {
            Some(date) => f.write_str(&date),
            None => write!(f, "second {seconds} of the Unix epoch"),
        }
    }
}
