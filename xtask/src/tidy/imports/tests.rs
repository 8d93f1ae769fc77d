//! Globs that break the rule, and those in tests that do not.

use super::super::tests::finds;
use super::*;

const CODE: &str = "crates/a/src/reply.rs";
const TESTS: &str = "crates/a/src/reply/tests.rs";

#[track_caller]
fn found_in(path: &str, source: &str, line: usize) {
    finds(globs, &[(path, source)], &[&format!("{path}:{line}")]);
}

#[track_caller]
fn fine_in(path: &str, source: &str) {
    finds(globs, &[(path, source)], &[]);
}

#[test]
fn globs_in_code_are_found() {
    found_in(CODE, "use super::*;", 1);
    found_in(CODE, "use std::fmt::*;", 1);
    found_in(CODE, "pub use code::*;", 1);
    found_in(CODE, "pub(crate) use code::*;", 1);
    found_in(CODE, "use std::{\n    fmt::{self, *},\n    io,\n};", 2);
    found_in(CODE, "fn f() {\n    use Step::*;\n}", 2);
    found_in(CODE, "mod tests {\n    use super::*;\n}", 2);
    found_in("crates/a/tests/it/reply.rs", "use super::*;", 1);
    found_in("crates/a/examples/send.rs", "use a::prelude::*;", 1);
}

#[test]
fn other_stars_are_left_alone() {
    fine_in(CODE, "use std::fmt;\nfn f(a: &u8) -> u8 { *a * 2 }");
    fine_in(CODE, "// use std::fmt::*;\nconst S: &str = \"use a::*;\";");
    fine_in(CODE, "fn f<'a>(a: &'a u8) -> impl Sized + use<'a> { *a * 2 }");
}

#[test]
fn tests_may_take_all_of_their_parent_and_nothing_else() {
    fine_in(TESTS, "use super::*;");
    fine_in(CODE, "#[cfg(test)]\nmod tests {\n    use super::*;\n}");
    found_in(TESTS, "use super::super::*;", 1);
    found_in(TESTS, "use super::{Reply, *};", 1);
    found_in(TESTS, "pub use super::*;", 1);
    found_in(
        CODE,
        "#[cfg(test)]\nmod tests {\n    use super::*;\n    use proptest::prelude::*;\n}",
        4,
    );
    found_in(CODE, "#[cfg(test)]\nmod tests {\n    use super::*;\n}\nuse super::*;", 5);
}
