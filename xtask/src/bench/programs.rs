//! Runs the programs of the bench crate, alone or under valgrind and strace.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// The programs, built.
pub(super) struct Programs {
    folder: PathBuf,
}

impl Programs {
    pub(super) fn build(root: &Path) -> Result<Self, String> {
        let target = env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| root.join("target/bench"), |folder| root.join(folder));
        let manifest = root.join("crates/smtp-bench/Cargo.toml");
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo)
            .args(["build", "--quiet", "--release", "--locked", "--bins", "--manifest-path"])
            .arg(manifest)
            .arg("--target-dir")
            .arg(&target)
            .status()
            .map_err(|error| format!("bench: cannot start cargo: {error}"))?;
        if !status.success() {
            return Err("bench: crates/smtp-bench does not build".to_owned());
        }
        Ok(Self { folder: target.join("release") })
    }

    /// Returns the lines that a program prints, split at the tabs.
    pub(super) fn lines(
        &self,
        program: &str,
        arguments: &[&str],
    ) -> Result<Vec<Vec<String>>, String> {
        let output = Command::new(self.folder.join(program))
            .args(arguments)
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| format!("bench: cannot start {program}: {error}"))?;
        if !output.status.success() {
            return Err(format!("bench: {program} failed ({})", output.status));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
    }

    /// Returns the number of instructions that a program and its children execute; `None` without
    /// valgrind.
    pub(super) fn instructions(
        &self,
        program: &str,
        arguments: &[&str],
    ) -> Result<Option<f64>, String> {
        let output = Command::new("valgrind")
            .args(PROFILER)
            .arg(self.folder.join(program))
            .args(arguments)
            .output();
        let Ok(output) = output else { return Ok(None) };
        collected(&output).map(Some)
    }

    /// Returns the number of instructions of a server that `load` starts under valgrind; `None`
    /// without valgrind.
    pub(super) fn server_instructions(&self, arguments: &[&str]) -> Result<Option<f64>, String> {
        if !is_there("valgrind") {
            return Ok(None);
        }
        let load = Command::new(self.folder.join("load"))
            .args(arguments)
            .arg("valgrind")
            .args(PROFILER)
            .output()
            .map_err(|error| format!("bench: cannot start load: {error}"))?;
        collected(&load).map(Some)
    }

    /// Returns the number of system calls of a server that `load` starts under strace, by name;
    /// `None` without strace.
    pub(super) fn server_system_calls(
        &self,
        arguments: &[&str],
    ) -> Result<Option<HashMap<String, f64>>, String> {
        if !is_there("strace") {
            return Ok(None);
        }
        let file = self.folder.join("system-calls.txt");
        let load = Command::new(self.folder.join("load"))
            .args(arguments)
            .args(["strace", "-f", "-c", "-U", "name,calls", "-o"])
            .arg(&file)
            .output()
            .map_err(|error| format!("bench: cannot start load: {error}"))?;
        counted(&load, &file).map(Some)
    }

    /// Returns the number of system calls of a program by name; `None` without strace.
    pub(super) fn system_calls(
        &self,
        program: &str,
        arguments: &[&str],
    ) -> Result<Option<HashMap<String, f64>>, String> {
        let file = self.folder.join("system-calls.txt");
        let output = Command::new("strace")
            .args(["-f", "-c", "-U", "name,calls", "-o"])
            .arg(&file)
            .arg(self.folder.join(program))
            .args(arguments)
            .output();
        let Ok(output) = output else { return Ok(None) };
        counted(&output, &file).map(Some)
    }

    /// Starts a sink with these arguments.
    pub(super) fn sink(&self, arguments: &[&str]) -> Result<Sink, String> {
        let failed = |error| format!("bench: cannot start the sink: {error}");
        let mut child = Command::new(self.folder.join("sink"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let mut port = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut port).map_err(failed)?;
        }
        Ok(Sink { child, port: port.trim().to_owned() })
    }

    /// Starts a sink with implicit TLS and returns it with the target that selects TLS.
    pub(super) fn tls_sink(&self) -> Result<(Sink, String), String> {
        let file = self.folder.join("certificate.der");
        let file = file.to_string_lossy();
        let sink = self.sink(&["prompt", &file])?;
        let target = format!("{}:{file}", sink.port);
        Ok((sink, target))
    }
}

/// The words after `valgrind` that make it count instructions.
const PROFILER: [&str; 3] =
    ["--tool=callgrind", "--callgrind-out-file=/dev/null", "--trace-children=yes"];

fn is_there(tool: &str) -> bool {
    Command::new(tool).arg("--version").output().is_ok()
}

/// Reads what valgrind has counted, in all processes.
fn collected(output: &Output) -> Result<f64, String> {
    let text = String::from_utf8_lossy(&output.stderr);
    let counts = text.lines().filter_map(|line| line.split_once("Collected : "));
    let counted: f64 = counts.map(|(_, count)| number(count)).sum();
    if output.status.success() && counted > 0.0 {
        return Ok(counted);
    }
    Err(format!("bench: valgrind failed: {text}"))
}

/// Reads what strace has counted.
fn counted(output: &Output, file: &Path) -> Result<HashMap<String, f64>, String> {
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(format!("bench: strace failed: {text}"));
    }
    let counted = fs::read_to_string(file).map_err(|error| format!("bench: {error}"))?;
    Ok(calls(&counted))
}

/// A sink that runs until this is dropped.
pub(super) struct Sink {
    child: Child,
    pub(super) port: String,
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn number(text: &str) -> f64 {
    text.trim().parse().unwrap_or(f64::NAN)
}

/// Reads the table that strace prints.
fn calls(table: &str) -> HashMap<String, f64> {
    let rows = table.lines().filter_map(|line| {
        let mut cells = line.split_ascii_whitespace();
        let (name, calls) = (cells.next()?, cells.next()?);
        Some((name.to_owned(), calls.parse().ok()?))
    });
    rows.filter(|(name, _)| name != "total").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_strace_is_read() {
        let table = "\
syscall              calls
---------------- ---------
writev                2001
recvfrom              2002
---------------- ---------
total                 4003
";
        let calls = calls(table);
        assert_eq!(calls.len(), 2);
        assert_eq!(calls["writev"], 2001.0);
    }
}
