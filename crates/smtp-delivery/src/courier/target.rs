//! Targets: the hosts of a domain, the policy that it publishes, and how each host is protected.
use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use futures_util::{StreamExt, stream};
use smtp_caps::Envelope;
use smtp_codec::{AddressLiteral, ForwardPath};

use super::{Shared, ledger::Ledger, requires_tls};
use crate::{
    Answer, AppliedPolicy, Demand, DnsError, DnsFailure, Floor, Hop, HostFacts, Kind, Name,
    NoRoute, Outcome, Proof, Reason, ResultType, Route, StsPolicy, StsProblem, Tlsa, Unprotected,
    alternating, demand, policies::Found, route,
};

/// The most domains of one message that are looked up at the same time. A lookup costs little, but one
/// that is not answered takes long, and all other domains of the message wait for it.
const DOMAINS_AT_ONCE: usize = 50;

/// Where recipients go: the part of a forward-path after the at-sign.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Destination {
    Domain(Name),
    Literal(IpAddr),
}

/// The hosts that recipients of one or more domains go to.
pub(super) struct Target {
    pub(super) hops: Vec<Hop>,
    /// What DNSSEC proves of the MX records.
    proof: Proof,
    pub(super) sts: Option<Arc<StsPolicy>>,
    floor: Floor,
    /// The domains that have these hosts and this policy.
    pub(super) domains: Vec<Name>,
    /// The domain, and the one that it is an alias of, if DNSSEC proves that they have these hosts:
    /// a certificate of an authority in TLSA records may be for them (RFC 7672, 3.2.2). None if
    /// there are several domains, since it would be for one and used for all.
    aliases: Vec<Name>,
}

impl Target {
    /// Returns whether recipients there and here may share a transaction.
    fn is_like(&self, other: &Self) -> bool {
        let of = |target: &Self| (target.proof, target.floor);
        self.hops == other.hops && of(self) == of(other) && self.sts == other.sts
    }
}

/// Recipients that go to the same target.
pub(super) struct Group {
    pub(super) target: Target,
    pub(super) recipients: Vec<usize>,
}

/// The addresses of a host, and how a connection to it must be protected.
pub(super) struct Host {
    pub(super) addresses: Vec<IpAddr>,
    pub(super) demand: Demand,
    /// The TLSA records of the host and the name that they belong to, if there are some and none is
    /// usable.
    pub(super) unusable: Option<(Name, Vec<Tlsa>)>,
}

impl Shared {
    /// Finds the targets of all recipients. Those without one get their outcome.
    pub(super) async fn groups(&self, ledger: &Ledger) -> Vec<Group> {
        let seed = self.settings.seed();
        let destinations = destinations(ledger.envelope(), ledger);
        let found = stream::iter(destinations).map(|(destination, recipients)| async move {
            let target = match destination {
                Destination::Domain(domain) => self.target(&domain, seed).await,
                Destination::Literal(address) => Ok(Target {
                    hops: vec![Hop::Literal(address)],
                    proof: Proof::Insecure,
                    sts: None,
                    floor: self.settings.floor,
                    domains: Vec::new(),
                    aliases: Vec::new(),
                }),
            };
            (target, recipients)
        });
        let mut found = found.buffered(DOMAINS_AT_ONCE);
        let mut groups: Vec<Group> = Vec::new();
        while let Some((target, recipients)) = found.next().await {
            let target = match target {
                Ok(target) => target,
                Err(Unroutable::NoRoute(no_route)) => {
                    for position in recipients {
                        ledger.settle(position, Outcome::NoRoute(no_route));
                    }
                    continue;
                }
                Err(Unroutable::Later(reason)) => {
                    ledger.hinder(&recipients, &reason, None);
                    ledger.give_up(&recipients, true);
                    continue;
                }
            };
            match groups.iter_mut().find(|group| group.target.is_like(&target)) {
                Some(group) => {
                    group.recipients.extend(recipients);
                    group.target.domains.extend(target.domains);
                    group.target.aliases.clear();
                }
                None => groups.push(Group { target, recipients }),
            }
        }
        for group in &mut groups {
            group.recipients.sort_unstable();
        }
        groups
    }

