//! Lookups in the DNS, and MTA-STS policies: which name servers are asked, and what they answered.
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use bytes::Bytes;
use clap::Args;
use rustls::{ClientConfig, crypto::aws_lc_rs::default_provider};
use serde::Serialize;
use smtp_client::Cause;
use smtp_delivery::{
    Answer, DnsError, DnsFailure, DnsResolver, FetchError, FetchPolicy, HttpsPolicies, Kind, Name,
    Proof, Record as DnsRecord, Resolve,
};

use crate::access::authorities;
use crate::cli::Common;
use crate::failure::Failure;
use crate::layout::Layout;
use crate::output::{Output, Record};

/// How names and policies are looked up.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "DNS and policies")]
pub(crate) struct LookupOptions {
    /// Ask this recursive name server, not those of the system; may be given more than once
    #[arg(long, value_name = "ADDRESS[:PORT]")]
    resolver: Vec<String>,
    /// Trust the keys of this file as those of the DNS root: DNSKEY records, one a line
    #[arg(long, value_name = "FILE")]
    trust_anchor: Option<PathBuf>,
    /// Trust name servers on this host to validate DNSSEC (the bit AD)
    #[arg(long)]
    trust_ad: bool,
    /// The port of the mail hosts [default: 25]
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// The port of the hosts of MTA-STS policies [default: 443]
    #[arg(long, value_name = "PORT")]
    policy_port: Option<u16>,
}

/// A resolver, or a source of policies, whose answers are shown with `--verbose`.
#[derive(Clone)]
pub(crate) struct Shown<T> {
    inner: T,
    output: Output,
    families: Families,
}

/// The families of addresses that are connected to.
#[derive(Clone, Copy)]
enum Families {
    Both,
    Only4,
    Only6,
}

/// A lookup in the DNS.
///
/// | Field | Value |
/// |---|---|
/// | `name`, `kind` | what was looked up |
/// | `answer` | see there |
/// | `error` | why there is no answer |
#[derive(Serialize)]
struct LookupRecord<'a> {
    name: &'a str,
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<AnswerRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// An answer of the DNS.
///
/// | Field | Value |
/// |---|---|
/// | `records` | in the form of zone files, without name and type |
/// | `proof` | `secure`, `insecure` or `bogus`: what DNSSEC proves |
/// | `ttl` | seconds |
/// | `name_exists` | whether the name exists |
/// | `alias_of` | the name that it is an alias of, in the end |
#[derive(Clone, Debug, Serialize)]
pub(crate) struct AnswerRecord {
    pub(crate) records: Vec<String>,
    pub(crate) proof: &'static str,
    pub(crate) ttl: u64,
    pub(crate) name_exists: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) alias_of: Option<String>,
}

/// A policy of MTA-STS that was fetched.
///
/// | Field | Value |
/// |---|---|
/// | `domain` | the domain of the policy |
/// | `policy` | its text |
/// | `error` | why it was not fetched |
#[derive(Serialize)]
struct FetchRecord<'a> {
    domain: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl LookupOptions {
    /// Returns the first of the options that is given.
    pub(crate) fn first_given(&self) -> Option<&'static str> {
        let Self { resolver, trust_anchor, trust_ad, port, policy_port } = self;
        let given = [
            (!resolver.is_empty(), "--resolver"),
            (trust_anchor.is_some(), "--trust-anchor"),
            (*trust_ad, "--trust-ad"),
            (port.is_some(), "--port"),
            (policy_port.is_some(), "--policy-port"),
        ];
        given.into_iter().find(|(is_given, _)| *is_given).map(|(_, option)| option)
    }

    /// Returns the port of the mail hosts.
    pub(crate) fn port(&self) -> u16 {
        self.port.unwrap_or(25)
    }

    /// Returns the resolver that these options describe.
    pub(crate) fn resolver(&self, common: &Common) -> Result<Shown<DnsResolver>, Failure> {
        let mut builder = DnsResolver::builder();
        if !self.resolver.is_empty() {
            let servers = self.resolver.iter().map(|text| name_server(text));
            builder = builder.servers(servers.collect::<Result<Vec<_>, _>>()?);
        }
        if let Some(path) = &self.trust_anchor {
            let text = std::fs::read_to_string(path);
            builder = builder.trust_anchor(text.map_err(|error| Failure::file(path, error))?);
        }
        if self.trust_ad {
            builder = builder.trust_ad();
        }
        if let Some(limit) = common.timeout {
            builder = builder.timeout(limit).deadline(limit);
        }
        let resolver = builder.build().map_err(|error| Failure::option("--resolver", error))?;
        Ok(Shown::new(resolver, common))
    }

    /// Returns what fetches MTA-STS policies.
    pub(crate) fn policies(
        &self,
        resolver: Shown<DnsResolver>,
        common: &Common,
    ) -> Result<Shown<HttpsPolicies<Shown<DnsResolver>>>, Failure> {
        let mut builder = HttpsPolicies::builder(resolver);
        if let Some(port) = self.policy_port {
            builder = builder.port(port);
        }
        if let Some(limit) = common.timeout {
            builder = builder.time_limit(limit);
        }
        if let Some(path) = &common.ca {
            builder = builder.tls(trusting(path)?.into());
        }
        let policies = builder.build().map_err(|error| {
            let why = "the certificates of the system for policy hosts";
            Failure::machine(why, io::Error::other(error))
        })?;
        Ok(Shown::new(policies, common))
    }
}

