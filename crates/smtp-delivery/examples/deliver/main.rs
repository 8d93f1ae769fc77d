//! Delivers one message to the hosts of its recipients, and shows what was looked up, what was tried
//! and what came of it.
//!
//! Without options it delivers `message.eml` to four domains of a laboratory in the same process: a
//! DNS, MX hosts and a policy host on loopback. With `--to` it delivers a file, or standard input, to
//! real domains; `--help` shows how.
#![allow(clippy::print_stderr, reason = "this is a program for a terminal")]

use std::process::ExitCode;

use smtp_client::Invalid;
use smtp_delivery::{
    Courier, DnsResolver, DnsSetupError, HttpsPolicies, Report, StsMode, StsPolicy,
};

mod demonstration;
#[path = "../../tests/lab/mod.rs"]
mod lab;
mod options;
mod page;
mod trace;

use options::{Job, Message, OptionError, USAGE};
use page::Page;
use trace::Trace;

/// Why the message was not delivered, or what it was to be delivered is not known.
#[derive(Debug)]
enum Failure {
    Option(OptionError),
    Invalid(Invalid),
    Dns(DnsSetupError),
    Trust(smtp_client::TrustError),
    Io(std::io::Error),
    Demonstration(String),
}

fn main() -> ExitCode {
    let result = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::Io)
        .and_then(|runtime| runtime.block_on(run()));
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("deliver: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Returns whether every recipient has the message; in the demonstration, whether all went as it
/// should.
async fn run() -> Result<bool, Failure> {
    match options::parse()? {
        Job::Help => {
            Page::new().line(USAGE);
            Ok(true)
        }
        Job::Demonstrate => demonstration::run().await,
        Job::Deliver(message) => deliver(*message).await,
    }
}

/// Delivers the message of the command line.
async fn deliver(message: Message) -> Result<bool, Failure> {
    // `Courier::system` is the same without the trace.
    let resolver = DnsResolver::system()?;
    let trace = Trace::default();
    let policies = HttpsPolicies::builder(trace.of(resolver.clone())).build()?;
    let builder = Courier::builder(trace.of(resolver), trace.of(policies));
    let courier = match message.hello {
        Some(name) => builder.hello_name(name),
        None => builder,
    }
    .build();
    let report = courier.deliver(&message.envelope, message.text).await;
    courier.close().await;
    show(&report, &trace);
    Ok(report.all_delivered())
}

/// Shows a delivery, domain by domain.
fn show(report: &Report, trace: &Trace) {
    let page = Page::new();
    for domain in page::domains(report) {
        page.title(&domain);
        page.lookups(trace, &domain);
        page.policies(trace, &domain);
        page.attempts(report, &domain);
        page.outcomes(report, &domain);
        page.line("");
    }
}

/// Returns the word for a mode of MTA-STS.
fn mode(policy: &StsPolicy) -> &'static str {
    match policy.mode() {
        StsMode::Enforce => "enforce",
        StsMode::Testing => "testing",
        _ => "none",
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Option(error) => error.fmt(f),
            Self::Invalid(invalid) => invalid.fmt(f),
            Self::Dns(error) => error.fmt(f),
            Self::Trust(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
            Self::Demonstration(what) => f.write_str(what),
        }
    }
}

impl From<OptionError> for Failure {
    fn from(error: OptionError) -> Self {
        Self::Option(error)
    }
}

impl From<Invalid> for Failure {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

impl From<DnsSetupError> for Failure {
    fn from(error: DnsSetupError) -> Self {
        Self::Dns(error)
    }
}

impl From<smtp_client::TrustError> for Failure {
    fn from(error: smtp_client::TrustError) -> Self {
        Self::Trust(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}
