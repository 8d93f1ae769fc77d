//! What is code and what only looks like it.

use super::*;

#[track_caller]
fn check(source: &str, expected: &[&str]) {
    let words: Vec<String> = lex(source).into_iter().map(|token| token.text).collect();
    assert_eq!(words, expected);
}

#[test]
fn comments_are_left_out() {
    check("a // b\nc", &["a", "c"]);
    check("/// doc\na", &["a"]);
    check("a /* b /* c */ d */ e", &["a", "e"]);
    check("a /* \" */ b", &["a", "b"]);
    check("a /**/ b /***/ c", &["a", "b", "c"]);
}

#[test]
fn literals_are_left_out() {
    check(r#"a "b" c"#, &["a", "c"]);
    check(r#"a "b \" c" d"#, &["a", "d"]);
    check(r#"a "\\" b"#, &["a", "b"]);
    check(r#"a "// b" c"#, &["a", "c"]);
    check(r#"a b"x" c"x" d"#, &["a", "d"]);
    check("a r\"b\\\" c", &["a", "c"]);
    check("a r#\"b \" c\"# d br##\"e \"# f\"## g", &["a", "d", "g"]);
}

#[test]
fn chars_are_not_lifetimes() {
    check("'a' b", &["b"]);
    check("'\\'' b '\\\\' c '\\n' d '\\u{41}' e", &["b", "c", "d", "e"]);
    check("'\"' b '\"'", &["b"]);
    check("b'x' c b'\\'' d", &["c", "d"]);
    check("<'a, 'b> 'loop: x", &["<", "'a", ",", "'b", ">", "'loop", ":", "x"]);
    check("&'static str", &["&", "'static", "str"]);
}

#[test]
fn words_are_whole_and_raw_ones_bare() {
    check("r#tokio tokio_util x1 1.5", &["tokio", "tokio_util", "x1", "1", ".", "5"]);
    check("x.0.await", &["x", ".", "0", ".", "await"]);
    check("a::b", &["a", ":", ":", "b"]);
}

#[test]
fn lines_are_counted_through_everything() {
    let source = "/*\n*/ \"\n\" r#\"\n\"# '\\n' '\n' // x\n\nlast";
    let last = lex(source).pop().unwrap();
    assert_eq!((last.line, last.text.as_str()), (7, "last"));
}

#[test]
fn unfinished_sources_end() {
    for source in ["/* a", "\"a", "r#\"a", "'\\", "'", "b'", "r#", "\"\\"] {
        lex(source);
    }
}

#[track_caller]
fn check_modules(source: &str, expected: &[RangeInclusive<usize>]) {
    let lines: Vec<_> = test_modules(&lex(source)).into_iter().map(|module| module.lines).collect();
    assert_eq!(lines, expected);
}

#[test]
fn test_modules_are_found_by_their_attribute() {
    check_modules("#[cfg(test)]\nmod tests {\n  fn f() { }\n}\nfn g() {}", &[1..=4]);
    check_modules("#![allow(x)]\n#[cfg(test)]\nmod tests {\n}", &[2..=4]);
    check_modules("#[cfg(test)]\n#[allow(x)]\nmod tests {\n}", &[1..=4]);
    check_modules("#[cfg(all(test, unix))]\nmod tests {\n}", &[1..=3]);
    check_modules("#[cfg(test)]\nmod tests;", &[]);
    check_modules("mod tests {\n}", &[]);
    check_modules("#[cfg(any(test, unix))]\nmod tests {\n}", &[]);
    check_modules("// #[cfg(test)]\nmod tests {\n}", &[]);
}

#[test]
fn code_lines_are_those_with_more_than_comments() {
    let source =
        "//! a\n\nfn f() { // b\n    /* c\n\n    d */\n    /* e */ g();\n\"h\n\n// i\n\"\n}\n";
    let lines: Vec<usize> = code_lines(source).into_iter().collect();
    assert_eq!(lines, [3, 7, 8, 9, 10, 11, 12]);
}
