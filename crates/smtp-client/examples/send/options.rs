//! The command line: the message, its sender, its recipients and the server.
use std::{fmt, io::Read, path::PathBuf, time::Duration};

use lexopt::{Arg, Parser, ValueExt};
use smtp_client::{
    Connector, Envelope, HelloName, Invalid, InvalidUrl, LineEnds, Mail, MailData, Rcpt, Server,
    Timeouts, sasl::ClearText,
};

use crate::{credentials, tls};

pub(crate) const USAGE: &str = "\
Usage: send                                            (a demonstration in one process)
       send --server ADDRESS --from MAILBOX --to MAILBOX [--to MAILBOX]... [FILE]

Sends one message through one SMTP or LMTP session and shows the dialogue.

  --server ADDRESS   smtp://host:port, smtps://, smtp+starttls://, lmtp://, lmtp+starttls://,
                     smtp+unix:///path, lmtp+unix:///path
  --from MAILBOX     the reverse-path; empty for the null path
  --to MAILBOX       a forward-path; may be given more than once
  --hello NAME       the name for EHLO [default: the local address]
  --ca FILE          trust the certificates in this PEM file [default: the platform's]
  --certificate FILE client certificate, with --key FILE, both PEM; needs --ca
  --timeout SECONDS  timeout of each step [default: those of RFC 5321]
  --user NAME        authenticate as this user
  --password-env VAR the environment variable that holds the password
  --token-env VAR    the environment variable that holds an OAuth access token
  --act-as NAME      the identity to act as; without --user: EXTERNAL
  --mechanism NAME   a mechanism to use; several are tried in this order
  --clear-text       allow sending the password without TLS
  FILE               the message; - or none for standard input. Line ends may be LF.

Exit status: 0 every recipient was accepted, 1 any or the login was refused, 2 a bad file, address or
option, 3 the outcome is in doubt or the connection failed.";

/// The task of the program.
pub(crate) enum Job {
    Help,
    Demonstrate,
    Send(Box<Message>),
}

/// The message, and the connector to its server.
pub(crate) struct Message {
    pub(crate) connector: Connector,
    pub(crate) envelope: Envelope,
    pub(crate) text: MailData,
}

/// An error in the command line, or in a file that it names.
#[derive(Debug)]
pub(crate) enum OptionError {
    Usage(lexopt::Error),
    Missing(&'static str),
    Value { option: &'static str, value: String, invalid: Invalid },
    Server(InvalidUrl),
    File { path: PathBuf, reason: String },
    Variable { name: String },
}

/// The values of the options.
#[derive(Default)]
struct Given {
    server: Option<String>,
    from: Option<String>,
    to: Vec<String>,
    hello: Option<String>,
    tls: tls::Given,
    timeout: Option<u64>,
    login: credentials::Given,
    file: Option<PathBuf>,
}

/// Parses the command line of this process, and reads the files that it names.
pub(crate) fn parse() -> Result<Job, OptionError> {
    let mut given = Given::default();
    let mut parser = Parser::from_env();
    let mut any = false;
    while let Some(argument) = parser.next()? {
        any = true;
        match argument {
            Arg::Long("help") | Arg::Short('h') => return Ok(Job::Help),
            Arg::Long("server") => given.server = Some(parser.value()?.string()?),
            Arg::Long("from") => given.from = Some(parser.value()?.string()?),
            Arg::Long("to") => given.to.push(parser.value()?.string()?),
            Arg::Long("hello") => given.hello = Some(parser.value()?.string()?),
            Arg::Long("ca") => given.tls.ca = Some(parser.value()?.into()),
            Arg::Long("certificate") => given.tls.certificate = Some(parser.value()?.into()),
            Arg::Long("key") => given.tls.key = Some(parser.value()?.into()),
            Arg::Long("timeout") => given.timeout = Some(parser.value()?.parse()?),
            Arg::Long("user") => given.login.user = Some(parser.value()?.string()?),
            Arg::Long("password-env") => given.login.password = Some(parser.value()?.string()?),
            Arg::Long("token-env") => given.login.token = Some(parser.value()?.string()?),
            Arg::Long("act-as") => given.login.act_as = Some(parser.value()?.string()?),
            Arg::Long("mechanism") => given.login.mechanisms.push(parser.value()?.string()?),
            Arg::Long("clear-text") => given.login.clear_text = ClearText::Allowed,
            Arg::Value(file) if given.file.is_none() => given.file = Some(file.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    if any { given.job() } else { Ok(Job::Demonstrate) }
}

impl Given {
    fn job(self) -> Result<Job, OptionError> {
        let server = self.server.ok_or(OptionError::Missing("--server"))?;
        let from = self.from.ok_or(OptionError::Missing("--from"))?;
        if self.to.is_empty() {
            return Err(OptionError::Missing("--to"));
        }
        let server = server.parse::<Server>().map_err(OptionError::Server)?;
        let mail = value("--from", &from, Mail::try_from)?;
        let rcpts = self.to.iter().map(|to| value("--to", to, Rcpt::try_from));
        let rcpts = rcpts.collect::<Result<Vec<_>, _>>()?;
        let envelope = value("--to", "", |_| Envelope::new(mail, rcpts))?;

        let mut connector = Connector::new(server);
        if let Some(name) = &self.hello {
            connector = connector.hello_name(value("--hello", name, HelloName::try_from)?);
        }
        if let Some(tls) = self.tls.tls()? {
            connector = connector.tls(tls);
        }
        if let Some(seconds) = self.timeout {
            connector =
                connector.timeouts(Timeouts::every_step(Duration::from_secs(seconds.max(1))));
        }
        if let Some(login) = self.login.login()? {
            connector = connector.login(login);
        }
        Ok(Job::Send(Box::new(Message { connector, envelope, text: read(self.file)? })))
    }
}

/// Parses the value of an option.
pub(crate) fn value<'g, T, E: Into<Invalid>>(
    option: &'static str,
    given: &'g str,
    parse: impl FnOnce(&'g str) -> Result<T, E>,
) -> Result<T, OptionError> {
    let value = given.to_owned();
    parse(given).map_err(|error| OptionError::Value { option, value, invalid: error.into() })
}

/// Reads the message. Files on Unix end their lines with LF, which SMTP does not allow.
fn read(file: Option<PathBuf>) -> Result<MailData, OptionError> {
    let path = file.unwrap_or_else(|| "-".into());
    let octets = if path.as_os_str() == "-" {
        let mut octets = Vec::new();
        std::io::stdin().read_to_end(&mut octets).map(|_| octets)
    } else {
        std::fs::read(&path)
    };
    let failed = |reason: String| OptionError::File { path: path.clone(), reason };
    let octets = octets.map_err(|error| failed(error.to_string()))?;
    MailData::normalize(octets, LineEnds::Unix).map_err(|invalid| failed(invalid.to_string()))
}

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(error) => write!(f, "{error} (--help shows the options)"),
            Self::Missing(option) => write!(f, "{option} is missing (--help shows the options)"),
            Self::Value { option, value, invalid } => write!(f, "{option} {value:?}: {invalid}"),
            Self::Server(invalid) => write!(f, "--server: {invalid}"),
            Self::File { path, reason } => write!(f, "{}: {reason}", path.display()),
            Self::Variable { name } => write!(f, "the environment variable {name} is not set"),
        }
    }
}

impl From<lexopt::Error> for OptionError {
    fn from(error: lexopt::Error) -> Self {
        Self::Usage(error)
    }
}
