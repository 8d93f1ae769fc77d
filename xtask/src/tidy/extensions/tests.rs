//! Tables of extensions that differ from the code.

use super::super::tests::finds;
use super::*;

const CODE: &str = "\
//! Extensions.
extensions! {
    /// Sizes (RFC 1870).
    Size = \"SIZE\",
    /// Something
    /// else (RFC 5321, F.6), since RFC 9999.
    Other = \"X-OTHER\",
    /// Of no RFC (Exim).
    Own = \"OWN\",
}
";

const TYPES: &str = "\
//! Types.
pub enum Param { Size }
pub enum MailParam { Size }
pub struct Limits;
impl Limits { fn max() {} }
#[cfg(test)]
mod tests { struct Hidden; }
";

const SIZE: &str = "| `SIZE` | 1870 | `Param::Size`, `Limits` | [a](../crates/a/src/lib.rs) | \
                    [t](../crates/a/tests/t.rs) |";
const OTHER: &str = "| `X-OTHER` | 5321 | `Limits::max` | [a](../crates/a/src/lib.rs#x), \
                     [t](../crates/a/tests/t.rs) | [t](../crates/a/tests/t.rs) |";
const OWN: &str =
    "| `OWN` | - | `Limits` | [a](../crates/a/src/lib.rs) | [t](../crates/a/tests/t.rs) |";

/// Checks a table of these rows; the first is in line 5.
#[track_caller]
fn check_rows(rows: &[&str], places: &[&str]) {
    let head =
        "# Extensions\n<!-- extensions:begin -->\n| a | b | c | d | e |\n|---|---|---|---|---|";
    let text = format!("{head}\n{}\n<!-- extensions:end -->\n", rows.join("\n"));
    check_document(&text, places);
}

#[track_caller]
fn check_document(text: &str, places: &[&str]) {
    let files = [
        (DOCUMENT, text),
        (SOURCE, CODE),
        ("crates/a/src/lib.rs", TYPES),
        ("crates/a/tests/t.rs", "struct Tested; // \"SIZE 10\", X-OTHER, Extension::Own\n"),
        ("crates/a/tests/other.rs", "struct Tested; // Extension::Other\n"),
        ("crates/smtp-client/tests/it/t.rs", "// SIZE=17\n"),
    ];
    finds(check, &files, places);
}

/// The table with this row in place of that of SIZE.
#[track_caller]
fn check_size(from: &str, to: &str, places: &[&str]) {
    assert!(SIZE.contains(from));
    check_rows(&[&SIZE.replace(from, to), OTHER, OWN], places);
}

#[test]
fn a_table_that_equals_the_code_is_fine() {
    check_rows(&[SIZE, OTHER, OWN], &[]);
    check_rows(&[SIZE, "", OTHER, OWN], &[]);
    finds(check, &[], &[]);
}

#[test]
fn an_extension_without_a_row_is_found_in_the_code() {
    check_rows(&[SIZE, OWN], &["crates/smtp-error/src/extension.rs:7"]);
    check_document(
        "<!-- extensions:begin -->\n<!-- extensions:end -->\n",
        &[
            "crates/smtp-error/src/extension.rs:4",
            "crates/smtp-error/src/extension.rs:7",
            "crates/smtp-error/src/extension.rs:9",
        ],
    );
}

#[test]
fn a_row_without_an_extension_is_found() {
    let stray = SIZE.replace("`SIZE`", "`SIZES`");
    check_rows(&[SIZE, OTHER, OWN, &stray], &["docs/extensions.md:8"]);
}

#[test]
fn a_second_row_is_found() {
    check_rows(&[SIZE, OTHER, OWN, SIZE], &["docs/extensions.md:8"]);
}

#[test]
fn rows_in_another_order_are_found() {
    check_rows(&[SIZE, OWN, OTHER], &["docs/extensions.md:6"]);
}

#[test]
fn another_rfc_is_found() {
    check_size("1870", "1871", &["docs/extensions.md:5"]);
    check_size("1870", "-", &["docs/extensions.md:5"]);
    check_rows(&[SIZE, OTHER, &OWN.replace("| - |", "| 1 |")], &["docs/extensions.md:7"]);
}

#[test]
fn an_unknown_type_is_found() {
    for wrong in ["`Nothing`", "`Param::Nothing`", "`max`", "`Hidden`", "`Tested`", "Param", ""] {
        check_size("`Param::Size`, `Limits`", wrong, &["docs/extensions.md:5"]);
    }
}

#[test]
fn an_unknown_file_is_found() {
    for wrong in ["[a](../crates/a/src/main.rs)", "[a](crates/a/src/lib.rs)", "lib.rs", ""] {
        check_size("[a](../crates/a/src/lib.rs)", wrong, &["docs/extensions.md:5"]);
    }
    check_size("[t](../crates/a/tests/t.rs)", "[t](../crates/a/tests)", &["docs/extensions.md:5"]);
}

#[test]
fn a_test_without_the_extension_is_found() {
    let other = "[t](../crates/a/tests/other.rs)";
    check_size("[t](../crates/a/tests/t.rs)", other, &["docs/extensions.md:5"]);
    check_rows(
        &[SIZE, &OTHER.replace("| [t](../crates/a/tests/t.rs) |", &format!("| {other} |")), OWN],
        &[],
    );
}

#[test]
fn a_parameter_without_a_test_of_the_client_is_found() {
    let parameter = SIZE.replace("`Param::Size`", "`MailParam::Size`");
    check_rows(&[&parameter, OTHER, OWN], &["docs/extensions.md:5"]);
    let shown =
        parameter.replace("(../crates/a/tests/t.rs)", "(../crates/smtp-client/tests/it/t.rs)");
    check_rows(&[&shown, OTHER, OWN], &[]);
}

#[test]
fn a_malformed_row_is_found() {
    check_rows(&[SIZE, OTHER, OWN, "| `SIZE` | 1870 |"], &["docs/extensions.md:8"]);
    check_rows(&[SIZE, OTHER, OWN, "SIZE"], &["docs/extensions.md:8"]);
}

#[test]
fn a_missing_table_is_found() {
    finds(check, &[(SOURCE, CODE)], &["docs/extensions.md:1"]);
    finds(check, &[(DOCUMENT, "")], &["crates/smtp-error/src/extension.rs:1"]);
    let empty = "<!-- extensions:begin -->\n<!-- extensions:end -->\n";
    let files = [(DOCUMENT, empty), (SOURCE, "//! Moved.\n")];
    finds(check, &files, &["crates/smtp-error/src/extension.rs:1"]);
}
