//! A mail host of a domain: its addresses and TLSA records, and whether it has the protection that the
//! domain publishes.
use std::fmt;

use futures_util::future::join;
use rustls::pki_types::UnixTime;
use serde::Serialize;
use smtp_client::{Security, Server};
use smtp_delivery::{
    Achieved, Answer, DaneVerifier, Demand, DnsError, DnsFailure, Floor, Hop, HostFacts, Kind,
    Name, Proof, Resolve, StsMode, StsPolicy, Tlsa, alternating, demand,
};

use super::Manner;
use super::contact::Goal;
use super::report::Probe;
use super::trust::provider;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::layout::Layout;
use crate::lookup::proof;
use crate::output::{BAD, GOOD, Record, WARNING};

/// The most addresses of a host that are tried, one after the other.
const MAX_ADDRESSES: usize = 5;

/// What the hosts of a domain have in common.
pub(super) struct OfDomain<'a> {
    pub(super) domain: &'a Name,
    /// The MX records, or that there are none.
    pub(super) mx: &'a Answer,
    pub(super) policy: Option<&'a StsPolicy>,
}

/// A mail host.
///
/// | Field | Value |
/// |---|---|
/// | `host` | its name |
/// | `preference` | of its MX record; absent if the domain is its own host |
/// | `addresses`, `addresses_proof` | its addresses, and what DNSSEC proves of them |
/// | `tlsa` | its TLSA records, if they were looked up |
/// | `sts_permits` | whether the MTA-STS policy permits the host, if there is a policy |
/// | `demand` | the protection that is due: `dane`, `pkix`, `encrypted`, `testing`, `opportunistic` |
/// | `achieved` | what the connection has: `dane`, `pkix`, `unverified`, `clear` |
/// | `accepted` | whether a message could be sent with the protection that is due |
/// | `reason` | why not |
/// | `probe` | the connection, as of a single server |
/// | `exit`, `status` | the result for this host |
#[derive(Clone, Debug, Serialize)]
pub(crate) struct MailHost {
    pub(crate) host: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) preference: Option<u16>,
    pub(crate) addresses: Vec<String>,
    pub(crate) addresses_proof: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tlsa: Option<TlsaRecords>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sts_permits: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) demand: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) achieved: Option<&'static str>,
    pub(crate) accepted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) probe: Option<Box<Probe>>,
    pub(crate) exit: Exit,
    pub(crate) status: u8,
}

/// The TLSA records of a host.
///
/// | Field | Value |
/// |---|---|
/// | `base` | the TLSA base domain (RFC 7672, 2.2.3) |
/// | `proof` | what DNSSEC proves of them; absent if the lookup failed |
/// | `records` | each with `record`, `usable`, and `matches`: whether a certificate that came matches |
/// | `error` | why the lookup failed, or why the certificates do not satisfy the records |
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TlsaRecords {
    pub(crate) base: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) proof: Option<&'static str>,
    pub(crate) records: Vec<TlsaTried>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    #[serde(skip)]
    parsed: Vec<Tlsa>,
}

/// A TLSA record.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TlsaTried {
    pub(crate) record: String,
    pub(crate) usable: bool,
    pub(crate) matches: bool,
}

impl MailHost {
    fn new(hop: &Hop) -> Self {
        Self {
            host: hop.to_string(),
            preference: match hop {
                Hop::Mx { preference, .. } => Some(*preference),
                _ => None,
            },
            addresses: Vec::new(),
            addresses_proof: proof(Proof::Insecure),
            tlsa: None,
            sts_permits: None,
            demand: None,
            achieved: None,
            accepted: false,
            reason: None,
            probe: None,
            exit: Exit::Fine,
            status: 0,
        }
    }

    /// Looks up a host, and connects to it.
    pub(super) async fn of(
        hop: &Hop,
        of: &OfDomain<'_>,
        resolver: &impl Resolve,
        manner: &Manner<'_>,
    ) -> Result<Self, Failure> {
        let mut host = Self::new(hop);
        let Some(name) = hop.name() else { return Ok(host) };
        if manner.output.is_verbose() {
            manner.output.text(format_args!("\nprobing {name}"));
        }
        host.sts_permits = of.policy.map(|policy| policy.permits(name));
        let mut facts = HostFacts::new(Some(name), Floor::Opportunistic);
        facts.mx = of.mx.proof();
        facts.sts = of.policy;
        let port = manner.args.lookup.port();
        let addresses = match addresses(name, resolver, &mut facts, port).await {
            Ok(addresses) => addresses,
            Err(error) => return Ok(host.failed(Exit::Dns, error.to_string())),
        };
        host.addresses = addresses.iter().map(ToString::to_string).collect();
        host.addresses_proof = proof(facts.addresses);
        host.tlsa = TlsaRecords::of(&facts);
        if addresses.is_empty() {
            return Ok(host.failed(Exit::Dns, "the host has no address".to_owned()));
        }
        let demand = demand(&facts).map(|demand| with_domain(demand, of));
        let server = Server::tcp(name.as_str(), port).security(Security::Opportunistic);
        let mut goal = Goal::new(server);
        goal.addresses = Some(addresses.iter().map(|address| (*address, port).into()).collect());
        if let Some(base) = facts.names.first().filter(|base| *base != name) {
            goal.name = Some(base.to_string());
        }
        let probe = manner.probe(goal).await?;
        Ok(host.judged(demand.map_err(|unprotected| unprotected.to_string()), probe))
    }

