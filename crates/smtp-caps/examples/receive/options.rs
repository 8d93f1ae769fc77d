//! The command line.
use std::{ffi::OsString, fmt, path::PathBuf, time::Duration};

use crate::{listener::Place, offer::Offer};

pub(crate) const USAGE: &str = "\
Usage: receive --into DIR [--listen ADDRESS | --unix PATH] [--lmtp] [--size N] [--strict]
               [--idle SECONDS] [--once]

Receives mail and stores each message as two files: <n>.eml is the message as received, <n>.env
the commands with its sender and recipients.

  --into DIR         the folder for messages; created if it does not exist
  --listen ADDRESS   host and port, or port 0 for any free port [default: 127.0.0.1:2525]
  --unix PATH        listen on a Unix socket instead
  --lmtp             serve LMTP instead of SMTP
  --size N           the largest message, in octets, 0 for no limit [default: 52428800]
  --strict           accept only commands that follow the grammar of RFC 5321
  --idle SECONDS     the timeout for reading from a client [default: 300]
  --once             serve one connection, then exit

Recipients whose local-part begins with `nosuch` get a permanent refusal, with `later` a temporary
one.";

/// The options.
pub(crate) struct Options {
    pub(crate) at: Place,
    pub(crate) into: PathBuf,
    pub(crate) offer: Offer,
    pub(crate) idle: Duration,
    pub(crate) once: bool,
}

/// What is wrong with the command line.
#[derive(Debug)]
pub(crate) enum OptionError {
    Unknown(OsString),
    Missing(&'static str),
    Value(&'static str),
}

impl Options {
    /// Parses the options; `None` if the user asks for help.
    pub(crate) fn parse(
        mut arguments: impl Iterator<Item = OsString>,
    ) -> Result<Option<Self>, OptionError> {
        let mut at = Place::Tcp("127.0.0.1:2525".into());
        let mut into = None;
        let (mut lmtp, mut strict, mut once) = (false, false, false);
        let (mut size, mut idle) = (50 << 20, 300);
        while let Some(argument) = arguments.next() {
            match argument.to_str() {
                Some("--help" | "-h") => return Ok(None),
                Some("--into") => into = Some(value("--into", &mut arguments)?.into()),
                Some("--listen") => at = Place::Tcp(text("--listen", &mut arguments)?),
                Some("--unix") => at = Place::Unix(value("--unix", &mut arguments)?.into()),
                Some("--size") => size = number("--size", &mut arguments)?,
                Some("--idle") => idle = number("--idle", &mut arguments)?,
                Some("--lmtp") => lmtp = true,
                Some("--strict") => strict = true,
                Some("--once") => once = true,
                _ => return Err(OptionError::Unknown(argument)),
            }
        }
        let into = into.ok_or(OptionError::Missing("--into"))?;
        let mut offer = if lmtp { Offer::lmtp(size) } else { Offer::smtp(size) };
        if strict {
            offer = offer.strict();
        }
        let idle = Duration::from_secs(idle.max(1));
        Ok(Some(Self { at, into, offer, idle, once }))
    }
}

type Arguments<'a> = &'a mut dyn Iterator<Item = OsString>;

fn value(option: &'static str, arguments: Arguments<'_>) -> Result<OsString, OptionError> {
    arguments.next().ok_or(OptionError::Missing(option))
}

fn text(option: &'static str, arguments: Arguments<'_>) -> Result<String, OptionError> {
    value(option, arguments)?.into_string().map_err(|_| OptionError::Value(option))
}

fn number(option: &'static str, arguments: Arguments<'_>) -> Result<u64, OptionError> {
    text(option, arguments)?.parse().map_err(|_| OptionError::Value(option))
}

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(given) => write!(f, "unknown option {}", given.display()),
            Self::Missing(option) => write!(f, "option {option} or its value is missing"),
            Self::Value(option) => write!(f, "the value of {option} is not valid"),
        }?;
        f.write_str(" (see --help)")
    }
}

impl std::error::Error for OptionError {}
