//! `drive`: the client of a script, against a real server.
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use rustls::ClientConfig;
use serde::Serialize;
use smtp_client::{Broken, Cause, Error, LineEnds, MailData, Peer, Step as ClientStep};
use smtp_testkit::{Event, Script};

mod moves;
mod secrets;
mod wire;

use self::moves::{Move, Open, Step, Unfilled, moves};
use self::secrets::Secrets;
use self::wire::{Missing, Wire};
use crate::cli::Common;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{BAD, Output, Record};
use crate::script_files::{Upstream, read_script};

/// Be the client of a script, and tell where the server replies otherwise
#[derive(Debug, Args)]
pub(crate) struct DriveArgs {
    /// The script
    #[arg(value_name = "FILE")]
    script: PathBuf,
    /// The server: a URL, HOST or HOST:PORT. The script decides about TLS
    #[arg(value_name = "URL")]
    url: String,
    /// Compare every octet of replies [default: the code of each line, and the number of lines]
    #[arg(long)]
    exact: bool,
    /// The message for `[text]`, a file with its header [default: a short one]
    #[arg(long, value_name = "FILE")]
    message: Option<PathBuf>,
    /// What stands for the * of C~ lines, such as the arguments of AUTH: a line of this file for each
    #[arg(long, value_name = "FILE")]
    fill: Option<PathBuf>,
}

/// The server replied as the script has it.
#[derive(Serialize)]
struct Driven {
    /// The script.
    file: PathBuf,
    /// How many lines of the server were compared.
    lines: usize,
}

/// The server replied otherwise.
#[derive(Serialize)]
struct Difference {
    /// The script.
    file: PathBuf,
    /// The line of the script.
    line: usize,
    /// What the script has, without the line end.
    expected: String,
    /// What was received.
    received: String,
}

/// A line of the dialogue, with `--verbose`.
#[derive(Serialize)]
struct Driving<'l> {
    /// The line as scripts have it. Secrets are not in it.
    line: &'l str,
}

/// The client of a script.
struct Client {
    file: PathBuf,
    exact: bool,
    upstream: Upstream,
    config: Arc<ClientConfig>,
    timeout: Duration,
    /// What stands for stars, which the server may repeat and which is never shown.
    secrets: Secrets,
    output: Output,
}

/// Why a script was not driven to its end.
enum Stop {
    Difference(Difference),
    Failure(Failure),
}

/// How long each step may take unless that is set.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The message for `[text]` unless one is given.
const TEXT: &str = "Subject: smtpkit drive\r\n\r\nThis text stands for one that was recorded.\r\n";

/// Runs the command.
pub(crate) async fn run(args: &DriveArgs, common: &Common) -> Result<Exit, Failure> {
    let output = common.output();
    let script = read_script(&args.script)?;
    // Once: a pipe, such as of a password manager, has nothing more the second time.
    let fillings = args.fillings()?;
    let steps = args.steps(&script, &fillings)?;
    let upstream = Upstream::find(&args.url, common, "drive").await?;
    let begins_with_tls = matches!(steps.first(), Some(Step { what: Move::Handshake, .. }))
        && script.entries().first().is_some_and(|entry| entry.event == Event::Tls);
    if upstream.is_tls && !begins_with_tls {
        let why = "the script begins in clear, without [tls]: write smtp:// and the port for that";
        return Err(Failure::option("URL", why));
    }
    let client = Client {
        file: args.script.clone(),
        exact: args.exact,
        upstream,
        config: common.client_config()?,
        timeout: common.timeout.unwrap_or(TIMEOUT),
        secrets: Secrets::new(&fillings),
        output,
    };
    let driven = tokio::task::spawn_blocking(move || client.drive(&steps)).await;
    match driven.map_err(|error| Failure::machine("driving", io::Error::other(error)))? {
        Ok(driven) => {
            output.show(&driven);
            Ok(Exit::Fine)
        }
        Err(Stop::Difference(difference)) => {
            output.show(&difference);
            Ok(Exit::Protocol)
        }
        Err(Stop::Failure(failure)) => Err(failure),
    }
}

