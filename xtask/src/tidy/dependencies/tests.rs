//! Tables of dependencies that differ from the manifests.

use super::super::tests::{package, places};
use super::*;
use crate::metadata::Purpose;

#[track_caller]
fn check_rows(rows: &str, expected: &[&str]) {
    let text =
        format!("# Dependencies\n| Crate | Why |\n|---|---|\n{rows}\n## More\n| `x` | y |\n");
    let members = [
        package("smtp-error", &[("thiserror", Purpose::Crate)]),
        package("smtp-codec", &[("smtp-error", Purpose::Crate), ("proptest", Purpose::Tests)]),
    ];
    let tree = Tree::of(&[(DOCUMENT, &text)], &members);
    assert_eq!(places(&check(&tree)), expected);
}

#[test]
fn a_row_for_each_dependency_is_fine() {
    check_rows("| `thiserror` | a |\n| `proptest` | b |", &[]);
    check_rows("| `proptest`, `thiserror` | a |", &[]);
}

#[test]
fn a_dependency_without_a_row_is_found() {
    check_rows("| `thiserror` | a |", &["docs/dependencies.md:1"]);
    check_rows("| thiserror | `proptest` |", &["docs/dependencies.md:1"; 2]);
}

#[test]
fn a_row_without_a_dependency_is_found() {
    check_rows("| `thiserror`, `proptest` | a |\n| `nom` | b |", &["docs/dependencies.md:5"]);
    let own = "| `thiserror`, `proptest` | a |\n| `smtp-error` | b |";
    check_rows(own, &["docs/dependencies.md:5"]);
}
