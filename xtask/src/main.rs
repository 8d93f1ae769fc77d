//! The project's own chores: `cargo xtask TASK`.

mod bench;
mod ci;
mod fuzz;
mod tidy;

use std::env;
use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask TASK

tasks:
  bench   the codec and the client beside their peers: `[--json FILE] [--only NAME] [--svg FILE]`
  ci      every check that a change must pass, in order, up to the first that fails
  fuzz    looks for inputs that break a law: `fuzz [TARGET] [SECONDS]`, `fuzz TARGET FILE...`
  tidy    the rules of this project that the compiler does not know
  help    this text";

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["bench", ref options @ ..] => bench::run(root(), options),
        ["ci"] => ci::run(root()),
        ["fuzz", ref words @ ..] => fuzz::run(root(), words),
        ["tidy"] => tidy::run(root()),
        ["help" | "--help" | "-h"] => Ok(USAGE.to_owned()),
        [] => return misused("no task given"),
        [task] => return misused(&format!("there is no task `{task}`")),
        _ => return misused("this task takes no arguments"),
    };
    match outcome {
        Ok(text) => {
            say(&text);
            ExitCode::SUCCESS
        }
        Err(text) => {
            say(&text);
            ExitCode::FAILURE
        }
    }
}

fn misused(why: &str) -> ExitCode {
    say(&format!("{why}\n\n{USAGE}"));
    ExitCode::from(2)
}

/// The folder that holds the workspace.
fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

#[allow(clippy::print_stdout, reason = "the one place where the chores speak")]
fn say(text: &str) {
    println!("{text}");
}
