//! A domain: its MX records and policies, and each of its mail hosts.
use std::fmt;

use serde::Serialize;
use smtp_delivery::{
    Answer, DnsResolver, FetchPolicy as _, Kind, MxPattern, Name, NoRoute, Record as DnsRecord,
    Resolve as _, StsPolicy, StsRecord, route,
};

use super::Manner;
use super::finding::Finding;
use super::mail_host::{MailHost, OfDomain, mode};
use super::summary::Summary;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::layout::{Layout, printable};
use crate::lookup::{AnswerRecord, Shown};
use crate::output::Record;

/// What a domain publishes about its mail.
///
/// | Field | Value |
/// |---|---|
/// | `domain` | the domain, in its ASCII form |
/// | `mx` | the answer to the lookup of its MX records |
/// | `null_mx` | whether it accepts no mail (RFC 7505) |
/// | `implicit_mx` | whether it is its own mail host, without MX records (RFC 5321, 5.1) |
/// | `no_route` | why no mail can be sent to it |
/// | `mta_sts` | its MTA-STS record and policy, if it has them |
/// | `tlsrpt` | where it wants reports of TLS sent, if it does |
/// | `findings` | what deserves attention about it, its hosts left out |
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Domain {
    pub(crate) domain: String,
    pub(crate) mx: AnswerRecord,
    pub(crate) null_mx: bool,
    pub(crate) implicit_mx: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) no_route: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mta_sts: Option<MtaSts>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tlsrpt: Vec<String>,
    pub(crate) findings: Vec<Finding>,
}

