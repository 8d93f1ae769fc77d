//! The command line.
use std::{ffi::OsString, path::PathBuf};

use lexopt::{
    Arg::{Long, Value},
    Parser, ValueExt,
};

/// What `--help` prints.
pub(crate) const USAGE: &str = "\
Passes mail on.

Usage: relay [OPTIONS] --to URL SPOOL
       relay --new-user NAME

  --to URL                the next server, such as smtp://mx.example.org
  --listen ADDRESS:PORT   SMTP; may be given several times
  --tls ADDRESS:PORT      SMTP inside TLS; needs --cert
  --cert CHAIN KEY        offers STARTTLS with this certificate (PEM files)
  --users FILE            requires a login; the file has a line for each user
  --host NAME             the name of the server (default: localhost)
  --size OCTETS           the largest message (default: 26214400)
  --new-user NAME         reads a password from the input, and prints the line of the user

SPOOL is the folder of the messages that are on their way. Without --users everybody may send who can
connect: use a private address then. It prints the addresses that it listens on.";

/// The options.
pub(crate) enum Options {
    Help,
    NewUser(String),
    Run(Relay),
}

/// What a relay needs.
#[derive(Default)]
pub(crate) struct Relay {
    pub(crate) to: String,
    pub(crate) smtp: Vec<String>,
    pub(crate) tls: Vec<String>,
    pub(crate) certificate: Option<(PathBuf, PathBuf)>,
    pub(crate) users: Option<PathBuf>,
    pub(crate) host: String,
    pub(crate) size: u64,
    pub(crate) folder: PathBuf,
}

impl Options {
    /// Parses the arguments.
    pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Self, lexopt::Error> {
        let mut relay = Relay { host: "localhost".into(), size: 25 << 20, ..Relay::default() };
        let (mut to, mut folder) = (None, None);
        let mut parser = Parser::from_args(arguments);
        while let Some(argument) = parser.next()? {
            match argument {
                Long("to") => to = Some(parser.value()?.string()?),
                Long("listen") => relay.smtp.push(parser.value()?.string()?),
                Long("tls") => relay.tls.push(parser.value()?.string()?),
                Long("cert") => {
                    let chain = parser.value()?.into();
                    relay.certificate = Some((chain, parser.value()?.into()));
                }
                Long("users") => relay.users = Some(parser.value()?.into()),
                Long("host") => relay.host = parser.value()?.string()?,
                Long("size") => relay.size = parser.value()?.parse()?,
                Long("new-user") => return Ok(Self::NewUser(parser.value()?.string()?)),
                Long("help") => return Ok(Self::Help),
                Value(path) if folder.is_none() => folder = Some(PathBuf::from(path)),
                other => return Err(other.unexpected()),
            }
        }
        relay.to = to.ok_or("--to is missing; see --help")?;
        relay.folder = folder.ok_or("SPOOL is missing; see --help")?;
        if relay.smtp.is_empty() && relay.tls.is_empty() {
            return Err("--listen or --tls is missing; see --help".into());
        }
        if !relay.tls.is_empty() && relay.certificate.is_none() {
            return Err("--tls needs --cert; see --help".into());
        }
        Ok(Self::Run(relay))
    }
}
