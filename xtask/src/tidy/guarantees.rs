//! Checks the promises of docs/guarantees.md, docs/server.md and docs/delivery.md against the tests and
//! the sources.

use super::Finding;
use super::lexer::Token;
use super::purity::{is_path, lower_layers};
use super::tree::{File, Tree};

const DOCUMENT: &str = "docs/guarantees.md";
/// What the server and the courier do of the RFCs.
const SERVER: &str = "docs/server.md";
const DELIVERY: &str = "docs/delivery.md";
const BEGIN: &str = "<!-- threats:begin -->";
const END: &str = "<!-- threats:end -->";

/// The table of threats to the server, whose tests have names of their own.
const SERVER_BEGIN: &str = "<!-- server-threats:begin -->";
const SERVER_END: &str = "<!-- server-threats:end -->";

/// The tests of the rows: the name of each begins with its row, as `t1_...` for T1.
const THREATS: &str = "crates/smtp-client/tests/it/threat";

/// Besides the layers below it, where no process is started and no wall clock read.
const CLIENT: &str = "crates/smtp-client/src/";

/// Checks that every test that the document links exists, and that every test of a row is linked in
/// that row.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let tests: Vec<Test<'_>> = tree.sources().flat_map(row_tests).collect();
    let Some(document) = tree.file(DOCUMENT) else {
        let missing = Finding::new(DOCUMENT, 1, "missing; write it");
        return if tests.is_empty() { Vec::new() } else { vec![missing] };
    };
    let mut findings = Vec::new();
    let others = [SERVER, DELIVERY].map(|path| (path, tree.file(path)));
    for (path, document) in [(DOCUMENT, Some(document))].into_iter().chain(others) {
        for (line, text) in document.into_iter().flat_map(File::lines) {
            let wrong = links(text).filter_map(|link| link.broken(tree));
            findings.extend(wrong.map(|text| Finding::new(path, line, text)));
        }
    }
    let server = rows(document, SERVER_BEGIN, SERVER_END);
    for row in server.iter().filter(|row| row.what.is_empty() || links(row.tests).next().is_none())
    {
        let text = format!("{} has no test; link one", row.id);
        findings.push(Finding::new(DOCUMENT, row.line, text));
    }
    let rows = rows(document, BEGIN, END);
    if rows.is_empty() {
        let text = format!("no rows between {BEGIN} and {END}; add them");
        findings.push(Finding::new(DOCUMENT, 1, text));
    }
    for row in &rows {
        findings.extend(row.unfounded().map(|text| Finding::new(DOCUMENT, row.line, text)));
    }
    let all = || rows.iter().chain(&server);
    for row in all() {
        for twin in all().filter(|twin| twin.id == row.id && twin.line > row.line) {
            let text = format!("a second row {}; keep one", row.id);
            findings.push(Finding::new(DOCUMENT, twin.line, text));
        }
    }
    for test in tests {
        let named = |row: &&Row<'_>| row.id == test.id && row.names(&test);
        if !rows.iter().any(|row| named(&row)) {
            let text = format!("`{}` is not in row {} of {DOCUMENT}; add it", test.name, test.id);
            findings.push(Finding::new(test.path, test.line, text));
        }
    }
    findings
}

/// Finds code that starts a process, or reads the wall clock, which may be set at any time.
pub(super) fn absent(tree: &Tree) -> Vec<Finding> {
    let mut promised = lower_layers(tree);
    promised.push(CLIENT.to_owned());
    let mut findings = Vec::new();
    for file in tree.sources() {
        if !promised.iter().any(|place| file.path.starts_with(place)) {
            continue;
        }
        for (at, token) in file.tokens.iter().enumerate() {
            let promised = match token.text.as_str() {
                "process" if is_path(&file.tokens, at) => "no process is started",
                "SystemTime" | "UNIX_EPOCH" => "the wall clock is not read",
                _ => continue,
            };
            let text = format!("`{}`, though {promised}, as {DOCUMENT} promises", token.text);
            findings.push(Finding::new(&file.path, token.line, text));
        }
    }
    findings
}

