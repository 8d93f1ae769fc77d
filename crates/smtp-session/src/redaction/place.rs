//! Places: what the octets around a word tell about where it comes from.
use std::ops::Range;

use super::{Hidden, SHORTEST, words};

/// A word in a text that is also a secret.
pub(super) struct Place<'t> {
    text: &'t [u8],
    range: Range<usize>,
}

/// What servers put before a colon when their own words follow it.
const CAUSES: &[&str] = &[
    "denied",
    "err",
    "error",
    "fail",
    "failed",
    "failure",
    "message",
    "note",
    "notice",
    "reason",
    "refused",
    "rejected",
    "reply",
    "response",
    "result",
    "sorry",
    "state",
    "status",
    "unsuccessful",
    "warning",
];

impl<'t> Place<'t> {
    pub(super) fn new(text: &'t [u8], range: Range<usize>) -> Self {
        Self { text, range }
    }

    pub(super) fn range(self) -> Range<usize> {
        self.range
    }

    /// Returns whether the word is an echo of what was sent with one of these names, rather than a
    /// word of the server's. `echoes` tells that the text has another echo.
    pub(super) fn tells_echo(&self, names: &[Hidden], echoes: bool) -> bool {
        if self.follows(names) {
            return true;
        }
        if !self.stands_alone() {
            return false;
        }
        if !words::is_ordinary(self.word()) {
            return true;
        }
        echoes || self.is_token() || self.is_marked() || self.is_enclosed() || self.is_value()
    }

    fn word(&self) -> &'t [u8] {
        &self.text[self.range.clone()]
    }

    fn before(&self) -> &'t [u8] {
        &self.text[..self.range.start]
    }

    fn after(&self) -> &'t [u8] {
        &self.text[self.range.end..]
    }

    /// Whether it is no part of a longer word. A digit beside a word of four letters and more does
    /// not make it a longer one.
    fn stands_alone(&self) -> bool {
        let joins = |octet: &u8| match self.word().len() {
            SHORTEST.. => octet.is_ascii_alphabetic(),
            _ => octet.is_ascii_alphanumeric(),
        };
        // What follows an apostrophe inside of a word is a part of it, as in `isn't`.
        let is_ending =
            matches!(self.before(), [.., letter, b'\''] if letter.is_ascii_alphabetic());
        let is_joined = self.before().last().is_some_and(joins)
            || self.after().first().is_some_and(joins)
            || (is_ending && self.word().len() < SHORTEST);
        !is_joined
    }

    /// Whether one of the names precedes it, as in `user:password`. Where there is space between
    /// them, words of the server's may follow the name as well, as in `tim failed to log in`: the
    /// word is an echo only if nothing follows it.
    fn follows(&self, names: &[Hidden]) -> bool {
        if self.after().first().is_some_and(u8::is_ascii_alphanumeric) {
            return false;
        }
        let before = self.before();
        // A NUL may have been made visible, as `\0`, `\u0000` or `%00`.
        let parts = |octet: &&u8| !octet.is_ascii_alphanumeric() || b"0ux".contains(octet);
        let between = before.iter().rev().take_while(parts).count().min(6);
        // A name may end with what is between.
        let nearest = (0..=between).find(|between| {
            let text = &before[..before.len() - between];
            names.iter().any(|name| ends_with_word(text, name))
        });
        nearest.is_some_and(|between| {
            let is_tight = !before[before.len() - between..].contains(&b' ');
            is_tight || self.ends_clause() || !words::is_ordinary(self.word())
        })
    }

    /// Whether an octet beside it is none that stands beside a word of a sentence.
    fn is_marked(&self) -> bool {
        let is_control =
            |octet: &u8| octet.is_ascii_control() && !matches!(octet, b'\t' | b'\r' | b'\n');
        let is_odd =
            |octet: &u8| matches!(octet, b'=' | b'\\' | b'_' | b'%' | b'0'..=b'9' | 0x80..);
        let before = |octet: &u8| is_control(octet) || is_odd(octet);
        let after = |octet: &u8| is_control(octet) || matches!(octet, b'\\' | b'%');
        self.before().last().is_some_and(before) || self.after().first().is_some_and(after)
    }

    /// Whether it has quotes or brackets of its own.
    fn is_enclosed(&self) -> bool {
        let pair = (self.before().last(), self.after().first());
        matches!(
            pair,
            (Some(b'"'), Some(b'"'))
                | (Some(b'\'' | b'`'), Some(b'\''))
                | (Some(b'`'), Some(b'`'))
                | (Some(b'<'), Some(b'>'))
                | (Some(b'>'), Some(b'<'))
                | (Some(b'['), Some(b']'))
                | (Some(b'('), Some(b')'))
                | (Some(b'{'), Some(b'}'))
                | (Some(b'*'), Some(b'*'))
                | (Some(b'|'), Some(b'|'))
        )
    }

    /// Whether it stands where a token does.
    fn is_token(&self) -> bool {
        let before = self.before().trim_ascii_end();
        let Some(start) = before.len().checked_sub(b"bearer".len()) else { return false };
        before[start..].eq_ignore_ascii_case(b"bearer")
    }

    /// Whether it is all that follows a colon, and what precedes the colon names what was sent.
    fn is_value(&self) -> bool {
        let Some(label) = self.before().trim_ascii_end().strip_suffix(b":") else { return false };
        let label = label.rsplit(|octet| !octet.is_ascii_alphabetic()).next().unwrap_or_default();
        let is_cause = CAUSES.iter().any(|cause| label.eq_ignore_ascii_case(cause.as_bytes()));
        self.ends_clause() && !is_cause
    }

    /// Whether a line, or a part of a sentence, ends with it.
    fn ends_clause(&self) -> bool {
        let after = self.after();
        after.trim_ascii_start().is_empty()
            || matches!(
                after,
                [b'\r' | b'\n' | b',' | b';' | b'"' | b'\'' | b')' | b']' | b'>', ..]
            )
            || matches!(after, [b'.', rest @ ..] if rest.trim_ascii_start().is_empty())
    }
}

/// Whether a text ends with this name, which is no part of a longer word.
fn ends_with_word(text: &[u8], name: &[u8]) -> bool {
    let Some(start) = text.len().checked_sub(name.len()) else { return false };
    let is_part = text[..start].last().is_some_and(u8::is_ascii_alphabetic);
    !is_part && text[start..].eq_ignore_ascii_case(name)
}
