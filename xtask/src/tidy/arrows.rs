//! Who depends on whom: the manifests, the table in docs/architecture.md, and the law.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use super::manifest::{self, Dependency, Purpose};
use super::toml::Unreadable;
use super::tree::{File, Tree};

const DOCUMENT: &str = "docs/architecture.md";
const BEGIN: &str = "<!-- arrows:begin -->";
const END: &str = "<!-- arrows:end -->";

/// The arrows that may exist among our own crates.
///
/// They stand here as well as in the document, so that editing the table alone makes no upward
/// arrow legal.
const LAW: &[Arrows] = &[
    Arrows { of: "smtp-error", down: &[], tests: &[] },
    Arrows { of: "smtp-codec", down: &["smtp-error"], tests: &[] },
    Arrows { of: "smtp-caps", down: &["smtp-codec", "smtp-error"], tests: &[] },
    Arrows { of: "smtp-session", down: &["smtp-caps", "smtp-codec", "smtp-error"], tests: &[] },
    Arrows {
        of: "smtp-client",
        down: &["smtp-caps", "smtp-codec", "smtp-error", "smtp-session"],
        // Its own tests have more of its features than its users have by default.
        tests: &["smtp-client", "smtp-testkit"],
    },
    Arrows { of: "smtp-testkit", down: &["smtp-error"], tests: &[] },
    Arrows { of: "smtp-testkit-clients", down: &[], tests: &["smtp-client", "smtp-testkit"] },
    Arrows { of: "smtp-bench", down: &["smtp-caps", "smtp-client", "smtp-codec"], tests: &[] },
    Arrows { of: "xtask", down: &[], tests: &[] },
];

struct Arrows {
    of: &'static str,
    down: &'static [&'static str],
    /// What its tests may use on top.
    tests: &'static [&'static str],
}

impl Arrows {
    fn allow(&self, dependency: &Dependency) -> bool {
        let package = dependency.package.as_str();
        let for_tests = dependency.purpose == Purpose::Tests && self.tests.contains(&package);
        !is_ours(package) || self.down.contains(&package) || for_tests
    }
}

fn is_ours(package: &str) -> bool {
    LAW.iter().any(|arrows| arrows.of == package)
}

/// Every dependency is in its crate's row, every row is true, and no arrow points up.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = members(tree);
    let (rows, broken) = rows(tree);
    findings.extend(broken);
    let mut seen = BTreeSet::new();
    for file in tree.manifests() {
        match one_crate(tree, file, &rows) {
            Ok((name, found)) => {
                seen.insert(name);
                findings.extend(found);
            }
            Err(Unreadable(line)) => findings.push(unreadable(&file.path, line)),
        }
    }
    for row in rows.values().filter(|row| !seen.contains(&row.of)) {
        let text = format!("a row for `{}`, which is no crate here; remove it", row.of);
        findings.push(Finding::new(DOCUMENT, row.line, text));
    }
    findings
}

fn unreadable(file: &str, line: usize) -> Finding {
    Finding::new(file, line, "tidy cannot read this; write it in the plain form of its neighbors")
}

/// A member anywhere else would be out of sight of every rule.
fn members(tree: &Tree) -> Vec<Finding> {
    let Some(root) = tree.file("Cargo.toml") else { return Vec::new() };
    let listed = match manifest::members(&root.text) {
        Ok(listed) => listed,
        Err(Unreadable(line)) => return vec![unreadable(&root.path, line)],
    };
    let strays = listed
        .into_iter()
        .filter(|(_, folder)| !is_ours(folder.strip_prefix("crates/").unwrap_or(folder.as_str())));
    strays
        .map(|(line, folder)| {
            let text = format!("member `{folder}` has no arrows in xtask/src/tidy/arrows.rs");
            Finding::new(&root.path, line, text)
        })
        .collect()
}

fn one_crate(
    tree: &Tree,
    file: &File,
    rows: &BTreeMap<String, Row>,
) -> Result<(String, Vec<Finding>), Unreadable> {
    let root = tree.file("Cargo.toml").map_or("", |root| &root.text);
    let renames = manifest::renames(root).unwrap_or_default();
    let dependencies = manifest::dependencies(&file.text, &renames)?;
    let name = manifest::name(&file.text)?.unwrap_or_default();
    let mut findings = Vec::new();
    match LAW.iter().find(|arrows| arrows.of == name) {
        Some(arrows) => findings.extend(upward(file, arrows, &dependencies)),
        None => {
            let text = format!("crate `{name}` has no arrows in xtask/src/tidy/arrows.rs");
            findings.push(Finding::new(&file.path, 1, text));
        }
    }
    match rows.get(&name) {
        Some(row) => findings.extend(unequal(file, row, &dependencies)),
        None => {
            let text = format!("no row for `{name}`; add one");
            findings.push(Finding::new(DOCUMENT, 1, text));
        }
    }
    Ok((name, findings))
}

fn upward(file: &File, arrows: &Arrows, dependencies: &[Dependency]) -> Vec<Finding> {
    let illegal = dependencies.iter().filter(|dependency| !arrows.allow(dependency));
    illegal
        .map(|Dependency { line, package, .. }| {
            let text = format!("{} must not know {package}; arrows point down only", arrows.of);
            Finding::new(&file.path, *line, text)
        })
        .collect()
}

/// Where a manifest and its row differ, in either direction.
fn unequal(file: &File, row: &Row, dependencies: &[Dependency]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for Dependency { line, package, purpose } in dependencies {
        let cell = match purpose {
            Purpose::Crate if is_ours(package) => &row.ours,
            Purpose::Crate => &row.others,
            Purpose::Tests => &row.tests,
            Purpose::Build => {
                let text = format!("{package} for a build script; no crate here has one");
                findings.push(Finding::new(&file.path, *line, text));
                continue;
            }
        };
        if !cell.contains(package) {
            let text = format!("{package} is not in the row of {} in {DOCUMENT}", row.of);
            findings.push(Finding::new(&file.path, *line, text));
        }
    }
    let has = |package: &String, purpose: Purpose, ours: Option<bool>| {
        dependencies.iter().any(|dependency| {
            dependency.package == *package
                && dependency.purpose == purpose
                && ours.is_none_or(|ours| ours == is_ours(package))
        })
    };
    let ours = row.ours.iter().filter(|package| !has(package, Purpose::Crate, Some(true)));
    let others = row.others.iter().filter(|package| !has(package, Purpose::Crate, Some(false)));
    let tests = row.tests.iter().filter(|package| !has(package, Purpose::Tests, None));
    for package in ours.chain(others).chain(tests) {
        let text = format!("{package} is not what {} says; mend the row", file.path);
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
