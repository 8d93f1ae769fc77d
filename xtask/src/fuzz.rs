//! `cargo xtask fuzz`: builds the targets of `fuzz/` with coverage and runs them for some seconds.
//!
//! The flags are those that `cargo fuzz --sanitizer none` sets. All of them work with a stable
//! compiler, so the compiler of the project is enough.

mod seeds;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs, io};

use seeds::Seeds;

pub(crate) const USAGE: &str = "\
usage: cargo xtask fuzz [TARGET|all] [SECONDS]    looks for crashes, 10 s for each target
       cargo xtask fuzz TARGET FILE...            runs these inputs again";

const SECONDS: u32 = 10;

/// Makes the compiler count edges and report comparisons.
const RUSTFLAGS: &str = "--cfg fuzzing \
    -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Runs the targets or inputs that the arguments name.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<String, String> {
    let (targets, rest): (Vec<&Target>, _) = match arguments {
        [] | ["all", ..] => (TARGETS.iter().collect(), arguments.get(1..).unwrap_or_default()),
        [name, rest @ ..] => (vec![Target::named(name)?], rest),
    };
    let engine = Engine::build(root, &targets)?;
    match (rest, &targets[..]) {
        ([], _) => engine.search_all(&targets, SECONDS),
        ([seconds], _) if seconds.parse::<u32>().is_ok() => {
            engine.search_all(&targets, seconds.parse().unwrap_or(SECONDS))
        }
        (files, [target]) => engine.repeat(target, files),
        _ => Err(format!("fuzz: `all` takes a number of seconds only\n\n{USAGE}")),
    }
}

/// A program of `fuzz/`.
struct Target {
    name: &'static str,
    /// The longest input that is tried, in octets.
    max_len: usize,
    seeds: Seeds,
}

/// In the order of the layers: a fault in a lower one explains failures in those above.
const TARGETS: &[Target] = &[
    Target { name: "reply", max_len: 4096, seeds: Seeds::Replies(b"\0") },
    Target { name: "reply_split", max_len: 1024, seeds: Seeds::Replies(b"\0\x02\x01\x07") },
    Target { name: "command", max_len: 2048, seeds: Seeds::Commands(b"") },
    Target { name: "ehlo", max_len: 2048, seeds: Seeds::Replies(b"\0") },
    Target { name: "text", max_len: 4096, seeds: Seeds::Everything(b"\x02\x03\x40") },
    Target { name: "round_trip", max_len: 1024, seeds: Seeds::Everything(b"") },
    Target { name: "session", max_len: 2048, seeds: Seeds::Sessions },
    Target { name: "server", max_len: 2048, seeds: Seeds::Commands(b"\0\0\0") },
    Target { name: "agreement", max_len: 256, seeds: Seeds::Commands(b"") },
    Target { name: "differential", max_len: 1024, seeds: Seeds::Both },
    Target { name: "delivery", max_len: 1024, seeds: Seeds::Given(DELIVERY) },
    Target { name: "testkit", max_len: 1024, seeds: Seeds::Commands(b"") },
];

/// A record, policies, a name, TLSA records, and certificates with one octet changed.
const DELIVERY: &[&[u8]] = &[
    b"\0v=STSv1; id=20260101; a=b;\0v=spf1 -all",
    b"\x01version: STSv1\nmode: enforce\nmx: *.example.net\nmx: mx.example.net\nmax_age: 604800\n",
    b"\x01version: STSv1\r\nmode: testing\r\nmx: mx.example.net\r\nmax_age: 86400\r\nx: y\r\n",
    b"\x01version: STSv1\nmode: none\nmax_age: 0\n",
    b"\x02mx1.b\xc3\xbccher.example.",
    b"\x03\x01\x23\x03\x01\x01aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0\x03\x02\x01\x01",
    b"\x03\x02\x23\x04\x02\x00\x01aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\x03\x00\x00\x30\x30\x00",
    b"\x04\x01\x01\x01\x01\0\x01\0\x40\x01\x01",
    b"\x04\x00\x00\x01\x01\x01\x01\0\x40\x01\x01",
    b"\x04\x00\x01\x00\x01\x01\0\x01",
    b"\x04\x00\x00\x00\x00\x1c\x00\x00\x01",
];

impl Target {
    fn named(name: &str) -> Result<&'static Self, String> {
        TARGETS.iter().find(|target| target.name == name).ok_or_else(|| {
            let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            format!("fuzz: unknown target `{name}`; there are {}\n\n{USAGE}", names.join(", "))
        })
    }
}

/// The built programs and the folders for their findings.
struct Engine<'a> {
    root: &'a Path,
    /// The folder for all files of this task.
    folder: PathBuf,
    programs: PathBuf,
}

impl<'a> Engine<'a> {
    fn build(root: &'a Path, targets: &[&Target]) -> Result<Self, String> {
        let target = env::var_os("CARGO_TARGET_DIR");
        let target = target.map_or_else(|| root.join("target"), |folder| root.join(folder));
        let folder = target.join("fuzz");
        let host = host()?;
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .args(["build", "--quiet", "--release", "--locked", "--manifest-path"])
            .arg(root.join("fuzz/Cargo.toml"))
            // With a target, cargo does not apply the flags to build scripts and macros.
            .args(["--target", &host, "--target-dir"])
            .arg(&folder)
            .args(targets.iter().flat_map(|target| ["--bin", target.name]))
            .env("RUSTFLAGS", RUSTFLAGS)
            .env_remove("CARGO_ENCODED_RUSTFLAGS");
        let status = cargo.status().map_err(|error| format!("fuzz: no cargo: {error}"))?;
        if !status.success() {
            return Err(
                "fuzz: the targets do not build; they need a C++ compiler as well".to_owned()
            );
        }
        let programs = folder.join(host).join("release");
        Ok(Self { root, folder, programs })
    }

