//! Answers of the DNS, and the trait of those who get them. No I/O.
use std::{fmt, future::Future, net::IpAddr, sync::Arc, time::Duration};

use smtp_error::Cause;

use crate::{Name, Tlsa};

/// Looks up records in the DNS.
///
/// It follows aliases (CNAME) itself, and says what DNSSEC proves of the result. A resolver that
/// validates nothing answers with [`Proof::Insecure`] always: then there is no DANE.
pub trait Resolve: Send + Sync {
    /// Looks up the records of this kind at this name.
    ///
    /// # Errors
    /// There is no answer, or none that may be used. That a name does not exist, or has no such
    /// records, is an answer.
    fn lookup(
        &self,
        name: &Name,
        kind: Kind,
    ) -> impl Future<Output = Result<Answer, DnsError>> + Send;
}

impl<R: Resolve> Resolve for Arc<R> {
    async fn lookup(&self, name: &Name, kind: Kind) -> Result<Answer, DnsError> {
        R::lookup(self, name, kind).await
    }
}

/// The kinds of records that a delivery needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The hosts that accept mail for a domain (RFC 5321, 5).
    Mx,
    /// The IPv4 addresses of a host.
    A,
    /// The IPv6 addresses of a host.
    Aaaa,
    /// The certificates and keys of a host (RFC 6698).
    Tlsa,
    /// Texts, among them the identifier of an MTA-STS policy (RFC 8461, 3.1).
    Txt,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mx => "MX",
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Tlsa => "TLSA",
            Self::Txt => "TXT",
        })
    }
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Record {
    /// A host that accepts mail; hosts with a lower preference come first.
    Mx {
        /// The preference.
        preference: u16,
        /// The name of the host; the root for a null MX (RFC 7505).
        exchange: Name,
    },
    /// An address.
    Address(IpAddr),
    /// A certificate or key.
    Tlsa(Tlsa),
    /// A text: the strings of one record, joined.
    Txt(Vec<u8>),
}

/// What DNSSEC proves of an answer (RFC 4035, 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Proof {
    /// The signatures are wrong or missing: the answer may be forged, and is not used.
    Bogus,
    /// The zone is not signed: the answer may be forged.
    Insecure,
    /// The answer is authentic.
    Secure,
}

/// An answer: the records, or that there are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    records: Vec<Record>,
    ttl: Duration,
    proof: Proof,
    exists: bool,
    alias: Option<Alias>,
}

/// That the name that was looked up is an alias of another.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Alias {
    target: Name,
    proof: Proof,
}

impl Answer {
    /// Returns an answer with these records; without any, it says that the name exists and has none
    /// of the kind. It may be used for the duration `ttl`. The proof is that of the whole answer,
    /// aliases included.
    pub fn new(records: impl IntoIterator<Item = Record>, ttl: Duration, proof: Proof) -> Self {
        Self { records: records.into_iter().collect(), ttl, proof, exists: true, alias: None }
    }

    /// Returns an answer that says that there is no such name.
    pub fn no_such_name(ttl: Duration, proof: Proof) -> Self {
        Self { exists: false, ..Self::new([], ttl, proof) }
    }

    /// Sets that the name is an alias, of `target` in the end. `proof` is that of the first alias
    /// alone.
    #[must_use]
    pub fn with_alias(mut self, target: Name, proof: Proof) -> Self {
        self.alias = Some(Alias { target, proof });
        self
    }

    pub(crate) fn retain(&mut self, keep: impl FnMut(&Record) -> bool) {
        self.records.retain(keep);
    }

    pub(crate) fn truncate(&mut self, records: usize) {
        self.records.truncate(records);
        self.records.shrink_to_fit();
    }

    /// Returns the records. Those of other kinds than the one asked for are to be ignored.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Returns the addresses among the records.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + Clone {
        self.records.iter().filter_map(|record| match record {
            Record::Address(address) => Some(*address),
            _ => None,
        })
    }

    /// Returns the TLSA records among the records.
    pub fn tlsa(&self) -> impl Iterator<Item = &Tlsa> + Clone {
        self.records.iter().filter_map(|record| match record {
            Record::Tlsa(tlsa) => Some(tlsa),
            _ => None,
        })
    }

    /// Returns how long the answer may be used.
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// Returns what DNSSEC proves of the answer.
    pub fn proof(&self) -> Proof {
        self.proof
    }

    /// Returns whether the name exists.
    pub fn name_exists(&self) -> bool {
        self.exists
    }

    /// Returns the name that the one that was looked up is an alias of, in the end.
    pub fn alias_target(&self) -> Option<&Name> {
        self.alias.as_ref().map(|alias| &alias.target)
    }

    /// Returns what DNSSEC proves of the first alias, if the name is one.
    pub fn alias_proof(&self) -> Option<Proof> {
        self.alias.as_ref().map(|alias| alias.proof)
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, thiserror::Error)]
#[error("DNS lookup of {kind} {name} failed: {failure}")]
#[non_exhaustive]
pub struct DnsError {
    /// The name that was looked up.
    pub name: Name,
    /// The kind of records.
    pub kind: Kind,
    /// What failed.
    #[source]
    pub failure: DnsFailure,
}

/// What failed about a lookup. All of it may succeed later.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DnsFailure {
    /// No server answered in time.
    #[error("no name server answered in time")]
    TimedOut,
    /// A server answered that it cannot answer (SERVFAIL, REFUSED): an outage, or a signature that
    /// the resolver of this machine found wrong.
    #[error("the name server answered {0}")]
    Refused(String),
    /// The signatures are wrong or missing.
    #[error("the answer is bogus: its DNSSEC signatures are wrong or missing")]
    Bogus,
    /// Aliases form a loop, or a chain that is too long.
    #[error("the chain of aliases (CNAME) does not end")]
    Aliases,
    /// The name cannot be looked up: with the labels before it, it is too long.
    #[error(transparent)]
    Name(#[from] crate::InvalidName),
    /// Something else, such as an answer that cannot be read.
    #[error("{0}")]
    Other(#[source] Cause),
}

impl DnsError {
    /// Returns the error of this lookup.
    pub fn new(name: Name, kind: Kind, failure: DnsFailure) -> Self {
        Self { name, kind, failure }
    }
}