    async fn target(&self, domain: &Name, seed: u64) -> Result<Target, Unroutable> {
        let mx = self.lookups.look_up(domain, Kind::Mx).await?;
        let sts = self.policy(domain, mx.proof()).await?;
        let found = route(domain, &mx, sts.as_deref(), &self.settings.ourselves, seed);
        let Route { hops, excluded } = found.map_err(Unroutable::NoRoute)?;
        for hop in &excluded {
            let policy = AppliedPolicy::sts(domain.clone(), sts.as_deref());
            self.host_result(domain, policy, hop, ResultType::ValidationFailure);
        }
        if hops.is_empty() {
            return Err(Unroutable::Later(Unprotected::NotInPolicy.into()));
        }
        let (proof, floor) = (mx.proof(), self.settings.floor(domain));
        let mut aliases = Vec::new();
        if proof == Proof::Secure {
            aliases.push(domain.clone());
            aliases.extend(mx.alias_target().cloned());
        }
        Ok(Target { hops, proof, sts, floor, domains: vec![domain.clone()], aliases })
    }

    /// Returns the MTA-STS policy of a domain whose MX records have this proof.
    ///
    /// # Errors
    /// The DNS does not tell whether there is one, though it has to: in a signed zone an attacker
    /// can suppress the answer, but not forge it.
    async fn policy(&self, domain: &Name, mx: Proof) -> Result<Option<Arc<StsPolicy>>, DnsError> {
        if let Some(policy) = self.settings.policies.get(domain) {
            return Ok(Some(Arc::clone(policy)));
        }
        let Found { policy, problem } = self.sts.find(&self.lookups, domain).await;
        if let Some(problem) = &problem {
            let applied = AppliedPolicy::sts(domain.clone(), policy.as_deref());
            self.policy_result(domain, applied, problem);
        }
        match problem {
            Some(StsProblem::Dns(error))
                if policy.is_none()
                    && (mx == Proof::Secure || matches!(error.failure, DnsFailure::Bogus)) =>
            {
                Err(error)
            }
            _ => Ok(policy),
        }
    }

    /// Finds the addresses of a host, and how it must be protected.
    ///
    /// # Errors
    /// The addresses or the protection cannot be found out, or the host may not be used. A host
    /// without addresses is no error.
    pub(super) async fn host(
        &self,
        target: &Target,
        hop: &Hop,
        envelope: &Envelope,
    ) -> Result<Host, Reason> {
        let mut facts = HostFacts::new(hop.name(), target.floor);
        facts.mx = target.proof;
        facts.sts = target.sts.as_deref();
        facts.require_tls = requires_tls(envelope);
        let mut addresses = Vec::new();
        match hop {
            Hop::Literal(address) => addresses.push(*address),
            Hop::Mx { host, .. } | Hop::Domain(host) => {
                let (v6, v4) = futures_util::future::join(
                    self.lookups.look_up(host, Kind::Aaaa),
                    self.lookups.look_up(host, Kind::A),
                )
                .await;
                let (v6, v4) = match (v6, v4) {
                    (Err(error), Err(_)) => return Err(error.into()),
                    (v6, v4) => (v6, v4),
                };
                let failed = v6.as_ref().err().or_else(|| v4.as_ref().err()).cloned();
                let answers: Vec<_> = [v6.ok(), v4.ok()].into_iter().flatten().collect();
                addresses.extend(answers.iter().flat_map(|answer| answer.addresses()));
                match (addresses.is_empty(), failed) {
                    (true, Some(error)) => return Err(error.into()),
                    (true, None) => {
                        let demand = Demand::Opportunistic;
                        return Ok(Host { addresses, demand, unusable: None });
                    }
                    (false, _) => {}
                }
                let used = answers.iter().filter(|answer| answer.addresses().next().is_some());
                facts.addresses =
                    used.clone().map(|answer| answer.proof()).min().unwrap_or(Proof::Insecure);
                let alias = used.clone().find_map(|answer| {
                    Some((answer.alias_target()?.clone(), answer.alias_proof()?))
                });
                self.find_tlsa(host, alias, &mut facts).await;
            }
        }
        let mut demand = demand(&facts).inspect_err(|unprotected| {
            if let Unprotected::DaneUnknown(_) = unprotected {
                for domain in &target.domains {
                    let policy = AppliedPolicy::tlsa(hop.name().unwrap_or(domain).clone(), []);
                    self.host_result(domain, policy, hop, ResultType::DnssecInvalid);
                }
            }
        })?;
        if let Demand::Dane { records, names } = &mut demand
            && records.iter().any(|record| record.usage() == Tlsa::DANE_TA)
        {
            names.extend_from_slice(&target.aliases);
        }
        let published = facts.published().cloned().collect::<Vec<_>>();
        let is_used = matches!(demand, Demand::Dane { .. }) || published.is_empty();
        let base = facts.names.first().filter(|_| !is_used);
        let unusable = base.map(|base| (base.clone(), published));
        Ok(Host { addresses: alternating(addresses), demand, unusable })
    }

