//! Completions for shells, and the manual pages.
use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::Cli;
use crate::exit::Exit;
use crate::failure::Failure;

/// Print completions for a shell
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Print the manual page, or write one for each command into a folder
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// The folder for smtpkit.1, smtpkit-send.1 and so on
    folder: Option<PathBuf>,
}

pub(crate) fn completions(args: &CompletionsArgs) -> Exit {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "smtpkit", &mut text);
    print(&text);
    Exit::Fine
}

pub(crate) fn man(args: &ManArgs) -> Result<Exit, Failure> {
    let command = Cli::command();
    let failed = |error| Failure::machine("writing the manual page", error);
    match &args.folder {
        None => {
            let mut text = Vec::new();
            Man::new(command).render(&mut text).map_err(failed)?;
            print(&text);
        }
        Some(folder) => clap_mangen::generate_to(command, folder).map_err(failed)?,
    }
    Ok(Exit::Fine)
}

/// Prints it as far as there is a reader.
fn print(text: &[u8]) {
    let _ = io::stdout().lock().write_all(text);
}
