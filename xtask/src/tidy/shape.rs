//! What a file looks like from outside: its first line, its length, its name.

use super::Finding;
use super::lexer::test_modules;
use super::tree::{File, Tree};

const CODE_LINES: usize = 500;
const TEST_LINES: usize = 500;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["utils", "helpers", "common", "misc", "types"];

/// Every source file says in its first line what it knows.
pub(super) fn opening(tree: &Tree) -> Vec<Finding> {
    tree.sources()
        .filter(|file| {
            let first = file.text.lines().next().unwrap_or_default();
            first.strip_prefix("//!").is_none_or(|says| says.trim().is_empty())
        })
        .map(|file| Finding::new(&file.path, 1, "no `//!` sentence; say what this file knows"))
        .collect()
}

/// No source file is longer than a reader's patience; an inline `mod tests` is not counted.
pub(super) fn length(tree: &Tree) -> Vec<Finding> {
    tree.sources()
        .filter_map(|file| {
            let limit = if file.is_tests() { TEST_LINES } else { CODE_LINES };
            let lines = counted(file);
            let text =
                format!("{lines} lines, at most {limit}; find the part that is its own noun");
            (lines > limit).then(|| Finding::new(&file.path, limit + 1, text))
        })
        .collect()
}

fn counted(file: &File) -> usize {
    let all = file.text.lines().count();
    if file.is_tests() {
        return all;
    }
    let inline: usize =
        test_modules(&file.tokens).into_iter().map(|module| module.lines.count()).sum();
    all.saturating_sub(inline)
}

/// A file, and a module's folder, is a noun or a verb of the trade, never a drawer or a number.
pub(super) fn names(tree: &Tree) -> Vec<Finding> {
    tree.files().filter_map(|file| Some(Finding::new(&file.path, 1, bad_name(file)?))).collect()
}

fn bad_name(file: &File) -> Option<String> {
    if file.name().to_ascii_lowercase().starts_with("rfc") {
        return Some("named after a number; name it after what it holds".to_owned());
    }
    let stem = file.path.strip_suffix(".rs")?;
    let part = stem
        .split('/')
        .find(|part| EMPTY_NAMES.contains(part) || part.to_ascii_lowercase().starts_with("rfc"))?;
    Some(format!("`{part}` says nothing; name it after what it holds"))
}

#[cfg(test)]
mod tests;
