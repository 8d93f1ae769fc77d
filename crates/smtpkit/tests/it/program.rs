//! The program under test, and what came of one run.
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

/// What one run printed, and its exit status.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) status: i32,
    pub(crate) output: String,
    pub(crate) errors: String,
}

/// Runs `smtpkit` with these arguments and an empty standard input.
pub(crate) fn smtpkit(arguments: &[&str]) -> Run {
    smtpkit_reading(arguments, b"")
}

/// Runs it with this standard input.
pub(crate) fn smtpkit_reading(arguments: &[&str], input: &[u8]) -> Run {
    let mut child = command(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that does not read its input closes it.
    let _ = child.stdin.take().unwrap().write_all(input);
    let done = child.wait_with_output().unwrap();
    Run {
        status: done.status.code().unwrap(),
        output: String::from_utf8(done.stdout).unwrap(),
        errors: String::from_utf8(done.stderr).unwrap(),
    }
}

/// The command that runs the program, for what `smtpkit` does not do.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smtpkit"));
    command.args(arguments).env("NO_COLOR", "1");
    command
}

impl Run {
    /// The JSON objects of the output.
    #[track_caller]
    pub(crate) fn objects(&self) -> Vec<Value> {
        self.output.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The JSON objects of this type.
    #[track_caller]
    pub(crate) fn of_type(&self, kind: &str) -> Vec<Value> {
        self.objects().into_iter().filter(|object| object["type"] == kind).collect()
    }
}
