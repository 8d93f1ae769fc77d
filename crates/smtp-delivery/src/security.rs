//! How a connection to a host must be protected: DANE first, then MTA-STS, then what the server
//! offers. No I/O.
use std::fmt;

use crate::{Answer, DnsError, Name, Proof, StsMode, StsPolicy, Tlsa};

/// What protects a connection, in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Achieved {
    /// There is no TLS.
    Clear,
    /// TLS encrypts it, and nothing tells with whom.
    Unverified,
    /// A trusted authority issued the certificate of the host, for its name.
    Pkix,
    /// The DNS, secured by DNSSEC, names the certificate or key of the host (RFC 7672).
    Dane,
}

impl fmt::Display for Achieved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clear => "clear",
            Self::Unverified => "unverified",
            Self::Pkix => "PKIX",
            Self::Dane => "DANE",
        })
    }
}

/// The least protection with which mail is sent, whatever a domain publishes. A domain that publishes
/// more gets more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Floor {
    /// TLS if the server offers it, and clear text if it does not or if the handshake fails
    /// (RFC 7435).
    #[default]
    Opportunistic,
    /// TLS, with any certificate.
    Encrypted,
    /// TLS with a host that DANE or a trusted authority authenticates.
    Verified,
}

/// How a connection to a host must be protected.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Demand {
    /// TLS if the server offers it; else, or if the handshake fails, clear text.
    Opportunistic,
    /// What MTA-STS in the mode `testing` asks to report is tried first: TLS with a certificate of a
    /// trusted authority for the name of the host (RFC 8461, 5). If that fails, mail is sent with the
    /// protection that there is without the policy.
    Testing {
        /// The least protection without the policy: [`Achieved::Clear`] or
        /// [`Achieved::Unverified`].
        least: Achieved,
    },
    /// TLS with any certificate: there are TLSA records, and none that can be used (RFC 7672,
    /// 2.2); or the [`Floor`] asks for it.
    Encrypted,
    /// TLS with a certificate of a trusted authority for the name of the host (RFC 8461, 4.2).
    Pkix,
    /// TLS with a certificate or key of these records (RFC 7672, 3.2). At least one is usable.
    Dane {
        /// The records that are usable.
        records: Vec<Tlsa>,
        /// The names that a certificate of an authority in the records may be for.
        names: Vec<Name>,
    },
}

impl Demand {
    /// Returns whether a connection with this protection may be used.
    pub fn accepts(&self, achieved: Achieved) -> bool {
        let least = match self {
            Self::Opportunistic => Achieved::Clear,
            Self::Testing { least } => *least,
            Self::Encrypted => Achieved::Unverified,
            Self::Pkix => Achieved::Pkix,
            Self::Dane { .. } => Achieved::Dane,
        };
        achieved >= least
    }
}

/// Why no connection to a host can be protected as it must be.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unprotected {
    /// The addresses are secure, and whether there are TLSA records cannot be found out: an attacker
    /// may suppress them (RFC 7672, 2.1).
    #[error("whether the host uses DANE cannot be found out: {0}")]
    DaneUnknown(#[source] DnsError),
    /// The message demands TLS along its whole path (REQUIRETLS), and neither DNSSEC nor an MTA-STS
    /// policy tells that this is a host of the domain (RFC 8689, 4.2.1).
    #[error(
        "the message requires TLS, and neither DNSSEC nor an MTA-STS policy says that this is a mail \
         host of the domain"
    )]
    HostUnproven,
    /// The MTA-STS policy of the domain does not permit this host.
    #[error("the MTA-STS policy of the domain does not permit this host")]
    NotInPolicy,
}

/// What is known of a host.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HostFacts<'a> {
    /// What DNSSEC proves of the MX records, or of their absence.
    pub mx: Proof,
    /// What DNSSEC proves of the addresses of the host.
    pub addresses: Proof,
    /// The TLSA records of the host, or why they are unknown; `None` if they were not looked up.
    pub tlsa: Option<Result<Answer, DnsError>>,
    /// The names of the host that a certificate may be for: the one that the TLSA records belong to
    /// first.
    pub names: Vec<Name>,
    /// The MTA-STS policy of the domain.
    pub sts: Option<&'a StsPolicy>,
    /// What the caller demands at least.
    pub floor: Floor,
    /// Whether the message demands TLS along its whole path (RFC 8689).
    pub require_tls: bool,
}

impl<'a> HostFacts<'a> {
    /// Returns the facts of a host of which nothing is known but its name and what the caller
    /// demands: no DNSSEC, no policy.
    pub fn new(name: Option<&Name>, floor: Floor) -> Self {
        Self {
            mx: Proof::Insecure,
            addresses: Proof::Insecure,
            tlsa: None,
            names: name.cloned().into_iter().collect(),
            sts: None,
            floor,
            require_tls: false,
        }
    }

    /// Returns the TLSA records that are authentic, usable or not. Those of a host whose addresses
    /// are insecure are of no use.
    pub(crate) fn published(&self) -> impl Iterator<Item = &Tlsa> {
        let secure = self.tlsa.iter().flatten().filter(|answer| answer.proof() == Proof::Secure);
        secure.filter(|_| self.addresses == Proof::Secure).flat_map(Answer::tlsa)
    }
}

/// Returns how a connection to this host must be protected.
///
/// # Errors
/// It cannot be known, or the message may not go to this host at all.
pub fn demand(facts: &HostFacts<'_>) -> Result<Demand, Unprotected> {
    let permitted = facts.sts.map(|policy| {
        let permits = facts.names.last().is_some_and(|name| policy.permits(name));
        (policy.mode(), permits)
    });
    // An attacker can suppress TLSA records only where the addresses are insecure, and then there
    // is no use in them.
    if let Some(Err(error)) = &facts.tlsa
        && facts.addresses == Proof::Secure
    {
        return Err(Unprotected::DaneUnknown(error.clone()));
    }
    let published: Vec<&Tlsa> = facts.published().collect();
    let usable = published.iter().filter(|record| record.is_usable());
    let mut usable: Vec<Tlsa> = usable.map(|record| Tlsa::clone(record)).collect();
    // The order of an answer changes; the demand is the same all the same.
    usable.sort_unstable();
    if facts.require_tls {
        let by_sts = matches!(permitted, Some((StsMode::Enforce | StsMode::Testing, true)));
        if facts.mx != Proof::Secure && !by_sts {
            return Err(Unprotected::HostUnproven);
        }
    }
    if !usable.is_empty() {
        return Ok(Demand::Dane { records: usable, names: facts.names.clone() });
    }
    match permitted {
        Some((StsMode::Enforce, true)) => return Ok(Demand::Pkix),
        Some((StsMode::Enforce, false)) => return Err(Unprotected::NotInPolicy),
        _ => {}
    }
    let is_tested = matches!(permitted, Some((StsMode::Testing, true)));
    Ok(match facts.floor {
        _ if facts.require_tls => Demand::Pkix,
        Floor::Verified => Demand::Pkix,
        // Without a usable record the host is not authenticated, but TLS is due (RFC 7672, 2.2).
        Floor::Opportunistic if published.is_empty() => match is_tested {
            true => Demand::Testing { least: Achieved::Clear },
            false => Demand::Opportunistic,
        },
        Floor::Opportunistic | Floor::Encrypted => match is_tested {
            true => Demand::Testing { least: Achieved::Unverified },
            false => Demand::Encrypted,
        },
    })
}
