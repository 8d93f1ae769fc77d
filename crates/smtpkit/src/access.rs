//! How a server is reached: its URL, the login, the proxy, the trusted certificates, timeouts.
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::Stdio;

use clap::Args;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs::default_provider};
use smtp_client::sasl::{ClearText, Mechanism, Secret};
use smtp_client::{Connector, Credentials, HelloName, Login, Proxy, Timeouts, Tls};
use tokio::io::AsyncReadExt;
use tokio::process;

use crate::cli::Common;
use crate::failure::Failure;
use crate::prompt;

/// The server of a command, and how the client logs in.
#[derive(Clone, Debug, Args)]
pub(crate) struct Access {
    /// The server: smtp://host:port (no TLS), smtp+starttls://, smtps://, lmtp://, smtp+unix:///path
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    /// The name for EHLO, HELO or LHLO [default: the local address]
    #[arg(long, value_name = "NAME")]
    pub(crate) hello: Option<String>,
    /// Accept any certificate; the connection is encrypted then, but not protected
    #[arg(long)]
    pub(crate) insecure: bool,
    /// The client certificate, a PEM file; with --key
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) certificate: Option<PathBuf>,
    /// The private key of the client certificate, a PEM file
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub(crate) key: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) login: LoginOptions,
}

/// The options of a login. A secret is never an argument: other users see those.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Login")]
pub(crate) struct LoginOptions {
    /// Log in as this user; the password is asked for unless another option gives it
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// Read the password from the first line of this file
    #[arg(long, value_name = "FILE", requires = "user", group = "secret")]
    pub(crate) password_file: Option<PathBuf>,
    /// Read the password from the first line that this command prints
    #[arg(long, value_name = "COMMAND", requires = "user", group = "secret")]
    pub(crate) password_command: Option<String>,
    /// Read the password from this environment variable
    #[arg(long, value_name = "VARIABLE", requires = "user", group = "secret")]
    pub(crate) password_env: Option<String>,
    /// Read an OAuth access token from this environment variable
    #[arg(long, value_name = "VARIABLE", requires = "user", group = "secret")]
    pub(crate) token_env: Option<String>,
    /// Act as this identity; without --user the mechanism is EXTERNAL
    #[arg(long, value_name = "NAME")]
    pub(crate) act_as: Option<String>,
    /// Use this mechanism; may be given more than once, and they are tried in this order
    #[arg(long, value_name = "MECHANISM")]
    pub(crate) mechanism: Vec<String>,
    /// Allow a password in clear on a connection without TLS
    #[arg(long)]
    pub(crate) clear_text: bool,
}

impl Access {
    /// Returns the connector that these options describe. It may ask for a password.
    pub(crate) async fn connector(&self, common: &Common) -> Result<Connector, Failure> {
        if has_password(&self.url) {
            return Err(Failure::option(
                "URL",
                "it has a password, which other users of this machine can see: write --user NAME \
                 with --password-file, --password-env or --password-command",
            ));
        }
        let mut connector = common.reach(Connector::from_url(&self.url)?)?;
        if let Some(name) = &self.hello {
            let name = HelloName::try_from(name.as_str());
            connector =
                connector.hello_name(name.map_err(|invalid| Failure::option("--hello", invalid))?);
        }
        if let Some(tls) = self.tls(common)? {
            connector = connector.tls(tls);
        }
        if let Some(login) = self.login.login().await? {
            connector = connector.login(login);
        }
        Ok(connector)
    }

    fn tls(&self, common: &Common) -> Result<Option<Tls>, Failure> {
        if self.insecure {
            let tls = Tls::dangerous_accept_any_certificate();
            return tls.map(Some).map_err(|error| Failure::option("--insecure", error));
        }
        let (Some(certificate), Some(key)) = (&self.certificate, &self.key) else {
            return common.trust();
        };
        let Some(ca) = &common.ca else {
            return Err(Failure::option("--certificate", "it needs --ca FILE as well"));
        };
        let roots = authorities(ca)?;
        let chain = certificates(certificate)?;
        let key_of =
            PrivateKeyDer::from_pem_file(key).map_err(|error| Failure::file(key, error))?;
        let config = ClientConfig::builder_with_provider(default_provider().into())
            .with_safe_default_protocol_versions()
            .map_err(|error| Failure::file(ca, error))?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key_of)
            .map_err(|error| Failure::file(certificate, error))?;
        Ok(Some(Tls::new(config.into())))
    }
}

impl Common {
    /// Sets on a connector what the options of every command say.
    pub(crate) fn reach(&self, mut connector: Connector) -> Result<Connector, Failure> {
        if let Some(proxy) = &self.proxy {
            let proxy = proxy.parse::<Proxy>();
            connector =
                connector.proxy(proxy.map_err(|invalid| Failure::option("--proxy", invalid))?);
        }
        if let Some(timeout) = self.timeout {
            connector = connector.timeouts(Timeouts::every_step(timeout));
        }
        let (v4, v6) = (self.ipv4, self.ipv6);
        if v4 || v6 {
            connector = connector.on_socket(move |_, address| match address.is_ipv4() {
                true if v6 => Err(io::Error::other("an IPv4 address, which -6 leaves out")),
                false if v4 => Err(io::Error::other("an IPv6 address, which -4 leaves out")),
                _ => Ok(()),
            });
        }
        Ok(connector)
    }

