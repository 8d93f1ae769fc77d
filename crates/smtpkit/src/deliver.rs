//! `deliver`: a message to the recipients' own servers, by MX.
mod report;

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, ValueEnum};
use smtp_client::{Envelope, HelloName, MailData, MailParam, Proxy, Timeouts};
use smtp_delivery::{Courier, Floor, Name, Period, Report, TlsReport, TlsResult};

use self::report::DeliveryRecord;
use crate::cli::Common;
use crate::compose::MessageOptions;
use crate::dialogue::Dialogue;
use crate::envelope::EnvelopeOptions;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interruption;
use crate::lookup::LookupOptions;
use crate::output::Output;

/// Deliver one message to the recipients' own servers: by MX, with DANE and MTA-STS
///
/// Each recipient is tried once, at the hosts of its domain in their order; nothing is queued and
/// nothing is signed (DKIM). Hosts are connected to on port 25, which many access networks block.
#[derive(Debug, Args)]
pub(crate) struct DeliverArgs {
    #[command(flatten)]
    envelope: EnvelopeOptions,
    #[command(flatten)]
    message: MessageOptions,
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    lookup: LookupOptions,
}

/// How the message is delivered.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "How it is delivered")]
struct How {
    /// The name for EHLO: the public name of this machine [default: the local address, which many
    /// hosts refuse]
    #[arg(long, value_name = "NAME")]
    hello: Option<String>,
    /// The least protection, whatever a domain publishes
    #[arg(long, value_name = "PROTECTION", default_value = "opportunistic")]
    floor: Least,
    /// Demand TLS along the whole path (REQUIRETLS)
    #[arg(long)]
    require_tls: bool,
    /// Connect from this address of this machine; once for IPv4 and once for IPv6
    #[arg(long, value_name = "ADDRESS")]
    source_address: Vec<IpAddr>,
    /// Write the notification that the sender is due (RFC 3464) to this file, if there is one
    #[arg(long, value_name = "FILE", requires = "hello")]
    bounce: Option<PathBuf>,
    /// Write what the domains would be reported about TLS (RFC 8460) to this file: one JSON object a
    /// line, one for each domain
    #[arg(long, value_name = "FILE", requires = "hello")]
    tls_report: Option<PathBuf>,
}

/// The least protection of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Least {
    /// TLS if the host offers it, else clear text
    Opportunistic,
    /// TLS, with any certificate
    Encrypted,
    /// TLS with a host that DANE or a trusted authority vouches for
    Verified,
}

/// The results of TLS, for a report.
type TlsResults = Arc<Mutex<Vec<TlsResult>>>;

/// Runs the command.
pub(crate) async fn run(args: &DeliverArgs, common: &Common) -> Result<Exit, Failure> {
    let output = common.output();
    let hello = args.how.hello.as_deref().map(HelloName::try_from).transpose();
    let hello = hello.map_err(|invalid| Failure::option("--hello", invalid))?;
    let envelope = args.envelope(hello.as_ref())?;
    let content = args.message.content(&args.envelope.from, &args.envelope.to)?;
    let results = TlsResults::default();
    let courier = args.courier(hello, common, &results)?;
    let interruption = Interruption::listen();
    let delivered = interruption.unless(courier.deliver(&envelope, content.clone())).await;
    let (report, was_interrupted) = match delivered {
        Ok(report) => (Some(report), false),
        Err(_) => (courier.take_interrupted().pop(), true),
    };
    let Some(report) = report else {
        output.warn("interrupted before anything was known: nothing was sent");
        return Ok(Exit::Interrupted);
    };
    // The hosts are not to wait for QUIT if the process is to end.
    if was_interrupted {
        output.warn("interrupted");
    } else {
        let _ = interruption.unless(courier.close()).await;
    }
    let record = DeliveryRecord::new(&report, was_interrupted);
    record.show_attempts(output);
    output.show(&record);
    let written = [
        args.how.write_bounce(&report, &content, output),
        args.how.write_tls_reports(&results, output),
    ];
    let mut exit = Ok(record.exit);
    for failure in written.into_iter().filter_map(Result::err) {
        match exit {
            Ok(result) => exit = output.not_written(failure, result),
            Err(_) => output.warn(failure),
        }
    }
    exit
}

