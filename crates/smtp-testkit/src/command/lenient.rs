//! Rewrites command lines that break the grammar, but that many servers understand, to the grammar.

use super::path;

/// Returns the verb and the argument that `text` means; `None` if it cannot be understood.
///
/// Spaces and tabs may precede the line and be doubled anywhere.
/// [`ServerBuilder::tolerate`](crate::ServerBuilder::tolerate) lists what else is accepted for each
/// verb.
pub(super) fn rewrite(text: &str) -> Option<(String, String)> {
    let (verb, rest) = first_word(text.trim_matches(is_blank));
    let verb = verb.to_ascii_uppercase();
    let argument = match verb.as_str() {
        "MAIL" => addressed("FROM", rest)?,
        "RCPT" => addressed("TO", rest)?,
        // Words after these verbs are ignored; STARTTLS has a reply for them (RFC 3207, 4).
        "DATA" | "RSET" | "QUIT" => String::new(),
        _ => words(rest),
    };
    Some((verb, argument))
}

/// Parses `FROM:<address> NAME=value`, with spaces around the colon and with or without the
/// brackets.
fn addressed(keyword: &str, text: &str) -> Option<String> {
    let head = text.get(..keyword.len())?;
    let rest = text[keyword.len()..].trim_start_matches(is_blank).strip_prefix(':')?;
    let rest = rest.trim_start_matches(is_blank);
    let (address, params) = match rest.starts_with('<') {
        true => path::split(rest)?,
        false => path::bare(rest)?,
    };
    let fits =
        head.eq_ignore_ascii_case(keyword) && (params.is_empty() || params.starts_with(is_blank));
    let address = address.trim_matches(is_blank);
    let params = words(params);
    let space = if params.is_empty() { "" } else { " " };
    fits.then(|| format!("{keyword}:<{address}>{space}{params}"))
}

fn first_word(text: &str) -> (&str, &str) {
    match text.split_once(is_blank) {
        Some((word, rest)) => (word, rest.trim_start_matches(is_blank)),
        None => (text, ""),
    }
}

/// Joins the words with single spaces.
fn words(text: &str) -> String {
    text.split(is_blank).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn is_blank(char: char) -> bool {
    matches!(char, ' ' | '\t')
}
