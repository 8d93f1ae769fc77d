//! Glob imports: a file shows what it uses, so they stay inside tests.

use super::Finding;
use super::lexer::{Token, test_modules};
use super::tree::{File, Tree};

/// No `use ...::*`, except `use super::*` at the head of tests.
pub(super) fn globs(tree: &Tree) -> Vec<Finding> {
    tree.sources().flat_map(in_file).collect()
}

fn in_file(file: &File) -> Vec<Finding> {
    let tests = test_modules(&file.tokens);
    let mut findings = Vec::new();
    for (at, tokens) in imports(&file.tokens) {
        let Some(glob) = tokens.iter().find(|token| token.text == "*") else { continue };
        let in_tests =
            file.name() == "tests.rs" || tests.iter().any(|module| module.tokens.contains(&at));
        if in_tests && is_super(tokens) && !is_public(&file.tokens, at) {
            continue;
        }
        let text = if in_tests {
            "a glob import other than `use super::*`; name what is used"
        } else {
            "a glob import outside tests; name what is used"
        };
        findings.push(Finding::new(&file.path, glob.line, text));
    }
    findings
}

/// Every `use ...;`: where it begins, and the tokens between `use` and `;`.
fn imports(tokens: &[Token]) -> impl Iterator<Item = (usize, &[Token])> {
    tokens.iter().enumerate().filter(|(_, token)| token.text == "use").filter_map(|(at, _)| {
        let rest = &tokens[at + 1..];
        // `impl Trait + use<'a>` imports nothing.
        if rest.first().is_none_or(|token| token.text == "<") {
            return None;
        }
        let end = rest.iter().position(|token| token.text == ";").unwrap_or(rest.len());
        Some((at, &rest[..end]))
    })
}

fn is_super(tokens: &[Token]) -> bool {
    tokens.iter().map(|token| token.text.as_str()).eq(["super", ":", ":", "*"])
}

/// Whether `pub` or `pub(..)` stands before the `use` at `at`.
fn is_public(tokens: &[Token], at: usize) -> bool {
    tokens[..at].last().is_some_and(|token| token.text == "pub" || token.text == ")")
}

#[cfg(test)]
mod tests;
