//! `probe`: what a server is like, without sending a message.
mod certificate;
mod contact;
mod domain;
mod finding;
mod mail_host;
mod observed;
mod offer;
mod report;
mod summary;
mod trust;
mod versions;

use std::net::Ipv6Addr;

use clap::Args;
use smtp_client::session::{Event, Observer as _};
use smtp_client::{Address, HelloName, Security, Server};

use self::contact::Goal;
pub(crate) use self::mail_host::word;
use self::report::Probe;
use self::trust::Authorities;
use crate::cli::Common;
use crate::dialogue::Dialogue;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interruption;
use crate::lookup::LookupOptions;
use crate::output::Output;

/// Show what a server is like: greeting, extensions, TLS, certificates, logins; no message is sent
///
/// Without a scheme TLS is used at once on the ports 465 and 2465, and if the server offers it
/// (STARTTLS) on all others; the default port is 25. The connection goes on with any certificate, so
/// that everything can be shown. Without --timeout the greeting and the handshake may take 30 seconds,
/// and each command a minute. The exit status is 12 if the scheme or the port demands TLS and the
/// certificate is not accepted. With --mx it is 20 if a host has not the protection that the domain
/// publishes (DANE, MTA-STS).
#[derive(Debug, Args)]
pub(crate) struct ProbeArgs {
    /// The server: HOST, HOST:PORT, /SOCKET or a URL such as smtps://mail.example.org
    #[arg(value_name = "SERVER", required_unless_present = "mx")]
    server: Option<String>,
    /// Probe the mail hosts of this domain: MX, DNSSEC, DANE, MTA-STS, TLSRPT and each host
    #[arg(long, value_name = "DOMAIN", conflicts_with = "server")]
    mx: Option<String>,
    /// Try each version of TLS on a connection of its own
    #[arg(long)]
    tls_versions: bool,
    /// Offer this protocol in TLS (ALPN); may be given more than once
    #[arg(long, value_name = "PROTOCOL")]
    alpn: Vec<String>,
    /// The name for EHLO, HELO or LHLO [default: the local address]
    #[arg(long, value_name = "NAME")]
    hello: Option<String>,
    #[command(flatten)]
    lookup: LookupOptions,
}

/// What is the same for every server of one command.
#[derive(Clone, Copy)]
struct Manner<'a> {
    common: &'a Common,
    authorities: &'a Authorities,
    hello: Option<&'a HelloName>,
    args: &'a ProbeArgs,
    output: Output,
}

/// Runs the command.
pub(crate) async fn run(args: &ProbeArgs, common: &Common) -> Result<Exit, Failure> {
    let output = common.output();
    let hello = args.hello.as_deref().map(HelloName::try_from).transpose();
    let hello = hello.map_err(|invalid| Failure::option("--hello", invalid))?;
    let authorities = Authorities::new(common)?;
    let manner = Manner { common, authorities: &authorities, hello: hello.as_ref(), args, output };
    let probing = async {
        match (&args.mx, &args.server) {
            (Some(domain), _) => domain::probe(domain, &manner).await,
            (None, Some(server)) => probe_server(server, &manner).await,
            (None, None) => Err(Failure::option("SERVER", "write a host or a URL, or --mx DOMAIN")),
        }
    };
    match Interruption::listen().unless(probing).await {
        Ok(result) => result,
        Err(_) => {
            output.warn("interrupted; a probe begins no message");
            Ok(Exit::Interrupted)
        }
    }
}

async fn probe_server(text: &str, manner: &Manner<'_>) -> Result<Exit, Failure> {
    if let Some(option) = manner.args.lookup.first_given() {
        let why = "it is for --mx only; a name is looked up as the system does it";
        return Err(Failure::option(option, why));
    }
    let goal = Goal::new(server(text)?);
    let probe = manner.probe(goal).await?;
    manner.output.show(&probe);
    match probe.failure {
        Some(error) => Err(error.into()),
        None => Ok(probe.exit),
    }
}

impl Manner<'_> {
    /// Probes a server.
    async fn probe(&self, mut goal: Goal) -> Result<Probe, Failure> {
        goal.hello = self.hello.cloned();
        goal.alpn = self.args.alpn.clone();
        let shown = Dialogue::begin(self.output).observer();
        let watch = move |event: &Event<'_>| shown.event(*event);
        let contact = goal.contact(self.common, rustls::ALL_VERSIONS, watch).await?;
        let mut probe = Probe::of(&goal, contact, self.authorities).await;
        // A server that works without TLS has no version to try.
        if self.args.tls_versions && (probe.tls.is_some() || probe.error.is_some()) {
            probe.tls_versions = versions::try_versions(&goal, self.common).await?;
        }
        Ok(probe)
    }
}

/// Reads what server is meant.
fn server(text: &str) -> Result<Server, Failure> {
    if text.contains("://") {
        let authority = text.split_once("://").map_or("", |(_, rest)| rest);
        if authority.split(['/', '?', '#']).next().is_some_and(|host| host.contains('@')) {
            let why = "a probe does not log in: leave out the user name and the password";
            return Err(Failure::option("SERVER", why));
        }
        return Ok(text.parse()?);
    }
    if text.starts_with('/') {
        return Ok(format!("smtp+unix://{text}").parse()?);
    }
    let bare = text.parse::<Ipv6Addr>().map(|address| format!("[{address}]"));
    let host = bare.unwrap_or_else(|_| text.to_owned());
    let server: Server = format!("smtp+opportunistic://{host}").parse()?;
    Ok(match server.address {
        Address::Tcp { port: 465 | 2465, .. } => server.security(Security::Tls),
        _ => server,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(server(text).unwrap().to_string(), expected);
    }

    #[test]
    fn without_a_scheme_the_port_decides_about_tls() {
        check("mx.example.org", "smtp+opportunistic://mx.example.org:25");
        check("mx.example.org:587", "smtp+opportunistic://mx.example.org:587");
        check("mx.example.org:465", "smtps://mx.example.org:465");
        check("mx.example.org:2465", "smtps://mx.example.org:2465");
        check("192.0.2.1", "smtp+opportunistic://192.0.2.1:25");
        check("2001:db8::1", "smtp+opportunistic://[2001:db8::1]:25");
        check("[2001:db8::1]:465", "smtps://[2001:db8::1]:465");
        check("/run/smtp", "smtp+unix:///run/smtp");
    }

    #[test]
    fn a_url_decides_about_tls_itself() {
        check("lmtp://mx.example.org", "lmtp://mx.example.org:24");
        check("smtp://mx.example.org", "smtp://mx.example.org:25");
        check("lmtp+unix:///run/lmtp", "lmtp+unix:///run/lmtp");
    }

    #[test]
    fn what_is_no_server_is_refused() {
        for text in ["", "smtp://", "mx:port", "smtp://user:secret@mx.example.org", "ftp://mx"] {
            let failure = server(text).unwrap_err();
            assert_eq!(failure.exit(), Exit::Usage, "{text}");
            assert!(!failure.to_string().contains("secret"), "{failure}");
        }
    }
}
