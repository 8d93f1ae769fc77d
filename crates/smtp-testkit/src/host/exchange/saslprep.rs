//! Prepares user names and passwords with SASLprep (RFC 4013), as SCRAM and PLAIN require.

use std::borrow::Cow;

use stringprep::{saslprep, tables};

/// Prepares a user name or a password. Returns `None` if it contains a prohibited character, mixes
/// directions, or is empty after preparation; no client may log in with it.
///
/// A text with characters that Unicode 3.2 does not assign, such as an emoji, stays as it is. The
/// RFC prohibits it in stored strings, but servers in use accept it.
pub(super) fn prepare(text: &str) -> Option<Cow<'_, str>> {
    let known: String = text.chars().filter(|&char| !tables::unassigned_code_point(char)).collect();
    let prepared = match known.len() == text.len() {
        true => saslprep(text).ok()?,
        false => saslprep(&known).ok().map(|_| Cow::Borrowed(text))?,
    };
    (!prepared.is_empty()).then_some(prepared)
}

/// Returns whether two texts are equal after preparation.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    one == other || prepare(one).is_some_and(|one| prepare(other) == Some(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 4013, 3, and one or two of each table that it refers to.
    #[test]
    fn texts_are_prepared() {
        for (text, prepared) in [
            ("I\u{AD}X", Some("IX")),
            ("user", Some("user")),
            ("USER", Some("USER")),
            ("\u{AA}", Some("a")),
            ("\u{2168}", Some("IX")),
            ("\u{7}", None),
            ("\u{627}1", None),
            ("\u{627}1\u{628}", Some("\u{627}1\u{628}")),
            ("a\u{A0}b", Some("a b")),
            ("e\u{301}", Some("\u{E9}")),
            ("a\u{FE00}", Some("a")),
            ("a\u{2028}", None),
            ("\u{E000}", None),
            ("\u{FFFD}", None),
            ("\u{E0041}", None),
            ("", None),
            ("\u{AD}", None),
            ("\u{1F511}", Some("\u{1F511}")),
            ("\u{AA}\u{1F511}", Some("\u{AA}\u{1F511}")),
            ("\u{7}\u{1F511}", None),
        ] {
            assert_eq!(prepare(text).as_deref(), prepared, "{text:?}");
        }
    }

    #[test]
    fn a_text_that_cannot_be_prepared_equals_only_itself() {
        assert!(is_same("I\u{AD}X", "\u{2168}"));
        assert!(is_same("\u{7}", "\u{7}"));
        assert!(!is_same("\u{7}", "\u{8}"));
        assert!(!is_same("", "\u{AD}"));
        assert!(!is_same("ix", "IX"));
    }
}
