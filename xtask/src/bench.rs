//! `cargo xtask bench`: the codec beside its peers, in instructions, time and allocations.
//!
//! The programs of `crates/smtp-bench` do the work; this runs them and makes one table. The
//! instructions come from valgrind, and their column is empty where there is none.

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Measures, prints a table, and writes it as JSON if `words` ask for that.
pub(crate) fn run(root: &Path, words: &[&str]) -> Result<String, String> {
    let options = Options::read(words)?;
    let programs = Programs::build(root)?;
    let mut rows = programs.list()?;
    rows.retain(|row| options.only.is_none_or(|only| row.case.contains(only)));
    if rows.is_empty() {
        return Err("bench: there is no such case".to_owned());
    }
    programs.time(&mut rows)?;
    programs.allocations(&mut rows)?;
    for row in &mut rows {
        row.instructions = programs.instructions(row)?;
    }
    if let Some(file) = options.json {
        fs::write(file, json(&rows)).map_err(|error| format!("bench: {file}: {error}"))?;
    }
    Ok(table(&rows))
}

struct Options<'a> {
    json: Option<&'a str>,
    only: Option<&'a str>,
}

impl<'a> Options<'a> {
    fn read(words: &[&'a str]) -> Result<Self, String> {
        let mut options = Self { json: None, only: None };
        for pair in words.chunks(2) {
            match *pair {
                ["--json", file] => options.json = Some(file),
                ["--only", name] => options.only = Some(name),
                _ => return Err("usage: cargo xtask bench [--json FILE] [--only NAME]".to_owned()),
            }
        }
        Ok(options)
    }
}

/// What one peer takes for one call of a case.
struct Row {
    case: String,
    peer: String,
    /// How many calls the profiler is to count.
    calls: u64,
    instructions: Option<f64>,
    nanoseconds: f64,
    /// The median of the ratios of all rounds, and not the ratio of the medians.
    time_ratio: f64,
    allocations: f64,
}

/// The programs of the bench crate, built.
struct Programs {
    folder: PathBuf,
}

impl Programs {
    fn build(root: &Path) -> Result<Self, String> {
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

    fn list(&self) -> Result<Vec<Row>, String> {
        let listed = self.lines("smtp-bench", &["list"])?;
        let rows = listed.iter().filter_map(|cells| match &cells[..] {
            [case, peer, calls] => Some(Row {
                case: case.clone(),
                peer: peer.clone(),
                calls: calls.parse().ok()?,
                instructions: None,
                nanoseconds: f64::NAN,
                time_ratio: f64::NAN,
                allocations: f64::NAN,
            }),
            _ => None,
        });
        Ok(rows.collect())
    }

    fn time(&self, rows: &mut [Row]) -> Result<(), String> {
        let mut cases: Vec<String> = rows.iter().map(|row| row.case.clone()).collect();
        cases.dedup();
        for case in cases {
            for cells in self.lines("smtp-bench", &["time", &case])? {
                let [case, peer, nanoseconds, ratio] = &cells[..] else { continue };
                if let Some(row) = find(rows, case, peer) {
                    row.nanoseconds = number(nanoseconds);
                    row.time_ratio = number(ratio);
                }
            }
        }
        Ok(())
    }

    fn allocations(&self, rows: &mut [Row]) -> Result<(), String> {
        for cells in self.lines("allocations", &[])? {
            let [case, peer, allocations] = &cells[..] else { continue };
            if let Some(row) = find(rows, case, peer) {
                row.allocations = number(allocations);
            }
        }
        Ok(())
    }

    /// Instructions for each call: what twice as many calls take more. What it costs to start the
    /// program and to make the input drops out. `None` without valgrind.
    fn instructions(&self, row: &Row) -> Result<Option<f64>, String> {
        let Some(once) = self.counted(row, row.calls)? else { return Ok(None) };
        let Some(twice) = self.counted(row, 2 * row.calls)? else { return Ok(None) };
        Ok(Some((twice - once) / row.calls as f64))
    }

    fn counted(&self, row: &Row, calls: u64) -> Result<Option<f64>, String> {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(self.folder.join("smtp-bench"))
            .args(["count", &row.case, &row.peer, &calls.to_string()])
            .output();
        let Ok(output) = output else { return Ok(None) };
        let said = String::from_utf8_lossy(&output.stderr);
        let counted = said.lines().find_map(|line| line.split_once("Collected : "));
        match counted {
            Some((_, count)) if output.status.success() => Ok(Some(number(count))),
            _ => Err(format!("bench: valgrind failed: {said}")),
        }
    }

    /// What a program prints, line by line, cut at the tabs.
    fn lines(&self, program: &str, words: &[&str]) -> Result<Vec<Vec<String>>, String> {
        let output = Command::new(self.folder.join(program))
            .args(words)
            .output()
            .map_err(|error| format!("bench: cannot start {program}: {error}"))?;
        if !output.status.success() {
            return Err(format!("bench: {program} failed ({})", output.status));
        }
        let said = String::from_utf8_lossy(&output.stdout);
        Ok(said.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
    }
}

fn find<'a>(rows: &'a mut [Row], case: &str, peer: &str) -> Option<&'a mut Row> {
    rows.iter_mut().find(|row| row.case == case && row.peer == peer)
}

fn number(text: &str) -> f64 {
    text.trim().parse().unwrap_or(f64::NAN)
}

/// A Markdown table. The ratios say how many times as much as ours a peer takes.
fn table(rows: &[Row]) -> String {
    let mut lines = vec![[
        "Case".to_owned(),
        "Peer".to_owned(),
        "Instructions".to_owned(),
        "to ours".to_owned(),
        "Allocations".to_owned(),
        "ns".to_owned(),
        "to ours".to_owned(),
    ]];
    for row in rows {
        let shown = |value: Option<f64>, places: usize| {
            value.map_or_else(String::new, |value| format!("{value:.places$}"))
        };
        let ratio = row.instructions.zip(ours(rows, row).instructions);
        lines.push([
            row.case.clone(),
            row.peer.clone(),
            shown(row.instructions, 0),
            shown(ratio.map(|(peer, ours)| peer / ours), 2),
            format!("{:.0}", row.allocations),
            format!("{:.0}", row.nanoseconds),
            format!("{:.2}", row.time_ratio),
        ]);
    }
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        let widths = (0..line.len())
            .map(|at| lines.iter().map(|line| line[at].len()).max().unwrap_or_default());
        for (at, (cell, width)) in line.iter().zip(widths.clone()).enumerate() {
            let padded = if at < 2 { format!("{cell:<width$}") } else { format!("{cell:>width$}") };
            text.push_str(&format!("| {padded} "));
        }
        text.push_str("|\n");
        if number == 0 {
            for (at, width) in widths.enumerate() {
                let end = if at < 2 { '-' } else { ':' };
                text.push_str(&format!("|-{}{end}", "-".repeat(width)));
            }
            text.push_str("|\n");
        }
    }
    text.trim_end().to_owned()
}

