//! Checks that docs/dependencies.md justifies every dependency on a crate of others.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use super::tree::Tree;

const DOCUMENT: &str = "docs/dependencies.md";

/// Checks that every dependency has a row, and that some crate depends on what a row names.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let ours: BTreeSet<&str> = tree.packages().map(|package| package.name.as_str()).collect();
    let mut used = BTreeMap::new();
    for package in tree.packages() {
        let dependencies = package.dependencies.iter().map(|one| one.package.as_str());
        for dependency in dependencies.filter(|name| !ours.contains(name)) {
            used.entry(dependency).or_insert(package.manifest.as_str());
        }
    }
    let rows = rows(tree);
    let mut findings = Vec::new();
    for (name, manifest) in &used {
        if !rows.contains_key(name) {
            let text = format!("no row for `{name}`, which {manifest} depends on; add one");
            findings.push(Finding::new(DOCUMENT, 1, text));
        }
    }
    for (name, line) in rows.into_iter().filter(|(name, _)| !used.contains_key(name)) {
        let text = format!("a row for `{name}`, which no crate depends on; remove it");
        findings.push(Finding::new(DOCUMENT, line, text));
    }
    findings
}

/// The names in the first column of the first table, each with its line.
fn rows(tree: &Tree) -> BTreeMap<&str, usize> {
    let lines = tree.file(DOCUMENT).into_iter().flat_map(|file| file.lines());
    let table = lines.take_while(|(_, text)| !text.starts_with("## "));
    let cells = table.filter_map(|(line, text)| {
        let (cell, _) = text.strip_prefix('|')?.split_once('|')?;
        Some((line, cell))
    });
    let names = cells
        .flat_map(|(line, cell)| cell.split('`').skip(1).step_by(2).map(move |name| (name, line)));
    names.collect()
}

#[cfg(test)]
mod tests;
