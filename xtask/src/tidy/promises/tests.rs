//! READMEs and changelogs that differ from the project.

use super::super::tests::{finds, layers};
use super::*;

const SCRIPT: &str = "#!/usr/bin/env bash\n# cargo fly\nstep run cargo run\nstep test cargo test\n";

#[track_caller]
fn check_readme(text: &str, places: &[&str]) {
    finds(readme, &[(README, text), (RUN, SCRIPT)], places);
}

fn block(command: &str) -> String {
    format!("```sh\n{command}\n```\n")
}

#[test]
fn two_commands_that_are_run_are_fine() {
    let text = format!(
        "# Mail\n{}{}## More\n```rust\nuse a;\n```\n```\ncargo fly\n```\n",
        block("cargo run"),
        block("cargo test")
    );
    check_readme(&text, &[]);
}

#[test]
fn a_missing_or_a_third_block_is_found() {
    let (run, test) = (block("cargo run"), block("cargo test"));
    check_readme(&run, &["README.md:1"]);
    check_readme(&format!("{run}{test}{test}"), &["README.md:1"]);
    check_readme("", &["README.md:1"]);
    finds(readme, &[], &["README.md:1"]);
}

#[test]
fn a_block_below_the_first_screen_is_found() {
    let text = format!("{}## More\n{}", block("cargo run"), block("cargo test"));
    check_readme(&text, &["README.md:5"]);
}

#[test]
fn a_block_of_two_commands_is_found() {
    let text = format!("{}{}", block("cargo run"), block("cargo build\ncargo test"));
    check_readme(&text, &["README.md:4"]);
    let text = format!("{}{}", block("cargo run"), block(""));
    check_readme(&text, &["README.md:4"]);
}

#[test]
fn a_command_that_is_not_run_as_it_stands_is_found() {
    for command in ["cargo fly", "cargo", "cargo run --release", "$ cargo run", "go run"] {
        let text = format!("{}{}", block(command), block("cargo test"));
        check_readme(&text, &["README.md:2"]);
    }
}

#[track_caller]
fn check_changelog(text: &str, places: &[&str]) {
    let mut members = layers();
    members.iter_mut().for_each(|member| member.version = "0.2.0".to_owned());
    let findings = changelog(&Tree::of(&[(CHANGELOG, text)], &members));
    assert_eq!(super::super::tests::places(&findings), places);
}

#[test]
fn the_newest_version_is_fine() {
    check_changelog("# Changelog\n## [0.2.0] - 2026-01-01\n## [0.1.0]\n", &[]);
    check_changelog("## [Unreleased]\n\n## 0.2.0\n", &[]);
}

#[test]
fn unreleased_entries_are_fine() {
    check_changelog("## [Unreleased]\n### Added\n- More.\n\n## [0.1.0]\n", &[]);
    check_changelog("## Unreleased\n- More.\n", &[]);
}

#[test]
fn a_version_without_a_section_is_found() {
    check_changelog("", &["CHANGELOG.md:1"]);
    check_changelog("## [0.1.0]\n- Old.\n## [0.2.0]\n", &["CHANGELOG.md:1"]);
    check_changelog("## [Unreleased]\n\n## [0.1.0]\n- Old.\n", &["CHANGELOG.md:3"]);
    check_changelog("## [0.2.0-rc.1]\n", &["CHANGELOG.md:1"]);
    finds(changelog, &[], &["CHANGELOG.md:1"]);
}

#[test]
fn members_of_different_versions_are_found() {
    let mut members = layers();
    members[1].version = "0.2.0".to_owned();
    for members in [&members[..], &[]] {
        let findings = changelog(&Tree::of(&[(CHANGELOG, "")], members));
        assert_eq!(super::super::tests::places(&findings), ["Cargo.toml:1"]);
    }
}
