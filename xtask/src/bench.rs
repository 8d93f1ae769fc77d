//! `cargo xtask bench`: compares the codec, the client and the server with other libraries and
//! programs.
//!
//! The programs of `crates/smtp-bench` do the work; this task runs them and prints tables. valgrind
//! counts instructions and strace counts system calls; their figures are left out where the tool is
//! not installed.

mod codec;
mod figures;
mod picture;
mod programs;
mod receiving;
mod round_trips;
mod sending;

use std::fs;
use std::path::Path;

use figures::Section;
use programs::Programs;

/// Measures, returns the tables, and writes the files that `arguments` name.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<String, String> {
    let options = Options::read(arguments)?;
    let programs = Programs::build(root)?;
    let wanted = |name: &str| options.only.is_none_or(|only| name.contains(only));
    let sections = [
        codec::measure(&programs, wanted)?,
        sending::measure(&programs, wanted)?,
        receiving::measure(&programs, wanted)?,
        round_trips::measure(&programs, wanted)?,
    ];
    if sections.iter().all(Section::is_empty) {
        return Err("bench: no case has this name".to_owned());
    }
    if let Some(file) = options.json {
        write(file, &figures::json(&sections))?;
    }
    if let Some(file) = options.svg {
        let [.., trips] = &sections;
        write(file, &picture::draw(trips)?)?;
    }
    let tables: Vec<String> = sections.iter().flat_map(Section::tables).collect();
    Ok(tables.join("\n\n"))
}

fn write(file: &str, text: &str) -> Result<(), String> {
    fs::write(file, text).map_err(|error| format!("bench: {file}: {error}"))
}

#[derive(Default)]
struct Options<'a> {
    json: Option<&'a str>,
    only: Option<&'a str>,
    svg: Option<&'a str>,
}

impl<'a> Options<'a> {
    fn read(arguments: &[&'a str]) -> Result<Self, String> {
        let mut options = Self::default();
        for pair in arguments.chunks(2) {
            match *pair {
                ["--json", file] => options.json = Some(file),
                ["--only", name] => options.only = Some(name),
                ["--svg", file] => options.svg = Some(file),
                _ => {
                    let usage = "cargo xtask bench [--json FILE] [--only NAME] [--svg FILE]";
                    return Err(format!("usage: {usage}"));
                }
            }
        }
        Ok(options)
    }
}