    /// Returns the TLS that trusts the certificates of `--ca`; `None` without that option.
    pub(crate) fn trust(&self) -> Result<Option<Tls>, Failure> {
        let Some(path) = &self.ca else { return Ok(None) };
        let pem = std::fs::read(path).map_err(|error| Failure::file(path, error))?;
        Tls::authorities_pem(&pem).map(Some).map_err(|error| Failure::file(path, error))
    }
}

impl LoginOptions {
    /// Returns the login that these options describe, if there is one.
    async fn login(&self) -> Result<Option<Login>, Failure> {
        let invalid = |option| move |invalid| Failure::option(option, invalid);
        let mut credentials = match (&self.user, &self.token_env) {
            (None, _) if self.mechanism.is_empty() && self.act_as.is_none() => return Ok(None),
            (None, _) if self.mechanism.iter().any(|name| name == "ANONYMOUS") => {
                Credentials::anonymous("").map_err(invalid("--mechanism"))?
            }
            (None, _) => Credentials::external(),
            (Some(user), Some(variable)) => {
                Credentials::bearer(user, environment("--token-env", variable)?)
                    .map_err(invalid("--user"))?
            }
            (Some(user), None) => Credentials::password(user, self.password(user).await?)
                .map_err(invalid("--user"))?,
        };
        if let Some(identity) = &self.act_as {
            credentials = credentials.act_as(identity.clone()).map_err(invalid("--act-as"))?;
        }
        let mut login = Login::new(credentials);
        if self.clear_text {
            login = login.clear_text(ClearText::Allowed);
        }
        if !self.mechanism.is_empty() {
            let parsed = self.mechanism.iter().map(|name| {
                name.parse::<Mechanism>().map_err(|error| Failure::option("--mechanism", error))
            });
            login = login.mechanisms(parsed.collect::<Result<Vec<_>, _>>()?);
        }
        Ok(Some(login))
    }

    async fn password(&self, user: &str) -> Result<Secret, Failure> {
        if let Some(path) = &self.password_file {
            let file = File::open(path).map_err(|error| Failure::file(path, error))?;
            let line = first_line(file).map_err(|error| Failure::file(path, error))?;
            return line.ok_or_else(|| Failure::file(path, "the first line is empty"));
        }
        if let Some(variable) = &self.password_env {
            return environment("--password-env", variable);
        }
        if let Some(command) = &self.password_command {
            return from_command(command).await;
        }
        prompt::password(user).await
    }
}

/// Reads the authorities of a PEM file, which are trusted and no others.
pub(crate) fn authorities(path: &PathBuf) -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(path)? {
        roots.add(authority).map_err(|error| Failure::file(path, error))?;
    }
    Ok(roots)
}

/// Reads the certificates of a PEM file.
fn certificates(path: &PathBuf) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| Failure::file(path, error))?;
    if found.is_empty() {
        return Err(Failure::file(path, "the file has no certificate in PEM"));
    }
    Ok(found)
}

/// Returns whether the URL has a password between the scheme and the host.
fn has_password(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit_once('@').is_some_and(|(login, _)| login.contains(':'))
}

/// The most octets of a password.
const LONGEST: u64 = 64 * 1024;

/// Reads the first line and no more; `None` if it is empty.
fn first_line(input: impl Read) -> io::Result<Option<Secret>> {
    let mut line = String::new();
    BufReader::new(input).take(LONGEST).read_line(&mut line)?;
    let line = line.trim_end_matches(['\r', '\n']);
    Ok((!line.is_empty()).then(|| Secret::from(line)))
}

fn environment(option: &'static str, variable: &str) -> Result<Secret, Failure> {
    std::env::var(variable).map(Secret::from).map_err(|_| {
        Failure::option(option, format!("the environment variable {variable} is not set"))
    })
}

/// Runs a command of the shell, as the user's own configuration of a mail program has it.
async fn from_command(command: &str) -> Result<Secret, Failure> {
    let option = "--password-command";
    let mut shell = process::Command::new("sh");
    shell.arg("-c").arg(command).stdin(Stdio::inherit()).stdout(Stdio::piped());
    let mut shell = shell.spawn().map_err(|error| Failure::option(option, error))?;
    let mut text = Vec::new();
    if let Some(output) = shell.stdout.take() {
        // A command that prints without end is told that there is no reader.
        let read = output.take(LONGEST).read_to_end(&mut text).await;
        read.map_err(|error| Failure::option(option, error))?;
    }
    let status = shell.wait().await.map_err(|error| Failure::option(option, error))?;
    let line = first_line(&*text).map_err(|error| Failure::option(option, error))?;
    if !status.success() && text.len() < usize::try_from(LONGEST).unwrap_or(usize::MAX) {
        return Err(Failure::option(option, format!("the command failed: {status}")));
    }
    line.ok_or_else(|| Failure::option(option, "the first line is empty"))
}
