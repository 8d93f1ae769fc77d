//! The command line: the message, its sender and its recipients.
use std::{fmt, io::Read, path::PathBuf};

use lexopt::{Arg, Parser, ValueExt};
use smtp_client::{Envelope, HelloName, Invalid, LineEnds, Mail, MailData, Rcpt};

pub(crate) const USAGE: &str = "\
Usage: deliver                                  (a demonstration in one process)
       deliver --from MAILBOX --to MAILBOX [--to MAILBOX]... [FILE]

Delivers one message to the MX hosts of its recipients, protected as each domain
publishes it by DANE or MTA-STS, and shows what was looked up and tried.

  --from MAILBOX  the reverse-path; empty for the null path
  --to MAILBOX    a forward-path; may be given more than once
  --hello NAME    the name for EHLO: the public name of this machine
                  [default: its address, which many hosts refuse]
  FILE            the message; - or none for standard input. Lines may end with LF

The name servers are those of /etc/resolv.conf, and the answers are validated:
the name servers must give the signatures (DNSSEC) too. The hosts are connected
to on port 25, which many access networks block. The message is sent as it is:
it is not signed (DKIM).

Exit status: 0 if every recipient has the message, 1 otherwise.";

/// The task of the program.
pub(crate) enum Job {
    Help,
    Demonstrate,
    Deliver(Box<Message>),
}

/// The message.
pub(crate) struct Message {
    pub(crate) hello: Option<HelloName>,
    pub(crate) envelope: Envelope,
    pub(crate) text: MailData,
}

/// An error in the command line, or in the file that it names.
#[derive(Debug)]
pub(crate) enum OptionError {
    Usage(lexopt::Error),
    Missing(&'static str),
    Value { option: &'static str, value: String, invalid: Invalid },
    File { path: PathBuf, reason: String },
}

/// Parses the command line of this process, and reads the message.
pub(crate) fn parse() -> Result<Job, OptionError> {
    let (mut from, mut to, mut hello, mut file) = (None, Vec::new(), None, None);
    let mut parser = Parser::from_env();
    let mut any = false;
    while let Some(argument) = parser.next()? {
        any = true;
        match argument {
            Arg::Long("help") | Arg::Short('h') => return Ok(Job::Help),
            Arg::Long("from") => from = Some(parser.value()?.string()?),
            Arg::Long("to") => to.push(parser.value()?.string()?),
            Arg::Long("hello") => hello = Some(parser.value()?.string()?),
            Arg::Value(path) if file.is_none() => file = Some(PathBuf::from(path)),
            other => return Err(other.unexpected().into()),
        }
    }
    if !any {
        return Ok(Job::Demonstrate);
    }
    let from = from.ok_or(OptionError::Missing("--from"))?;
    if to.is_empty() {
        return Err(OptionError::Missing("--to"));
    }
    let mail = value("--from", &from, Mail::try_from)?;
    let rcpts = to.iter().map(|to| value("--to", to, Rcpt::try_from));
    let rcpts = rcpts.collect::<Result<Vec<_>, _>>()?;
    let envelope = value("--to", "", |_| Envelope::new(mail, rcpts))?;
    let hello = hello.map(|name| value("--hello", &name, HelloName::try_from));
    Ok(Job::Deliver(Box::new(Message { hello: hello.transpose()?, envelope, text: read(file)? })))
}

/// Parses the value of an option.
fn value<'g, T, E: Into<Invalid>>(
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
            Self::File { path, reason } => write!(f, "{}: {reason}", path.display()),
        }
    }
}

impl From<lexopt::Error> for OptionError {
    fn from(error: lexopt::Error) -> Self {
        Self::Usage(error)
    }
}