    fn search_all(&self, targets: &[&Target], seconds: u32) -> Result<String, String> {
        for target in targets {
            crate::print(&self.search(target, seconds)?);
        }
        Ok(format!("fuzz: no crash in {} targets", targets.len()))
    }

    /// Runs one target and returns its summary.
    fn search(&self, target: &Target, seconds: u32) -> Result<String, String> {
        let unwritable = |error: io::Error| format!("fuzz: {}: {error}", self.folder.display());
        let seeds = self.clean_folder("seeds", target).map_err(unwritable)?;
        target.seeds.write(self.root, &seeds).map_err(unwritable)?;
        let corpus = self.folder("corpus", target).map_err(unwritable)?;
        let crashes = self.folder("crashes", target).map_err(unwritable)?;
        let mut program = Command::new(self.programs.join(target.name));
        program
            .arg(format!("-max_len={}", target.max_len))
            .arg(format!("-dict={}", self.root.join("fuzz/smtp.dict").display()))
            .arg(format!("-artifact_prefix={}/", crashes.display()))
            .args(["-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1"])
            .args([&corpus, &seeds])
            .stdin(Stdio::null());
        if env::var_os("CI").is_some() {
            // CI must try the same inputs every time, whatever the load: a fixed seed, a number of
            // runs, and no guesses from compared values, which may be addresses.
            let runs = seconds.saturating_mul(2000);
            program.args([format!("-runs={runs}"), "-seed=1".into(), "-use_cmp=0".into()]);
        } else {
            program.arg(format!("-max_total_time={seconds}"));
        }
        let output = program.output().map_err(|error| format!("fuzz: {}: {error}", target.name))?;
        let errors = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            return Ok(summary(target, &errors));
        }
        Err(crash(target, &errors))
    }

    fn repeat(&self, target: &Target, files: &[&str]) -> Result<String, String> {
        let status = Command::new(self.programs.join(target.name)).args(files).status();
        let status = status.map_err(|error| format!("fuzz: {}: {error}", target.name))?;
        if status.success() {
            return Ok(format!("fuzz: {} takes {} inputs", target.name, files.len()));
        }
        Err(format!("fuzz: {} crashed ({status})", target.name))
    }

    fn folder(&self, kind: &str, target: &Target) -> io::Result<PathBuf> {
        let folder = self.folder.join(kind).join(target.name);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    fn clean_folder(&self, kind: &str, target: &Target) -> io::Result<PathBuf> {
        let folder = self.folder(kind, target)?;
        fs::remove_dir_all(&folder)?;
        self.folder(kind, target)
    }
}

/// The target that the compiler builds for by default.
fn host() -> Result<String, String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output();
    let output = output.map_err(|error| format!("fuzz: no rustc: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "fuzz: `rustc -vV` prints no `host:` line".to_owned())
}

/// One line: runs, runs per second, and the number of edges covered.
fn summary(target: &Target, output: &str) -> String {
    let stat = |name: &str| {
        let line = output.lines().find_map(|line| line.strip_prefix(name));
        line.map_or("?", str::trim)
    };
    let runs = stat("stat::number_of_executed_units:");
    let speed = stat("stat::average_exec_per_sec:");
    let edges = output.lines().filter_map(|line| line.split_once(" cov: ")).next_back();
    let edges = edges.and_then(|(_, rest)| rest.split(' ').next()).unwrap_or("?");
    format!("fuzz: {:<13} {runs:>9} runs, {speed:>6} per s, {edges:>5} edges", target.name)
}

/// The report of a crash, and the command that repeats it.
fn crash(target: &Target, text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.iter().position(|line| line.contains("panicked at") || line.contains("ERROR"));
    let from = from.unwrap_or_else(|| lines.len().saturating_sub(20));
    let of_message = |line: &&&str| !line.starts_with("stack backtrace:");
    let shown: Vec<&str> = lines[from..].iter().take_while(of_message).copied().collect();
    let shown = shown.join("\n");
    let file = text.split("Test unit written to ").nth(1).and_then(|rest| rest.lines().next());
    let file = file.unwrap_or("(no input was written)");
    format!(
        "{shown}\n\nfuzz: {} crashed; the input is\n{file}\nrun it again with\n\
         cargo xtask fuzz {} {file}",
        target.name, target.name
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_of_the_engine_is_summarized() {
        let target = &TARGETS[0];
        let told = "#2\tINITED cov: 8 ft: 9 corp: 1/1b\n#7\tDONE   cov: 10 ft: 11 corp: 3/9b\n\
            stat::number_of_executed_units: 7\nstat::average_exec_per_sec:     3\n";
        let summary = summary(target, told);
        let words: Vec<&str> = summary.split_whitespace().collect();
        assert_eq!(words, ["fuzz:", "reply", "7", "runs,", "3", "per", "s,", "10", "edges"]);

        let told = "#2\tINITED\nthread panicked at a.rs:1:\nwrong\nstack backtrace:\n   0: f\n\
            artifact_prefix='x'; Test unit written to /x/crash-1\n";
        let crash = crash(target, told);
        assert!(crash.starts_with("thread panicked at a.rs:1:\nwrong\n\n"));
        assert!(crash.ends_with("cargo xtask fuzz reply /x/crash-1"));
    }

    #[test]
    fn every_target_has_a_program() {
        let packages = crate::metadata::packages(&crate::root(), "fuzz/Cargo.toml").unwrap();
        let mut names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        names.sort_unstable();
        assert_eq!(packages[0].programs, names);
    }
}
