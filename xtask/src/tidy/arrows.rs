//! Which crate depends on which: the manifests, the table in docs/architecture.md, and the order of
//! the layers.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use super::tree::Tree;
use crate::metadata::{Dependency, Package, Purpose};

const DOCUMENT: &str = "docs/architecture.md";
const BEGIN: &str = "<!-- arrows:begin -->";
const END: &str = "<!-- arrows:end -->";

/// The members that are not layers.
///
/// They are listed here as well as in the document, so that no edit of the table alone lets them
/// depend on a layer, or a layer on them.
const APART: &[Apart] = &[
    Apart {
        name: "smtp-testkit",
        part_of: &["smtpkit"],
        tests_of: &["smtp-client", "smtp-delivery", "smtp-testkit-clients", "smtp-cookbook"],
    },
    Apart { name: "xtask", part_of: &[], tests_of: &[] },
];

/// A member that depends on no crate of ours.
struct Apart {
    name: &'static str,
    /// The only crates that may depend on it.
    part_of: &'static [&'static str],
    /// The only other crates whose tests may depend on it.
    tests_of: &'static [&'static str],
}

fn apart(name: &str) -> Option<&'static Apart> {
    APART.iter().find(|apart| apart.name == name)
}

/// Returns whether a member is not one of the layers.
pub(super) fn is_apart(name: &str) -> bool {
    apart(name).is_some()
}

fn is_ours(tree: &Tree, name: &str) -> bool {
    is_apart(name) || tree.packages().any(|package| package.name == name)
}

/// Returns whether a crate may depend on another.
///
/// The members stand in the root manifest from the lowest layer to the highest, and each may depend
/// only on those before it. The crates that are workspaces of their own may depend on any layer, and
/// no crate on them.
fn allows(tree: &Tree, of: &str, dependency: &Dependency) -> bool {
    let on = dependency.package.as_str();
    if !is_ours(tree, on) {
        return true;
    }
    // A crate's tests may turn on its own features.
    if on == of {
        return dependency.purpose == Purpose::Tests;
    }
    if let Some(on) = apart(on) {
        let tests = dependency.purpose == Purpose::Tests && on.tests_of.contains(&of);
        return tests || on.part_of.contains(&of);
    }
    let layer = |name: &str| tree.members().iter().position(|member| member.name == name);
    !is_apart(of) && layer(on).is_some_and(|below| layer(of).is_none_or(|above| below < above))
}

/// Checks that the table has the dependencies of every crate and no others, and that no crate
/// depends on a higher layer.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let (rows, mut findings) = rows(tree);
    for package in tree.packages() {
        findings.extend(outside(package));
        findings.extend(upward(tree, package));
        match rows.get(&package.name) {
            Some(row) => findings.extend(unequal(tree, package, row)),
            None => {
                let text = format!("no row for `{}`; add one", package.name);
                findings.push(Finding::new(DOCUMENT, 1, text));
            }
        }
    }
    let is_package = |row: &&Row| tree.packages().any(|package| package.name == row.of);
    for row in rows.values().filter(|row| !is_package(row)) {
        let text = format!("a row for `{}`, but there is no such crate; remove it", row.of);
        findings.push(Finding::new(DOCUMENT, row.line, text));
    }
    findings
}

/// Finds a crate in a folder whose files the rules do not read.
fn outside(package: &Package) -> Option<Finding> {
    let inside = match package.manifest.split('/').collect::<Vec<_>>()[..] {
        ["crates", folder, "Cargo.toml"] | [folder @ "xtask", "Cargo.toml"] => {
            folder == package.name
        }
        _ => false,
    };
    let text = format!("move the crate to `crates/{}`, where tidy looks for it", package.name);
    (!inside).then(|| Finding::new(&package.manifest, 1, text))
}

fn upward(tree: &Tree, package: &Package) -> Vec<Finding> {
    let of = package.name.as_str();
    let illegal = package.dependencies.iter().filter(|dependency| !allows(tree, of, dependency));
    illegal
        .map(|dependency| {
            let on = &dependency.package;
            let text = format!("{of} must not depend on {on}; arrows point down only");
            Finding::new(&package.manifest, line_of(tree, package, dependency), text)
        })
        .collect()
}

