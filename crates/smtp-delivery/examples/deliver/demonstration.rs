//! The demonstration: a message to four domains of a laboratory, what it would report to one of them,
//! and what it tells the sender.
use std::{
    fmt::Display,
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use smtp_client::{Envelope, LineEnds, MailData};
use smtp_delivery::{
    Achieved, Courier, HttpsPolicies, Name, Outcome, Period, Report, TlsReport, TlsResult,
};

use crate::{Failure, lab::domains::FourDomains, page::Page, show, trace::Trace};

const MESSAGE: &[u8] = include_bytes!("message.eml");

/// The recipients, and what protects the connection that each of them gets the message over; one does
/// not exist, and one is not to be had with the protection that is due.
const RECIPIENTS: [(&str, Expected); 5] = [
    ("bertil@dane.example", Expected::Delivered(Achieved::Dane)),
    ("nobody@dane.example", Expected::Refused),
    ("carla@sts.example", Expected::Delivered(Achieved::Pkix)),
    ("david@plain.example", Expected::Delivered(Achieved::Unverified)),
    ("eva@broken.example", Expected::Later),
];

const BEGINNING: &str = "\
One message to five recipients in four domains, delivered by MX. The name server
and the hosts for mail and for the policy are in this process, on loopback. Each
answer of the DNS has the seconds that it may be kept, and what DNSSEC proves.";

enum Expected {
    Delivered(Achieved),
    Refused,
    Later,
}

/// Delivers the message, and succeeds if each recipient has the outcome that is expected.
pub(crate) async fn run() -> Result<bool, Failure> {
    let lab = FourDomains::start().await;
    let trace = Trace::default();
    let resolver = lab.resolver();
    let policies = HttpsPolicies::builder(trace.of(resolver.clone()))
        .port(lab.policy_host.address().port())
        .tls(lab.policy_host.client())
        .build()?;
    let results = Arc::new(Mutex::new(Vec::new()));
    let courier = Courier::builder(trace.of(resolver), trace.of(policies))
        .hello_name("mail.sender.example".parse()?)
        .tls(lab.tls())
        .port(lab.mx.port())
        .on_tls_result({
            let results = Arc::clone(&results);
            move |result| results.lock().unwrap_or_else(PoisonError::into_inner).push(result)
        })
        .build();

    let text = MailData::normalize(MESSAGE, LineEnds::Unix)?;
    let recipients = RECIPIENTS.iter().map(|(recipient, _)| *recipient);
    let envelope = Envelope::new("anna@sender.example", recipients).map_err(unexpected)?;
    let report = courier.deliver(&envelope, &text).await;
    courier.close().await;

    let page = Page::new();
    page.line(BEGINNING);
    page.line("");
    show(&report, &trace);
    let results = std::mem::take(&mut *results.lock().unwrap_or_else(PoisonError::into_inner));
    show_tls_report(&page, &results)?;
    show_notification(&page, &report, &text)?;
    check(&report)?;
    Ok(true)
}

/// Shows what RFC 8460 has the domain told whose TLSA record is wrong.
fn show_tls_report(page: &Page, results: &[TlsResult]) -> Result<(), Failure> {
    let domain: Name = "broken.example".parse().map_err(unexpected)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(unexpected)?.as_secs();
    let today = now - now % 86_400;
    let period = Period::new(today, today + 86_399).map_err(unexpected)?;
    let mut report = TlsReport::new(domain, period, "1.broken.example")
        .organization("Sender")
        .contact("tls-reports@sender.example");
    results.iter().for_each(|result| report.add(result));
    page.title("what broken.example would be reported (TLSRPT)");
    let json: serde_json::Value = serde_json::from_str(&report.to_json()).map_err(unexpected)?;
    for line in serde_json::to_string_pretty(&json).map_err(unexpected)?.lines() {
        // One space for each level instead of two.
        let text = line.trim_start();
        page.line(format_args!("{:1$}{text}", "", (line.len() - text.len()) / 2));
    }
    page.line("");
    Ok(())
}

/// Shows the notification that the sender gets of the recipient that was refused.
fn show_notification(page: &Page, report: &Report, text: &MailData) -> Result<(), Failure> {
    let name = "mail.sender.example".parse().map_err(unexpected)?;
    let notification = report.dsn(name).original(text).build(SystemTime::now())?;
    let (envelope, content) = notification.ok_or_else(|| unexpected("there is no bounce"))?;
    let to = envelope.rcpts().iter().map(|rcpt| rcpt.path().as_str()).collect::<String>();
    page.title(&format!("what {to} is told (RFC 3464)"));
    page.line(String::from_utf8_lossy(content.octets()).replace('\r', "").trim_end());
    Ok(())
}

/// Checks that each recipient has the outcome that is expected.
fn check(report: &Report) -> Result<(), Failure> {
    for (position, ((rcpt, outcome), (_, expected))) in
        report.outcomes().zip(&RECIPIENTS).enumerate()
    {
        let mut attempts = report.attempts().iter();
        let last = attempts.rfind(|attempt| attempt.recipients.contains(&position));
        let is_expected = match (outcome, expected) {
            (Outcome::Delivered { .. }, Expected::Delivered(achieved)) => {
                last.is_some_and(|attempt| attempt.achieved == Some(*achieved))
            }
            (Outcome::Refused { .. }, Expected::Refused) => true,
            (Outcome::Later { .. }, Expected::Later) => true,
            _ => false,
        };
        if !is_expected {
            let rcpt = rcpt.path().as_str();
            return Err(unexpected(format_args!("{rcpt}: not the outcome expected: {outcome}")));
        }
    }
    Ok(())
}

fn unexpected(what: impl Display) -> Failure {
    Failure::Demonstration(what.to_string())
}