impl DriveArgs {
    /// What stands for each `*`.
    fn fillings(&self) -> Result<Vec<String>, Failure> {
        let Some(path) = &self.fill else { return Ok(Vec::new()) };
        let text = std::fs::read_to_string(path).map_err(|error| Failure::file(path, error))?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    fn steps(&self, script: &Script, fillings: &[String]) -> Result<Vec<Step>, Failure> {
        let text = match &self.message {
            Some(path) => {
                let octets = std::fs::read(path).map_err(|error| Failure::file(path, error))?;
                stuffed(MailData::normalize(octets, LineEnds::Any), path)?
            }
            None => [TEXT.as_bytes(), b".\r\n"].concat(),
        };
        let mut fillings = fillings.iter().cloned();
        moves(script, &mut Open { text: &text, fillings: &mut fillings }).map_err(
            |Unfilled { line, pattern }| {
                let why = format!(
                    "line {line}: nothing is given for the * of {pattern:?}: write --fill FILE with \
                     a line for each *"
                );
                Failure::file(&self.script, why)
            },
        )
    }
}

/// Returns a message as it is sent after DATA, with its end mark.
fn stuffed(
    text: Result<MailData, impl std::error::Error + Send + Sync + 'static>,
    path: &Path,
) -> Result<Vec<u8>, Failure> {
    let text = text.map_err(|invalid| Failure::file(path, invalid))?;
    let mut octets = Vec::with_capacity(text.octets().len() + 5);
    for line in text.octets().split_inclusive(|octet| *octet == b'\n') {
        if line.starts_with(b".") {
            octets.push(b'.');
        }
        octets.extend_from_slice(line);
    }
    if !octets.ends_with(b"\r\n") {
        octets.extend_from_slice(b"\r\n");
    }
    octets.extend_from_slice(b".\r\n");
    Ok(octets)
}

impl Client {
    fn drive(&self, steps: &[Step]) -> Result<Driven, Stop> {
        let wire = Wire::connect(self.upstream.address, self.timeout);
        let mut wire = wire.map_err(|error| self.broken(ClientStep::Connect, error))?;
        let mut lines = 0;
        for step in steps {
            if !matches!(step.what, Move::Read(_)) && !wire.surplus().is_empty() {
                let received = shown(wire.surplus());
                return Err(self.difference(step.line, "nothing more of the server", received));
            }
            match &step.what {
                Move::Write(written) => {
                    written.shown.iter().for_each(|line| self.show(line));
                    let sent = wire.write(&written.octets);
                    sent.map_err(|error| {
                        let received = format!("writing failed: {error}");
                        self.difference(step.line, "the server reads on", received)
                    })?;
                }
                Move::Read(expected) => {
                    self.read(&mut wire, step.line, expected)?;
                    lines += 1;
                }
                Move::Handshake => {
                    self.show("[handshake]");
                    let config = Arc::clone(&self.config);
                    let secured = wire.encrypt(&self.upstream.host, config);
                    secured.map_err(|error| self.broken(ClientStep::Handshake, error))?;
                }
                Move::FailedHandshake => self.fail_handshake(&mut wire, step.line)?,
                Move::ServerCloses => {
                    let ended = wire.end();
                    ended.map_err(|missing| {
                        let expected = "the server closes the connection";
                        self.difference(step.line, expected, missing.to_string())
                    })?;
                    self.show("[close]");
                }
                Move::ClientCloses => {
                    self.show("[expect-close]");
                    wire.close();
                }
            }
        }
        Ok(Driven { file: self.file.clone(), lines })
    }

    /// Reads a line, and compares it.
    fn read(&self, wire: &mut Wire, line: usize, expected: &[u8]) -> Result<(), Stop> {
        let is_line = expected.ends_with(b"\n");
        let received = if is_line { wire.line() } else { wire.octets(expected.len()) };
        let received = received
            .map_err(|missing| self.difference(line, &shown(expected), missing.to_string()))?;
        self.show(&format!("S: {}", shown(&received)));
        let same = match self.exact || !is_line {
            true => received == expected,
            false => sign(&received) == sign(expected),
        };
        if same { Ok(()) } else { Err(self.difference(line, &shown(expected), shown(&received))) }
    }

