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

    /// Whether one of the names precedes it, with little or nothing between.
    fn follows(&self, names: &[Hidden]) -> bool {
        if self.after().first().is_some_and(u8::is_ascii_alphanumeric) {
            return false;
        }
        let before = self.before();
        // A NUL may have been made visible, as `\0`, `\u0000` or `%00`.
        let parts = |octet: &&u8| !octet.is_ascii_alphanumeric() || b"0ux".contains(octet);
        let between = before.iter().rev().take_while(parts).count();
        let ends = |name: &Hidden| {
            let until = |between: usize| &before[..before.len() - between];
            let ends = |text: &[u8]| {
                let Some(start) = text.len().checked_sub(name.len()) else { return false };
                let begins = !text[..start].last().is_some_and(u8::is_ascii_alphabetic);
                begins && text[start..].eq_ignore_ascii_case(name)
            };
            // A name may end with what is between.
            (0..=between.min(6)).any(|between| ends(until(between)))
        };
        names.iter().any(ends)
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
        let after = self.after().trim_ascii_start();
        let ends = self.after().first().is_none_or(|octet| b"\r\n,;".contains(octet))
            || after.is_empty()
            || matches!(after, [b'.', rest @ ..] if rest.trim_ascii_start().is_empty());
        let Some(label) = self.before().trim_ascii_end().strip_suffix(b":") else { return false };
        let label = label.rsplit(|octet| !octet.is_ascii_alphabetic()).next().unwrap_or_default();
        let is_cause = CAUSES.iter().any(|cause| label.eq_ignore_ascii_case(cause.as_bytes()));
        ends && !is_cause
    }
}
