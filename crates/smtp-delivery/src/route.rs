//! Routes: which hosts accept mail for a domain, in the order in which they are tried. No I/O.
use std::{cmp::Reverse, fmt, net::IpAddr};

use smtp_error::{EnhancedCode, ReplyCode};

use crate::{Answer, Name, Record, StsMode, StsPolicy};

/// A host that is tried.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Hop {
    /// A host of an MX record.
    Mx {
        /// Its name.
        host: Name,
        /// The preference of the record; lower ones are tried first.
        preference: u16,
    },
    /// The domain itself, which has no MX record (RFC 5321, 5.1).
    Domain(Name),
    /// The address of an address literal, such as that of `user@[192.0.2.1]`.
    Literal(IpAddr),
}

impl Hop {
    /// Returns the name of the host, if it has one.
    pub fn name(&self) -> Option<&Name> {
        match self {
            Self::Mx { host, .. } | Self::Domain(host) => Some(host),
            Self::Literal(_) => None,
        }
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mx { host, .. } | Self::Domain(host) => host.fmt(f),
            Self::Literal(IpAddr::V4(address)) => write!(f, "[{address}]"),
            Self::Literal(IpAddr::V6(address)) => write!(f, "[IPv6:{address}]"),
        }
    }
}

/// The hosts of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Route {
    /// The hosts in the order in which they are tried.
    pub hops: Vec<Hop>,
    /// The hosts that an MTA-STS policy in the mode `enforce` does not permit. They are not tried.
    pub excluded: Vec<Hop>,
}

/// Why no mail can be delivered to a domain. All of it is permanent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum NoRoute {
    /// The recipient has no domain, as the `postmaster` of RFC 5321, 4.5.1. It is that of a server of
    /// the caller's.
    #[error("the recipient has no domain")]
    NoDomain,
    /// The domain cannot exist: it has an address literal that this crate does not know, or labels
    /// that are too long.
    #[error("the domain of the recipient cannot be looked up")]
    InvalidDomain,
    /// The DNS says that there is no such domain.
    #[error("the domain does not exist")]
    NoSuchDomain,
    /// The domain accepts no mail (RFC 7505).
    #[error("the domain accepts no mail (null MX)")]
    NullMx,
    /// No host of the domain has an address, or a name that a host may have.
    #[error("no mail host of the domain has an address")]
    NoHost,
    /// This machine is the best MX host of the domain: it would send the message to itself
    /// (RFC 5321, 5.1).
    #[error("the mail host of the domain is this machine, which does not accept mail for it")]
    Loop,
}

impl NoRoute {
    /// Returns the reply code that a server would send for this reason.
    pub fn code(self) -> ReplyCode {
        match self {
            Self::NullMx => ReplyCode::DOMAIN_ACCEPTS_NO_MAIL,
            _ => ReplyCode::MAILBOX_UNAVAILABLE,
        }
    }

    /// Returns the enhanced status code of this reason (RFC 3463, RFC 7505).
    pub fn enhanced_code(self) -> Option<EnhancedCode> {
        let (subject, detail) = match self {
            Self::NoDomain | Self::InvalidDomain => (1, 3),
            Self::NoSuchDomain => (1, 2),
            Self::NullMx => (1, 10),
            Self::NoHost => (4, 4),
            Self::Loop => (4, 6),
        };
        EnhancedCode::new(5, subject, detail)
    }
}

/// Returns the route to a domain whose MX records are these.
///
/// Hosts come in the order of their preference; those with the same are shuffled by the seed, so
/// that load is shared (RFC 5321, 5.1). Without MX records the domain itself is the host. If one of
/// `ourselves`, the names of this machine, is among the hosts, those with the same or a higher
/// preference are left out: mail never goes back to where it came from. A record whose host cannot
/// be one is ignored.
///
/// # Errors
/// There is no such domain, it accepts no mail, or there is no host for it. A route without hops is
/// no error: an MTA-STS policy excludes all of them, which is a fault that may be mended.
pub fn route(
    domain: &Name,
    mx: &Answer,
    sts: Option<&StsPolicy>,
    ourselves: &[Name],
    seed: u64,
) -> Result<Route, NoRoute> {
    let records = mx.records().iter().filter_map(|record| match record {
        Record::Mx { preference, exchange } => Some((*preference, exchange)),
        _ => None,
    });
    let mut records: Vec<_> = records.collect();
    let is_alone = records.len() == 1;
    match records.first() {
        None if !mx.name_exists() => return Err(NoRoute::NoSuchDomain),
        None if ourselves.contains(domain) => return Err(NoRoute::Loop),
        None => return Ok(permitted(vec![Hop::Domain(domain.clone())], sts)),
        // With other records beside it, it is none of RFC 7505, and names no host.
        Some((_, exchange)) if exchange.is_root() && is_alone => return Err(NoRoute::NullMx),
        Some(_) => {}
    }
    records.retain(|(_, exchange)| exchange.is_host());
    // The order of an answer changes; the same seed gives the same route all the same, so that
    // domains with the same hosts share a transaction.
    records.sort_unstable();
    fastrand::Rng::with_seed(seed).shuffle(&mut records);
    records.sort_by_key(|(preference, _)| *preference);
    let ours = records.iter().find(|(_, exchange)| ourselves.contains(exchange));
    if let Some((limit, _)) = ours.copied() {
        records.retain(|(preference, _)| *preference < limit);
        if records.is_empty() {
            return Err(NoRoute::Loop);
        }
    }
    let mut hops: Vec<Hop> = Vec::with_capacity(records.len());
    for (preference, exchange) in records {
        // One record of a host is enough: the first.
        if !hops.iter().any(|hop| hop.name() == Some(exchange)) {
            hops.push(Hop::Mx { host: exchange.clone(), preference });
        }
    }
    if hops.is_empty() { Err(NoRoute::NoHost) } else { Ok(permitted(hops, sts)) }
}

/// Sets those hosts aside that a policy does not permit.
fn permitted(hops: Vec<Hop>, sts: Option<&StsPolicy>) -> Route {
    let enforced = sts.filter(|policy| policy.mode() == StsMode::Enforce);
    let is_permitted = |hop: &Hop| match (enforced, hop.name()) {
        (Some(policy), Some(name)) => policy.permits(name),
        _ => true,
    };
    let (hops, excluded) = hops.into_iter().partition(is_permitted);
    Route { hops, excluded }
}

/// Returns the addresses in the order in which they are tried: the families take turns, IPv6 first,
/// so that a family that does not work here costs half of the attempts and not all of them.
pub fn alternating(addresses: impl IntoIterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut seen: Vec<IpAddr> = Vec::new();
    for address in addresses {
        if !seen.contains(&address) {
            seen.push(address);
        }
    }
    let mut counts = [0_usize; 2];
    seen.sort_by_cached_key(|address| {
        let family = usize::from(address.is_ipv4());
        counts[family] += 1;
        (counts[family], Reverse(address.is_ipv6()))
    });
    seen
}
