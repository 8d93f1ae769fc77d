//! Checks the table of docs/extensions.md against the code.

use std::collections::BTreeSet;

use super::Finding;
use super::lexer::test_modules;
use super::tree::{File, Tree};

const DOCUMENT: &str = "docs/extensions.md";
const SOURCE: &str = "crates/smtp-error/src/extension.rs";
const BEGIN: &str = "<!-- extensions:begin -->";
const END: &str = "<!-- extensions:end -->";
const CLIENT_TESTS: &str = "crates/smtp-client/tests/";

/// Checks that every extension has one row, in the order of the code, and that the types and files
/// of a row exist.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let (document, source) = match (tree.file(DOCUMENT), tree.file(SOURCE)) {
        (None, None) => return Vec::new(),
        (None, Some(_)) => return vec![Finding::new(DOCUMENT, 1, "missing; write it")],
        (Some(_), None) => {
            return vec![Finding::new(
                SOURCE,
                1,
                "missing, but there is docs/extensions.md; correct `SOURCE` in tidy",
            )];
        }
        (Some(document), Some(source)) => (document, source),
    };
    let named = extensions(source);
    let (rows, mut findings) = rows(document);
    if named.is_empty() {
        findings.push(Finding::new(
            SOURCE,
            1,
            "no `extensions! {` that tidy can read; correct tidy",
        ));
    }
    findings.extend(unequal(&named, &rows));
    let words = Words::of(tree);
    for row in &rows {
        let name = named.iter().find(|one| one.keyword == row.keyword).map_or("", |one| one.name);
        let found = row.unknown_types(&words).into_iter();
        let found = found.chain(row.missing_files(tree)).chain(row.unrelated_tests(tree, name));
        findings.extend(found.map(|text| Finding::new(DOCUMENT, row.line, text)));
    }
    findings
}

/// Where the rows and the extensions of the code differ.
fn unequal(named: &[Extension<'_>], rows: &[Row<'_>]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for extension in named {
        let Extension { line, keyword, rfc, .. } = extension;
        let mut of = rows.iter().filter(|row| row.keyword == *keyword);
        let Some(row) = of.next() else {
            let text = format!("no row for `{keyword}` in {DOCUMENT}; add one");
            findings.push(Finding::new(SOURCE, *line, text));
            continue;
        };
        if row.rfc != *rfc {
            let text = format!("`{keyword}` has RFC {rfc} in {SOURCE}; make the two equal");
            findings.push(Finding::new(DOCUMENT, row.line, text));
        }
        for twin in of {
            let text = format!("a second row for `{keyword}`; keep one");
            findings.push(Finding::new(DOCUMENT, twin.line, text));
        }
    }
    let known = |row: &&Row<'_>| named.iter().any(|extension| extension.keyword == row.keyword);
    for row in rows.iter().filter(|row| !known(row)) {
        let text =
            format!("a row for `{}`, which `Extension` does not have; remove it", row.keyword);
        findings.push(Finding::new(DOCUMENT, row.line, text));
    }
    // The order matters only when both have the same extensions.
    let stray = rows.iter().zip(named).find(|(row, extension)| row.keyword != extension.keyword);
    if let (true, Some((row, extension))) = (findings.is_empty(), stray) {
        let text = format!("`{}` belongs here, as in {SOURCE}; move it", extension.keyword);
        findings.push(Finding::new(DOCUMENT, row.line, text));
    }
    findings
}

/// An extension of the code: its name and keyword, and the RFC in the comment above it, or `-`.
struct Extension<'a> {
    line: usize,
    name: &'a str,
    keyword: &'a str,
    rfc: &'a str,
}

fn extensions(source: &File) -> Vec<Extension<'_>> {
    let block = source.lines().skip_while(|(_, text)| text.trim() != "extensions! {").skip(1);
    let mut found = Vec::new();
    let mut rfc = "-";
    for (line, text) in block.take_while(|(_, text)| text.trim() != "}") {
        if let Some(comment) = text.trim().strip_prefix("///") {
            rfc = number(comment).unwrap_or(rfc);
        } else if let Some((name, keyword)) = text.split_once(" = \"") {
            let keyword = keyword.split('"').next().unwrap_or_default();
            found.push(Extension { line, name: name.trim(), keyword, rfc });
            rfc = "-";
        }
    }
    found
}

/// The number of the first RFC that a line names.
fn number(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("RFC ")?;
    let end = rest.find(|next: char| !next.is_ascii_digit()).unwrap_or(rest.len());
    Some(&rest[..end]).filter(|number| !number.is_empty())
}

/// A row of the table.
struct Row<'a> {
    line: usize,
    keyword: &'a str,
    rfc: &'a str,
    types: &'a str,
    /// Where it is checked, and where it is tested.
    places: [&'a str; 2],
}