impl DeliverArgs {
    fn envelope(&self, hello: Option<&HelloName>) -> Result<Envelope, Failure> {
        let files = [(&self.how.bounce, "--bounce"), (&self.how.tls_report, "--tls-report")];
        for (file, option) in files {
            if file.is_some() && hello.is_none_or(|name| Name::new(name.as_str()).is_err()) {
                let why = "it needs --hello with the name of this machine, which it is sent from";
                return Err(Failure::option(option, why));
            }
        }
        let envelope = self.envelope.envelope()?;
        if !self.how.require_tls {
            return Ok(envelope);
        }
        let mail = envelope.mail().clone().with(MailParam::RequireTls);
        let mail = mail.map_err(|invalid| Failure::option("--require-tls", invalid))?;
        Ok(Envelope::new(mail, envelope.rcpts().iter().cloned())?)
    }

    fn courier(
        &self,
        hello: Option<HelloName>,
        common: &Common,
        results: &TlsResults,
    ) -> Result<Courier, Failure> {
        let output = common.output();
        let resolver = self.lookup.resolver(common)?;
        let policies = self.lookup.policies(resolver.clone(), common)?;
        let proxy = common.proxy.as_deref().map(str::parse::<Proxy>).transpose();
        let proxy = proxy.map_err(|invalid| Failure::option("--proxy", invalid))?;
        let floor = match self.how.floor {
            Least::Opportunistic => Floor::Opportunistic,
            Least::Encrypted => Floor::Encrypted,
            Least::Verified => Floor::Verified,
        };
        let results = Arc::clone(results);
        let mut builder = Courier::builder(resolver, policies)
            .port(self.lookup.port())
            .floor(floor)
            .on_tls_result(move |result| {
                results.lock().unwrap_or_else(PoisonError::into_inner).push(result);
            })
            .connector(move |connector| {
                let connector = match &proxy {
                    Some(proxy) => connector.proxy(proxy.clone()),
                    None => connector,
                };
                match output.is_verbose() {
                    true => connector.observer(Dialogue::begin(output).observer()),
                    false => connector,
                }
            });
        if output.is_verbose() {
            // The dialogues of several hosts at the same time could not be told apart.
            builder = builder.groups_at_once(1);
        }
        if let Some(name) = hello {
            builder = builder.hello_name(name);
        }
        if let Some(tls) = common.trust()? {
            builder = builder.tls(tls);
        }
        if let Some(limit) = common.timeout {
            builder = builder.timeouts(Timeouts::every_step(limit)).lookup_timeout(limit);
        }
        for source in &self.how.source_address {
            builder = builder.source_address(*source);
        }
        Ok(builder.build())
    }
}

impl How {
    /// Returns the name of this machine. It was checked before anything was sent.
    fn name(&self) -> Option<Name> {
        Name::new(self.hello.as_deref()?).ok()
    }

    fn write_bounce(
        &self,
        report: &Report,
        content: &MailData,
        output: Output,
    ) -> Result<(), Failure> {
        let (Some(path), Some(name)) = (&self.bounce, self.name()) else { return Ok(()) };
        let notification = report.dsn(name).original(content).build(SystemTime::now());
        let notification =
            notification.map_err(|error| Failure::machine("making the notification", error))?;
        match notification {
            None => output.text("no notification is due"),
            Some((_, notification)) => {
                write(path, notification.octets())?;
                output.text(format_args!("the notification is in {}", path.display()));
            }
        }
        Ok(())
    }

    fn write_tls_reports(&self, results: &TlsResults, output: Output) -> Result<(), Failure> {
        let (Some(path), Some(name)) = (&self.tls_report, self.name()) else { return Ok(()) };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let today = now - now % DAY;
        let Ok(period) = Period::new(today, today + DAY - 1) else { return Ok(()) };
        let results = std::mem::take(&mut *results.lock().unwrap_or_else(PoisonError::into_inner));
        let mut reports: Vec<TlsReport> = Vec::new();
        for result in &results {
            let known = reports.iter().position(|report| *report.domain() == result.domain);
            let at = known.unwrap_or_else(|| {
                let id = format!("{now}.{}.{}", reports.len() + 1, result.domain);
                let report = TlsReport::new(result.domain.clone(), period, id)
                    .organization(name.to_string())
                    .contact(format!("postmaster@{name}"));
                reports.push(report);
                reports.len() - 1
            });
            reports[at].add(result);
        }
        let text: String = reports.iter().map(|report| report.to_json() + "\n").collect();
        write(path, text.as_bytes())?;
        output.text(format_args!("{} reports of TLS are in {}", reports.len(), path.display()));
        Ok(())
    }
}

/// The seconds of a day.
const DAY: u64 = 86_400;

fn write(path: &Path, octets: &[u8]) -> Result<(), Failure> {
    fs::write(path, octets)
        .map_err(|error| Failure::machine(format_args!("writing {}", path.display()), error))
}