/// The line of the manifest in which the dependency begins, or 1: cargo does not tell the line.
fn line_of(tree: &Tree, package: &Package, dependency: &Dependency) -> usize {
    let Some(file) = tree.file(&package.manifest) else { return 1 };
    let mut in_table = false;
    for (number, line) in file.lines() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            in_table = header.contains("dependencies");
            let last = header.trim_end_matches(']').rsplit('.').next().unwrap_or_default();
            if in_table && last.trim_matches(['"', '\'']) == dependency.key {
                return number;
            }
        } else if in_table && line.split([' ', '.', '=']).next() == Some(&dependency.key) {
            return number;
        }
    }
    1
}

/// Finds the differences between a manifest and its row.
fn unequal(tree: &Tree, of: &Package, row: &Row) -> Vec<Finding> {
    let mut findings = Vec::new();
    for dependency in &of.dependencies {
        let Dependency { package, purpose, .. } = dependency;
        let line = line_of(tree, of, dependency);
        let cell = match purpose {
            Purpose::Crate if is_ours(tree, package) => &row.ours,
            Purpose::Crate => &row.others,
            Purpose::Tests => &row.tests,
            Purpose::Build => {
                let text = format!("{package} for a build script; do without one");
                findings.push(Finding::new(&of.manifest, line, text));
                continue;
            }
        };
        if !cell.contains(package) {
            let text = format!("{package} is not in the row of {} in {DOCUMENT}", row.of);
            findings.push(Finding::new(&of.manifest, line, text));
        }
    }
    let has = |package: &String, purpose: Purpose, ours: Option<bool>| {
        of.dependencies.iter().any(|dependency| {
            dependency.package == *package
                && dependency.purpose == purpose
                && ours.is_none_or(|ours| ours == is_ours(tree, package))
        })
    };
    let ours = row.ours.iter().filter(|package| !has(package, Purpose::Crate, Some(true)));
    let others = row.others.iter().filter(|package| !has(package, Purpose::Crate, Some(false)));
    let tests = row.tests.iter().filter(|package| !has(package, Purpose::Tests, None));
    for package in ours.chain(others).chain(tests) {
        let text = format!("{package} is not in {}; correct the row", of.manifest);
        findings.push(Finding::new(DOCUMENT, row.line, text));
    }
    findings
}

/// A row of the table: a crate and its three cells.
struct Row {
    line: usize,
    of: String,
    ours: BTreeSet<String>,
    others: BTreeSet<String>,
    tests: BTreeSet<String>,
}

fn rows(tree: &Tree) -> (BTreeMap<String, Row>, Vec<Finding>) {
    let mut rows = BTreeMap::new();
    let Some(file) = tree.file(DOCUMENT) else {
        return (rows, vec![Finding::new(DOCUMENT, 1, "missing; write it")]);
    };
    let mut findings = Vec::new();
    if !(file.text.contains(BEGIN) && file.text.contains(END)) {
        let text = format!("no table between {BEGIN} and {END}; add it");
        findings.push(Finding::new(DOCUMENT, 1, text));
    }
    for (number, line) in file.table(BEGIN, END) {
        let Some(row) = row(number, line) else {
            let text = "not a row of four cells; write `| crate | ours | others | tests |`";
            findings.push(Finding::new(DOCUMENT, number, text));
            continue;
        };
        if let Some(twin) = rows.insert(row.of.clone(), row) {
            let text = format!("a second row for `{}`; keep one", twin.of);
            findings.push(Finding::new(DOCUMENT, number, text));
        }
    }
    (rows, findings)
}

fn row(line: usize, text: &str) -> Option<Row> {
    let inside = text.trim().strip_prefix('|')?.strip_suffix('|')?;
    let cells: Vec<&str> = inside.split('|').map(str::trim).collect();
    let [of, ours, others, tests] = cells[..] else { return None };
    let of = of.trim_matches('`').to_owned();
    Some(Row { line, of, ours: cell(ours), others: cell(others), tests: cell(tests) })
}

fn cell(text: &str) -> BTreeSet<String> {
    let names = text.split(',').map(|name| name.trim().trim_matches('`').to_owned());
    names.filter(|name| !name.is_empty() && name != "-").collect()
}

#[cfg(test)]
mod tests;
