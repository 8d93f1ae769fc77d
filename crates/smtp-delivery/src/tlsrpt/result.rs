//! The result of one attempt to open a TLS session. No I/O.
use std::{fmt, net::IpAddr, sync::Arc};

use crate::{Name, StsPolicy};

/// The result of one attempt to open a TLS session with an MX host.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsResult {
    /// The domain of the recipients, to which the result is reported.
    pub domain: Name,
    /// The policy that applied.
    pub policy: AppliedPolicy,
    /// Why there is no session as the policy requires it, or `None` if there is.
    pub failure: Option<TlsFailure>,
}

/// The policy that applied to an attempt. Cloning shares the texts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppliedPolicy {
    kind: PolicyType,
    domain: Name,
    strings: Arc<[String]>,
    mx_hosts: Arc<[String]>,
}

/// The kinds of policies (RFC 8460, 4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum PolicyType {
    /// DANE: the TLSA records of the MX host.
    Tlsa,
    /// MTA-STS.
    Sts,
    /// Neither.
    NoPolicyFound,
}

/// Why a session was not opened as the policy requires it, and between which hosts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct TlsFailure {
    /// The kind of failure.
    pub result_type: ResultType,
    /// The address that the attempt was made from.
    pub sending_ip: Option<IpAddr>,
    /// The name of the MX host. There is none if the policy itself failed.
    pub mx_hostname: Option<Name>,
    /// The name that the MX host gave in its reply to HELO or EHLO. At most 255 characters are
    /// reported.
    pub mx_helo: Option<String>,
    /// The address of the MX host.
    pub receiving_ip: Option<IpAddr>,
    /// What failed in the words of the TLS library. At most 255 characters are reported.
    pub reason_code: Option<String>,
}

/// The kinds of failures (RFC 8460, 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ResultType {
    /// The MX host does not offer STARTTLS.
    StartTlsNotSupported,
    /// The certificate is not for the name that the policy requires.
    CertificateHostMismatch,
    /// The certificate has expired.
    CertificateExpired,
    /// The issuer of the certificate is not trusted, or another reason the certificate is not.
    CertificateNotTrusted,
    /// Another failure of TLS.
    ValidationFailure,
    /// The TLSA records do not match, or none is usable.
    TlsaInvalid,
    /// DNSSEC cannot validate the answers.
    DnssecInvalid,
    /// DANE is required by the sender, and there are no secure TLSA records.
    DaneRequired,
    /// The MTA-STS policy was not fetched.
    StsPolicyFetchError,
    /// The MTA-STS policy is not valid.
    StsPolicyInvalid,
    /// The certificate of the host of the MTA-STS policy is not valid.
    StsWebPkiInvalid,
}

impl TlsResult {
    /// Returns that a session was opened as the policy requires it.
    pub fn success(domain: Name, policy: AppliedPolicy) -> Self {
        Self { domain, policy, failure: None }
    }

    /// Returns that no session was opened as the policy requires it.
    pub fn failure(domain: Name, policy: AppliedPolicy, failure: TlsFailure) -> Self {
        Self { domain, policy, failure: Some(failure) }
    }
}

impl AppliedPolicy {
    /// The most strings of a policy that are reported.
    pub const MAX_STRINGS: usize = 2 * StsPolicy::MAX_PATTERNS;

    /// Returns that no policy applied to this domain.
    pub fn none(domain: Name) -> Self {
        Self::new(PolicyType::NoPolicyFound, domain, [], [])
    }

    /// Returns the MTA-STS policy of this domain; `policy` is `None` if it was not fetched.
    pub fn sts(domain: Name, policy: Option<&StsPolicy>) -> Self {
        let text = policy.map(ToString::to_string).unwrap_or_default();
        let patterns = policy.map(StsPolicy::patterns).unwrap_or_default();
        let patterns = patterns.iter().map(ToString::to_string);
        Self::new(PolicyType::Sts, domain, text.lines().map(str::to_owned), patterns)
    }

    /// Returns the TLSA records, each as text, such as `3 1 1 0f...`. The domain is the name below
    /// which they are found (RFC 7672, 2.2.3): in general the name of the MX host.
    pub fn tlsa(domain: Name, records: impl IntoIterator<Item = String>) -> Self {
        Self::new(PolicyType::Tlsa, domain, records, [])
    }

    fn new(
        kind: PolicyType,
        domain: Name,
        strings: impl IntoIterator<Item = String>,
        mx_hosts: impl IntoIterator<Item = String>,
    ) -> Self {
        let strings = strings.into_iter().take(Self::MAX_STRINGS).collect();
        Self { kind, domain, strings, mx_hosts: mx_hosts.into_iter().collect() }
    }

    /// Returns the kind of policy.
    pub fn kind(&self) -> PolicyType {
        self.kind
    }

    /// Returns the domain that has the policy.
    pub fn domain(&self) -> &Name {
        &self.domain
    }

    /// Returns the policy as the strings of a report: the lines of a text, or records.
    pub fn strings(&self) -> &[String] {
        &self.strings
    }

    /// Returns the patterns of the names of MX hosts, which only a policy of MTA-STS has.
    pub fn mx_hosts(&self) -> &[String] {
        &self.mx_hosts
    }
}

impl TlsFailure {
    /// Returns a failure of this kind; the fields say the rest.
    pub fn new(result_type: ResultType) -> Self {
        Self {
            result_type,
            sending_ip: None,
            mx_hostname: None,
            mx_helo: None,
            receiving_ip: None,
            reason_code: None,
        }
    }
}

/// The name in a report.
impl fmt::Display for PolicyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tlsa => "tlsa",
            Self::Sts => "sts",
            Self::NoPolicyFound => "no-policy-found",
        })
    }
}

/// The name in a report.
impl fmt::Display for ResultType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StartTlsNotSupported => "starttls-not-supported",
            Self::CertificateHostMismatch => "certificate-host-mismatch",
            Self::CertificateExpired => "certificate-expired",
            Self::CertificateNotTrusted => "certificate-not-trusted",
            Self::ValidationFailure => "validation-failure",
            Self::TlsaInvalid => "tlsa-invalid",
            Self::DnssecInvalid => "dnssec-invalid",
            Self::DaneRequired => "dane-required",
            Self::StsPolicyFetchError => "sts-policy-fetch-error",
            Self::StsPolicyInvalid => "sts-policy-invalid",
            Self::StsWebPkiInvalid => "sts-webpki-invalid",
        })
    }
}
