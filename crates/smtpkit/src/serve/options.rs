//! The options of `serve`, and what they mean. Everything that can be wrong with them is found before
//! anything listens.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use smtp_testkit::{Authority, CertificateKind, Identity, Keep, Lint};

use super::accounts::Accounts;
use super::address::{Place, TcpAddress};
use super::lints;
use super::listeners::{Certificate, Planned, Service, Settings};
use super::maildir::Maildir;
use super::rules::{self, WrittenRule};
use super::store::Limits;
use crate::failure::Failure;

/// Catch the mail of any program: a server for tests, with a web page and an HTTP API
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Write each message into this maildir too, before the reply to it
    #[arg(long, value_name = "FOLDER")]
    maildir: Option<PathBuf>,
    /// Write the listeners into this file when all of them listen, with name and URL in each line
    #[arg(long, value_name = "FILE")]
    pub(crate) ready_file: Option<PathBuf>,
    #[command(flatten)]
    places: Places,
    #[command(flatten)]
    tls: TlsOptions,
    #[command(flatten)]
    behavior: Behavior,
    #[command(flatten)]
    limits: LimitOptions,
}

/// Where it listens. ADDRESS is a port of 127.0.0.1, or an address and a port; port 0 is any free
/// one.
#[derive(Debug, Args)]
#[command(next_help_heading = "Listeners (ADDRESS: a port, or address:port; port 0 is a free one)")]
struct Places {
    /// SMTP, with STARTTLS; may be given more than once [default: 127.0.0.1:1025]
    #[arg(long, value_name = "ADDRESS")]
    smtp: Vec<TcpAddress>,
    /// SMTP under TLS
    #[arg(long, value_name = "ADDRESS")]
    smtps: Vec<TcpAddress>,
    /// SMTP that requires a login before MAIL, with STARTTLS
    #[arg(long, value_name = "ADDRESS", requires = "logins")]
    submission: Vec<TcpAddress>,
    /// SMTP under TLS that requires a login
    #[arg(long, value_name = "ADDRESS", requires = "logins")]
    submissions: Vec<TcpAddress>,
    /// LMTP
    #[arg(long, value_name = "ADDRESS|unix:PATH")]
    lmtp: Vec<Place>,
    /// The web page and the HTTP API [default: 127.0.0.1:8025]
    #[arg(long, value_name = "ADDRESS")]
    http: Option<TcpAddress>,
    /// No web page and no HTTP API
    #[arg(long, conflicts_with = "http")]
    no_http: bool,
    /// Answer HTTP requests for this host name too; may be given more than once
    #[arg(long, value_name = "NAME", conflicts_with = "no_http")]
    http_host: Vec<String>,
}

/// The certificate, and the users that can log in.
#[derive(Debug, Args)]
#[command(next_help_heading = "TLS and logins")]
struct TlsOptions {
    /// Write the certificate of the authority that a client has to trust, as PEM
    #[arg(long, value_name = "FILE", conflicts_with = "cert")]
    ca_out: Option<PathBuf>,
    /// A host name for the certificate, besides localhost; may be given more than once
    #[arg(long, value_name = "NAME", conflicts_with = "cert")]
    name: Vec<String>,
    /// What is wrong with the certificate
    #[arg(long, value_name = "KIND", default_value = "good", conflicts_with = "cert")]
    certificate: Fault,
    /// Present this certificate, a PEM file, with those of its issuers; with --key
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// The private key of --cert, a PEM file
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Users for --submission and --submissions: a file with name:password in each line
    #[arg(long, value_name = "FILE", group = "logins")]
    users: Option<PathBuf>,
    /// Let every user log in there, with any password
    #[arg(long, group = "logins")]
    any_login: bool,
}

/// How it answers.
#[derive(Debug, Args)]
#[command(next_help_heading = "Behavior")]
struct Behavior {
    /// Add a line to the EHLO reply, or replace the one with the same keyword, such as "SIZE 1000"
    #[arg(long, value_name = "LINE")]
    offer: Vec<String>,
    /// Do not offer this extension, such as PIPELINING
    #[arg(long, value_name = "KEYWORD")]
    hide: Vec<String>,
    /// A rule, such as 'on = "RCPT *", times = 1, reply = "451 4.7.1 try again later"'
    #[arg(long, value_name = "RULE")]
    rule: Vec<String>,
    /// Rules of a TOML file, after those of --rule
    #[arg(long, value_name = "FILE")]
    rules: Vec<PathBuf>,
    /// Accept what is refused for this mistake, such as bare-lf, or for all
    #[arg(long, value_name = "MISTAKE")]
    tolerate: Vec<String>,
}

