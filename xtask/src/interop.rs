//! `cargo xtask interop`: runs the client against mail servers that others have written.
//!
//! The program of `crates/smtp-interop` does the work. It replaces this process, so that a signal
//! reaches the one that has started the servers.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The options that take a value.
const VALUED: [&str; 5] = ["--cache", "--case", "--examples", "--jobs", "--markdown"];

/// Builds the program and becomes it.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<String, String> {
    let target = env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root.join("target"), |folder| root.join(folder));
    let clients = target.join("clients");
    let manifest = root.join("crates/smtp-interop/Cargo.toml");
    build(Command::new(cargo()).arg("build").arg("--manifest-path").arg(manifest), &clients)?;
    let mut command = elevated(&clients.join("debug/smtp-interop"));
    command.current_dir(root);
    if wants_examples(arguments) {
        let mut examples = Command::new(cargo());
        examples.args(["build", "-p", "smtp-server", "--example", "maildir", "--example", "relay"]);
        build(examples.current_dir(root), &target)?;
        command.arg("--examples").arg(target.join("debug/examples"));
    }
    become_it(command.args(arguments))
}

fn cargo() -> PathBuf {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into()).into()
}

fn build(command: &mut Command, target: &Path) -> Result<(), String> {
    let command = command.args(["--quiet", "--locked", "--target-dir"]).arg(target);
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("interop: {command:?} failed ({status})")),
        Err(error) => Err(format!("interop: cannot start cargo: {error}")),
    }
}

/// The servers that are this project's own, or pass their mail on to one of them.
const OWN: [&str; 3] = ["dovecot-submission", "maildir", "relay"];

/// Returns whether the servers that are named, or all if none is, include one of those.
fn wants_examples(arguments: &[&str]) -> bool {
    if arguments.iter().any(|argument| ["--help", "-h", "--list"].contains(argument)) {
        return false;
    }
    let mut names = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if VALUED.contains(argument) {
            rest.next();
        } else if !argument.starts_with('-') {
            names.push(*argument);
        }
    }
    names.is_empty() || names.iter().any(|name| OWN.contains(name))
}

/// Returns the command that runs this program as root, if that takes no password: the mail servers
/// of Debian need it.
fn elevated(program: &Path) -> Command {
    let succeeds = |words: &[&str]| {
        let output = Command::new(words[0]).args(&words[1..]).output();
        output.ok().filter(|output| output.status.success())
    };
    let is_root = succeeds(&["id", "-u"]).is_some_and(|output| output.stdout == b"0\n");
    if is_root || succeeds(&["sudo", "-n", "true"]).is_none() {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["-n", "-E"]).arg(program);
    command
}

#[cfg(unix)]
fn become_it(command: &mut Command) -> Result<String, String> {
    use std::os::unix::process::CommandExt;

    let error = command.exec();
    Err(format!("interop: cannot start {command:?}: {error}"))
}

#[cfg(not(unix))]
fn become_it(_: &mut Command) -> Result<String, String> {
    Err("interop: this needs Linux".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(arguments: &[&str], expected: bool) {
        assert_eq!(wants_examples(arguments), expected);
    }

    #[test]
    fn the_examples_are_built_where_they_are_run() {
        check(&[], true);
        check(&["--case", "dots"], true);
        check(&["postfix", "maildir"], true);
        check(&["dovecot-submission"], true);
        check(&["postfix", "exim"], false);
        check(&["--case", "maildir", "postfix"], false);
        check(&["--help"], false);
    }
}