    fn fail_handshake(&self, wire: &mut Wire, line: usize) -> Result<(), Stop> {
        match wire.encrypt(&self.upstream.host, Arc::clone(&self.config)) {
            Ok(()) => {
                let expected = "the server ends the TLS handshake";
                Err(self.difference(line, expected, "a TLS handshake".to_owned()))
            }
            Err(_) => {
                self.show("[tls-abort]");
                Ok(())
            }
        }
    }

    fn difference(&self, line: usize, expected: &str, received: String) -> Stop {
        let received = self.secrets.without(received);
        let expected = expected.to_owned();
        Stop::Difference(Difference { file: self.file.clone(), line, expected, received })
    }

    fn broken(&self, step: ClientStep, error: io::Error) -> Stop {
        let peer = Peer::tcp(&self.upstream.host, self.upstream.address.port());
        let broken = match step {
            ClientStep::Handshake => Broken::Tls(Cause::new(error)),
            _ => Broken::Io(Cause::new(error)),
        };
        Stop::Failure(Error::new(step, broken).with_server(&Arc::new(peer)).into())
    }

    fn show(&self, line: &str) {
        self.output.detail(&Driving { line: &self.secrets.without(line.to_owned()) });
    }
}

/// What is compared of a line: its code, and whether another line follows.
fn sign(line: &[u8]) -> (&[u8], bool) {
    let code = line.get(..3).unwrap_or(line);
    (code, line.get(3) == Some(&b'-'))
}

/// Octets as text, without their line end; what cannot be shown is escaped.
fn shown(octets: &[u8]) -> String {
    let line = octets.strip_suffix(b"\r\n").unwrap_or(octets);
    match std::str::from_utf8(line) {
        Ok(text) => text.chars().flat_map(escaped).collect(),
        Err(_) => line.escape_ascii().to_string(),
    }
}

fn escaped(char: char) -> Vec<char> {
    if char.is_control() { char.escape_default().collect() } else { vec![char] }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(octets) if octets.is_empty() => f.write_str("the end of the connection"),
            Self::Ended(octets) => write!(f, "{}, and the end of the connection", shown(octets)),
            Self::Silence(octets) if octets.is_empty() => f.write_str("nothing"),
            Self::Silence(octets) => write!(f, "{}, and nothing more", shown(octets)),
            Self::TooLong => f.write_str("a line of more than 65,536 octets"),
            Self::Failed(error) => write!(f, "an error: {error}"),
        }
    }
}

impl Record for Driven {
    const TYPE: &'static str = "driven";
}

impl fmt::Display for Driven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, lines } = self;
        write!(f, "{}: the server replied as the script has it, {lines} lines", file.display())
    }
}

impl Record for Difference {
    const TYPE: &'static str = "difference";
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, expected, received } = self;
        writeln!(f, "{BAD}difference:{BAD:#} {}:{line}", file.display())?;
        write!(f, "  expected  {expected}\n  received  {received}")
    }
}

impl Record for Driving<'_> {
    const TYPE: &'static str = "script_line";
}

impl fmt::Display for Driving<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_stuffed_and_ends() {
        let text = MailData::normalize("a\n.b\n..", LineEnds::Any);
        let path = Path::new("message");
        assert_eq!(stuffed(text, path).unwrap(), b"a\r\n..b\r\n...\r\n.\r\n");
    }

    #[test]
    fn the_code_and_the_number_of_lines_are_compared() {
        assert_eq!(sign(b"250-PIPELINING\r\n"), sign(b"250-SIZE 1000\r\n"));
        assert_eq!(sign(b"250 ok\r\n"), sign(b"250\r\n"));
        assert_ne!(sign(b"250 ok\r\n"), sign(b"250-ok\r\n"));
        assert_ne!(sign(b"250 ok\r\n"), sign(b"251 ok\r\n"));
    }
}
