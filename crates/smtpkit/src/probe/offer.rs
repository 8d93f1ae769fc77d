//! Offers: what a server offers before and after TLS, and what deserves attention in it. No I/O.
use serde::Serialize;
use smtp_client::{Capabilities, Extension, Reply};

use super::finding::Finding;
use crate::layout::Layout;

/// What a server offers.
///
/// | Field | Value |
/// |---|---|
/// | `verb` | `EHLO`, `HELO` or `LHLO`: what it replied to |
/// | `tls` | whether that was inside TLS |
/// | `name` | the name that the server gives itself |
/// | `lines` | the lines of the offer, as they came |
/// | `auth` | the mechanisms of AUTH |
/// | `size` | the size limit in octets, if the server states one |
/// | `limits` | the values of LIMITS: `mail_max`, `rcpt_max`, `rcpt_domain_max` |
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Offer {
    pub(crate) verb: String,
    pub(crate) tls: bool,
    pub(crate) name: String,
    pub(crate) lines: Vec<String>,
    pub(crate) auth: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<u64>,
    #[serde(skip_serializing_if = "Limits::is_empty")]
    pub(crate) limits: Limits,
    #[serde(skip)]
    capabilities: Capabilities,
}

/// The limits of a session (RFC 9422).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Limits {
    #[serde(skip_serializing_if = "Option::is_none")]
    mail_max: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rcpt_max: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rcpt_domain_max: Option<u32>,
}

/// A keyword that differs after TLS.
///
/// | Field | Value |
/// |---|---|
/// | `keyword` | the keyword |
/// | `before`, `after` | the lines with it before and inside TLS; without any it was gained or lost |
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Change {
    pub(crate) keyword: String,
    pub(crate) before: Vec<String>,
    pub(crate) after: Vec<String>,
}

impl Limits {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Offer {
    /// Returns the offer of a reply to EHLO, HELO or LHLO.
    pub(crate) fn new(verb: &str, reply: &Reply, tls: bool) -> Self {
        let lines = reply.lines().map(|line| line.printable().to_string());
        let mut lines: Vec<String> = lines.collect();
        let name = if lines.is_empty() { String::new() } else { lines.remove(0) };
        let capabilities = match verb {
            // The text of a reply to HELO offers nothing.
            "HELO" => Capabilities::none(),
            _ => Capabilities::from_reply(reply.clone()),
        };
        let mut channel = capabilities.channel();
        channel.tls = tls;
        let capabilities = capabilities.with_channel(channel);
        let auth = capabilities.mechanisms().map(|name| name.escape_ascii().to_string()).collect();
        let limits = capabilities.limits();
        Self {
            verb: verb.to_owned(),
            tls,
            name,
            lines,
            auth,
            size: capabilities.size_limit(),
            limits: Limits {
                mail_max: limits.mail_max(),
                rcpt_max: limits.rcpt_max(),
                rcpt_domain_max: limits.rcpt_domain_max(),
            },
            capabilities,
        }
    }

    pub(crate) fn has(&self, extension: Extension) -> bool {
        self.capabilities.has(extension)
    }

    /// Returns what is different in `after`.
    pub(crate) fn changes(&self, after: &Self) -> Vec<Change> {
        let text = |octets: &[u8]| octets.escape_ascii().to_string();
        let changes = self.capabilities.changes(&after.capabilities);
        changes
            .map(|change| Change {
                keyword: text(change.keyword()),
                before: change.before().map(|line| text(line.as_bytes())).collect(),
                after: change.after().map(|line| text(line.as_bytes())).collect(),
            })
            .collect()
    }

    /// Returns what deserves attention.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        if self.verb == "HELO" {
            let text = "the server does not know EHLO: no extension can be used, TLS included";
            findings.push(Finding::problem("helo_only", text));
        }
        for oddity in self.capabilities.oddities() {
            let text = format!("{} in the offer: {oddity}", self.verb);
            findings.push(Finding::notice("offer_oddity", text));
        }
        findings.extend(self.logins());
        findings
    }

    fn logins(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let has = |names: &[&str]| {
            let has = |one: &&String| names.iter().any(|name| one.eq_ignore_ascii_case(name));
            self.auth.iter().filter(has).cloned().collect::<Vec<_>>().join(", ")
        };
        let in_clear = has(&["PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"]);
        if !self.tls && !in_clear.is_empty() {
            let text = format!(
                "logins are offered without TLS, where passwords and tokens can be read: {in_clear}"
            );
            findings.push(Finding::problem("auth_in_clear", text));
        }
        let only_passwords =
            self.auth.iter().all(|name| ["PLAIN", "LOGIN"].contains(&&*name.to_ascii_uppercase()));
        if self.tls && !self.auth.is_empty() && only_passwords {
            let text =
                format!("the server learns each password; it offers {in_clear} and no SCRAM");
            findings.push(Finding::notice("auth_passwords_only", text));
        }
        let old = has(&["CRAM-MD5", "DIGEST-MD5", "NTLM", "APOP"]);
        if !old.is_empty() {
            let text = format!("mechanisms that are out of date are offered: {old}");
            findings.push(Finding::notice("auth_outdated", text));
        }
        let anonymous = has(&["ANONYMOUS"]);
        if !anonymous.is_empty() {
            findings.push(Finding::notice("auth_anonymous", "anyone may log in: ANONYMOUS"));
        }
        findings
    }

    pub(crate) fn show(&self, layout: &mut Layout) {
        layout.gap();
        let place = if self.tls { "inside TLS" } else { "in clear" };
        layout.heading(format_args!("offer {place}, to {}", self.verb));
        layout.entry("name", &self.name);
        layout.list("offers", &self.lines);
        layout.list("logins", &self.auth);
    }

    /// Shows the offer after TLS by what is different from the one before.
    pub(crate) fn show_changes(&self, changes: &[Change], layout: &mut Layout) {
        layout.gap();
        layout.heading(format_args!("offer inside TLS, to {}", self.verb));
        if changes.is_empty() {
            layout.entry("changes", "none");
        }
        for change in changes {
            let (before, after) = (change.before.join(", "), change.after.join(", "));
            match (before.is_empty(), after.is_empty()) {
                (true, _) => layout.entry("gained", after),
                (_, true) => layout.entry("lost", before),
                _ => layout.entry("changed", format_args!("{before} to {after}")),
            }
        }
    }

    /// Shows what limits the messages.
    pub(crate) fn show_limits(&self, layout: &mut Layout) {
        if let Some(octets) = self.size {
            layout.entry("size", format_args!("at most {octets} octets"));
        }
        let Limits { mail_max, rcpt_max, rcpt_domain_max } = self.limits;
        let limits = [
            mail_max.map(|most| format!("{most} messages in a session")),
            rcpt_max.map(|most| format!("{most} recipients of a message")),
            rcpt_domain_max.map(|most| format!("{most} domains of recipients in a session")),
        ];
        layout.list("limits", limits.into_iter().flatten());
    }
}
