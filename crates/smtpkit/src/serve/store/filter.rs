//! Which messages a request is about.

use super::Stored;
use crate::serve::reading;

/// Conditions that a message must meet, all of them. Letter case never matters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Condition {
    /// One of the forward-paths.
    To(Address),
    /// The reverse-path, or the From field.
    From(Address),
    Subject(String),
    /// The text, or the HTML without its tags.
    Text(String),
    /// Anything that the other conditions look at.
    Anything(String),
}

impl Filter {
    pub(crate) fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }

    /// A forward-path: equal to an address, or containing what is not a whole address.
    pub(crate) fn to(self, text: &str) -> Self {
        self.and(Condition::To(Address::new(text)))
    }

    /// The reverse-path or the From field, as [`Filter::to`] compares.
    pub(crate) fn from(self, text: &str) -> Self {
        self.and(Condition::From(Address::new(text)))
    }

    /// The decoded subject contains this.
    pub(crate) fn subject(self, text: &str) -> Self {
        self.and(Condition::Subject(text.to_lowercase()))
    }

    /// The decoded text contains this.
    pub(crate) fn text(self, text: &str) -> Self {
        self.and(Condition::Text(text.to_lowercase()))
    }

    /// Each word is contained in a path, an address field, the subject or the text.
    pub(crate) fn search(self, words: &str) -> Self {
        let words = words.split_whitespace().map(str::to_lowercase);
        words.fold(self, |filter, word| filter.and(Condition::Anything(word)))
    }

    pub(crate) fn fits(&self, stored: &Stored) -> bool {
        // The text is decoded once, and only if a condition needs it.
        let mut text = None;
        self.conditions.iter().all(|condition| condition.fits(stored, &mut text))
    }

    fn and(mut self, condition: Condition) -> Self {
        self.conditions.push(condition);
        self
    }
}

impl Condition {
    fn fits(&self, stored: &Stored, text: &mut Option<String>) -> bool {
        let message = &stored.message;
        match self {
            Self::To(address) => message.forward_paths.iter().any(|path| address.fits(path)),
            Self::From(address) => {
                address.fits(&message.reverse_path)
                    || stored.heading().from_addresses.iter().any(|from| address.fits(from))
                    || address.is_partial() && address.fits(&stored.heading().from)
            }
            Self::Subject(part) => contains(&stored.heading().subject, part),
            Self::Text(part) => lower_text(stored, text).contains(part.as_str()),
            Self::Anything(word) => {
                let heading = stored.heading();
                contains(&message.reverse_path, word)
                    || message.forward_paths.iter().any(|path| contains(path, word))
                    || contains(&heading.subject, word)
                    || contains(&heading.from, word)
                    || contains(&heading.to, word)
                    || lower_text(stored, text).contains(word.as_str())
            }
        }
    }
}

fn contains(text: &str, lower: &str) -> bool {
    text.to_lowercase().contains(lower)
}

fn lower_text<'a>(stored: &Stored, text: &'a mut Option<String>) -> &'a str {
    text.get_or_insert_with(|| reading::text(&stored.message.octets).to_lowercase())
}

/// An address to compare with, or a part of one, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Address {
    Whole(String),
    Part(String),
}

impl Address {
    fn new(text: &str) -> Self {
        let lower = text.to_lowercase();
        match lower.split_once('@') {
            Some((local_part, domain)) if !local_part.is_empty() && !domain.is_empty() => {
                Self::Whole(lower)
            }
            _ => Self::Part(lower),
        }
    }

    fn is_partial(&self) -> bool {
        matches!(self, Self::Part(_))
    }

    fn fits(&self, address: &str) -> bool {
        match self {
            Self::Whole(whole) => address.to_lowercase() == *whole,
            Self::Part(part) => contains(address, part),
        }
    }
}
