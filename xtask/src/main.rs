//! The project's own tasks: `cargo xtask TASK`.

mod api;
mod bench;
mod ci;
mod fuzz;
mod interop;
mod metadata;
mod storm;
mod tidy;

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask TASK

tasks:
  api     writes what each library crate makes public to `public-api`; `--check` compares
  bench   compares codec, client and server with others: `[--json FILE] [--only NAME] [--svg FILE]`
  ci      runs every check that a change must pass, up to the first that fails
  fuzz    looks for inputs that break a property: `fuzz [TARGET] [SECONDS]`, `fuzz TARGET FILE...`
  interop runs the client against mail servers of others: `interop [SERVER]...`, `interop --help`
  storm   sends through connections that are cut, and checks each claim: `storm --help`
  tidy    checks the rules of this project that neither the compiler nor clippy checks
  help    prints this text";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = root();
    let outcome = match arguments[..] {
        ["api", ref arguments @ ..] => api::run(&root, arguments),
        ["bench", ref options @ ..] => bench::run(&root, options),
        ["ci"] => ci::run(&root),
        ["fuzz", ref arguments @ ..] => fuzz::run(&root, arguments),
        ["interop", ref arguments @ ..] => interop::run(&root, arguments),
        ["storm", ref arguments @ ..] => match storm::run(&root, arguments) {
            Ok(status) => return ExitCode::from(status),
            Err(text) => Err(text),
        },
        ["tidy"] => tidy::run(&root),
        ["help" | "--help" | "-h"] => Ok(USAGE.to_owned()),
        [] => return wrong_usage("no task given"),
        [task] => return wrong_usage(&format!("unknown task `{task}`")),
        _ => return wrong_usage("this task takes no arguments"),
    };
    match outcome {
        Ok(text) => {
            print(&text);
            ExitCode::SUCCESS
        }
        Err(text) => {
            print(&text);
            ExitCode::FAILURE
        }
    }
}

fn wrong_usage(why: &str) -> ExitCode {
    print(&format!("{why}\n\n{USAGE}"));
    ExitCode::from(2)
}

/// The folder of the workspace.
///
/// The variable at run time comes before that at compile time, because a target folder that was
/// copied from another clone contains a program that was compiled there.
fn root() -> PathBuf {
    let here =
        env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let here = PathBuf::from(here);
    here.parent().map(Path::to_owned).unwrap_or(here)
}

#[allow(clippy::print_stdout, reason = "the only place that prints")]
fn print(text: &str) {
    println!("{text}");
}