    /// Looks up the TLSA records of a host (RFC 7672, 2.2): those of the name that it is an alias of,
    /// if all of that is secure, and else those of its own name.
    async fn find_tlsa(
        &self,
        host: &Name,
        alias: Option<(Name, Proof)>,
        facts: &mut HostFacts<'_>,
    ) {
        let is_secure = facts.addresses == Proof::Secure;
        let mut bases = Vec::new();
        match alias {
            Some((target, _)) if is_secure => bases.extend([target, host.clone()]),
            // The zone of the host is signed, and that of what it is an alias of is not.
            Some((_, Proof::Secure)) => bases.push(host.clone()),
            None if is_secure => bases.push(host.clone()),
            _ => {}
        }
        for base in bases {
            let found = self.tlsa(&base).await;
            let is_last = base == *host;
            let decides = match &found {
                Ok(answer) => answer.proof() == Proof::Secure && answer.tlsa().next().is_some(),
                Err(_) => true,
            };
            if decides || is_last {
                // The records belong to a signed zone, whatever the addresses do.
                facts.addresses = Proof::Secure;
                if base != *host {
                    facts.names.insert(0, base);
                }
                facts.tlsa = Some(found);
                return;
            }
        }
    }

    async fn tlsa(&self, base: &Name) -> Result<Answer, DnsError> {
        let name = base.with_prefix(&format!("_{}._tcp", self.settings.port));
        let name = name.map_err(|invalid| {
            DnsError::new(base.clone(), Kind::Tlsa, DnsFailure::Name(invalid))
        })?;
        Ok(Answer::clone(&*self.lookups.look_up(&name, Kind::Tlsa).await?))
    }
}

/// Why there is no target.
enum Unroutable {
    NoRoute(NoRoute),
    Later(Reason),
}

impl From<DnsError> for Unroutable {
    fn from(error: DnsError) -> Self {
        Self::Later(error.into())
    }
}

/// Returns the recipients by where they go. Those that go nowhere get their outcome.
fn destinations(envelope: &Envelope, ledger: &Ledger) -> BTreeMap<Destination, Vec<usize>> {
    let mut destinations = BTreeMap::<_, Vec<usize>>::new();
    for (position, rcpt) in envelope.rcpts().iter().enumerate() {
        match destination(rcpt.path()) {
            Ok(destination) => destinations.entry(destination).or_default().push(position),
            Err(no_route) => ledger.settle(position, Outcome::NoRoute(no_route)),
        }
    }
    destinations
}

fn destination(path: &ForwardPath) -> Result<Destination, NoRoute> {
    let ForwardPath::Mailbox(mailbox) = path else { return Err(NoRoute::NoDomain) };
    let host = mailbox.host();
    if !host.starts_with('[') {
        let domain = Name::new(host).map_err(|_| NoRoute::InvalidDomain)?;
        return Ok(Destination::Domain(domain));
    }
    let literal = AddressLiteral::new(host).ok().and_then(|literal| literal.ip());
    literal.map(Destination::Literal).ok_or(NoRoute::InvalidDomain)
}
