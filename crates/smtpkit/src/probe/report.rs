//! The report of a probe: everything that one connection showed.
use std::fmt;

use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use serde::Serialize;
use smtp_client::{Address, Connection, Deviations, Error, Security, Server};

use super::certificate::Certificate;
use super::contact::{Contact, Goal, Tried};
use super::finding::Finding;
use super::offer::{Change, Offer};
use super::trust::{Authorities, Presented, Trust};
use super::versions::VersionTried;
use crate::dialogue::StepTime;
use crate::exit::Exit;
use crate::layout::{Layout, NO_BREAK};
use crate::outcome::ReplyRecord;
use crate::output::{GOOD, Record, WARNING};

/// What a server is like, from one connection on which no message was sent.
///
/// | Field | Value |
/// |---|---|
/// | `server` | the URL |
/// | `tried` | the addresses that were tried; the last one was used, unless it has an `error` |
/// | `greeting` | `code` and `text` |
/// | `offers` | what the server offers, in clear and inside TLS |
/// | `changes` | what is different inside TLS |
/// | `tls` | the session of TLS, if there is one |
/// | `certificates` | those that the server sent, its own first |
/// | `trust` | whether a client that verifies accepts them |
/// | `tls_versions` | with `--tls-versions`, one for each version |
/// | `steps` | how long each step took; through a proxy, the first one includes the connection to it |
/// | `findings` | what deserves attention |
/// | `error` | why the connection failed |
/// | `exit`, `status` | the result, as the exit status of the command |
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Probe {
    pub(crate) server: String,
    pub(crate) tried: Vec<Tried>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) greeting: Option<ReplyRecord>,
    pub(crate) offers: Vec<Offer>,
    pub(crate) changes: Vec<Change>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls: Option<TlsSession>,
    pub(crate) certificates: Vec<Certificate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trust: Option<Trust>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tls_versions: Vec<VersionTried>,
    pub(crate) steps: Vec<StepTime>,
    pub(crate) findings: Vec<Finding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    pub(crate) exit: Exit,
    pub(crate) status: u8,
    #[serde(skip)]
    pub(crate) failure: Option<Error>,
    /// The certificates as they came, for other demands.
    #[serde(skip)]
    pub(crate) chain: Vec<CertificateDer<'static>>,
}

/// A session of TLS.
///
/// | Field | Value |
/// |---|---|
/// | `version` | such as `TLSv1_3` |
/// | `cipher_suite`, `key_exchange` | their registered names |
/// | `alpn` | the protocol that the server selected of those of `--alpn` |
/// | `has_ocsp_response` | whether the server sent an OCSP response with its certificate |
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct TlsSession {
    pub(crate) version: String,
    pub(crate) cipher_suite: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key_exchange: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) alpn: Option<String>,
    pub(crate) has_ocsp_response: bool,
}

impl Record for Probe {
    const TYPE: &'static str = "probe";
}

impl Probe {
    /// Ends a contact with QUIT, and reports it.
    pub(crate) async fn of(goal: &Goal, contact: Contact, authorities: &Authorities) -> Self {
        let Contact { connection, observed, tried, witness } = contact;
        let mut findings = Vec::new();
        let Presented { chain, has_ocsp_response } = witness.presented();
        // A session that fails after the handshake has these facts too.
        let mut tls = observed.secured().map(|(version, cipher_suite)| TlsSession {
            version,
            cipher_suite,
            key_exchange: None,
            alpn: None,
            has_ocsp_response,
        });
        let mut error = None;
        match connection {
            Ok(mut connection) => {
                if let (Some(tls), Some(facts)) = (&mut tls, connection.tls()) {
                    tls.key_exchange = Some(facts.key_exchange().to_owned());
                    tls.alpn = facts.alpn().map(|name| name.escape_ascii().to_string());
                }
                findings.extend(quit(&mut connection).await);
                findings.extend(deviations(connection.deviations()));
            }
            Err(failed) => error = Some(failed),
        }
        let now = UnixTime::now();
        let name = goal.certificate_name().and_then(|name| ServerName::try_from(name).ok());
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let certificates = Certificate::chain(&chain, seconds);
        let validity = certificates.first().and_then(Certificate::validity);
        let trust = name.and_then(|name| authorities.judge(&chain, &name, now, validity));
        let offers = observed.offers();
        let exit = exit(&goal.server, error.as_ref(), trust.as_ref());
        let mut probe = Self {
            server: goal.server.to_string(),
            tried,
            greeting: observed.greeting().as_ref().map(ReplyRecord::new),
            changes: match &offers[..] {
                [before, .., after] => before.changes(after),
                _ => Vec::new(),
            },
            offers,
            tls,
            certificates,
            trust,
            tls_versions: Vec::new(),
            steps: observed.steps(),
            findings,
            error: error.as_ref().map(ToString::to_string),
            failure: error,
            exit,
            status: exit.status(),
            chain,
        };
        probe.findings.extend(observed.findings());
        probe.find(&goal.server);
        probe
    }

