//! `cargo xtask storm`: sends through connections that are cut, and compares each claim of the client
//! with what the server has.
//!
//! The program of `crates/smtp-storm` does the work.

use std::env;
use std::path::Path;
use std::process::Command;

/// Builds the program and runs it. Its exit status is that of this task.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<u8, String> {
    let target = env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root.join("target"), |folder| root.join(folder));
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["run", "--quiet", "--locked", "--manifest-path"]);
    command.arg(root.join("crates/smtp-storm/Cargo.toml"));
    command.arg("--target-dir").arg(target.join("storm")).arg("--").args(arguments);
    let status = command.status().map_err(|error| format!("storm: cannot start cargo: {error}"))?;
    // Without a code it was ended by a signal.
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
