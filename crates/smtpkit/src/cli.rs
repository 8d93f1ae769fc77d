//! The command line: the commands, and the options that all of them have.
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Detail, Format, Output};
use crate::{callout, deliver, demo, drive, load, play, probe, record, send, serve, shell};

/// One tool for SMTP at the terminal.
#[derive(Debug, Parser)]
#[command(name = "smtpkit", version, about, after_help = exit_statuses(), max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(demo::DemoArgs),
    Probe(Box<probe::ProbeArgs>),
    Send(Box<send::SendArgs>),
    Serve(Box<serve::ServeArgs>),
    Deliver(Box<deliver::DeliverArgs>),
    Verify(Box<callout::VerifyArgs>),
    Load(Box<load::LoadArgs>),
    Record(record::RecordArgs),
    Play(play::PlayArgs),
    Drive(drive::DriveArgs),
    Completions(shell::CompletionsArgs),
    Man(shell::ManArgs),
}

/// The options that every command has.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Common {
    /// Print JSON, one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Print the dialogue as well
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// Connect to IPv4 addresses only
    #[arg(short = '4', long, global = true, conflicts_with = "ipv6")]
    pub(crate) ipv4: bool,
    /// Connect to IPv6 addresses only
    #[arg(short = '6', long, global = true)]
    pub(crate) ipv6: bool,
    /// Connect through this proxy, such as socks5://127.0.0.1:1080 or http://127.0.0.1:3128
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) proxy: Option<String>,
    /// Trust the certificates of this PEM file, and no others [default: those of the system]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// How long each step may take, such as 30s [default: as RFC 5321 has it for the step]
    #[arg(long, global = true, value_name = "DURATION", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
}

impl Common {
    /// Where the results go.
    pub(crate) fn output(&self) -> Output {
        let format = if self.json { Format::Json } else { Format::Text };
        let detail = match (self.quiet, self.verbose) {
            (true, _) => Detail::Quiet,
            (_, true) => Detail::Verbose,
            _ => Detail::Normal,
        };
        Output::new(format, detail)
    }
}

/// Reads a duration; zero is none.
fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("write a duration above 0, such as 30s".to_owned()),
        Ok(duration) => Ok(duration),
        Err(error) => Err(error.to_string()),
    }
}

fn exit_statuses() -> String {
    let mut text = String::from("Exit status:\n");
    for (exit, meaning) in Exit::ALL {
        text.push_str(&format!("  {:>3}  {meaning}\n", exit.status()));
    }
    text
}

/// Shows help where it was asked for, and otherwise what is wrong with the command line, in one line.
pub(crate) fn refused(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
        let asked = !error.use_stderr();
        return if asked { Exit::Fine.into() } else { Exit::Usage.into() };
    }
    let json = std::env::args_os().any(|argument| argument == "--json");
    let format = if json { Format::Json } else { Format::Text };
    let failure = Failure::CommandLine(in_one_line(&error.to_string()));
    Output::new(format, Detail::Normal).failure(&failure);
    Exit::Usage.into()
}

/// Leaves out the synopsis of an error of the parser, which is for people who know the options.
fn in_one_line(error: &str) -> String {
    let lines = error.lines().map(str::trim).filter(|line| !line.is_empty());
    let told = lines.take_while(|line| {
        !line.starts_with("Usage:") && !line.starts_with("For more information")
    });
    let mut text = String::new();
    for line in told {
        let (tip, line) = match line.strip_prefix("tip: ") {
            Some(tip) => ("; ", tip),
            None => (" ", line),
        };
        if !text.is_empty() {
            text.push_str(tip);
        }
        text.push_str(line);
    }
    text.strip_prefix("error: ").map_or_else(|| text.clone(), str::to_owned)
}
