//! A small workspace whose table is true, and every way to make it false.

use super::super::tests::finds;
use super::*;

const ERROR: &str = "crates/smtp-error/Cargo.toml";
const CODEC: &str = "crates/smtp-codec/Cargo.toml";
const ROOT: &str = "[workspace]\nmembers = [\n\"crates/smtp-error\",\n\"crates/smtp-codec\",\n]\n";

/// A tree with these dependencies of smtp-error and smtp-codec, and these rows.
#[track_caller]
fn check(error: &str, codec: &str, rows: &str, places: &[&str]) {
    let error = format!("[package]\nname = \"smtp-error\"\n{error}");
    let codec = format!("[package]\nname = \"smtp-codec\"\n{codec}");
    let table = format!(
        "# Architecture\n{BEGIN}\n| Crate | Ours | Others | Tests |\n|---|---|---|---|\n{rows}\n{END}\n\
         | smtp-error | not | a | row |\n"
    );
    let files =
        [("Cargo.toml", ROOT), (ERROR, &error), (CODEC, &codec), (DOCUMENT, table.as_str())];
    finds(super::check, &files, places);
}

const TRUE_ERROR: &str = "[dependencies]\nthiserror.workspace = true\n";
const TRUE_CODEC: &str = "[dependencies]\nsmtp-error.workspace = true\nnom = \"8\"\n\
                          [dev-dependencies]\nproptest.workspace = true\n";
const TRUE_ROWS: &str = "| smtp-error | - | thiserror | - |\n\
                         | `smtp-codec` | smtp-error | `nom` | proptest |";

#[test]
fn a_true_table_is_fine() {
    check(TRUE_ERROR, TRUE_CODEC, TRUE_ROWS, &[]);
}

#[test]
fn an_unlisted_dependency_is_found() {
    for (extra, line) in [
        ("bytes.workspace = true\n", 5),
        ("wire = { package = \"bytes\", version = \"1\" }\n", 5),
        ("[dependencies.bytes]\nversion = \"1\"\n", 5),
        ("[target.'cfg(unix)'.dependencies]\nbytes = \"1\"\n", 6),
        ("[dev-dependencies]\nbytes = \"1\"\n", 6),
        ("[build-dependencies]\nbytes = \"1\"\n", 6),
        // Listed, but for the crate and not for its tests.
        ("[dev-dependencies]\nthiserror.workspace = true\n", 6),
    ] {
        let error = format!("{TRUE_ERROR}{extra}");
        check(&error, TRUE_CODEC, TRUE_ROWS, &[&format!("{ERROR}:{line}")]);
    }
}

#[test]
fn a_rename_does_not_pass_for_a_listed_name() {
    let renamed = "[dependencies]\nthiserror = { package = \"anyhow\", version = \"1\" }\n";
    check(renamed, TRUE_CODEC, TRUE_ROWS, &[&format!("{ERROR}:4"), &format!("{DOCUMENT}:5")]);
}

#[test]
fn a_listed_dependency_that_is_gone_is_found() {
    let rows = TRUE_ROWS.replace("thiserror", "bytes, thiserror");
    check(TRUE_ERROR, TRUE_CODEC, &rows, &[&format!("{DOCUMENT}:5")]);
    let rows = TRUE_ROWS.replace("| proptest", "| insta, proptest");
    check(TRUE_ERROR, TRUE_CODEC, &rows, &[&format!("{DOCUMENT}:6")]);
}

#[test]
fn a_dependency_in_the_wrong_cell_is_found() {
    let rows = TRUE_ROWS.replace("| smtp-error | `nom` |", "| - | nom, smtp-error |");
    check(TRUE_ERROR, TRUE_CODEC, &rows, &[&format!("{CODEC}:4"), &format!("{DOCUMENT}:6")]);
}

#[test]
fn an_upward_arrow_is_found_though_the_table_lists_it() {
    let rows = TRUE_ROWS.replace("| smtp-error | - |", "| smtp-error | smtp-codec |");
    for extra in [
        "smtp-codec.workspace = true\n",
        "smtp-codec = { path = \"../smtp-codec\" }\n",
        "codec = { package = \"smtp-codec\", path = \"../smtp-codec\" }\n",
        "[dependencies.smtp-codec]\nworkspace = true\n",
    ] {
        check(&format!("{TRUE_ERROR}{extra}"), TRUE_CODEC, &rows, &[&format!("{ERROR}:5")]);
    }
    let extra = "[target.'cfg(unix)'.dependencies]\nsmtp-codec.workspace = true\n";
    check(&format!("{TRUE_ERROR}{extra}"), TRUE_CODEC, &rows, &[&format!("{ERROR}:6")]);
    let rows = TRUE_ROWS.replace("| proptest |", "| proptest, smtp-testkit |");
    let codec = format!("{TRUE_CODEC}smtp-testkit.workspace = true\n");
    check(TRUE_ERROR, &codec, &rows, &[&format!("{CODEC}:8")]);
}

#[test]
fn only_the_clients_tests_know_the_testkit() {
    let arrows = LAW.iter().find(|arrows| arrows.of == "smtp-client").expect("in the law");
    let testkit = |purpose| Dependency { line: 1, package: "smtp-testkit".to_owned(), purpose };
    assert!(arrows.allow(&testkit(Purpose::Tests)));
    assert!(!arrows.allow(&testkit(Purpose::Crate)));
    assert!(!arrows.allow(&testkit(Purpose::Build)));
}

#[test]
fn a_missing_row_a_twin_and_a_stranger_are_found() {
    let first = TRUE_ROWS.lines().next().expect("a row");
    check(TRUE_ERROR, TRUE_CODEC, first, &[&format!("{DOCUMENT}:1")]);
    let twin = format!("{TRUE_ROWS}\n{first}");
    check(TRUE_ERROR, TRUE_CODEC, &twin, &[&format!("{DOCUMENT}:7")]);
    let stranger = format!("{TRUE_ROWS}\n| smtp-server | - | - | - |");
    check(TRUE_ERROR, TRUE_CODEC, &stranger, &[&format!("{DOCUMENT}:7")]);
    let crooked = format!("{TRUE_ROWS}\n| smtp-server | - |");
    check(TRUE_ERROR, TRUE_CODEC, &crooked, &[&format!("{DOCUMENT}:7")]);
}

#[test]
fn a_missing_document_and_a_missing_table_are_found() {
    finds(super::check, &[], &[&format!("{DOCUMENT}:1")]);
    finds(super::check, &[(DOCUMENT, "# Architecture\n")], &[&format!("{DOCUMENT}:1")]);
}

#[test]
fn a_crate_outside_the_law_is_found() {
    let table = format!("{BEGIN}\n| Crate |\n|---|\n| smtp-relay | - | - | - |\n{END}\n");
    let files = [
        ("Cargo.toml", "[workspace]\nmembers = [\"crates/smtp-relay\", \"tools/x\"]\n"),
        ("crates/smtp-relay/Cargo.toml", "[package]\nname = \"smtp-relay\"\n"),
        (DOCUMENT, table.as_str()),
    ];
    let places = ["Cargo.toml:2", "Cargo.toml:2", "crates/smtp-relay/Cargo.toml:1"];
    finds(super::check, &files, &places);
}

#[test]
fn a_manifest_that_cannot_be_read_is_found() {
    let tricky = "description = \"\"\"\n[lints]\n\"\"\"\n[dependencies]\nbytes = \"1\"\n";
    check(tricky, TRUE_CODEC, TRUE_ROWS, &[&format!("{ERROR}:3"), &format!("{DOCUMENT}:5")]);
}
