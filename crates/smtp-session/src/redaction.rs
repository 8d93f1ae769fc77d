//! The redaction: what no log, no observer and no error may show of a server's reply.
//!
//! Some servers repeat what they do not understand, and what AUTH sends is a secret. A reply may
//! also hold the same octets by chance: `535 these credentials are wrong` is not about the
//! password `wrong`. Everything that is hidden is lost to those who read the error, so the rule
//! has to tell an echo from the server's own words:
//!
//! - **What was sent is hidden wherever it is**: the line in base64, the octets that it encodes, and
//!   the proofs in them. Servers cut long lines off when they repeat them, so the first eight octets
//!   are enough, and all that follows of them is hidden, too.
//! - **A secret is hidden wherever it is**, as a part of a longer word too, in upper or lower case,
//!   and so are its first eight octets.
//! - **Unless it is, or is inside of, an ordinary word**: one of a [fixed list](words) of words that
//!   servers use. A reply has such a word with any secret, so that showing it tells nothing about
//!   this one. That ends where the place of the word tells it: in quotes or brackets of its own,
//!   after `=`, after `password:` and at the end, right after the user name, beside a control
//!   character or a digit, or in a reply that repeats something else that was sent.
//! - **Secrets of fewer than four octets** are hidden where they stand alone. Inside of other words
//!   they are found by chance.
//! - **A challenge is never shown**, nor what looks like a part of one.
//!
//! What a list of words cannot do: a secret that is an ordinary word, and that a server repeats in
//! a plain sentence, is shown. It looks like a word of the server's own.
use std::{borrow::Cow, ops::Range};

use smtp_error::{EnhancedCode, Reply, ReplyCode};
use zeroize::Zeroizing;

mod place;
#[cfg(test)]
mod tests;
mod words;

use place::Place;

/// What must not be shown while an exchange is under way, and until something else was done.
#[derive(Default)]
pub(super) struct Redaction {
    /// Hidden wherever they are, and their beginnings too: what was sent.
    sent: Vec<Hidden>,
    /// Hidden as a whole: the same before it was encoded. They may begin with a user name.
    decoded: Vec<Hidden>,
    /// Hidden wherever they are, except in ordinary words.
    secrets: Vec<Hidden>,
    /// Hidden where their place tells that they are an echo: ordinary words, and short ones.
    words: Vec<Hidden>,
    /// What is sent beside a secret and is none: user names.
    names: Vec<Hidden>,
}

type Hidden = Zeroizing<Vec<u8>>;

/// How many octets are enough to tell an echo that is cut off.
const PREFIX: usize = 8;
/// The same where an excerpt ends, and the least that is looked for inside of words.
const SHORTEST: usize = 4;
const MARK: &[u8] = b"***";

impl Redaction {
    /// Hides this secret from now on.
    pub(super) fn hide_secret(&mut self, secret: &[u8]) {
        let list = match secret {
            [] => return,
            word if word.len() < SHORTEST || words::is_ordinary(word) => &mut self.words,
            _ => &mut self.secrets,
        };
        list.push(Zeroizing::new(secret.to_vec()));
    }

