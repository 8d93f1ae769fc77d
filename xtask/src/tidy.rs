//! `cargo xtask tidy`: checks the rules of this project that neither the compiler nor
//! clippy checks.
//!
//! The same rules are tests of this crate, so `cargo test` runs them too.

mod arrows;
mod citations;
mod dependencies;
mod extensions;
mod guarantees;
mod lexer;
mod promises;
mod purity;
mod shape;
mod tree;

use std::fmt;
use std::path::Path;

use tree::Tree;

/// Reads the project and reports everything that breaks a rule.
pub(crate) fn run(root: &Path) -> Result<String, String> {
    let tree = Tree::read(root).map_err(|error| format!("tidy: {error}"))?;
    report(&tree)
}

fn report(tree: &Tree) -> Result<String, String> {
    let mut findings = Vec::new();
    let mut broken = Vec::new();
    for rule in RULES {
        let found = (rule.check)(tree);
        if !found.is_empty() {
            broken.push(rule.name);
        }
        findings.extend(found);
    }
    if findings.is_empty() {
        return Ok(format!("tidy: {} rules hold over {} files", RULES.len(), tree.len()));
    }
    findings.sort();
    let mut lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
    lines.push(format!("tidy: {} findings ({})", findings.len(), broken.join(", ")));
    Err(lines.join("\n"))
}

/// A violation of a rule: where it is, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    file: String,
    line: usize,
    text: String,
}

impl Finding {
    fn new(file: &str, line: usize, text: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, text: text.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.text)
    }
}

struct Rule {
    name: &'static str,
    check: fn(&Tree) -> Vec<Finding>,
}

const RULES: &[Rule] = &[
    Rule { name: "opening", check: shape::opening },
    Rule { name: "length", check: shape::length },
    Rule { name: "names", check: shape::names },
    Rule { name: "arrows", check: arrows::check },
    Rule { name: "dependencies", check: dependencies::check },
    Rule { name: "purity", check: purity::purity },
    Rule { name: "awaits", check: purity::awaits },
    Rule { name: "citations", check: citations::check },
    Rule { name: "extensions", check: extensions::check },
    Rule { name: "guarantees", check: guarantees::check },
    Rule { name: "absent", check: guarantees::absent },
    Rule { name: "readme", check: promises::readme },
    Rule { name: "changelog", check: promises::changelog },
];

#[cfg(test)]
mod tests;
