//! First lines, lengths and names that break the rules, and some that do not.

use super::super::tests::finds;
use super::*;

#[test]
fn a_file_without_an_opening_sentence_is_found() {
    finds(
        opening,
        &[
            ("crates/a/src/lib.rs", "//! A sentence.\n"),
            ("crates/a/src/bare.rs", "use std::fmt;\n"),
            ("crates/a/src/empty.rs", ""),
            ("crates/a/src/late.rs", "\n//! Too late.\n"),
            ("crates/a/src/mute.rs", "//!\n//! In the second line.\n"),
            ("crates/a/tests/it/main.rs", "// Not a doc comment.\n"),
            ("crates/a/README.md", "no rule for me\n"),
        ],
        &[
            "crates/a/src/bare.rs:1",
            "crates/a/src/empty.rs:1",
            "crates/a/src/late.rs:1",
            "crates/a/src/mute.rs:1",
            "crates/a/tests/it/main.rs:1",
        ],
    );
}

#[test]
fn a_long_file_is_found() {
    let full = format!("//! x\n\n{}// y\n/* z\n */\n", "f();\n".repeat(500));
    let over = format!("{full}f();\n");
    finds(
        length,
        &[
            ("crates/a/src/full.rs", &full),
            ("crates/a/src/over.rs", &over),
            ("crates/a/examples/over.rs", &over),
            ("crates/a/tests/it/full.rs", &full),
            ("crates/a/tests/it/over.rs", &over),
            ("crates/a/src/full/tests.rs", &full),
            ("crates/a/src/over/tests.rs", &over),
        ],
        &[
            "crates/a/examples/over.rs:506",
            "crates/a/src/over.rs:506",
            "crates/a/src/over/tests.rs:506",
            "crates/a/tests/it/over.rs:506",
        ],
    );
}

#[test]
fn inline_tests_do_not_count_but_other_modules_do() {
    let code = "f();\n".repeat(498);
    let body = "    f();\n".repeat(50);
    let tests = format!("{code}fn f() {{}}\n\n#[cfg(test)]\nmod tests {{\n{body}}}\n");
    let hidden = format!("{code}fn f() {{}}\n\nmod tests {{\n{body}}}\n");
    let not_tests = format!("{code}fn f() {{}}\n\n#[cfg(not(test))]\nmod tests {{\n{body}}}\n");
    finds(
        length,
        &[
            ("crates/a/src/fine.rs", &tests),
            ("crates/a/src/hidden.rs", &hidden),
            ("crates/a/src/not.rs", &not_tests),
        ],
        &["crates/a/src/hidden.rs:502", "crates/a/src/not.rs:502"],
    );
}

#[test]
fn general_names_and_rfc_numbers_are_found() {
    finds(
        names,
        &[
            ("crates/a/src/reply.rs", ""),
            ("crates/a/src/utils.rs", ""),
            ("crates/a/tests/common/mod.rs", ""),
            ("crates/a/src/rfc5321.rs", ""),
            ("crates/a/src/rfc5321/reply.rs", ""),
            ("crates/a/tests/transcripts/rfc5321.txt", ""),
            ("docs/types.md", ""),
        ],
        &[
            "crates/a/src/rfc5321.rs:1",
            "crates/a/src/rfc5321/reply.rs:1",
            "crates/a/src/utils.rs:1",
            "crates/a/tests/common/mod.rs:1",
            "crates/a/tests/transcripts/rfc5321.txt:1",
        ],
    );
}
