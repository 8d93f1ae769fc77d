//! The dependencies that a `Cargo.toml` declares, by the name of the package behind each.

use std::collections::BTreeMap;

use super::toml::{self, Entry, Unreadable};

/// What a dependency is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Purpose {
    /// For the crate itself, on every target or on some.
    Crate,
    /// For its tests, examples and benches.
    Tests,
    /// For its build script.
    Build,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Dependency {
    pub(super) line: usize,
    pub(super) package: String,
    pub(super) purpose: Purpose,
}

/// The packages behind the renamed entries of `[workspace.dependencies]`, by entry.
pub(super) fn renames(root: &str) -> Result<BTreeMap<String, String>, Unreadable> {
    let entries = toml::read(root)?;
    let renamed = entries.into_iter().filter_map(|entry| match (&entry.path[..], entry.text) {
        ([workspace, table, name, key], Some(package))
            if workspace == "workspace" && table == "dependencies" && key == "package" =>
        {
            Some((name.clone(), package))
        }
        _ => None,
    });
    Ok(renamed.collect())
}

/// The folders that the root manifest lists as members, each with its line.
pub(super) fn members(root: &str) -> Result<Vec<(usize, String)>, Unreadable> {
    let entries = toml::read(root)?;
    let listed = entries.into_iter().filter(|entry| entry.is(&["workspace", "members"]));
    Ok(listed.filter_map(|entry| Some((entry.line, entry.text?))).collect())
}

/// What the crate calls itself.
pub(super) fn name(manifest: &str) -> Result<Option<String>, Unreadable> {
    let mut entries = toml::read(manifest)?.into_iter();
    Ok(entries.find(|entry| entry.is(&["package", "name"])).and_then(|entry| entry.text))
}

pub(super) fn dependencies(
    manifest: &str,
    renames: &BTreeMap<String, String>,
) -> Result<Vec<Dependency>, Unreadable> {
    let mut found: BTreeMap<Vec<String>, Dependency> = BTreeMap::new();
    for entry in toml::read(manifest)? {
        let Some((purpose, at)) = table(&entry) else { continue };
        let Some(name) = entry.path.get(at + 1) else { continue };
        let dependency = found
            .entry(entry.path[..=at + 1].to_vec())
            .or_insert_with(|| Dependency { line: entry.line, package: name.clone(), purpose });
        match (entry.path.get(at + 2).map(String::as_str), entry.text) {
            (Some("package"), Some(package)) => dependency.package = package,
            (Some("workspace"), Some(_)) => {
                if let Some(package) = renames.get(name) {
                    dependency.package.clone_from(package);
                }
            }
            _ => {}
        }
    }
    Ok(found.into_values().collect())
}

/// What the table that an entry stands in is for, and at which key of the path it is named.
fn table(entry: &Entry) -> Option<(Purpose, usize)> {
    let at = if entry.path[0] == "target" { 2 } else { 0 };
    let purpose = match entry.path.get(at)?.as_str() {
        "dependencies" => Purpose::Crate,
        "dev-dependencies" | "dev_dependencies" => Purpose::Tests,
        "build-dependencies" | "build_dependencies" => Purpose::Build,
        _ => return None,
    };
    Some((purpose, at))
}

#[cfg(test)]
mod tests;
