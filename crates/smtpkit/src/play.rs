//! `play`: the server of a script.
use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use smtp_testkit::{Authority, Event, Mismatch, Script, Server};

use crate::cli::Common;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interruption;
use crate::output::{BAD, Record};
use crate::script_files::{Listening, read_script, write_authority};

/// Be the server of scripts: one connection for each, in their order
#[derive(Debug, Args)]
pub(crate) struct PlayArgs {
    /// The scripts
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Where clients connect
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:2525")]
    listen: SocketAddr,
    /// Begin again after the last script, and after a mismatch, until Ctrl-C
    #[arg(long)]
    repeat: bool,
    /// Write the certificate that clients have to trust under TLS to this file
    #[arg(long, value_name = "FILE")]
    ca_out: Option<PathBuf>,
}

/// The clients did what the scripts have.
#[derive(Serialize)]
struct Played {
    /// How many connections there were.
    connections: usize,
}

/// A client did something else than its script has.
#[derive(Serialize)]
struct MismatchRecord {
    /// The file of the script.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
    /// The line of the script; absent at its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    /// The line that the script expects of the client, with its line end; absent if it expects
    /// something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<String>,
    /// The first line that was received in its place.
    received: String,
    /// The whole report: script and dialogue side by side.
    report: String,
}

/// A client may take as long as it likes; Ctrl-C ends the wait.
const NO_WATCHDOG: Duration = Duration::from_secs(365 * 24 * 3600);

/// Runs the command.
pub(crate) async fn run(args: &PlayArgs, common: &Common) -> Result<Exit, Failure> {
    let output = common.output();
    let scripts = args.files.iter().map(|path| read_script(path));
    let scripts = scripts.collect::<Result<Vec<_>, _>>()?;
    let listen = |error| Failure::option("--listen", format!("{}: {error}", args.listen));
    let listener = TcpListener::bind(args.listen).map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let authority = Authority::new();
    write_authority(args.ca_out.as_ref(), &authority)?;
    let interruption = Interruption::listen();
    Listening::show(address, scripts.first().is_some_and(begins_with_tls), output);
    let mut exit = Exit::Fine;
    loop {
        let listener = listener.try_clone().map_err(listen)?;
        let mut builder = Server::builder().authority(authority.clone()).watchdog(NO_WATCHDOG);
        for script in &scripts {
            builder = builder.script(script.clone());
        }
        let server = builder.tcp_listener(listener).map_err(|error| listen(error.into()))?;
        let played = tokio::select! {
            played = server.finish() => played,
            () = interruption.signal() => {
                let is_end = args.repeat || exit != Exit::Fine;
                return Ok(if is_end { exit } else { Exit::Interrupted });
            }
        };
        match played {
            Ok(report) => output.show(&Played { connections: report.connections().len() }),
            Err(mismatch) => {
                exit = Exit::Protocol;
                output.show(&MismatchRecord::new(&mismatch.without_secrets(), &args.files));
            }
        }
        if !args.repeat {
            return Ok(exit);
        }
    }
}

fn begins_with_tls(script: &Script) -> bool {
    script.entries().first().is_some_and(|entry| entry.event == Event::Tls)
}

impl MismatchRecord {
    fn new(mismatch: &Mismatch, files: &[PathBuf]) -> Self {
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        Self {
            file: files.get(mismatch.connection().saturating_sub(1)).cloned(),
            line: mismatch.script_line(),
            expected: mismatch.expected().map(text),
            received: text(mismatch.received()),
            report: mismatch.to_string(),
        }
    }
}

impl Record for Played {
    const TYPE: &'static str = "played";
}

impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.connections {
            1 => f.write_str("played: the client did what the script has"),
            many => {
                write!(f, "played: the clients of {many} connections did what the scripts have")
            }
        }
    }
}

impl Record for MismatchRecord {
    const TYPE: &'static str = "mismatch";
}

impl fmt::Display for MismatchRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{BAD}mismatch:{BAD:#} {}", self.report.trim_end())
    }
}