    /// Hides a response that is sent in this base64 form from now on. `opaque` tells that all of
    /// it is a secret or made of one; otherwise it may be a user name.
    pub(super) fn hide_response(&mut self, response: &[u8], base64: &[u8], opaque: bool) {
        // An echo may lack the padding.
        let padding = base64.iter().rev().take_while(|&&octet| octet == b'=').count();
        let unpadded = &base64[..base64.len() - padding];
        match unpadded.len() {
            0 => {}
            SHORTEST.. => self.sent.push(Zeroizing::new(unpadded.to_vec())),
            _ => self.words.push(Zeroizing::new(unpadded.to_vec())),
        }
        let is_structured = response.iter().any(u8::is_ascii_control);
        if response.len() >= SHORTEST && (opaque || is_structured) {
            self.decoded.push(Zeroizing::new(response.to_vec()));
        }
        let parts = |octet: &u8| octet.is_ascii_control() || (opaque && b", ".contains(octet));
        for (number, field) in response.split(parts).enumerate() {
            if opaque && number > 0 && field.len() >= PREFIX {
                self.sent.push(Zeroizing::new(field.to_vec()));
            } else if !opaque && field.len() > 1 && !words::is_ordinary(field) {
                self.names.push(Zeroizing::new(field.to_vec()));
            }
        }
        // A name that is the secret too, or that holds it, is a secret.
        let (secrets, words) = (&self.secrets, &self.words);
        self.names.retain(|name| {
            let is_secret = |secret: &Hidden| contains(name, secret);
            !secrets.iter().any(is_secret) && !words.contains(name)
        });
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Returns the reply without what must not be shown.
    pub(super) fn redact(&self, reply: Reply) -> Reply {
        if self.is_empty() {
            return reply;
        }
        let code = reply.code();
        // The space after it makes it a status.
        let status = |line: &[u8]| {
            let status = EnhancedCode::at_start_of(code, line.trim_ascii_end());
            status.map_or(0, |(_, end)| line.len().min(end + 1))
        };
        match self.without(reply.as_bytes(), status, Extent::Whole) {
            Some(text) => Reply::new(code, text),
            None => reply,
        }
    }

    /// Returns octets that are not a whole reply without what must not be shown: secrets, also if
    /// the octets end in the middle of one, and challenges.
    pub(super) fn redact_octets(&self, octets: &[u8]) -> Vec<u8> {
        let digits = |line: &[u8]| line.iter().take(3).take_while(|it| it.is_ascii_digit()).count();
        let redacted = self.without(octets, digits, Extent::Cut).unwrap_or_else(|| octets.to_vec());
        let mut shown = Vec::with_capacity(redacted.len());
        for line in redacted.split_inclusive(|&octet| octet == b'\n') {
            let end = line.len() - line.trim_ascii_end().len();
            let (content, end) = line.split_at(line.len() - end);
            match content {
                [b'3', b'3', b'4', _, ..] => shown.extend_from_slice(b"334 ***"),
                content if !self.is_empty() && is_like_a_challenge(content) => {
                    shown.extend_from_slice(MARK);
                }
                content => shown.extend_from_slice(content),
            }
            shown.extend_from_slice(end);
        }
        shown
    }

    fn is_empty(&self) -> bool {
        self.sent.is_empty() && self.secrets.is_empty() && self.words.is_empty()
    }

    /// Returns the text with marks in place of what must not be shown; `None` if it may be shown as
    /// it is. The first `kept` octets of each line are shown in any case.
    fn without(
        &self,
        text: &[u8],
        kept: impl Fn(&[u8]) -> usize,
        extent: Extent,
    ) -> Option<Vec<u8>> {
        let mut hidden: Vec<Range<usize>> = Vec::new();
        for whole in &self.decoded {
            let places = occurrences(text, whole);
            hidden.extend(places.map(|at| at..at + whole.len()));
        }
        for needle in &self.sent {
            self.find(text, needle, extent, &mut hidden);
        }
        for needle in &self.secrets {
            self.find(text, needle, extent, &mut hidden);
        }
        let echoes = !hidden.is_empty();
        for word in &self.words {
            let places = occurrences(text, word).map(|at| Place::new(text, at..at + word.len()));
            let places = places.filter(|place| place.tells_echo(&self.names, echoes));
            hidden.extend(places.map(Place::range));
        }
        let mut start = 0;
        for line in text.split_inclusive(|&octet| octet == b'\n') {
            let shown = start..start + kept(line);
            hidden.iter_mut().for_each(|range| {
                if range.start < shown.end && shown.start < range.end {
                    range.start = shown.end.min(range.end);
                }
            });
            start += line.len();
        }
        hidden.retain(|range| !range.is_empty());
        (!hidden.is_empty()).then(|| marked(text, hidden))
    }

    /// Finds where the text has this needle, or enough of its beginning.
    fn find(&self, text: &[u8], needle: &[u8], extent: Extent, found: &mut Vec<Range<usize>>) {
        let mut at = 0;
        while at < text.len() {
            let length = common(&text[at..], needle);
            let range = at..at + length;
            let starts = at == 0 || !text[at - 1].is_ascii_alphanumeric();
            let is_cut = extent == Extent::Cut && range.end == text.len();
            let enough = length == needle.len()
                || length >= PREFIX
                || (is_cut && starts && length >= SHORTEST);
            let whole = length == needle.len();
            let is_name = || self.names.iter().any(|name| common(name, needle) >= length);
            if enough && !is_in_ordinary_word(text, &range) && (whole || !is_name()) {
                found.push(range);
            }
            at += if enough { length } else { 1 };
        }
    }
}

/// Whether a text is whole, or breaks off.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    Whole,
    Cut,
}

/// Returns a complaint of the server about this secret without the secret.
#[cfg(feature = "sasl")]
pub(crate) fn without_secret(text: &[u8], secret: &[u8]) -> Vec<u8> {
    let mut redaction = Redaction::default();
    redaction.hide_secret(secret);
    redaction.without(text, |_| 0, Extent::Whole).unwrap_or_else(|| text.to_vec())
}

/// Where the text has this word, in whatever case.
fn occurrences<'t>(text: &'t [u8], word: &'t [u8]) -> impl Iterator<Item = usize> + 't {
    let parts = text.windows(word.len()).enumerate();
    parts.filter(|(_, part)| part.eq_ignore_ascii_case(word)).map(|(at, _)| at)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    occurrences(text, part).next().is_some()
}

/// How many octets two texts have in common from their beginning, in whatever case.
fn common(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one.eq_ignore_ascii_case(other)).count()
}

/// Whether this part of the text is, or is inside of, a word that servers use.
fn is_in_ordinary_word(text: &[u8], part: &Range<usize>) -> bool {
    let is_letter = |octet: &&u8| octet.is_ascii_alphabetic();
    let before = text[..part.start].iter().rev().take_while(is_letter).count();
    let after = text[part.end..].iter().take_while(is_letter).count();
    words::is_ordinary(&text[part.start - before..part.end + after])
}

/// Whether a line looks like a challenge without its code, or like a part of one.
fn is_like_a_challenge(line: &[u8]) -> bool {
    let line = line.strip_prefix(b"+ ").unwrap_or(line);
    line.len() >= PREFIX
        && line.iter().all(|octet| octet.is_ascii_alphanumeric() || b"+/=".contains(octet))
        && !line.iter().all(u8::is_ascii_lowercase)
}

/// The text with a mark in place of each of these parts. Parts that touch share one.
fn marked(text: &[u8], mut hidden: Vec<Range<usize>>) -> Vec<u8> {
    hidden.sort_by_key(|range| range.start);
    let mut shown = Vec::with_capacity(text.len());
    let mut end = 0;
    for range in hidden {
        if range.start > end || end == 0 {
            shown.extend_from_slice(&text[end..range.start]);
            shown.extend_from_slice(MARK);
        }
        end = end.max(range.end);
    }
    shown.extend_from_slice(&text[end..]);
    shown
}

/// The reply as it may be shown: a challenge is part of an exchange that is never shown.
pub(super) fn without_challenge(reply: &Reply) -> Cow<'_, Reply> {
    match reply.code() {
        ReplyCode::CHALLENGE => Cow::Owned(Reply::new(ReplyCode::CHALLENGE, MARK)),
        _ => Cow::Borrowed(reply),
    }
}