/// Returns TLS that trusts the certificates of a PEM file.
fn trusting(path: &PathBuf) -> Result<ClientConfig, Failure> {
    let roots = authorities(path)?;
    let config = ClientConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::file(path, error))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn name_server(text: &str) -> Result<SocketAddr, Failure> {
    let address = text.parse().ok();
    let address = address.or_else(|| Some((text.parse::<IpAddr>().ok()?, 53).into()));
    address.ok_or_else(|| {
        let why = format!("{text:?} is no address: write one such as 192.0.2.53 or [::1]:5353");
        Failure::option("--resolver", why)
    })
}

impl<T> Shown<T> {
    fn new(inner: T, common: &Common) -> Self {
        let families = match (common.ipv4, common.ipv6) {
            (true, _) => Families::Only4,
            (_, true) => Families::Only6,
            _ => Families::Both,
        };
        Self { inner, output: common.output(), families }
    }
}

impl Families {
    /// Returns why addresses of this kind are not used, if they are not.
    fn leaves_out(self, kind: Kind) -> Option<&'static str> {
        match (self, kind) {
            (Self::Only4, Kind::Aaaa) => Some("-4 leaves out IPv6 addresses"),
            (Self::Only6, Kind::A) => Some("-6 leaves out IPv4 addresses"),
            _ => None,
        }
    }
}

impl<R: Resolve> Resolve for Shown<R> {
    async fn lookup(&self, name: &Name, kind: Kind) -> Result<Answer, DnsError> {
        let found = self.inner.lookup(name, kind).await;
        let answer = found.as_ref().ok().map(AnswerRecord::new);
        let error = found.as_ref().err().map(|error| error.failure.to_string());
        let (shown, kind_of) = (name.as_str(), kind.to_string());
        self.output.detail(&LookupRecord { name: shown, kind: kind_of, answer, error });
        match self.families.leaves_out(kind) {
            // Another run may use them, so it is no answer that there are none.
            Some(reason)
                if found.as_ref().is_ok_and(|answer| answer.addresses().next().is_some()) =>
            {
                let cause = Cause::new(io::Error::other(reason));
                Err(DnsError::new(name.clone(), kind, DnsFailure::Other(cause)))
            }
            _ => found,
        }
    }
}

impl<F: FetchPolicy> FetchPolicy for Shown<F> {
    async fn fetch(&self, domain: &Name) -> Result<Bytes, FetchError> {
        let fetched = self.inner.fetch(domain).await;
        let policy = fetched.as_ref().ok();
        self.output.detail(&FetchRecord {
            domain: domain.as_str(),
            policy: policy.map(|text| String::from_utf8_lossy(text).into_owned()),
            error: fetched.as_ref().err().map(ToString::to_string),
        });
        fetched
    }

    fn is_in_use(&self) -> bool {
        self.inner.is_in_use()
    }
}

impl AnswerRecord {
    pub(crate) fn new(answer: &Answer) -> Self {
        Self {
            records: answer.records().iter().map(text).collect(),
            proof: proof(answer.proof()),
            ttl: answer.ttl().as_secs(),
            name_exists: answer.name_exists(),
            alias_of: answer.alias_target().map(ToString::to_string),
        }
    }
}

impl fmt::Display for AnswerRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(target) = &self.alias_of {
            write!(f, "alias of {target}, ")?;
        }
        match (self.records.is_empty(), self.name_exists) {
            (true, true) => f.write_str("none")?,
            (true, false) => f.write_str("no such name")?,
            (false, _) => f.write_str(&self.records.join(", "))?,
        }
        write!(f, " ({}, {} s)", self.proof, self.ttl)
    }
}

/// Returns a record in the form of zone files.
fn text(record: &DnsRecord) -> String {
    match record {
        DnsRecord::Mx { preference, exchange } => format!("{preference} {exchange}"),
        DnsRecord::Address(address) => address.to_string(),
        DnsRecord::Tlsa(tlsa) => tlsa.to_string(),
        DnsRecord::Txt(text) => format!("\"{}\"", text.escape_ascii()),
        other => format!("{other:?}"),
    }
}

/// Returns the word for a proof of DNSSEC.
pub(crate) fn proof(proof: Proof) -> &'static str {
    match proof {
        Proof::Secure => "secure",
        Proof::Insecure => "insecure",
        _ => "bogus",
    }
}

impl Record for LookupRecord<'_> {
    const TYPE: &'static str = "lookup";
}

impl fmt::Display for LookupRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut layout = Layout::default();
        let Self { name, kind, answer, error } = self;
        match (answer, error) {
            (Some(answer), _) => layout.entry("looked up", format_args!("{kind} {name}: {answer}")),
            (_, Some(error)) => layout.entry("looked up", format_args!("{kind} {name}: {error}")),
            _ => {}
        }
        layout.fmt(f)
    }
}

impl Record for FetchRecord<'_> {
    const TYPE: &'static str = "policy";
}

impl fmt::Display for FetchRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut layout = Layout::default();
        let url = format!("https://mta-sts.{}/.well-known/mta-sts.txt", self.domain);
        let text = match (&self.policy, &self.error) {
            (Some(policy), _) => policy.lines().collect::<Vec<_>>().join(" / "),
            (None, error) => error.clone().unwrap_or_default(),
        };
        layout.entry("fetched", format_args!("{url}: {text}"));
        layout.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_server_has_a_port_of_its_own_if_given() {
        for (text, expected) in [
            ("192.0.2.53", "192.0.2.53:53"),
            ("192.0.2.53:5353", "192.0.2.53:5353"),
            ("::1", "[::1]:53"),
            ("[::1]:5353", "[::1]:5353"),
        ] {
            assert_eq!(name_server(text).unwrap().to_string(), expected);
        }
        assert!(name_server("dns.example.org").is_err());
    }
}
