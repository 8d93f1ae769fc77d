//! The rules of `serve`, from the command line, from a file, and while it runs.
//!
//! A rule is a table of TOML or an object of JSON. It has one field that tells when it applies:
//!
//! | Field | The rule applies |
//! |---|---|
//! | `on = "RCPT TO:<bob@*"` | to command lines like this, where `*` is any text |
//! | `greeting = true` | in place of the greeting |
//! | `connections_above = 2` | to the greeting of a connection while this many others are open; with another of these fields, a further condition |
//! | `text = true` | to the reply at the end of a message |
//! | `text_for = "bob@*"` | to the reply at the end of a message for this recipient (LMTP, PRDR) |
//! | `inside_text = 1000` | after this number of octets of a message |
//! | `idle = "5m"` | to a client that has sent nothing for this time |
//!
//! one field with what the server does: `reply = "451 4.7.1 try again later"`, or `answer`, lines of
//! a script such as `["[delay 30s]", "S: 451 4.7.1 no", "[close]"]`; and any of these conditions:
//!
//! | Field | The rule applies |
//! |---|---|
//! | `when = ["tls", "logged-out"]` | in these states; `clear`, `tls`, `logged-in`, `logged-out` |
//! | `after = 2` | after so many matches |
//! | `times = 1` | that many times |
//! | `above = "5 per 1m"` | to matches beyond this rate |
//! | `counted = "envelope"` | with counts for each `connection`, or each `envelope` (sender and line), instead of the `server` |
//!
//! In a file each rule begins with `[[rule]]`. In JSON they are an array, or the
//! member `rules` of an object. The
//! first rule that applies decides. Each listener counts for itself.

use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use smtp_testkit::Rule;
use toml::Spanned;

mod book;
mod routes;
mod spec;

pub(crate) use self::book::RuleBook;
pub(crate) use self::routes::routes;
pub(crate) use self::spec::RuleSpec;

/// A rule as it was written, and what it means.
#[derive(Clone, Debug)]
pub(crate) struct WrittenRule {
    pub(crate) spec: RuleSpec,
    pub(crate) rule: Rule,
}

/// Why rules cannot be used, and where.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) struct InvalidRules {
    /// Line and column, counted from one; in one line, the column alone.
    place: Option<(Option<usize>, usize)>,
    what: String,
}

impl fmt::Display for InvalidRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some((Some(line), column)) => write!(f, "line {line}, column {column}: ")?,
            Some((None, column)) => write!(f, "column {column}: ")?,
            None => {}
        }
        f.write_str(&self.what)
    }
}

/// The rules of a file, or of the body of a request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RulesFile<T> {
    #[serde(default = "Vec::new", rename = "rule", alias = "rules")]
    rules: Vec<T>,
}

/// Writes in one line, and without names of Rust, what a reader of values did not expect.
fn in_words(message: &str) -> String {
    let words = message.replace('\n', "; ");
    ["usize", "u64", "u32"].into_iter().fold(words, |words, name| {
        words.replace(&format!("expected {name}"), "expected a whole number")
    })
}

/// Reads rules in TOML.
pub(crate) fn from_toml(text: &str) -> Result<Vec<WrittenRule>, InvalidRules> {
    read(text, 0)
}

/// Reads the fields of one rule, as an inline table of TOML has them between its braces.
pub(crate) fn from_argument(text: &str) -> Result<WrittenRule, InvalidRules> {
    const BEFORE: &str = "rule=[{";
    let mut rules = read(&format!("{BEFORE}{text}}}]"), BEFORE.len()).map_err(|invalid| {
        let column = invalid.place.map(|(line, column)| (line.filter(|&line| line > 1), column));
        InvalidRules { place: column, ..invalid }
    })?;
    let none = || InvalidRules { place: None, what: "there is no rule".to_owned() };
    rules.pop().filter(|_| rules.is_empty()).ok_or_else(none)
}

/// Reads rules in JSON: an array of them, or an object whose member `rules` is one.
pub(crate) fn from_json(octets: &[u8]) -> Result<Vec<WrittenRule>, InvalidRules> {
    let invalid = |error: serde_json::Error| {
        let text = error.to_string();
        let end = format!(" at line {} column {}", error.line(), error.column());
        let what = text.strip_suffix(&end).unwrap_or(&text).to_owned();
        InvalidRules { place: Some((Some(error.line()), error.column())), what }
    };
    let specs = match octets.trim_ascii_start().first() {
        Some(b'[') => serde_json::from_slice(octets),
        _ => serde_json::from_slice(octets).map(|file: RulesFile<RuleSpec>| file.rules),
    };
    let numbered = specs.map_err(invalid)?.into_iter().enumerate();
    numbered
        .map(|(index, spec)| {
            let rule = spec.rule().map_err(|what| InvalidRules {
                place: None,
                what: format!("rule {}: {what}", index + 1),
            })?;
            Ok(WrittenRule { spec, rule })
        })
        .collect()
}

/// Reads rules in TOML; the first `before` octets are not the caller's.
fn read(text: &str, before: usize) -> Result<Vec<WrittenRule>, InvalidRules> {
    let place = |span: Range<usize>| {
        let before_it = text.get(..span.start).unwrap_or(text);
        let line = before_it.matches('\n').count() + 1;
        let begin = before_it.rfind('\n').map_or(0, |at| at + 1);
        let column = before_it[begin..].chars().count() + 1;
        let own = if line == 1 { column.saturating_sub(before).max(1) } else { column };
        (Some(line), own)
    };
    let file: RulesFile<Spanned<RuleSpec>> = toml::from_str(text).map_err(|error| {
        InvalidRules { place: error.span().map(place), what: in_words(error.message()) }
    })?;
    file.rules
        .into_iter()
        .map(|spanned| {
            let span = spanned.span();
            let spec = spanned.into_inner();
            let invalid = |what| InvalidRules { place: Some(place(span)), what };
            let rule = spec.rule().map_err(invalid)?;
            Ok(WrittenRule { spec, rule })
        })
        .collect()
}

#[cfg(test)]
mod tests;