    fn failed(mut self, exit: Exit, reason: String) -> Self {
        self.reason = Some(reason);
        self.exit = exit;
        self.status = exit.status();
        self
    }

    /// Compares what the connection has with what is due.
    fn judged(mut self, demand: Result<Demand, String>, probe: Probe) -> Self {
        let matched = self.tlsa.as_mut().map(|tlsa| tlsa.compare(&demand, &probe));
        let achieved = match (&probe.tls, &probe.trust) {
            (None, _) => Achieved::Clear,
            _ if matched == Some(true) => Achieved::Dane,
            (_, Some(trust)) if trust.accepted => Achieved::Pkix,
            _ => Achieved::Unverified,
        };
        let failure = probe.error.clone();
        let connected = probe.exit;
        let dane = self.tlsa.as_ref().and_then(|tlsa| tlsa.error.clone());
        let pkix = probe.trust.as_ref().and_then(|trust| trust.error.clone());
        if failure.is_none() {
            self.achieved = Some(word(achieved));
        }
        self.probe = Some(Box::new(probe));
        let demand = match demand {
            Ok(demand) => demand,
            Err(reason) => return self.failed(Exit::Policy, reason),
        };
        self.demand = Some(name_of(&demand));
        if let Some(error) = failure {
            return self.failed(connected, error);
        }
        self.accepted = demand.accepts(achieved);
        if self.accepted {
            return self;
        }
        let reason = match demand {
            _ if achieved == Achieved::Clear => "TLS is due, and the host does not offer it".into(),
            Demand::Dane { .. } => {
                dane.unwrap_or_else(|| "the TLSA records do not match".to_owned())
            }
            _ => pkix.unwrap_or_else(|| "the certificate is not accepted".to_owned()),
        };
        self.failed(Exit::Policy, reason)
    }
}

/// Finds the addresses of a host and what DNSSEC proves of them, and its TLSA records.
async fn addresses(
    host: &Name,
    resolver: &impl Resolve,
    facts: &mut HostFacts<'_>,
    port: u16,
) -> Result<Vec<std::net::IpAddr>, DnsError> {
    let lookups = join(resolver.lookup(host, Kind::Aaaa), resolver.lookup(host, Kind::A)).await;
    let (v6, v4) = lookups;
    let failed = v6.as_ref().err().or_else(|| v4.as_ref().err()).cloned();
    let answers = [v6.ok(), v4.ok()];
    let used: Vec<&Answer> =
        answers.iter().flatten().filter(|answer| answer.addresses().next().is_some()).collect();
    if let (true, Some(error)) = (used.is_empty(), failed) {
        return Err(error);
    }
    facts.addresses = used.iter().map(|answer| answer.proof()).min().unwrap_or(Proof::Insecure);
    let alias =
        used.iter().find_map(|answer| Some((answer.alias_target()?, answer.alias_proof()?)));
    let is_secure = facts.addresses == Proof::Secure;
    // The records of the name that the host is an alias of come first (RFC 7672, 2.2.3).
    let bases = match alias {
        Some((target, _)) if is_secure => vec![target.clone(), host.clone()],
        Some((_, Proof::Secure)) => vec![host.clone()],
        None if is_secure && !used.is_empty() => vec![host.clone()],
        _ => Vec::new(),
    };
    for base in bases {
        let found = tlsa(&base, resolver, port).await;
        let decides = match &found {
            Ok(answer) => answer.proof() == Proof::Secure && answer.tlsa().next().is_some(),
            Err(_) => true,
        };
        if decides || base == *host {
            // The records belong to a signed zone, whatever the addresses do.
            facts.addresses = Proof::Secure;
            if base != *host {
                facts.names.insert(0, base);
            }
            facts.tlsa = Some(found);
            break;
        }
    }
    let mut all = alternating(used.iter().flat_map(|answer| answer.addresses()));
    all.truncate(MAX_ADDRESSES);
    Ok(all)
}

async fn tlsa(base: &Name, resolver: &impl Resolve, port: u16) -> Result<Answer, DnsError> {
    let name = base.with_prefix(&format!("_{port}._tcp"));
    let name =
        name.map_err(|invalid| DnsError::new(base.clone(), Kind::Tlsa, DnsFailure::Name(invalid)))?;
    resolver.lookup(&name, Kind::Tlsa).await
}

