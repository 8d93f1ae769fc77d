//! A small workspace whose table is true, and every way to make it false.

use super::super::tests::{package, places};
use super::*;

const ERROR: &str = "crates/smtp-error/Cargo.toml";
const CODEC: &str = "crates/smtp-codec/Cargo.toml";

type Dependencies<'a> = &'a [(&'a str, Purpose)];

/// Checks a tree with these dependencies of smtp-error and smtp-codec, and these rows. Each
/// dependency has a line of its manifest, the first of them the second line.
#[track_caller]
fn check(error: Dependencies<'_>, codec: Dependencies<'_>, rows: &str, expected: &[&str]) {
    let table = format!(
        "# Architecture\n{BEGIN}\n| Crate | Ours | Others | Tests |\n|---|---|---|---|\n{rows}\n{END}\n\
         | smtp-error | not | a | row |\n"
    );
    let members = [package("smtp-error", error), package("smtp-codec", codec)];
    let files =
        [(ERROR, &*manifest(error)), (CODEC, &*manifest(codec)), (DOCUMENT, table.as_str())];
    let findings = super::check(&Tree::of(&files, &members));
    assert_eq!(places(&findings), expected, "{findings:#?}");
}

fn manifest(dependencies: Dependencies<'_>) -> String {
    let lines = dependencies.iter().map(|(package, _)| format!("{package}.workspace = true\n"));
    format!("[dependencies]\n{}", lines.collect::<String>())
}

const TRUE_ERROR: Dependencies<'_> = &[("thiserror", Purpose::Crate)];
const TRUE_CODEC: Dependencies<'_> =
    &[("smtp-error", Purpose::Crate), ("nom", Purpose::Crate), ("proptest", Purpose::Tests)];
const TRUE_ROWS: &str = "| smtp-error | - | thiserror | - |\n\
                         | `smtp-codec` | smtp-error | `nom` | proptest |";

#[test]
fn a_true_table_is_fine() {
    check(TRUE_ERROR, TRUE_CODEC, TRUE_ROWS, &[]);
}

#[test]
fn an_unlisted_dependency_is_found() {
    for extra in [
        ("bytes", Purpose::Crate),
        ("bytes", Purpose::Tests),
        ("bytes", Purpose::Build),
        // Listed, but for another crate.
        ("nom", Purpose::Crate),
    ] {
        check(&[TRUE_ERROR[0], extra], TRUE_CODEC, TRUE_ROWS, &[&format!("{ERROR}:3")]);
    }
    // Listed, but for the crate and not for its tests.
    let twice = [TRUE_ERROR[0], ("thiserror", Purpose::Tests)];
    check(&twice, TRUE_CODEC, TRUE_ROWS, &[&format!("{ERROR}:2")]);
}

#[test]
fn a_rename_does_not_pass_for_a_listed_name() {
    let mut renamed = package("smtp-error", &[("anyhow", Purpose::Crate)]);
    renamed.dependencies[0].key = "thiserror".to_owned();
    let table = format!("{BEGIN}\n|a|\n|-|\n{TRUE_ROWS}\n{END}\n");
    let text = "[dependencies]\nthiserror = { package = \"anyhow\", version = \"1\" }\n";
    let members = [renamed, package("smtp-codec", TRUE_CODEC)];
    let tree = Tree::of(&[(ERROR, text), (DOCUMENT, &table)], &members);
    assert_eq!(places(&super::check(&tree)), [format!("{ERROR}:2"), format!("{DOCUMENT}:4")]);
}

#[test]
fn the_line_of_a_dependency_is_found_in_every_spelling() {
    for (text, line) in [
        ("[package]\nnom = 1\n[dependencies]\nnominal = \"1\"\nnom = \"1\"\n", 5),
        ("[dependencies]\nnom.workspace = true\n", 2),
        ("[dependencies.nom]\nversion = \"1\"\n", 1),
        ("[lib]\n[target.'cfg(unix)'.dependencies.\"nom\"]\n", 2),
        ("[target.'cfg(unix)'.dependencies]\nnom={}\n", 2),
        ("dependencies = { nom = \"1\" }\n", 1),
    ] {
        let of = package("smtp-codec", &[("nom", Purpose::Crate)]);
        let tree = Tree::of(&[(CODEC, text)], &[]);
        assert_eq!(line_of(&tree, &of, &of.dependencies[0]), line, "{text}");
    }
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
    check(TRUE_ERROR, TRUE_CODEC, &rows, &[&format!("{CODEC}:2"), &format!("{DOCUMENT}:6")]);
}

#[test]
fn an_upward_arrow_is_found_though_the_table_lists_it() {
    let rows = TRUE_ROWS.replace("| smtp-error | - |", "| smtp-error | smtp-codec |");
    let extra = [TRUE_ERROR[0], ("smtp-codec", Purpose::Crate)];
    check(&extra, TRUE_CODEC, &rows, &[&format!("{ERROR}:3")]);
    let rows = TRUE_ROWS.replace("| thiserror | - |", "| thiserror | smtp-codec |");
    let extra = [TRUE_ERROR[0], ("smtp-codec", Purpose::Tests)];
    check(&extra, TRUE_CODEC, &rows, &[&format!("{ERROR}:3")]);
    let rows = TRUE_ROWS.replace("| proptest |", "| proptest, smtp-testkit |");
    let extra = [TRUE_CODEC, &[("smtp-testkit", Purpose::Tests)]].concat();
    check(TRUE_ERROR, &extra, &rows, &[&format!("{CODEC}:5")]);
}

#[track_caller]
fn allowed(of: &str, on: &str, purpose: Purpose) -> bool {
    let dependency = Dependency { package: on.to_owned(), key: on.to_owned(), purpose };
    let names = ["smtp-error", "smtp-codec", "smtp-client", "smtpkit", "smtp-testkit", "xtask"];
    let members = names.map(|name| package(name, &[]));
    let tree = Tree::of(&[], &members).with_separate(&[package("smtp-bench", &[])]);
    allows(&tree, of, &dependency)
}

#[test]
fn only_the_tool_and_tests_of_the_client_depend_on_the_testkit() {
    assert!(allowed("smtpkit", "smtp-testkit", Purpose::Crate));
    assert!(allowed("smtp-client", "smtp-testkit", Purpose::Tests));
    assert!(!allowed("smtp-client", "smtp-testkit", Purpose::Crate));
    assert!(!allowed("smtp-client", "smtp-testkit", Purpose::Build));
    for other in ["smtp-error", "smtp-codec", "smtp-bench", "xtask"] {
        assert!(!allowed(other, "smtp-testkit", Purpose::Tests), "{other}");
    }
}

#[test]
fn the_testkit_and_xtask_stand_apart_from_the_layers() {
    for apart in ["smtp-testkit", "xtask"] {
        for layer in ["smtp-error", "smtp-codec", "smtp-client"] {
            assert!(!allowed(apart, layer, Purpose::Crate), "{apart}, {layer}");
            assert!(!allowed(apart, layer, Purpose::Tests), "{apart}, {layer}");
        }
    }
    assert!(!allowed("smtp-client", "xtask", Purpose::Tests));
}

#[test]
fn a_separate_workspace_may_depend_on_layers_but_no_crate_on_it() {
    assert!(allowed("smtp-bench", "smtp-client", Purpose::Crate));
    assert!(!allowed("smtp-client", "smtp-bench", Purpose::Crate));
    assert!(!allowed("smtp-client", "smtp-bench", Purpose::Tests));
}

#[test]
fn a_missing_a_second_and_an_unknown_row_are_found() {
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
    assert_eq!(places(&super::check(&Tree::of(&[], &[]))), [format!("{DOCUMENT}:1")]);
    let tree = Tree::of(&[(DOCUMENT, "# Architecture\n")], &[]);
    assert_eq!(places(&super::check(&tree)), [format!("{DOCUMENT}:1")]);
}

#[test]
fn a_crate_without_a_row_and_a_crate_in_another_folder_are_found() {
    let table = format!("{BEGIN}\n| Crate |\n|---|\n| smtp-relay | - | - | - |\n{END}\n");
    let mut moved = package("smtp-relay", &[]);
    moved.manifest = "tools/smtp-relay/Cargo.toml".to_owned();
    let mut renamed = package("smtp-relay", &[]);
    renamed.manifest = "crates/relay/Cargo.toml".to_owned();
    for (member, place) in [
        (moved, "tools/smtp-relay/Cargo.toml:1"),
        (renamed, "crates/relay/Cargo.toml:1"),
        (package("smtp-relay", &[]), ""),
    ] {
        let tree = Tree::of(&[(DOCUMENT, &table)], &[member, package("smtp-new", &[])]);
        let mut expected = vec![place.to_owned(), format!("{DOCUMENT}:1")];
        expected.retain(|place| !place.is_empty());
        expected.sort();
        let mut found = places(&super::check(&tree));
        found.sort();
        assert_eq!(found, expected);
    }
}
