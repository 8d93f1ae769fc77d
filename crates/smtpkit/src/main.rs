//! `smtpkit`: one tool for SMTP at the terminal, and a test server for programs in any language.

mod access;
mod callout;
mod cli;
mod compose;
mod deliver;
mod demo;
mod dialogue;
mod drive;
mod envelope;
mod exit;
mod failure;
mod interrupt;
mod layout;
mod load;
mod lookup;
mod outcome;
mod output;
mod play;
mod probe;
mod prompt;
mod record;
mod script_files;
mod send;
mod serve;
mod shell;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command, Common};
use crate::exit::Exit;
use crate::failure::Failure;

fn main() -> ExitCode {
    let Cli { common, command } = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return cli::refused(&error),
    };
    let output = common.output();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output.failure(&Failure::machine("starting the runtime", error));
            return Exit::Failed.into();
        }
    };
    let result = runtime.block_on(run(command, &common));
    // A name lookup that hangs must not delay the exit.
    runtime.shutdown_background();
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output.failure(&failure);
            failure.exit().into()
        }
    }
}

async fn run(command: Command, common: &Common) -> Result<Exit, Failure> {
    match command {
        Command::Demo(_) => demo::run(common).await,
        Command::Serve(args) => serve::run(&args, common).await,
        Command::Probe(args) => probe::run(&args, common).await,
        Command::Deliver(args) => deliver::run(&args, common).await,
        Command::Send(args) => send::run(&args, common).await,
        Command::Verify(args) => callout::run(&args, common).await,
        Command::Load(args) => load::run(&args, common).await,
        Command::Record(args) => record::run(&args, common).await,
        Command::Play(args) => play::run(&args, common).await,
        Command::Drive(args) => drive::run(&args, common).await,
        Command::Completions(args) => Ok(shell::completions(&args)),
        Command::Man(args) => shell::man(&args),
    }
}
