//! Checks that the README's commands are run by CI and that the changelog has the version.

use std::collections::BTreeSet;

use super::Finding;
use super::tree::{File, Tree};

const README: &str = "README.md";
const RUN: &str = ".ci/run";
const CHANGELOG: &str = "CHANGELOG.md";

/// Checks that the README begins with two commands to copy, and that CI runs both.
pub(super) fn readme(tree: &Tree) -> Vec<Finding> {
    let Some(file) = tree.file(README) else {
        return vec![Finding::new(README, 1, "missing; write it")];
    };
    let blocks = shell_blocks(file);
    let mut findings = Vec::new();
    if blocks.len() != 2 {
        let text = format!("{} `sh` blocks; have exactly two, to run and to test", blocks.len());
        findings.push(Finding::new(README, 1, text));
    }
    let screen = file.lines().find(|(_, line)| line.starts_with("## ")).map(|(number, _)| number);
    for block in &blocks {
        if screen.is_some_and(|heading| heading < block.line) {
            let text = "an `sh` block below the first screen; move it above the first `## `";
            findings.push(Finding::new(README, block.line, text));
        }
        let [command] = block.commands[..] else {
            let text = format!("{} lines in an `sh` block; have one command", block.commands.len());
            findings.push(Finding::new(README, block.line, text));
            continue;
        };
        if !tree.file(RUN).is_some_and(|run| runs(run, command)) {
            let text = format!("{RUN} has no step that ends in `{command}`; add one");
            findings.push(Finding::new(README, block.line + 1, text));
        }
    }
    findings
}

fn runs(script: &File, command: &str) -> bool {
    script.text.lines().map(str::trim).filter(|line| !line.starts_with('#')).any(|line| {
        line.strip_suffix(command).is_some_and(|before| before.is_empty() || before.ends_with(' '))
    })
}

struct Block<'a> {
    line: usize,
    commands: Vec<&'a str>,
}

fn shell_blocks(file: &File) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut lines = file.lines();
    while let Some((line, text)) = lines.next() {
        let Some(info) = text.trim_start().strip_prefix("```") else { continue };
        let inside = lines.by_ref().map(|(_, text)| text.trim());
        let commands = inside
            .take_while(|text| !text.starts_with("```"))
            .filter(|text| !text.is_empty())
            .collect();
        if info.trim() == "sh" {
            blocks.push(Block { line, commands });
        }
    }
    blocks
}

/// Checks that the workspace's version is the newest in the changelog, unless the changelog lists
/// unreleased changes.
pub(super) fn changelog(tree: &Tree) -> Vec<Finding> {
    let Some(file) = tree.file(CHANGELOG) else {
        return vec![Finding::new(CHANGELOG, 1, "missing; write it")];
    };
    let versions: BTreeSet<&str> =
        tree.members().iter().map(|member| member.version.as_str()).collect();
    let [version] = versions.iter().copied().collect::<Vec<_>>()[..] else {
        let text = format!("{} versions; inherit one in all members", versions.len());
        return vec![Finding::new("Cargo.toml", 1, text)];
    };
    let mut newest = None;
    for (number, line) in file.lines() {
        let Some(title) = line.strip_prefix("## ") else { continue };
        let title = title.trim_start_matches('[');
        if title.starts_with("Unreleased") && has_entry(file, number) {
            return Vec::new();
        }
        if title.starts_with(|first: char| first.is_ascii_digit()) {
            let end = title.find([']', ' ']).unwrap_or(title.len());
            newest = Some((number, &title[..end]));
            break;
        }
    }
    match newest {
        Some((_, title)) if title == version => Vec::new(),
        _ => {
            let line = newest.map_or(1, |(number, _)| number);
            let text = format!("no section for {version}; add `## [Unreleased]` with an entry");
            vec![Finding::new(CHANGELOG, line, text)]
        }
    }
}

/// Returns whether the section whose heading is in line `heading` has a list.
fn has_entry(file: &File, heading: usize) -> bool {
    let mut section = file.text.lines().skip(heading).take_while(|line| !line.starts_with("## "));
    section.any(|line| line.starts_with("- "))
}

#[cfg(test)]
mod tests;
