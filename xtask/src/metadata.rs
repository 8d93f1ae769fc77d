//! Reads the packages of a workspace with `cargo metadata`.
//!
//! Cargo reads the manifests, so a dependency counts however it is spelled: renamed, inherited from
//! the workspace, for one target only, or in a table of its own.

use std::env;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// What a dependency is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Purpose {
    /// For the crate itself, on every target or on some.
    Crate,
    /// For its tests, examples and benches.
    Tests,
    /// For its build script.
    Build,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Dependency {
    /// The name of the package, even if the manifest renames it.
    pub(crate) package: String,
    /// The key of the entry in the manifest.
    pub(crate) key: String,
    pub(crate) purpose: Purpose,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// The path of its `Cargo.toml` from the root of the project, with `/` between the parts.
    pub(crate) manifest: String,
    /// Sorted, without duplicates.
    pub(crate) dependencies: Vec<Dependency>,
    /// The names of its programs, sorted.
    pub(crate) programs: Vec<String>,
}

/// Reads the packages of the workspace that `manifest` belongs to, in the order in which its root
/// lists them.
///
/// `manifest` is a path from `root`. No dependency is resolved, so nothing is downloaded.
pub(crate) fn packages(root: &Path, manifest: &str) -> Result<Vec<Package>, String> {
    let failed = |why: String| format!("cargo metadata for {manifest} failed: {}", why.trim());
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path"])
        .arg(root.join(manifest))
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let metadata: Value =
        serde_json::from_slice(&output.stdout).map_err(|error| failed(error.to_string()))?;
    read(root, &metadata).ok_or_else(|| failed("unknown format".to_owned()))
}

fn read(root: &Path, metadata: &Value) -> Option<Vec<Package>> {
    metadata["packages"].as_array()?.iter().map(|package| read_package(root, package)).collect()
}

fn read_package(root: &Path, package: &Value) -> Option<Package> {
    let manifest = Path::new(package["manifest_path"].as_str()?);
    let manifest = manifest.strip_prefix(root).unwrap_or(manifest);
    let parts: Vec<_> = manifest.iter().map(|part| part.to_string_lossy()).collect();
    let dependencies = package["dependencies"].as_array()?.iter().map(read_dependency);
    let mut dependencies = dependencies.collect::<Option<Vec<_>>>()?;
    // Cargo lists a dependency once for each target that it is for.
    dependencies.sort();
    dependencies.dedup();
    let targets = package["targets"].as_array()?;
    let is_program = |target: &&Value| target["kind"][0] == "bin";
    let programs = targets.iter().filter(is_program);
    Some(Package {
        name: package["name"].as_str()?.to_owned(),
        version: package["version"].as_str()?.to_owned(),
        manifest: parts.join("/"),
        dependencies,
        programs: programs
            .map(|one| Some(one["name"].as_str()?.to_owned()))
            .collect::<Option<_>>()?,
    })
}

fn read_dependency(dependency: &Value) -> Option<Dependency> {
    let package = dependency["name"].as_str()?.to_owned();
    let key = dependency["rename"].as_str().map_or_else(|| package.clone(), str::to_owned);
    let purpose = match &dependency["kind"] {
        Value::Null => Purpose::Crate,
        kind if kind == "dev" => Purpose::Tests,
        kind if kind == "build" => Purpose::Build,
        _ => return None,
    };
    Some(Dependency { package, key, purpose })
}

#[cfg(test)]
mod tests;
