//! Every spelling of a key and a value that a manifest may have, and what is refused.

use super::*;

/// Compares with lines of `number key.key = value`; `-` stands for no value.
#[track_caller]
fn check(source: &str, expected: &[&str]) {
    let entries = read(source).expect("readable");
    let lines: Vec<String> = entries
        .iter()
        .map(|entry| {
            let text = entry.text.as_deref().unwrap_or("-");
            format!("{} {} = {text}", entry.line, entry.path.join("."))
        })
        .collect();
    assert_eq!(lines, expected);
}

#[test]
fn keys_are_flattened() {
    check("a = 1\n[b]\nc = true", &["1 a = 1", "2 b = -", "3 b.c = true"]);
    check("[a.'b c'.d]\ne.f = \"g\" # h", &["1 a.b c.d = -", "2 a.b c.d.e.f = g"]);
    check("[ a . \"b\" ]\n'c' = 'd'", &["1 a.b = -", "2 a.b.c = d"]);
    check("[[bin]]\nname = ''", &["1 bin = -", "2 bin.name = "]);
}

#[test]
fn tables_and_arrays_are_flattened() {
    check("a = { b = 1, c.d = \"e\" }", &["1 a = -", "1 a.b = 1", "1 a.c.d = e"]);
    check("a = [\n  \"b\", # c\n  \"d\",\n]", &["1 a = -", "2 a = b", "3 a = d"]);
    check("a = {\n  b = [ { c = 1 } ],\n}", &["1 a = -", "2 a.b = -", "2 a.b = -", "2 a.b.c = 1"]);
    check("a = {}\nb = []", &["1 a = -", "2 b = -"]);
}

#[test]
fn hashes_and_brackets_in_strings_are_text() {
    check("a = \"# [b] \\\" \\\\\"", &["1 a = # [b] \" \\"]);
    check("a = 'x \\'", &["1 a = x \\"]);
}

#[test]
fn what_is_not_understood_is_refused() {
    #[track_caller]
    fn refuses(source: &str, line: usize) {
        assert_eq!(read(source).expect_err("refused"), Unreadable(line));
    }
    refuses("a = \"\"\"\n[dependencies]\n\"\"\"", 1);
    refuses("a = '''b'''", 1);
    refuses("\"tok\\u0069o\" = 1", 1);
    refuses("\na = 1 b = 2", 2);
    refuses("a = 1.5", 1);
    refuses("[a", 1);
    refuses("a = {", 1);
    refuses("a =", 1);
    refuses("a", 1);
    refuses("= 1", 1);
}
