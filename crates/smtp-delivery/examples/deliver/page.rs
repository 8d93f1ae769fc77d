//! The page: what happened, in lines of at most 80 columns where words allow it.
use std::{
    fmt::{Display, Write as _},
    io::Write as _,
};

use smtp_delivery::{Achieved, Answer, Attempt, Name, Outcome, Proof, Record, Report, StsPolicy};

use crate::{mode, trace::Trace};

/// The columns of a line.
const WIDTH: usize = 80;
/// Where the text of a paragraph begins; its label comes before.
const LABEL: usize = 10;
/// The columns of a name that was looked up, and of a record.
const NAME: usize = 30;
const RECORD: usize = 22;
/// The digits of a digest that are shown.
const DIGITS: usize = 10;

/// Standard output.
pub(crate) struct Page(());

/// Returns the domains of the recipients, in the order of the envelope.
pub(crate) fn domains(report: &Report) -> Vec<String> {
    let mut domains = Vec::new();
    for (rcpt, _) in report.outcomes() {
        let domain = domain(rcpt.path().as_str());
        if !domains.contains(&domain) {
            domains.push(domain);
        }
    }
    domains
}

fn domain(mailbox: &str) -> String {
    mailbox.rsplit_once('@').map_or("", |(_, domain)| domain).to_ascii_lowercase()
}

impl Page {
    pub(crate) fn new() -> Self {
        Self(())
    }

    /// Writes a line. A reader that has gone away does not matter.
    pub(crate) fn line(&self, text: impl Display) {
        let _ = writeln!(std::io::stdout(), "{text}");
    }

    /// Writes a title.
    pub(crate) fn title(&self, text: &str) {
        self.line(format_args!("== {text} {}", "=".repeat(WIDTH.saturating_sub(text.len() + 4))));
    }

    /// Writes a text after its label; further lines begin where the text does.
    fn paragraph(&self, label: &str, text: &str) {
        let mut line = format!("{label:LABEL$}");
        let mut is_empty = true;
        for word in text.split_ascii_whitespace() {
            let space = usize::from(!is_empty);
            if !is_empty && line.chars().count() + space + word.chars().count() > WIDTH {
                self.line(line.trim_end());
                (line, is_empty) = (" ".repeat(LABEL), true);
            }
            let _ = write!(line, "{}{word}", if is_empty { "" } else { " " });
            is_empty = false;
        }
        self.line(line.trim_end());
    }

    /// Writes what was looked up for a domain: each answer, how long it may be used and what DNSSEC
    /// proves of it.
    pub(crate) fn lookups(&self, trace: &Trace, domain: &str) {
        let mut label = "looked up";
        for (name, kind, found) in &trace.seen().lookups {
            if !belongs(name, domain) {
                continue;
            }
            let kind = kind.to_string();
            match found {
                Ok(answer) => self.answer(&format!("{label:LABEL$}{kind:<5}"), name, answer),
                Err(error) => {
                    self.paragraph(label, &format!("{kind:<4} {name}: {}", error.failure));
                }
            }
            label = "";
        }
    }

    /// Writes an answer: its first record beside the name if both fit, the others below.
    fn answer(&self, before: &str, name: &Name, answer: &Answer) {
        let records = records(answer);
        let (ttl, proof) = (answer.ttl().as_secs(), proof(answer.proof()));
        let first = records.first().map_or("", |record| &record[..]);
        let mut name = name.as_str();
        let mut before = before.to_owned();
        if name.len() >= NAME || first.len() >= RECORD {
            self.line(format_args!("{before}{name}"));
            (before, name) = (" ".repeat(before.len()), "");
        }
        self.line(format_args!("{before}{name:NAME$}{first:RECORD$}{ttl:>4} {proof}"));
        for record in records.iter().skip(1) {
            self.line(format_args!("{:1$}{record}", "", before.len() + NAME));
        }
    }

    /// Writes the MTA-STS policy that was fetched for a domain.
    pub(crate) fn policies(&self, trace: &Trace, domain: &str) {
        for (name, fetched) in &trace.seen().fetches {
            if name.as_str() != domain {
                continue;
            }
            let url = format!("https://mta-sts.{name}/.well-known/mta-sts.txt");
            self.paragraph("fetched", &url);
            let text = match fetched {
                Ok(text) => match StsPolicy::parse(text) {
                    Ok(policy) => policy_line(&policy),
                    Err(invalid) => invalid.to_string(),
                },
                Err(error) => error.to_string(),
            };
            self.paragraph("", &text);
        }
    }

