//! The summary of a domain: one row for each mail host.
use std::fmt;

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use super::domain::Domain;
use super::mail_host::MailHost;
use crate::exit::Exit;
use crate::output::Record;

/// The columns of the table.
const WIDTH: u16 = 80;

/// The mail hosts of a domain.
///
/// | Field | Value |
/// |---|---|
/// | `domain` | the domain |
/// | `hosts` | one row for each host |
/// | `exit`, `status` | the result: that of the first host whose protection is not the one that is due, else of the first that failed otherwise, else of the domain's own policies |
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) domain: String,
    pub(crate) hosts: Vec<Row>,
    pub(crate) exit: Exit,
    pub(crate) status: u8,
}

/// A host in the summary.
///
/// | Field | Value |
/// |---|---|
/// | `host`, `preference` | as in the record of the host |
/// | `address` | the address that was used |
/// | `tls` | the version of TLS, or `none` |
/// | `certificate` | `accepted`, `not accepted`, or `none` |
/// | `dane` | `matches`, `fails`, `unusable`, `unknown`, or `none` |
/// | `mta_sts` | `permits`, `forbids` or `none` |
/// | `result` | `fine`, or the name of the exit status |
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    host: String,
    preference: Option<u16>,
    address: Option<String>,
    tls: String,
    certificate: &'static str,
    dane: &'static str,
    mta_sts: &'static str,
    result: Exit,
}

impl Summary {
    pub(crate) fn new(hosts: &[MailHost], domain: &Domain) -> Self {
        let unprotected = hosts.iter().find(|host| host.exit == Exit::Policy);
        let failed = hosts.iter().find(|host| host.exit != Exit::Fine);
        let own = domain.mta_sts.as_ref().filter(|sts| sts.error.is_some());
        let exit = match (unprotected.or(failed), own) {
            (Some(host), _) => host.exit,
            (None, Some(_)) => Exit::Policy,
            (None, None) => Exit::Fine,
        };
        let hosts = hosts.iter().map(Row::new).collect();
        Self { domain: domain.domain.clone(), hosts, exit, status: exit.status() }
    }
}

impl Row {
    fn new(host: &MailHost) -> Self {
        let probe = host.probe.as_deref();
        let tls = probe.and_then(|probe| probe.tls.as_ref());
        let trust = probe.and_then(|probe| probe.trust.as_ref());
        let used = probe.and_then(|probe| probe.tried.iter().find(|tried| tried.error.is_none()));
        let dane = match &host.tlsa {
            None => "none",
            Some(tlsa) if tlsa.proof.is_none() => "unknown",
            Some(tlsa) if tlsa.records.is_empty() => "none",
            Some(_) if host.achieved == Some("dane") => "matches",
            Some(tlsa) if tlsa.records.iter().any(|record| record.usable) => "fails",
            Some(_) => "unusable",
        };
        Self {
            host: host.host.clone(),
            preference: host.preference,
            address: used.map(|tried| tried.address.ip().to_string()),
            tls: tls.map_or_else(|| "none".to_owned(), |tls| tls.version.clone()),
            certificate: match trust {
                None => "none",
                Some(trust) if trust.accepted => "accepted",
                Some(_) => "not accepted",
            },
            dane,
            mta_sts: match host.sts_permits {
                None => "none",
                Some(true) => "permits",
                Some(false) => "forbids",
            },
            result: host.exit,
        }
    }
}

/// Returns a result for the table.
fn word(exit: Exit) -> &'static str {
    match exit {
        Exit::Fine => "fine",
        Exit::Policy => "not protected",
        Exit::Dns => "DNS failed",
        Exit::Connect => "no connection",
        Exit::Tls => "TLS failed",
        Exit::Greeting => "refused",
        Exit::Protocol => "protocol broken",
        _ => "failed",
    }
}

impl Record for Summary {
    const TYPE: &'static str = "summary";
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
        table.set_header(["host", "pref.", "TLS", "certificate", "DANE", "MTA-STS", "result"]);
        for row in &self.hosts {
            table.add_row([
                row.host.clone(),
                row.preference.map_or_else(|| "-".to_owned(), |preference| preference.to_string()),
                row.tls
                    .strip_prefix("TLSv1_")
                    .map_or_else(|| row.tls.clone(), |minor| format!("1.{minor}")),
                row.certificate.to_owned(),
                row.dane.to_owned(),
                row.mta_sts.to_owned(),
                word(row.result).to_owned(),
            ]);
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        if let Some(hosts) = table.column_mut(0) {
            hosts.set_delimiter('.');
        }
        writeln!(f)?;
        let lines: Vec<_> = table.lines().map(|line| line.trim_end().to_owned()).collect();
        f.write_str(&lines.join("\n"))
    }
}