/// MTA-STS of a domain.
///
/// | Field | Value |
/// |---|---|
/// | `id` | the identifier of the policy, from the TXT record |
/// | `mode` | `enforce`, `testing` or `none` |
/// | `mx` | the patterns of hosts that it permits |
/// | `max_age` | seconds |
/// | `error` | what is wrong with the record or the policy |
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct MtaSts {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mode: Option<&'static str>,
    pub(crate) mx: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_age: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

/// Probes a domain and each of its hosts.
pub(super) async fn probe(text: &str, manner: &Manner<'_>) -> Result<Exit, Failure> {
    let domain = Name::new(text).ok().filter(Name::is_host);
    let why = "write a domain, such as example.org";
    let domain = domain.ok_or_else(|| Failure::option("--mx", format!("{text:?}: {why}")))?;
    let resolver = manner.args.lookup.resolver(manner.common)?;
    let mx = match resolver.lookup(&domain, Kind::Mx).await {
        Ok(mx) => mx,
        Err(error) => return Err(Failure::Lookup(error)),
    };
    let (mta_sts, policy) = find_policy(&domain, &resolver, manner).await?;
    let mut shown = Domain::new(&domain, &mx, mta_sts);
    shown.find_tlsrpt(&domain, &resolver).await;
    let route = route(&domain, &mx, policy.as_ref(), &[], 0);
    shown.no_route = route.as_ref().err().map(ToString::to_string);
    manner.output.show(&shown);
    let route = match route {
        Ok(route) => route,
        // A null MX is as it should be.
        Err(NoRoute::NullMx) => return Ok(Exit::Fine),
        Err(reason) => return Err(Failure::NoRoute { domain: shown.domain, reason }),
    };
    let of = OfDomain { domain: &domain, mx: &mx, policy: policy.as_ref() };
    let mut hosts = Vec::new();
    for hop in route.hops.iter().chain(&route.excluded) {
        let host = MailHost::of(hop, &of, &resolver, manner).await?;
        manner.output.show(&host);
        hosts.push(host);
    }
    let summary = Summary::new(&hosts, &shown);
    manner.output.show(&summary);
    Ok(summary.exit)
}

/// Finds the MTA-STS policy of a domain, and what is wrong with it.
async fn find_policy(
    domain: &Name,
    resolver: &Shown<DnsResolver>,
    manner: &Manner<'_>,
) -> Result<(Option<MtaSts>, Option<StsPolicy>), Failure> {
    let failed = |mut sts: MtaSts, error: String| {
        sts.error = Some(error);
        Ok((Some(sts), None))
    };
    let mut sts = MtaSts::default();
    let texts = match texts(domain, "_mta-sts", resolver).await {
        Ok(texts) => texts,
        Err(error) => return failed(sts, error),
    };
    let record = match StsRecord::parse(texts.iter().map(Vec::as_slice)) {
        Ok(Some(record)) => record,
        Ok(None) => return Ok((None, None)),
        Err(invalid) => return failed(sts, invalid.to_string()),
    };
    sts.id = Some(record.id().to_owned());
    let policies = manner.args.lookup.policies(resolver.clone(), manner.common)?;
    let policy = match policies.fetch(domain).await {
        Ok(text) => StsPolicy::parse(&text).map_err(|invalid| invalid.to_string()),
        Err(error) => Err(format!("fetching the policy failed: {error}")),
    };
    let policy = match policy {
        Ok(policy) => policy,
        Err(error) => return failed(sts, error),
    };
    sts.mode = Some(mode(&policy));
    sts.mx = policy.patterns().iter().map(MxPattern::to_string).collect();
    sts.max_age = Some(policy.max_age().as_secs());
    Ok((Some(sts), Some(policy)))
}

/// Returns the texts of the TXT records at this name of a domain.
async fn texts(
    domain: &Name,
    prefix: &str,
    resolver: &Shown<DnsResolver>,
) -> Result<Vec<Vec<u8>>, String> {
    let name = domain.with_prefix(prefix).map_err(|invalid| invalid.to_string())?;
    let answer = resolver.lookup(&name, Kind::Txt).await.map_err(|error| error.to_string())?;
    let texts = answer.records().iter().filter_map(|record| match record {
        DnsRecord::Txt(text) => Some(text.clone()),
        _ => None,
    });
    Ok(texts.collect())
}

impl Domain {
    fn new(domain: &Name, mx: &Answer, mta_sts: Option<MtaSts>) -> Self {
        let exchanges: Vec<_> = mx
            .records()
            .iter()
            .filter_map(|record| match record {
                DnsRecord::Mx { exchange, .. } => Some(exchange),
                _ => None,
            })
            .collect();
        let mut findings = Vec::new();
        if let Some(error) = mta_sts.as_ref().and_then(|sts| sts.error.as_ref()) {
            findings.push(Finding::problem("mta_sts_failed", format!("MTA-STS: {error}")));
        }
        if exchanges.len() > 1 && exchanges.iter().any(|exchange| exchange.is_root()) {
            let text = "a null MX stands beside other MX records, which it must not";
            findings.push(Finding::problem("null_mx_not_alone", text));
        }
        Self {
            domain: domain.to_string(),
            mx: AnswerRecord::new(mx),
            null_mx: exchanges.len() == 1 && exchanges[0].is_root(),
            implicit_mx: exchanges.is_empty() && mx.name_exists(),
            no_route: None,
            mta_sts,
            tlsrpt: Vec::new(),
            findings,
        }
    }

    /// Finds where the domain wants reports of TLS sent (RFC 8460, 3).
    async fn find_tlsrpt(&mut self, domain: &Name, resolver: &Shown<DnsResolver>) {
        match texts(domain, "_smtp._tls", resolver).await.and_then(|texts| report_targets(&texts)) {
            Ok(targets) => self.tlsrpt = targets,
            Err(error) => {
                self.findings.push(Finding::notice("tlsrpt_failed", format!("TLSRPT: {error}")));
            }
        }
    }
}

/// Returns the targets of reports in the one TXT record that is about them.
fn report_targets(texts: &[Vec<u8>]) -> Result<Vec<String>, String> {
    let mut fields = texts.iter().filter_map(|text| text.strip_prefix(b"v=TLSRPTv1;"));
    let Some(record) = fields.next() else { return Ok(Vec::new()) };
    let others = fields.count();
    if others > 0 {
        return Err(format!("{} records begin with v=TLSRPTv1; instead of one", others + 1));
    }
    let record = String::from_utf8_lossy(record);
    let rua = record.split(';').find_map(|field| field.trim().strip_prefix("rua="));
    let targets = rua.map(|rua| rua.split(',').map(|target| printable(target.trim())).collect());
    targets.ok_or_else(|| "the record has no field rua".to_owned())
}

impl Record for Domain {
    const TYPE: &'static str = "domain";
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut layout = Layout::default();
        layout.heading(&self.domain);
        layout.entry("MX", &self.mx);
        if self.null_mx {
            layout.entry("null MX", "the domain accepts no mail");
        } else if self.implicit_mx {
            layout.entry("no MX", "the domain is its own mail host");
        } else if let Some(reason) = &self.no_route {
            layout.entry("no route", reason);
        }
        match &self.mta_sts {
            None => layout.entry("MTA-STS", "none"),
            Some(MtaSts { id, mode, mx, max_age, .. }) => {
                let words = [
                    id.as_ref().map(|id| format!("id {id}")),
                    mode.map(|mode| format!("mode {mode}")),
                    (!mx.is_empty()).then(|| format!("hosts {}", mx.join(" "))),
                    max_age.map(|seconds| format!("max_age {seconds} s")),
                ];
                layout.list("MTA-STS", words.into_iter().flatten());
            }
        }
        match &self.tlsrpt[..] {
            [] => layout.entry("TLSRPT", "none"),
            targets => layout.list("TLSRPT", targets),
        }
        for finding in &self.findings {
            layout.styled(&finding.level.to_string(), finding.level.style(), &finding.text);
        }
        layout.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(texts: &[&str]) -> Result<Vec<String>, String> {
        let texts: Vec<_> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
        report_targets(&texts)
    }

    #[test]
    fn one_record_has_the_targets_of_reports() {
        let targets_of = targets(&["v=spf1 -all", "v=TLSRPTv1; rua=mailto:a@b.example,https://b/"]);
        assert_eq!(targets_of.unwrap(), ["mailto:a@b.example", "https://b/"]);
        assert_eq!(targets(&["v=spf1 -all"]).unwrap(), [""; 0]);
    }

    #[test]
    fn records_without_one_target_are_wrong() {
        assert!(targets(&["v=TLSRPTv1; rua=mailto:a@b", "v=TLSRPTv1; rua=mailto:c@d"]).is_err());
        assert!(targets(&["v=TLSRPTv1; ruf=mailto:a@b"]).is_err());
    }
}
