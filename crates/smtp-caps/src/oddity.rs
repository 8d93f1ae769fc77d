//! Oddities: what in a reply to EHLO is not as it should be, as data.
use alloc::vec::Vec;
use core::fmt;

use smtp_error::Extension;

use crate::{Capabilities, Capability, form};

/// A line that is not as it should be. None is an error: servers that send them are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Oddity<'a> {
    /// The line.
    pub line: Capability<'a>,
    /// What is odd about it.
    pub kind: OddityKind,
}

/// What is odd about a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OddityKind {
    /// The keyword is none by the grammar, or the line is empty.
    IllegalKeyword,
    /// A box between client and server has written over the keyword, as in `XXXXXXXA`: the server
    /// offers something that somebody does not want to be used, often STARTTLS.
    Overwritten,
    /// Something else than a single space stands before a parameter, or spaces end the line.
    Separators,
    /// Parameters behind a keyword that has none.
    Unexpected,
    /// Parameters that are not what the keyword has.
    Malformed,
    /// The keyword was there before.
    Repeated,
    /// An extension without this one, which it builds on.
    Without(Extension),
    /// REQUIRETLS outside TLS, or STARTTLS inside.
    OutOfPlace,
}

impl Capabilities {
    /// What is not as it should be, line by line. What is masked is not looked at.
    pub fn oddities(&self) -> impl Iterator<Item = Oddity<'_>> {
        let lines = self.iter().enumerate();
        let visible = lines.filter(|(_, line)| self.is_visible(*line));
        visible.flat_map(|(number, line)| {
            self.kinds(number, line).map(move |kind| Oddity { line, kind })
        })
    }

    /// The same capabilities without the lines that are odd in one of the ways that are refused, as
    /// if the server had not said them. By default all are taken: `AUTH=PLAIN`, which is odd in its
    /// [`Separators`](OddityKind::Separators), counts as `AUTH PLAIN` does.
    #[must_use]
    pub fn refusing(mut self, refused: impl Fn(OddityKind) -> bool) -> Self {
        let lines = self.iter().enumerate();
        let lines = lines.filter(|&(number, line)| !self.kinds(number, line).any(&refused));
        let lines: Vec<Capability<'_>> = lines.map(|(_, line)| line).collect();
        let kept: Vec<Extension> = lines.iter().filter_map(|line| line.extension()).collect();
        self.edited = Some(self.edit(&lines));
        for &extension in Extension::ALL {
            if !kept.contains(&extension) {
                self.offered.remove(extension);
            }
        }
        self.restate();
        self
    }

    /// What is odd about a line, which is the one of this number.
    fn kinds(&self, number: usize, line: Capability<'_>) -> impl Iterator<Item = OddityKind> {
        let before = self.iter().take(number);
        let repeated = before.into_iter().any(|other| other.is_same(line));
        let kinds = [
            keyword(line.keyword()),
            (!line.is_evenly_spaced()).then_some(OddityKind::Separators),
            form::check(line).err(),
            repeated.then_some(OddityKind::Repeated),
            self.missing(line),
            self.out_of_place(line),
        ];
        kinds.into_iter().flatten()
    }

    /// Whether the line is not masked.
    pub(crate) fn is_visible(&self, line: Capability<'_>) -> bool {
        line.extension().is_none_or(|extension| self.has(extension))
    }

    fn missing(&self, line: Capability<'_>) -> Option<OddityKind> {
        let needed = match line.extension()? {
            Extension::BinaryMime => Extension::Chunking,
            Extension::SmtpUtf8 => Extension::EightBitMime,
            _ => return None,
        };
        (!self.has(needed)).then_some(OddityKind::Without(needed))
    }

    fn out_of_place(&self, line: Capability<'_>) -> Option<OddityKind> {
        let wrong = match line.extension()? {
            Extension::RequireTls => !self.channel.tls,
            Extension::StartTls => self.channel.tls,
            _ => false,
        };
        wrong.then_some(OddityKind::OutOfPlace)
    }
}

impl Capability<'_> {
    /// Whether two lines are about the same: one extension, or one keyword without a name.
    pub(crate) fn is_same(self, other: Capability<'_>) -> bool {
        match self.extension() {
            Some(extension) => other.extension() == Some(extension),
            None => self.keyword().eq_ignore_ascii_case(other.keyword()),
        }
    }

    fn is_evenly_spaced(self) -> bool {
        let params = || self.params().map(|param| param.len() + 1);
        let spaces = self.as_bytes().iter().filter(|&&octet| octet == b' ').count();
        spaces == params().count()
            && self.as_bytes().len() == self.keyword().len() + params().sum::<usize>()
    }
}

fn keyword(keyword: &[u8]) -> Option<OddityKind> {
    match keyword {
        [b'X', b'X', b'X', rest @ .., b'A'..=b'Z'] if rest.iter().all(|&octet| octet == b'X') => {
            Some(OddityKind::Overwritten)
        }
        _ => (!form::is_keyword(keyword)).then_some(OddityKind::IllegalKeyword),
    }
}

impl fmt::Display for OddityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::IllegalKeyword => "not a keyword",
            Self::Overwritten => "overwritten on the way",
            Self::Separators => "not parted by single spaces",
            Self::Unexpected => "parameters where none belong",
            Self::Malformed => "malformed parameters",
            Self::Repeated => "a keyword for the second time",
            Self::Without(needed) => return write!(f, "without {needed}"),
            Self::OutOfPlace => "on the wrong side of TLS",
        })
    }
}

impl fmt::Display for Oddity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line.as_bytes().escape_ascii(), self.kind)
    }
}
