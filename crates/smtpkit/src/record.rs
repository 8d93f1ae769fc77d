//! `record`: a proxy in front of a server that writes each dialogue as a script.
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use smtp_testkit::{Greeting, Recorder};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::cli::Common;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interruption;
use crate::output::{Output, Record};
use crate::script_files::{Listening, Upstream, not_written, write_authority};

/// Record a server: a proxy that writes each dialogue as a script, without secrets
#[derive(Debug, Args)]
pub(crate) struct RecordArgs {
    /// The server to record: HOST, HOST:PORT, or a URL such as smtps://host for TLS at once
    #[arg(value_name = "UPSTREAM")]
    upstream: String,
    /// Where clients connect
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:2525")]
    listen: SocketAddr,
    /// Where scripts go: a folder for 0001.smtp and so on, or a file NAME.smtp for one connection
    #[arg(short, long, value_name = "FOLDER|FILE")]
    output: PathBuf,
    /// End after this number of connections [default: with a file 1, otherwise at Ctrl-C]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    connections: Option<u64>,
    /// Write the certificate that clients have to trust under TLS to this file
    #[arg(long, value_name = "FILE")]
    ca_out: Option<PathBuf>,
}

/// A script was written.
#[derive(Serialize)]
struct Recorded {
    /// The number of the connection, from 1.
    connection: usize,
    /// The file of its script; absent if the server could not be connected to.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
    /// How many lines the script has.
    lines: usize,
}

/// Where scripts go.
enum Target {
    /// A file, which is created before there is a dialogue that could be lost.
    File(PathBuf, Option<NewFile>),
    /// A folder, and the number of its last script.
    Folder(PathBuf, usize),
}

/// A file that did not exist. If nothing is written to it, it is removed.
struct NewFile {
    path: PathBuf,
    file: File,
    is_written: bool,
}

/// How long a connection that is open at the end may do nothing before it is closed.
const LAST_WAIT: Duration = Duration::from_secs(1);
/// How long connections that are open at the end may go on.
const GRACE: Duration = Duration::from_secs(5);

/// Runs the command.
pub(crate) async fn run(args: &RecordArgs, common: &Common) -> Result<Exit, Failure> {
    let output = common.output();
    let mut target = Target::new(&args.output)?;
    let most = match (&target, args.connections) {
        (Target::File(path, _), Some(2..)) => {
            let why = "a file has the script of one connection: write a folder instead";
            return Err(Failure::file(path, why));
        }
        (Target::File(..), _) => Some(1),
        (Target::Folder(..), most) => most,
    };
    let upstream = Upstream::find(&args.upstream, common, "record").await?;
    let greeting = if upstream.is_tls { Greeting::UnderTls } else { Greeting::InClear };
    let (scripts, mut recorded) = mpsc::unbounded_channel();
    let recording = Recorder::new(upstream.address)
        .trust_as(&upstream.host, common.client_config()?)
        .greeting(greeting)
        .watchdog(LAST_WAIT)
        .listen_on(args.listen)
        .on_script(move |connection, script| {
            // The receiver is gone once everything that is wanted was recorded.
            let _ = scripts.send((connection, script.to_owned()));
        })
        .tcp()
        .map_err(|error| Failure::option("--listen", error))?;
    let interruption = Interruption::listen();
    target.create()?;
    write_authority(args.ca_out.as_ref(), recording.authority())?;
    Listening::show(recording.addr(), upstream.is_tls, output);
    let (mut written, mut signals) = (0, 0);
    while most.is_none_or(|most| written < most) {
        tokio::select! {
            Some((connection, script)) = recorded.recv() => {
                written += u64::from(target.write(connection, &script, output)?);
            }
            () = interruption.signal() => {
                signals = 1;
                break;
            }
        }
    }
    // A client that sends an octet now and then is not to keep the program.
    tokio::select! {
        _ = recording.finish() => {}
        () = interruption.signals(signals + 1) => {}
        () = sleep(GRACE) => {}
    }
    while let Some((connection, script)) = recorded.recv().await {
        if most.is_none_or(|most| written < most) {
            written += u64::from(target.write(connection, &script, output)?);
        }
    }
    Ok(Exit::Fine)
}

impl Target {
    fn new(path: &Path) -> Result<Self, Failure> {
        let is_script = path.extension().is_some_and(|extension| extension == "smtp");
        if is_script && !path.is_dir() {
            return Ok(Self::File(path.to_owned(), None));
        }
        let last = || -> io::Result<usize> {
            std::fs::create_dir_all(path)?;
            let mut last = 0;
            for entry in std::fs::read_dir(path)? {
                let name = entry?.file_name();
                let number = name.to_str().and_then(|name| name.strip_suffix(".smtp"));
                last = last.max(number.and_then(|number| number.parse().ok()).unwrap_or(0));
            }
            Ok(last)
        };
        let last = last().map_err(|error| Failure::file(path, error))?;
        Ok(Self::Folder(path.to_owned(), last))
    }

    /// Creates the file, if it is one. No file is overwritten.
    fn create(&mut self) -> Result<(), Failure> {
        let Self::File(path, created) = self else { return Ok(()) };
        *created = Some(NewFile::create(path).map_err(|error| Failure::file(&*path, error))?);
        Ok(())
    }

    /// Writes a script, and returns whether there was one.
    fn write(&mut self, connection: usize, script: &str, output: Output) -> Result<bool, Failure> {
        let lines = script.lines().count();
        if let Some(why) = script.lines().last().and_then(|line| line.strip_prefix("# ")) {
            output.warn(format_args!("connection {connection}: {why}"));
        }
        if lines == 0 {
            let why = "the server could not be connected to, or neither side sent anything";
            output.warn(format_args!("connection {connection}: {why}"));
            output.show(&Recorded { connection, file: None, lines });
            return Ok(false);
        }
        let (file, created) = match self {
            Self::File(path, created) => (path.clone(), created.take()),
            Self::Folder(path, last) => {
                (path.join(format!("{:04}.smtp", *last + connection)), None)
            }
        };
        let created = created.map_or_else(|| NewFile::create(&file), Ok);
        let written = created.and_then(|created| created.write(script));
        written.map_err(|error| not_written(&file, error))?;
        output.show(&Recorded { connection, file: Some(file), lines });
        Ok(true)
    }
}

impl NewFile {
    fn create(path: &Path) -> io::Result<Self> {
        let file = File::create_new(path)?;
        Ok(Self { path: path.to_owned(), file, is_written: false })
    }

    fn write(mut self, script: &str) -> io::Result<()> {
        self.is_written = true;
        self.file.write_all(script.as_bytes())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.is_written {
            // An empty file that stays does no harm but to be in the way of the next recording.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Record for Recorded {
    const TYPE: &'static str = "recorded";
}

impl fmt::Display for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connection, file, lines } = self;
        match file {
            Some(file) => write!(f, "connection {connection}: {lines} lines in {}", file.display()),
            None => write!(f, "connection {connection}: nothing to record"),
        }
    }
}
