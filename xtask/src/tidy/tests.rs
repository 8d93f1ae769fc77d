//! The rules on the project itself, one test each; and what every rule's own tests share.

use super::*;

/// Runs a rule on made-up files and compares where it finds something, as `file:line`.
#[track_caller]
pub(super) fn finds(check: fn(&Tree) -> Vec<Finding>, files: &[(&str, &str)], places: &[&str]) {
    let mut findings = check(&Tree::of(files));
    findings.sort();
    let found: Vec<String> =
        findings.iter().map(|finding| format!("{}:{}", finding.file, finding.line)).collect();
    assert_eq!(found, places, "{findings:#?}");
}

#[track_caller]
fn holds(name: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let tree = Tree::read(root).unwrap();
    let rule = RULES.iter().find(|rule| rule.name == name).unwrap();
    let findings: Vec<String> = (rule.check)(&tree).iter().map(Finding::to_string).collect();
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

#[test]
fn every_file_says_what_it_knows() {
    holds("opening");
}

#[test]
fn no_file_is_too_long() {
    holds("length");
}

#[test]
fn no_name_is_empty() {
    holds("names");
}

#[test]
fn arrows_point_down_and_are_written_down() {
    holds("arrows");
}

#[test]
fn lower_layers_do_no_io() {
    holds("purity");
}

#[test]
fn one_loop_awaits() {
    holds("awaits");
}

#[test]
fn no_code_is_unsafe() {
    holds("unsafe");
}

#[test]
fn globs_stay_in_tests() {
    holds("globs");
}

#[test]
fn citations_are_in_force() {
    holds("citations");
}

#[test]
fn every_extension_is_written_down() {
    holds("extensions");
}

#[test]
fn guarantees_are_held_by_tests() {
    holds("guarantees");
}

#[test]
fn what_is_promised_to_be_absent_is() {
    holds("absent");
}

#[test]
fn the_readme_keeps_its_word() {
    holds("readme");
}

#[test]
fn the_changelog_knows_the_version() {
    holds("changelog");
}

/// One test above for each rule: a rule without one would go unnoticed in `cargo test`.
#[test]
fn every_rule_is_held_against_the_project() {
    let this = include_str!("tests.rs");
    for rule in RULES {
        assert!(this.contains(&format!("holds({:?})", rule.name)), "{}", rule.name);
    }
}

#[test]
fn the_report_is_sorted_and_names_the_broken_rules() {
    let files = [
        ("Cargo.toml", "[workspace]\nmembers = []\npackage.version = \"1.0.0\"\n"),
        ("CHANGELOG.md", "## [1.0.0]\n"),
        ("README.md", "```sh\nrun\n```\n```sh\ntest\n```\n"),
        (".ci/run", "run\ntest\n"),
        ("docs/architecture.md", "<!-- arrows:begin -->\n<!-- arrows:end -->\n"),
        ("xtask/src/b.rs", "//! B.\nunsafe {}\n"),
        ("xtask/src/a.rs", "\n"),
    ];
    let lines = report(&Tree::of(&files)).unwrap_err();
    let places: Vec<&str> = lines.lines().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(places, ["xtask/src/a.rs:1", "xtask/src/b.rs:2", "tidy"]);
    assert!(lines.ends_with("2 to mend (opening, unsafe)"));
    assert!(report(&Tree::of(&files[..5])).is_ok());
}