impl Row<'_> {
    /// What is wrong with the types that the row names.
    fn unknown_types(&self, words: &Words<'_>) -> Vec<String> {
        let types: Vec<&str> = self.types.split('`').skip(1).step_by(2).collect();
        let mut wrong = Vec::new();
        if types.is_empty() {
            wrong.push(format!("`{}` names no type; name one in backticks", self.keyword));
        }
        for path in types {
            let mut parts = path.split("::");
            let is_type = parts.next().is_some_and(|part| words.types.contains(part));
            if !is_type || !parts.all(|part| words.all.contains(part)) {
                wrong.push(format!("no crate has `{path}`; correct the row"));
            }
        }
        wrong
    }

    /// What is wrong with the files that the row names.
    fn missing_files(&self, tree: &Tree) -> Vec<String> {
        let mut wrong = Vec::new();
        for place in self.places {
            if targets(place).next().is_none() {
                wrong.push(format!("`{}` has no link to a file; add one", self.keyword));
            }
            for target in targets(place) {
                if file(tree, target).is_none() {
                    wrong.push(format!("there is no file {target}; correct the link"));
                }
            }
        }
        wrong
    }

    /// What is wrong with the tests that the row links.
    fn unrelated_tests(&self, tree: &Tree, name: &str) -> Vec<String> {
        let [_, shown] = self.places;
        let mut wrong = Vec::new();
        for target in targets(shown) {
            let variant = format!("Extension::{name}");
            let contains =
                |file: &File| file.text.contains(self.keyword) || file.text.contains(&variant);
            if file(tree, target).is_some_and(|file| !contains(file)) {
                wrong.push(format!(
                    "{target} does not contain `{}`; correct the link",
                    self.keyword
                ));
            }
        }
        let is_parameter = self.types.contains("MailParam::") || self.types.contains("RcptParam::");
        if is_parameter && !targets(shown).any(|target| target.contains(CLIENT_TESTS)) {
            wrong.push(format!(
                "no link to a test of `{}` in {CLIENT_TESTS}; add one",
                self.keyword
            ));
        }
        wrong
    }
}

/// The targets of the links in a cell.
fn targets(cell: &str) -> impl Iterator<Item = &str> {
    cell.split("](").skip(1).map(|link| link.split([')', '#']).next().unwrap_or_default())
}

/// The file that a link of the document refers to.
fn file<'a>(tree: &'a Tree, target: &str) -> Option<&'a File> {
    tree.file(target.strip_prefix("../").unwrap_or_default())
}

fn rows(file: &File) -> (Vec<Row<'_>>, Vec<Finding>) {
    let mut findings = Vec::new();
    if !(file.text.contains(BEGIN) && file.text.contains(END)) {
        let text = format!("no table between {BEGIN} and {END}; add it");
        findings.push(Finding::new(DOCUMENT, 1, text));
    }
    let mut rows = Vec::new();
    for (number, line) in file.table(BEGIN, END) {
        match row(number, line) {
            Some(row) => rows.push(row),
            None => {
                let text = "not a row of five cells; write `| keyword | RFC | types | checked | \
                            shown |`";
                findings.push(Finding::new(DOCUMENT, number, text));
            }
        }
    }
    (rows, findings)
}

fn row(line: usize, text: &str) -> Option<Row<'_>> {
    let inside = text.trim().strip_prefix('|')?.strip_suffix('|')?;
    let cells: Vec<&str> = inside.split('|').map(str::trim).collect();
    let [keyword, rfc, types, checked, shown] = cells[..] else { return None };
    Some(Row { line, keyword: keyword.trim_matches('`'), rfc, types, places: [checked, shown] })
}

/// The words of the crates' sources without their tests.
struct Words<'a> {
    all: BTreeSet<&'a str>,
    /// The names of declared types.
    types: BTreeSet<&'a str>,
}

impl<'a> Words<'a> {
    fn of(tree: &'a Tree) -> Self {
        let mut words = Self { all: BTreeSet::new(), types: BTreeSet::new() };
        for file in tree.sources() {
            let ["crates", _, "src", ..] = file.path.split('/').collect::<Vec<_>>()[..] else {
                continue;
            };
            let tests = test_modules(&file.tokens);
            let live = |at: &usize| !tests.iter().any(|module| module.tokens.contains(at));
            for at in (0..file.tokens.len()).filter(live).filter(|_| !file.is_tests()) {
                let word = file.tokens[at].text.as_str();
                let before = at.checked_sub(1).map_or("", |at| file.tokens[at].text.as_str());
                words.all.insert(word);
                if matches!(before, "struct" | "enum" | "trait" | "type") {
                    words.types.insert(word);
                }
            }
        }
        words
    }
}

#[cfg(test)]
mod tests;
