//! The programs of the bench crate, and the tools that watch them.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

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

    /// What a program prints, line by line, cut at the tabs.
    pub(super) fn lines(&self, program: &str, words: &[&str]) -> Result<Vec<Vec<String>>, String> {
        let output = Command::new(self.folder.join(program))
            .args(words)
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| format!("bench: cannot start {program}: {error}"))?;
        if !output.status.success() {
            return Err(format!("bench: {program} failed ({})", output.status));
        }
        let said = String::from_utf8_lossy(&output.stdout);
        Ok(said.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
    }

    /// How many instructions a program takes, its children included; `None` without valgrind.
    pub(super) fn instructions(
        &self,
        program: &str,
        words: &[&str],
    ) -> Result<Option<f64>, String> {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--trace-children=yes"])
            .arg(self.folder.join(program))
            .args(words)
            .output();
        let Ok(output) = output else { return Ok(None) };
        let said = String::from_utf8_lossy(&output.stderr);
        let counts = said.lines().filter_map(|line| line.split_once("Collected : "));
        let counted: f64 = counts.map(|(_, count)| number(count)).sum();
        if output.status.success() && counted > 0.0 {
            return Ok(Some(counted));
        }
        Err(format!("bench: valgrind failed: {said}"))
    }

    /// How often a program asks the system for what, by name; `None` without strace.
    pub(super) fn system_calls(
        &self,
        program: &str,
        words: &[&str],
    ) -> Result<Option<HashMap<String, f64>>, String> {
        let file = self.folder.join("system-calls.txt");
        let output = Command::new("strace")
            .args(["-f", "-c", "-U", "name,calls", "-o"])
            .arg(&file)
            .arg(self.folder.join(program))
            .args(words)
            .output();
        let Ok(output) = output else { return Ok(None) };
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("bench: strace failed: {said}"));
        }
        let counted = fs::read_to_string(&file).map_err(|error| format!("bench: {error}"))?;
        Ok(Some(calls(&counted)))
    }

    /// Starts a sink that does as `words` say.
    pub(super) fn sink(&self, words: &[&str]) -> Result<Sink, String> {
        let failed = |error| format!("bench: cannot start the sink: {error}");
        let mut child = Command::new(self.folder.join("sink"))
            .args(words)
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

    /// A sink that speaks TLS at once, and the target that says so.
    pub(super) fn tls_sink(&self) -> Result<(Sink, String), String> {
        let file = self.folder.join("certificate.der");
        let file = file.to_string_lossy();
        let sink = self.sink(&["prompt", &file])?;
        let target = format!("{}:{file}", sink.port);
        Ok((sink, target))
    }
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

/// The lines of the table that strace makes.
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