/// A certificate of an authority in TLSA records may be for the domain too, if its MX records are
/// secure (RFC 7672, 3.2.2).
fn with_domain(mut demand: Demand, of: &OfDomain<'_>) -> Demand {
    if let Demand::Dane { records, names } = &mut demand
        && of.mx.proof() == Proof::Secure
        && records.iter().any(|record| record.usage() == Tlsa::DANE_TA)
    {
        names.push(of.domain.clone());
        names.extend(of.mx.alias_target().cloned());
    }
    demand
}

impl TlsaRecords {
    fn of(facts: &HostFacts<'_>) -> Option<Self> {
        let base = facts.names.first()?.to_string();
        let (records, proof, error) = match facts.tlsa.as_ref()? {
            Ok(answer) => (answer.tlsa().cloned().collect(), Some(proof(answer.proof())), None),
            Err(error) => (Vec::new(), None, Some(error.to_string())),
        };
        Some(Self { base, proof, records: Vec::new(), error, parsed: records })
    }

    /// Compares the records with the certificates that came. Returns whether they satisfy them.
    fn compare(&mut self, demand: &Result<Demand, String>, probe: &Probe) -> bool {
        let tried = self.parsed.iter().map(|record| {
            let candidates = match record.usage() {
                Tlsa::DANE_EE => probe.chain.iter().take(1),
                _ => probe.chain.iter().take(usize::MAX),
            };
            let matches = candidates.into_iter().any(|certificate| record.matches(certificate));
            TlsaTried { record: record.to_string(), usable: record.is_usable(), matches }
        });
        self.records = tried.collect();
        let Ok(Demand::Dane { records, names }) = demand else { return false };
        if probe.chain.is_empty() {
            return false;
        }
        let checked = DaneVerifier::new(records, names, provider())
            .map_err(|error| error.to_string())
            .and_then(|verifier| {
                let checked = verifier.check(&probe.chain, UnixTime::now());
                checked.map_err(|failure| failure.to_string())
            });
        self.error = checked.as_ref().err().cloned();
        checked.is_ok()
    }

    fn show(&self, layout: &mut Layout) {
        for TlsaTried { record, usable, matches } in &self.records {
            let (style, verdict) = match (usable, matches) {
                (_, true) => (GOOD, "matches"),
                (true, false) => (BAD, "does not match"),
                (false, false) => (WARNING, "cannot be used"),
            };
            layout.styled("TLSA", style, format_args!("{record} {verdict}"));
        }
        if self.records.is_empty() && self.error.is_none() {
            layout.entry("TLSA", format_args!("none at {}", self.base));
        }
        if self
            .parsed
            .iter()
            .zip(&self.records)
            .any(|(record, tried)| record.usage() == Tlsa::DANE_EE && tried.usable && tried.matches)
        {
            layout.entry(
                "",
                "with usage 3, names, dates and issuers of the certificate do not matter",
            );
        }
    }
}

/// Returns the name of a demand.
fn name_of(demand: &Demand) -> &'static str {
    match demand {
        Demand::Dane { .. } => "dane",
        Demand::Pkix => "pkix",
        Demand::Encrypted => "encrypted",
        Demand::Testing { .. } => "testing",
        _ => "opportunistic",
    }
}

/// Returns the name of a protection.
pub(crate) fn word(achieved: Achieved) -> &'static str {
    match achieved {
        Achieved::Clear => "clear",
        Achieved::Pkix => "pkix",
        Achieved::Dane => "dane",
        _ => "unverified",
    }
}

/// Returns the name of a mode of MTA-STS.
pub(crate) fn mode(policy: &StsPolicy) -> &'static str {
    match policy.mode() {
        StsMode::Enforce => "enforce",
        StsMode::Testing => "testing",
        _ => "none",
    }
}

impl Record for MailHost {
    const TYPE: &'static str = "mail_host";
}

impl fmt::Display for MailHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut layout = Layout::default();
        layout.gap();
        layout.heading(format_args!("mail host {}", self.host));
        if let Some(preference) = self.preference {
            layout.entry("MX", format_args!("preference {preference}"));
        }
        let addresses = match self.addresses.join(", ") {
            none if none.is_empty() => "none".to_owned(),
            addresses => addresses,
        };
        layout.entry("addresses", format_args!("{addresses} ({})", self.addresses_proof));
        if let Some(tlsa) = &self.tlsa {
            tlsa.show(&mut layout);
        }
        if let Some(permits) = self.sts_permits {
            let (style, text) = if permits { (GOOD, "permits") } else { (BAD, "does not permit") };
            layout.styled("MTA-STS", style, format_args!("the policy {text} the host"));
        }
        if let Some(demand) = self.demand {
            let achieved = self.achieved.unwrap_or("nothing");
            layout.entry("security", format_args!("{demand} is due, the host has {achieved}"));
        }
        match &self.reason {
            Some(reason) => layout.styled("refused", BAD, reason),
            None => layout.styled("fine", GOOD, "a message could be sent"),
        }
        if let Some(probe) = &self.probe {
            layout.gap();
            layout.lines(probe);
        }
        write!(f, "\n{layout}")
    }
}
