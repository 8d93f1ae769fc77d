//! Guarantees without tests.

use super::super::tests::finds;
use super::*;

const TESTS: &str = "\
//! Tests.
#[test] fn t1_one() {}
#[test] fn t1_two() {}
#[tokio::test] async fn s12_three() {}
#[test] fn other() {} fn helper() {}
fn t_x() {}
";
const THREAT: &str = "crates/smtp-client/tests/it/threat/a.rs";

const T1: &str = "| T1 | one | [`t1_one`](../crates/smtp-client/tests/it/threat/a.rs), \
                  [`t1_two`](../crates/smtp-client/tests/it/threat/a.rs) |";
const S12: &str = "| S12 | three | [`s12_three`](../crates/smtp-client/tests/it/threat/a.rs) |";
const L1: &str = "| L1 | nothing | because |";

/// Checks a document with these rows, the first of which is in line 6.
#[track_caller]
fn check_rows(rows: &[&str], places: &[&str]) {
    check_document(
        "- Promised. [`other`](../crates/smtp-client/tests/it/threat/a.rs)",
        rows,
        places,
    );
}

#[track_caller]
fn check_document(promise: &str, rows: &[&str], places: &[&str]) {
    let rows = rows.join("\n");
    let text = format!("# G\n{promise}\n{BEGIN}\n| a | b | c |\n|---|---|---|\n{rows}\n{END}\n");
    finds(check, &[(DOCUMENT, &text), (THREAT, TESTS)], places);
}

#[test]
fn guarantees_with_tests_are_fine() {
    check_rows(&[T1, S12, L1], &[]);
    finds(check, &[], &[]);
}

#[test]
fn an_unknown_test_is_found() {
    for wrong in [
        "[`help`](../crates/smtp-client/tests/it/threat/a.rs)",
        "[`helper`](../crates/smtp-client/tests/it/threat/a.rs)",
        "[`other`](../a.rs)",
    ] {
        check_document(wrong, &[T1, S12], &["docs/guarantees.md:2"]);
    }
    check_document("[Elsewhere](architecture.md)", &[T1, S12], &[]);
}

#[test]
fn a_test_without_its_row_is_found() {
    check_rows(&[T1], &[&format!("{THREAT}:4")]);
    let half = &T1[..T1.find(", ").unwrap()];
    check_rows(&[&format!("{half} |"), S12], &[&format!("{THREAT}:3")]);
}

#[test]
fn a_row_that_names_the_test_of_another_is_found() {
    let wrong = T1.replace("| T1 |", "| T2 |");
    check_rows(
        &[&wrong, S12],
        &[&format!("{THREAT}:2"), &format!("{THREAT}:3"), "docs/guarantees.md:6"],
    );
}

#[test]
fn a_row_without_test_or_reason_is_found() {
    check_rows(&[T1, S12, "| L1 | nothing | |"], &["docs/guarantees.md:8"]);
    check_rows(&[T1, S12, L1, L1], &["docs/guarantees.md:9"]);
}

#[test]
fn a_row_of_the_server_without_a_test_or_with_the_name_of_another_is_found() {
    let link = "[`other`](../crates/smtp-client/tests/it/threat/a.rs)";
    let server = |rows: &str| {
        let client = format!("{BEGIN}\n|a|b|c|\n|---|\n{T1}\n{S12}\n{END}\n");
        format!("# G\n{client}{SERVER_BEGIN}\n|a|b|c|d|\n|---|\n{rows}\n{SERVER_END}\n")
    };
    let check = |rows: &str, places: &[&str]| {
        finds(check, &[(DOCUMENT, &server(rows)), (THREAT, TESTS)], places);
    };
    check(&format!("| V1 | sends | is refused | {link} |"), &[]);
    check("| V1 | sends | is refused | |", &["docs/guarantees.md:11"]);
    let twice =
        format!("| V1 | a | b | {link} |\n| V1 | a | b | {link} |\n| T1 | a | b | {link} |");
    check(&twice, &["docs/guarantees.md:12", "docs/guarantees.md:13"]);
}

#[test]
fn a_missing_document_or_table_is_found() {
    finds(check, &[(THREAT, TESTS)], &["docs/guarantees.md:1"]);
    finds(check, &[(DOCUMENT, "# G\n")], &["docs/guarantees.md:1"]);
}

#[test]
fn a_process_and_the_wall_clock_are_found() {
    for (source, places) in [
        ("use std::process::Command;", &["crates/smtp-client/src/a.rs:1"][..]),
        ("use std::{io, process}; fn a() { process::abort() }", &["crates/smtp-client/src/a.rs:1"]),
        ("let now = std::time::SystemTime::now();", &["crates/smtp-client/src/a.rs:1"]),
        ("let process = 1; process.go(); // std::process::Command", &[]),
        ("use tokio::time::Instant;", &[]),
    ] {
        finds(absent, &[("crates/smtp-client/src/a.rs", source)], places);
        finds(absent, &[("crates/smtp-client/tests/it/a.rs", source)], &[]);
    }
}