/// How much is kept.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits (K, M and G are powers of 1,024)")]
struct LimitOptions {
    /// Keep this number of messages in memory; the oldest are dropped first
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000)]
    max_messages: usize,
    /// Keep messages of this number of octets in all, and dialogues of a quarter of it
    #[arg(long, value_name = "OCTETS", default_value = "256M")]
    max_octets: Octets,
    /// Accept messages up to this size [default: 50M, or --max-octets if that is less]
    #[arg(long, value_name = "OCTETS")]
    max_size: Option<Octets>,
    /// Refuse further connections to a listener with 421 while this number of them are open
    #[arg(long, value_name = "NUMBER", default_value_t = 500)]
    max_connections: usize,
}

/// The default for the octets of a message.
const DEFAULT_MAX_SIZE: usize = 50 << 20;

/// A number of octets, perhaps with a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Octets(usize);

impl FromStr for Octets {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let units = [('K', 10), ('M', 20), ('G', 30)];
        let unit =
            units.into_iter().find(|(unit, _)| text.ends_with([*unit, unit.to_ascii_lowercase()]));
        let (number, shift) = match unit {
            Some((_, shift)) => (&text[..text.len() - 1], shift),
            None => (text, 0),
        };
        let number = number.parse::<usize>().ok();
        let octets = number.and_then(|number| number.checked_mul(1 << shift));
        octets.map(Self).ok_or("write a number of octets, such as 1000000, 500K, 50M or 1G")
    }
}

/// What can be wrong with the certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Fault {
    /// Nothing
    Good,
    /// It has expired
    Expired,
    /// It is not valid yet
    NotYetValid,
    /// It is for another host
    WrongName,
    /// It is not issued by the authority
    SelfSigned,
    /// The same, and marked as that of an authority
    SelfSignedAuthority,
    /// It was issued by another authority
    UnknownAuthority,
    /// It is for clients only
    ForClients,
}

/// What is going to be served.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) listeners: Vec<Planned>,
    /// Where the page and the API are, and the names of the host.
    pub(crate) http: Option<(TcpAddress, Vec<String>)>,
    pub(crate) rules: Vec<WrittenRule>,
    pub(crate) settings: Settings,
    pub(crate) limits: Limits,
    /// The file for the certificate of the authority, and what it gets.
    pub(crate) authority: Option<(PathBuf, String)>,
}

/// The default port for SMTP, and that for HTTP.
const SMTP_PORT: u16 = 1025;
const HTTP_PORT: u16 = 8025;

impl ServeArgs {
    /// Checks the options, reads their files, and opens the maildir.
    pub(crate) fn plan(&self) -> Result<Plan, Failure> {
        let rules = self.behavior.rules()?;
        let tolerated = self.behavior.tolerated()?;
        let accounts = self.tls.accounts()?;
        let certificate = self.tls.certificate()?;
        let authority = match (&self.tls.ca_out, &certificate) {
            (Some(path), Certificate::Made { authority, .. }) => {
                Some((path.clone(), authority.pem()))
            }
            _ => None,
        };
        let maildir = self
            .maildir
            .as_ref()
            .map(|folder| Maildir::open(folder).map_err(|error| Failure::file(folder, error)));
        let limits = self.limits.limits();
        Ok(Plan {
            listeners: self.places.listeners(),
            http: self.places.http(),
            rules,
            settings: Settings {
                offers: self.behavior.offers()?,
                hidden: self.behavior.hide.clone(),
                max_size: self.limits.max_size()?,
                max_connections: self.limits.max_connections,
                tolerated,
                accounts,
                certificate,
                keep: keep(limits),
                maildir: maildir.transpose()?,
            },
            limits,
            authority,
        })
    }
}

/// What the listeners keep: dialogues only, since the store has the messages.
fn keep(limits: Limits) -> Keep {
    Keep::everything()
        .messages(0)
        .connections(limits.messages)
        .dialogue_octets(limits.octets / 4)
        .lines(500)
        .line_octets(2_000)
}

impl Places {
    fn listeners(&self) -> Vec<Planned> {
        let tcp = |service, addresses: &[TcpAddress]| {
            let planned = |address: &TcpAddress| Planned { service, place: Place::Tcp(*address) };
            addresses.iter().map(planned).collect::<Vec<_>>()
        };
        let lmtp =
            self.lmtp.iter().map(|place| Planned { service: Service::Lmtp, place: place.clone() });
        let mut all = tcp(Service::Smtp, &self.smtp);
        all.extend(tcp(Service::Smtps, &self.smtps));
        all.extend(tcp(Service::Submission, &self.submission));
        all.extend(tcp(Service::Submissions, &self.submissions));
        all.extend(lmtp);
        if all.is_empty() {
            all.extend(tcp(Service::Smtp, &[local(SMTP_PORT)]));
        }
        all
    }