/// A test of a row.
struct Test<'a> {
    path: &'a str,
    line: usize,
    name: &'a str,
    id: String,
}

/// The tests of this file whose names begin with a row.
fn row_tests(file: &File) -> impl Iterator<Item = Test<'_>> {
    let pairs = file.tokens.windows(2).filter(|_| file.path.starts_with(THREATS));
    pairs.filter(|pair| pair[0].text == "fn").filter_map(|pair| {
        let (line, name) = (pair[1].line, pair[1].text.as_str());
        let (id, _) = name.split_once('_')?;
        let number = id.strip_prefix(|letter: char| letter.is_ascii_lowercase())?;
        let is_row = !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit());
        is_row.then(|| Test { path: &file.path, line, name, id: id.to_ascii_uppercase() })
    })
}

/// A link: its text and its target.
struct Link<'a> {
    name: &'a str,
    target: &'a str,
}

fn links(text: &str) -> impl Iterator<Item = Link<'_>> {
    text.split('[').skip(1).filter_map(|rest| {
        let (name, rest) = rest.split_once("](")?;
        let (target, _) = rest.split_once(')')?;
        Some(Link { name: name.trim_matches('`'), target })
    })
}

impl Link<'_> {
    /// The path of its file from the root of the project.
    fn path(&self) -> &str {
        self.target.strip_prefix("../").unwrap_or_default()
    }

    /// What is wrong with the link, if its target is a source file.
    fn broken(&self, tree: &Tree) -> Option<String> {
        let Self { name, target } = self;
        if !target.ends_with(".rs") {
            return None;
        }
        let Some(file) = tree.file(self.path()) else {
            return Some(format!("there is no file {target}; correct the link"));
        };
        let named = file.tokens.windows(2).enumerate();
        let mut named = named.filter(|(_, pair)| pair[0].text == "fn" && pair[1].text == *name);
        let found = named.any(|(at, _)| is_test(&file.tokens[..at]));
        (!found).then(|| format!("there is no test `{name}` in {target}; correct the link"))
    }
}

/// Returns whether the tokens before a function make it a test.
fn is_test(before: &[Token]) -> bool {
    let words: Vec<&str> = before.iter().rev().take(3).map(|token| token.text.as_str()).collect();
    // The last is `#[tokio::test(start_paused = true)]`.
    matches!(words[..], ["]", "test", _] | ["async", "]", "test" | ")"])
}

/// A row of the table of threats.
struct Row<'a> {
    line: usize,
    id: &'a str,
    what: &'a str,
    tests: &'a str,
}

impl Row<'_> {
    fn names(&self, test: &Test<'_>) -> bool {
        links(self.tests).any(|link| link.name == test.name && link.path() == test.path)
    }

    /// What is wrong with the row: it must link its own tests only, or give a reason for having none.
    fn unfounded(&self) -> impl Iterator<Item = String> {
        let prefix = format!("{}_", self.id.to_ascii_lowercase());
        let other = links(self.tests).find(|link| !link.name.starts_with(&prefix));
        let other =
            other.map(|link| format!("`{}` is not a test of {}; move it", link.name, self.id));
        let empty = self.what.is_empty() || self.tests.is_empty();
        let empty = empty.then(|| format!("{} has no test; add one, or give the reason", self.id));
        other.into_iter().chain(empty)
    }
}

fn rows<'a>(document: &'a File, begin: &str, end: &str) -> Vec<Row<'a>> {
    let table = document.lines().skip_while(|(_, line)| line.trim() != begin).skip(1);
    let table = table.take_while(|(_, line)| line.trim() != end);
    // The first two lines are the heading and the delimiter row.
    let lines = table.filter(|(_, line)| !line.trim().is_empty()).skip(2);
    lines
        .filter_map(|(line, text)| {
            let inside = text.trim().strip_prefix('|')?.strip_suffix('|')?;
            let mut cells = inside.splitn(3, '|').map(str::trim);
            Some(Row { line, id: cells.next()?, what: cells.next()?, tests: cells.next()? })
        })
        .collect()
}

#[cfg(test)]
mod tests;
