//! Manifests in every spelling, read by way of cargo.

use std::path::PathBuf;
use std::{fs, process};

use super::*;

/// A folder with a workspace of one member, removed at the end.
struct Workspace(PathBuf);

impl Workspace {
    /// Writes the manifest of the member `a`, whose `[package]` table is already there.
    fn new(name: &str, manifest: &str) -> Self {
        let root = env::temp_dir().join(format!("xtask-{}-{name}", process::id()));
        let member = root.join("crates/a");
        fs::create_dir_all(member.join("src")).unwrap();
        fs::write(member.join("src/lib.rs"), "").unwrap();
        let inherited =
            "[workspace.dependencies]\nnet = { package = \"tokio\", version = \"1\" }\n";
        let whole = format!("[workspace]\nmembers = [\"crates/a\"]\n{inherited}");
        fs::write(root.join("Cargo.toml"), whole).unwrap();
        let package = "[package]\nname = \"a\"\nversion = \"1.2.3\"\n";
        fs::write(member.join("Cargo.toml"), format!("{package}{manifest}")).unwrap();
        Self(root.canonicalize().unwrap())
    }

    fn packages(&self) -> Result<Vec<Package>, String> {
        packages(&self.0, "Cargo.toml")
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn dependencies_are_found_in_every_spelling() {
    let manifest = "\
[dependencies]
plain = \"1\"
inline = { version = \"1\", optional = true }
dotted.version = \"1\"
renamed = { package = \"bytes\", version = \"1\" }
net.workspace = true

[dependencies.alone]
version = \"1\"

[target.'cfg(unix)'.dependencies]
unix = \"1\"
plain = \"1\"

[dev-dependencies]
plain = \"1\"

[target.\"cfg(unix)\".build-dependencies]
made = \"1\"
";
    let workspace = Workspace::new("spellings", manifest);
    let packages = workspace.packages().unwrap();
    let [package] = &packages[..] else { panic!("{packages:#?}") };
    assert_eq!((&package.name[..], &package.version[..]), ("a", "1.2.3"));
    assert_eq!(package.manifest, "crates/a/Cargo.toml");
    let found: Vec<_> = package
        .dependencies
        .iter()
        .map(|found| (found.package.as_str(), found.key.as_str(), found.purpose))
        .collect();
    let expected = [
        ("alone", "alone", Purpose::Crate),
        ("bytes", "renamed", Purpose::Crate),
        ("dotted", "dotted", Purpose::Crate),
        ("inline", "inline", Purpose::Crate),
        ("made", "made", Purpose::Build),
        ("plain", "plain", Purpose::Crate),
        ("plain", "plain", Purpose::Tests),
        ("tokio", "net", Purpose::Crate),
        ("unix", "unix", Purpose::Crate),
    ];
    assert_eq!(found, expected);
}

#[test]
fn what_is_not_a_dependency_is_left_alone() {
    let manifest = "[features]\ntokio = []\n[lints]\n# [dependencies]\n# a = \"1\"\n";
    let packages = Workspace::new("none", manifest).packages().unwrap();
    assert_eq!(packages[0].dependencies, []);
}

#[test]
fn programs_are_listed() {
    let manifest = "[[bin]]\nname = \"b\"\npath = \"src/lib.rs\"\n";
    let packages = Workspace::new("programs", manifest).packages().unwrap();
    assert_eq!(packages[0].programs, ["b"]);
}

#[test]
fn a_manifest_that_cargo_refuses_is_an_error_that_names_it() {
    let workspace = Workspace::new("refused", "[dependencies]\nplain =\n");
    let error = workspace.packages().unwrap_err();
    assert!(error.starts_with("cargo metadata for Cargo.toml failed: "), "{error}");
    assert!(error.contains("crates/a/Cargo.toml"), "{error}");
}

/// The order of the members is the order of the layers: see `tidy::arrows`.
#[test]
fn packages_come_in_the_order_of_the_members() {
    let workspace = Workspace::new("order", "");
    for name in ["z", "b"] {
        let member = workspace.0.join("crates").join(name);
        fs::create_dir_all(member.join("src")).unwrap();
        fs::write(member.join("src/lib.rs"), "").unwrap();
        fs::write(member.join("Cargo.toml"), format!("[package]\nname = \"{name}\"\n")).unwrap();
    }
    let whole = "[workspace]\nmembers = [\"crates/z\", \"crates/a\", \"crates/b\"]\n";
    fs::write(workspace.0.join("Cargo.toml"), whole).unwrap();
    let packages = workspace.packages().unwrap();
    let names: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(names, ["z", "a", "b"]);
}
