//! The command line.
use std::{ffi::OsString, path::PathBuf};

use lexopt::{
    Arg::{Long, Value},
    Parser, ValueExt,
};

/// What `--help` prints.
pub(crate) const USAGE: &str = "\
Receives mail by SMTP and LMTP into Maildir folders.

Usage: maildir [OPTIONS] DIR

  --listen ADDRESS:PORT   SMTP; may be given several times
  --tls ADDRESS:PORT      SMTP inside TLS; needs --cert
  --lmtp ADDRESS:PORT     LMTP; `unix:PATH` for a Unix socket
  --cert CHAIN KEY        offers STARTTLS with this certificate (PEM files)
  --host NAME             the name of the server (default: localhost)
  --size OCTETS           the largest message (default: 26214400)

DIR has a folder for each mailbox, such as DIR/alice@example.org.
It prints the TCP addresses that it listens on.";

/// The options.
pub(crate) struct Options {
    pub(crate) smtp: Vec<String>,
    pub(crate) tls: Vec<String>,
    pub(crate) lmtp: Vec<String>,
    pub(crate) certificate: Option<(PathBuf, PathBuf)>,
    pub(crate) host: String,
    pub(crate) size: u64,
    pub(crate) folder: PathBuf,
}

impl Options {
    /// Parses the arguments; `None` if help is asked for.
    pub(crate) fn parse(
        arguments: impl Iterator<Item = OsString>,
    ) -> Result<Option<Self>, lexopt::Error> {
        let mut options = Self {
            smtp: Vec::new(),
            tls: Vec::new(),
            lmtp: Vec::new(),
            certificate: None,
            host: "localhost".into(),
            size: 25 << 20,
            folder: PathBuf::new(),
        };
        let mut folder = None;
        let mut parser = Parser::from_args(arguments);
        while let Some(argument) = parser.next()? {
            match argument {
                Long("listen") => options.smtp.push(parser.value()?.string()?),
                Long("tls") => options.tls.push(parser.value()?.string()?),
                Long("lmtp") => options.lmtp.push(parser.value()?.string()?),
                Long("cert") => {
                    let chain = parser.value()?.into();
                    options.certificate = Some((chain, parser.value()?.into()));
                }
                Long("host") => options.host = parser.value()?.string()?,
                Long("size") => options.size = parser.value()?.parse()?,
                Long("help") => return Ok(None),
                Value(path) if folder.is_none() => folder = Some(PathBuf::from(path)),
                other => return Err(other.unexpected()),
            }
        }
        options.folder = folder.ok_or("DIR is missing; see --help")?;
        Ok(Some(options))
    }
}
