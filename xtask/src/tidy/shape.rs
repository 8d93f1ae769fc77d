//! The form of a file: its first line, its length and its name.

use super::Finding;
use super::lexer::{code_lines, test_modules};
use super::tree::{File, Tree};

const CODE_LINES: usize = 500;
const TEST_LINES: usize = 500;

/// Names that do not tell what a file holds.
const GENERAL_NAMES: &[&str] = &["utils", "helpers", "common", "misc", "types"];

/// Finds source files whose first line is not a `//!` sentence.
pub(super) fn opening(tree: &Tree) -> Vec<Finding> {
    tree.sources()
        .filter(|file| {
            let first = file.text.lines().next().unwrap_or_default();
            first.strip_prefix("//!").is_none_or(|text| text.trim().is_empty())
        })
        .map(|file| {
            Finding::new(
                &file.path,
                1,
                "no `//!` sentence in the first line; add one that describes the file",
            )
        })
        .collect()
}

/// Finds source files with too many lines of code. Comments, blank lines and an inline `mod tests`
/// do not count.
pub(super) fn length(tree: &Tree) -> Vec<Finding> {
    tree.sources()
        .filter_map(|file| {
            let limit = if file.is_tests() { TEST_LINES } else { CODE_LINES };
            let lines = counted(file);
            let text = format!(
                "{} lines of code, at most {limit}; move a part into a file of its own",
                lines.len()
            );
            lines.get(limit).map(|first_over| Finding::new(&file.path, *first_over, text))
        })
        .collect()
}

/// The lines that count.
fn counted(file: &File) -> Vec<usize> {
    let inline = if file.is_tests() { Vec::new() } else { test_modules(&file.tokens) };
    let counts = |line: &usize| !inline.iter().any(|module| module.lines.contains(line));
    code_lines(&file.text).into_iter().filter(counts).collect()
}

/// Finds files and folders of modules with a name that is too general or the number of an RFC.
pub(super) fn names(tree: &Tree) -> Vec<Finding> {
    tree.files().filter_map(|file| Some(Finding::new(&file.path, 1, bad_name(file)?))).collect()
}

fn bad_name(file: &File) -> Option<String> {
    if file.name().to_ascii_lowercase().starts_with("rfc") {
        return Some("named after an RFC; name it after what it holds".to_owned());
    }
    let stem = file.path.strip_suffix(".rs")?;
    let part = stem.split('/').find(|part| {
        GENERAL_NAMES.contains(part) || part.to_ascii_lowercase().starts_with("rfc")
    })?;
    Some(format!("the name `{part}` is too general; name it after what it holds"))
}

#[cfg(test)]
mod tests;