    /// Writes what was tried for the recipients of a domain.
    pub(crate) fn attempts(&self, report: &Report, domain_of: &str) {
        let rcpts = report.envelope().rcpts();
        let is_here = |position: &usize| domain(rcpts[*position].path().as_str()) == domain_of;
        for attempt in report.attempts() {
            if attempt.recipients.iter().any(is_here) {
                self.attempt(attempt);
            }
        }
    }

    fn attempt(&self, attempt: &Attempt) {
        let at = match attempt.address {
            Some(address) => format!("{} ({address})", attempt.hop),
            None => attempt.hop.to_string(),
        };
        let reused = if attempt.is_reused { ", a connection that was kept" } else { "" };
        let took = attempt.took.as_millis();
        self.paragraph("tried", &format!("{at}{reused}, {took} ms"));
        if let Some(achieved) = attempt.achieved {
            let tls = match &attempt.tls {
                Some(tls) => format!(", {}, {}", tls.version(), tls.cipher_suite()),
                None => String::new(),
            };
            self.paragraph("achieved", &format!("{}{tls}", protection(achieved)));
        }
        if let Some(failure) = &attempt.failure {
            self.paragraph("failed", &failure.to_string());
        }
    }

    /// Writes what became of the message for each recipient of a domain, and the reply.
    pub(crate) fn outcomes(&self, report: &Report, domain_of: &str) {
        for (position, (rcpt, outcome)) in report.outcomes().enumerate() {
            let path = rcpt.path().as_str();
            if domain(path) != domain_of {
                continue;
            }
            let was_tried = report.attempts().iter().any(|one| one.recipients.contains(&position));
            if let Outcome::Later { reason, .. } = outcome
                && !was_tried
            {
                self.paragraph("failed", &reason.to_string());
            }
            if let Some(verdict) = outcome.verdict() {
                let (step, reply) = (verdict.step(), verdict.reply());
                self.paragraph("answered", &format!("{step}: {reply}"));
            }
            self.paragraph("outcome", &format!("{path}: {}", word(outcome)));
        }
    }
}

/// Returns whether a name is that of a domain, or below it.
fn belongs(name: &Name, domain: &str) -> bool {
    let above = name.as_str().strip_suffix(domain);
    above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
}

/// Returns the records as text; for none, why there are none.
fn records(answer: &Answer) -> Vec<String> {
    let mut records: Vec<_> = answer.records().iter().map(record).collect();
    if let Some(target) = answer.alias_target() {
        records.insert(0, format!("alias of {target}"));
    }
    match (records.is_empty(), answer.name_exists()) {
        (true, true) => vec!["none".to_owned()],
        (true, false) => vec!["no such name".to_owned()],
        (false, _) => records,
    }
}

fn record(record: &Record) -> String {
    match record {
        Record::Mx { preference, exchange } => format!("{preference} {exchange}"),
        Record::Address(address) => address.to_string(),
        Record::Tlsa(tlsa) => {
            let text = tlsa.to_string();
            let end = "3 1 1 ".len() + DIGITS;
            text.get(..end).map_or_else(|| text.clone(), |start| format!("{start}..."))
        }
        Record::Txt(text) => text.escape_ascii().to_string(),
        other => format!("{other:?}"),
    }
}

fn proof(proof: Proof) -> &'static str {
    match proof {
        Proof::Secure => "secure",
        Proof::Insecure => "insecure",
        _ => "bogus",
    }
}

fn policy_line(policy: &StsPolicy) -> String {
    let patterns: Vec<_> = policy.patterns().iter().map(ToString::to_string).collect();
    let age = policy.max_age().as_secs();
    format!("mode {}, hosts {}, valid for {age} s", mode(policy), patterns.join(" "))
}

/// Returns what a protection means.
fn protection(achieved: Achieved) -> &'static str {
    match achieved {
        Achieved::Clear => "Clear: no TLS",
        Achieved::Unverified => "Unverified: encrypted, and the host may be any",
        Achieved::Pkix => "PKIX: the certificate is of a trusted authority",
        Achieved::Dane => "DANE: the DNS names the key of the host",
        _ => "unknown",
    }
}

/// Returns an outcome; the reply, if there is one, has a line of its own.
fn word(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Delivered { hop, .. } => format!("delivered to {hop}"),
        Outcome::Refused { hop: Some(hop), .. } => format!("refused by {hop}, for good"),
        Outcome::Later { retry_after, .. } => {
            let minutes = retry_after.as_secs().div_ceil(60);
            format!("not delivered yet; to be tried again in {minutes} minutes")
        }
        other => other.to_string(),
    }
}