    fn http(&self) -> Option<(TcpAddress, Vec<String>)> {
        let address = self.http.unwrap_or_else(|| local(HTTP_PORT));
        (!self.no_http).then(|| (address, self.http_host.clone()))
    }
}

fn local(port: u16) -> TcpAddress {
    TcpAddress(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

impl TlsOptions {
    fn accounts(&self) -> Result<Option<Accounts>, Failure> {
        match (&self.users, self.any_login) {
            (Some(path), _) => Accounts::read(path).map(Some),
            (None, true) => Ok(Some(Accounts::Any)),
            (None, false) => Ok(None),
        }
    }

    fn certificate(&self) -> Result<Certificate, Failure> {
        let read = |path: &PathBuf| fs::read(path).map_err(|error| Failure::file(path, error));
        if let (Some(certificate), Some(key)) = (&self.cert, &self.key) {
            let identity = Identity::from_pem(&read(certificate)?, &read(key)?);
            return identity
                .map(Certificate::Own)
                .map_err(|error| Failure::option("--cert", error));
        }
        let authority = self.name.iter().try_fold(Authority::new(), |authority, name| {
            authority.name(name).map_err(|error| Failure::option("--name", error))
        })?;
        let kind = match self.certificate {
            Fault::Good => CertificateKind::Good,
            Fault::Expired => CertificateKind::Expired,
            Fault::NotYetValid => CertificateKind::NotYetValid,
            Fault::WrongName => CertificateKind::WrongName,
            Fault::SelfSigned => CertificateKind::SelfSigned,
            Fault::SelfSignedAuthority => CertificateKind::SelfSignedAuthority,
            Fault::UnknownAuthority => CertificateKind::UnknownAuthority,
            Fault::ForClients => CertificateKind::ForClients,
        };
        Ok(Certificate::Made { authority, kind })
    }
}

impl Behavior {
    fn rules(&self) -> Result<Vec<WrittenRule>, Failure> {
        let mut all = Vec::new();
        for text in &self.rule {
            let rule = rules::from_argument(text);
            all.push(rule.map_err(|invalid| Failure::option("--rule", invalid))?);
        }
        for path in &self.rules {
            let text = fs::read_to_string(path).map_err(|error| Failure::file(path, error))?;
            all.extend(rules::from_toml(&text).map_err(|invalid| Failure::file(path, invalid))?);
        }
        Ok(all)
    }

    fn tolerated(&self) -> Result<Vec<Lint>, Failure> {
        let mut all = Vec::new();
        for name in &self.tolerate {
            match name.as_str() {
                "all" => all.extend(Lint::ALL),
                name => {
                    let read = lints::read(name);
                    all.push(read.map_err(|why| {
                        Failure::option("--tolerate", format!("{name:?}: {why}"))
                    })?);
                }
            }
        }
        Ok(all)
    }

    fn offers(&self) -> Result<Vec<String>, Failure> {
        let is_keyword = |line: &str| {
            let keyword = line.split(' ').next().unwrap_or_default();
            let letters = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-';
            !keyword.is_empty() && keyword.bytes().all(letters)
        };
        let printable = |line: &str| line.bytes().all(|octet| (b' '..=b'~').contains(&octet));
        match self.offer.iter().find(|line| !(is_keyword(line) && printable(line))) {
            None => Ok(self.offer.clone()),
            Some(line) => {
                let why = format!("{line:?}: write a keyword and its parameters, as SIZE 1000");
                Err(Failure::option("--offer", why))
            }
        }
    }
}

impl LimitOptions {
    fn limits(&self) -> Limits {
        Limits { messages: self.max_messages, octets: self.max_octets.0 }
    }

    /// A message that cannot be kept must not be accepted.
    fn max_size(&self) -> Result<usize, Failure> {
        match self.max_size {
            None => Ok(DEFAULT_MAX_SIZE.min(self.max_octets.0)),
            Some(size) if size.0 <= self.max_octets.0 => Ok(size.0),
            Some(_) => {
                let why = "a message of this size does not fit into --max-octets; raise that too";
                Err(Failure::option("--max-size", why))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets() {
        let read = |text: &str| text.parse::<Octets>().ok().map(|octets| octets.0);
        assert_eq!(read("1000"), Some(1_000));
        assert_eq!(read("500K"), Some(512_000));
        assert_eq!(read("2m"), Some(2 << 20));
        assert_eq!(read("1G"), Some(1 << 30));
        for text in ["", "K", "-1", "1T", "1.5M", "99999999999999999999", "99999999999G"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
