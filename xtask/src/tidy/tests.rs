//! Each rule checked against the project itself, and what the tests of all rules share.

use std::sync::OnceLock;

use super::*;
use crate::metadata::{Dependency, Package, Purpose};

/// A package of version 1.0.0 with these dependencies, in the folder of its name.
pub(super) fn package(name: &str, dependencies: &[(&str, Purpose)]) -> Package {
    let dependencies = dependencies.iter().map(|(package, purpose)| Dependency {
        package: (*package).to_owned(),
        key: (*package).to_owned(),
        purpose: *purpose,
    });
    Package {
        name: name.to_owned(),
        version: "1.0.0".to_owned(),
        manifest: format!("crates/{name}/Cargo.toml"),
        dependencies: dependencies.collect(),
        programs: Vec::new(),
    }
}

/// The layers and the testkit, with only the dependencies that make them layers.
pub(super) fn layers() -> [Package; 5] {
    [
        package("smtp-error", &[]),
        package("smtp-codec", &[("smtp-error", Purpose::Crate)]),
        package("smtp-caps", &[("smtp-codec", Purpose::Crate)]),
        package("smtp-client", &[("smtp-caps", Purpose::Crate), ("smtp-testkit", Purpose::Tests)]),
        package("smtp-testkit", &[]),
    ]
}

/// Runs a rule on made-up files and compares the places of its findings, as `file:line`.
#[track_caller]
pub(super) fn finds(check: fn(&Tree) -> Vec<Finding>, files: &[(&str, &str)], expected: &[&str]) {
    let findings = check(&Tree::of(files, &layers()));
    assert_eq!(places(&findings), expected, "{findings:#?}");
}

/// The places of the findings as `file:line`, sorted.
pub(super) fn places(findings: &[Finding]) -> Vec<String> {
    let mut sorted = findings.to_vec();
    sorted.sort();
    sorted.iter().map(|finding| format!("{}:{}", finding.file, finding.line)).collect()
}

#[track_caller]
fn holds(name: &str) {
    // Reading takes longer than all rules together, so the tests share one tree.
    static PROJECT: OnceLock<Tree> = OnceLock::new();
    let tree = PROJECT.get_or_init(|| Tree::read(&crate::root()).unwrap());
    let rule = RULES.iter().find(|rule| rule.name == name).unwrap();
    let findings: Vec<String> = (rule.check)(tree).iter().map(Finding::to_string).collect();
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

#[test]
fn every_file_opens_with_a_sentence() {
    holds("opening");
}

#[test]
fn no_file_is_too_long() {
    holds("length");
}

#[test]
fn no_name_is_too_general() {
    holds("names");
}

#[test]
fn arrows_point_down_and_are_documented() {
    holds("arrows");
}

#[test]
fn lower_layers_do_no_io() {
    holds("purity");
}

#[test]
fn few_files_of_the_client_await() {
    holds("awaits");
}

#[test]
fn every_dependency_is_justified() {
    holds("dependencies");
}

#[test]
fn citations_are_in_force() {
    holds("citations");
}

#[test]
fn every_extension_is_documented() {
    holds("extensions");
}

#[test]
fn every_guarantee_has_its_tests() {
    holds("guarantees");
}

#[test]
fn what_the_guarantees_exclude_is_absent() {
    holds("absent");
}

#[test]
fn the_commands_of_the_readme_are_run() {
    holds("readme");
}

#[test]
fn the_changelog_has_the_version() {
    holds("changelog");
}

/// A rule without a test above would not run in `cargo test`.
#[test]
fn every_rule_is_checked_against_the_project() {
    let this = include_str!("tests.rs");
    for rule in RULES {
        assert!(this.contains(&format!("holds({:?})", rule.name)), "{}", rule.name);
    }
}

const ARROWS: &str = "\
<!-- arrows:begin -->
| Crate | Ours | Others | Tests |
|---|---|---|---|
| smtp-error | - | - | - |
| smtp-codec | smtp-error | - | - |
| smtp-caps | smtp-codec | - | - |
| smtp-client | smtp-caps | - | smtp-testkit |
| smtp-testkit | - | - | - |
<!-- arrows:end -->
";

#[test]
fn the_report_is_sorted_and_names_the_broken_rules() {
    // Put together here, so that this file does not cite it.
    let obsolete = format!("//! B.\n// RFC {}\n", 821);
    let files = [
        ("CHANGELOG.md", "## [1.0.0]\n"),
        ("README.md", "```sh\nrun\n```\n```sh\ntest\n```\n"),
        (".ci/run", "run\ntest\n"),
        ("docs/architecture.md", ARROWS),
        ("xtask/src/b.rs", obsolete.as_str()),
        ("xtask/src/a.rs", "\n"),
    ];
    let lines = report(&Tree::of(&files, &layers())).unwrap_err();
    let places: Vec<&str> = lines.lines().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(places, ["xtask/src/a.rs:1", "xtask/src/b.rs:2", "tidy"]);
    assert!(lines.ends_with("2 findings (opening, citations)"));
    report(&Tree::of(&files[..4], &layers())).unwrap();
}