/// The row of our own peer in the case of `row`; it comes first.
fn ours<'a>(rows: &'a [Row], row: &'a Row) -> &'a Row {
    rows.iter().find(|other| other.case == row.case).unwrap_or(row)
}

/// One object for each figure: `ratio` is to ours, and `null` where ours is nothing.
fn json(rows: &[Row]) -> String {
    let mut objects = Vec::new();
    for row in rows {
        let ours = ours(rows, row);
        let instructions = row.instructions.zip(ours.instructions);
        let figures = [
            ("instructions", row.instructions, instructions.map(|(peer, ours)| peer / ours)),
            ("allocations", Some(row.allocations), Some(row.allocations / ours.allocations)),
            ("ns", Some(row.nanoseconds), Some(row.time_ratio)),
        ];
        for (unit, value, ratio) in figures {
            let shown = |figure: Option<f64>| match figure.filter(|figure| figure.is_finite()) {
                Some(figure) => format!("{figure:.3}"),
                None => "null".to_owned(),
            };
            let mut object = String::new();
            write!(object, "{{\"name\": \"{}\", \"peer\": \"{}\", ", row.case, row.peer)
                .and_then(|()| write!(object, "\"value\": {}, ", shown(value)))
                .and_then(|()| write!(object, "\"unit\": \"{unit}\", "))
                .and_then(|()| write!(object, "\"ratio\": {}}}", shown(ratio)))
                .unwrap_or(());
            objects.push(object);
        }
    }
    format!("[\n  {}\n]\n", objects.join(",\n  "))
}