    /// Adds what deserves attention about the parts.
    fn find(&mut self, server: &Server) {
        let mut found = std::mem::take(&mut self.findings);
        let is_tcp = matches!(server.address, Address::Tcp { .. });
        if self.error.is_none() && self.tls.is_none() && is_tcp {
            let text = match server.security {
                Security::Plain => "the connection was in clear, as the URL asks for",
                _ => "the server does not offer STARTTLS: everything can be read on the way",
            };
            found.push(Finding::problem("no_tls", text));
        }
        found.extend(self.offers.iter().flat_map(Offer::findings));
        if self.tls.as_ref().is_some_and(|tls| tls.version == "TLSv1_2") {
            let text = "the server uses TLS 1.2, though 1.3 was offered to it";
            found.push(Finding::notice("tls_1_2", text));
        }
        found.extend(self.certificates.iter().flat_map(Certificate::findings));
        if let Some(trust) = &self.trust {
            found.extend(trust.findings(&self.certificates));
        }
        for finding in found {
            if !self.findings.contains(&finding) {
                self.findings.push(finding);
            }
        }
        self.findings.sort_by_key(|finding| finding.level);
    }
}

/// Returns the exit status: the connection, or a certificate that is refused where TLS is demanded.
fn exit(server: &Server, error: Option<&Error>, trust: Option<&Trust>) -> Exit {
    let demands = matches!(server.security, Security::Tls | Security::StartTls);
    match (error, trust) {
        (Some(error), _) => Exit::of_error(error),
        (None, Some(trust)) if demands && !trust.accepted => Exit::Tls,
        _ => Exit::Fine,
    }
}

async fn quit(connection: &mut Connection) -> Option<Finding> {
    let error = connection.quit().await.err()?;
    Some(Finding::notice("quit_failed", format!("QUIT: {error}")))
}

/// Returns how long something took, as words that stay together.
fn duration(what: &str, ms: f64) -> String {
    format!("{what} {ms:.1} ms").replace(' ', &NO_BREAK.to_string())
}

/// Returns how the replies deviate from the grammar.
fn deviations(deviations: Deviations) -> Vec<Finding> {
    let known = [
        (Deviations::BARE_LF, "bare_lf", "end with LF alone instead of CR LF"),
        (Deviations::EXTRA_CR, "extra_cr", "end with more than one CR"),
        (Deviations::BARE_CR, "bare_cr", "have a CR in their text"),
        (Deviations::TAB_SEPARATOR, "tab_separator", "have a TAB after their code"),
        (Deviations::CONTROL, "control_character", "have a control character"),
        (Deviations::NON_ASCII, "non_ascii", "have an octet outside ASCII"),
        (Deviations::LONG_LINE, "long_line", "are longer than 512 octets"),
        (Deviations::SECOND_DIGIT, "second_digit", "have a code with a second digit of 6 to 9"),
        (Deviations::EMPTY_TEXT, "empty_text", "have no text after their code"),
    ];
    let present = known.into_iter().filter(|(flag, ..)| deviations.contains(*flag));
    present
        .map(|(_, code, text)| Finding::notice(code, format!("lines of replies {text}")))
        .collect()
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut layout = Layout::default();
        layout.heading(&self.server);
        for Tried { address, error } in &self.tried {
            match error {
                Some(error) => layout.entry("tried", format_args!("{address}: {error}")),
                None => layout.entry("address", address),
            }
        }
        if let Some(greeting) = &self.greeting {
            layout.entry("greeting", greeting);
        }
        self.show_offers(&mut layout);
        self.show_tls(&mut layout);
        for certificate in &self.certificates {
            certificate.show(&mut layout, self.certificates.len());
        }
        if !self.steps.is_empty() {
            self.show_times(&mut layout);
        }
        for finding in &self.findings {
            layout.styled(&finding.level.to_string(), finding.level.style(), &finding.text);
        }
        if self.error.is_none() && self.findings.is_empty() {
            layout.styled("fine", GOOD, "no problem was found");
        }
        layout.fmt(f)
    }
}

impl Probe {
    fn show_offers(&self, layout: &mut Layout) {
        match &self.offers[..] {
            [] => {}
            [only] => {
                only.show(layout);
                only.show_limits(layout);
            }
            [first, .., last] => {
                first.show(layout);
                last.show_changes(&self.changes, layout);
                last.show_limits(layout);
            }
        }
    }

    fn show_times(&self, layout: &mut Layout) {
        layout.gap();
        let total: f64 = self.steps.iter().map(|step| step.ms).sum();
        let steps = self.steps.iter().map(|step| duration(&step.step, step.ms));
        layout.list("time", steps.chain([duration("in all", total)]));
    }

    fn show_tls(&self, layout: &mut Layout) {
        if self.tls.is_some() || !self.tls_versions.is_empty() {
            layout.gap();
            layout.heading("TLS");
        }
        if let Some(tls) = &self.tls {
            layout.entry("session", format_args!("{}, {}", tls.version, tls.cipher_suite));
            if let Some(key_exchange) = &tls.key_exchange {
                layout.entry("key exch.", key_exchange);
            }
            if let Some(alpn) = &tls.alpn {
                layout.entry("ALPN", alpn);
            }
            if tls.has_ocsp_response {
                layout.entry("OCSP", "a response came with the certificate");
            }
        }
        if let Some(Trust { accepted, authorities, name, error, .. }) = &self.trust {
            let by = match &authorities[..] {
                "system" => "the authorities of this system",
                file => file,
            };
            match error {
                Some(error) if !accepted => {
                    layout.styled("verified", WARNING, format_args!("no, by {by}: {error}"));
                }
                _ => layout.styled("verified", GOOD, format_args!("for {name}, by {by}")),
            }
        }
        for version in &self.tls_versions {
            version.show(layout);
        }
        if !self.tls_versions.is_empty() {
            let text = "older versions than TLS 1.2 and other cipher suites than those of the TLS \
                        library cannot be tried";
            layout.entry("", text);
        }
    }
}
