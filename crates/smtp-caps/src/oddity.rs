//! Oddities: flaws in a reply to EHLO that a client tolerates, as data.
use alloc::vec::Vec;
use core::fmt;

use smtp_error::Extension;

use crate::{Capabilities, Capability, form};

/// A line that violates its specification. It is not an error: servers in use send such lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Oddity<'a> {
    /// The line.
    pub line: Capability<'a>,
    /// The flaw.
    pub kind: OddityKind,
}

/// A flaw of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OddityKind {
    /// The keyword violates the grammar, or the line is empty.
    IllegalKeyword,
    /// A firewall has overwritten the keyword, as in `XXXXXXXA`, to keep the client from using the
    /// extension, which is often STARTTLS. Cisco PIX and ASA do so with ESMTP inspection.
    Overwritten,
    /// A parameter is not separated by a single space, or the line ends with a space.
    Separators,
    /// The keyword does not have parameters, but the line does.
    Unexpected,
    /// The parameters are not valid for the keyword.
    Malformed,
    /// An earlier line has the same keyword.
    Repeated,
    /// The extension requires this one, which the server does not offer.
    Without(Extension),
    /// REQUIRETLS outside TLS, or STARTTLS inside.
    OutOfPlace,
}

impl Capabilities {
    /// Returns the oddities, line by line. Masked lines are skipped.
    pub fn oddities(&self) -> impl Iterator<Item = Oddity<'_>> {
        let lines = self.iter().enumerate();
        let visible = lines.filter(|(_, line)| self.is_visible(*line));
        visible.flat_map(|(number, line)| {
            self.kinds(number, line).map(move |kind| Oddity { line, kind })
        })
    }

    /// Returns the same capabilities without the lines that have a flaw which `refused` selects, as
    /// if the server had not sent them. Without this call every line counts: `AUTH=PLAIN`, whose flaw
    /// is [`Separators`](OddityKind::Separators), means the same as `AUTH PLAIN`.
    #[must_use]
    pub fn without_oddities(mut self, refused: impl Fn(OddityKind) -> bool) -> Self {
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

    /// Returns the flaws of `line`, which is line `number`.
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

    /// Returns whether the line is not masked.
    pub(crate) fn is_visible(&self, line: Capability<'_>) -> bool {
        line.extension().is_none_or(|extension| self.has(extension))
    }

    fn missing(&self, line: Capability<'_>) -> Option<OddityKind> {
        let needed = match line.extension()? {
            Extension::BinaryMime => Extension::Chunking,
            // A server that offers SMTPUTF8 must offer 8BITMIME as well (RFC 6531, 3.1).
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
    /// Returns whether two lines have the same extension, or the same unknown keyword.
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
            Self::IllegalKeyword => "not a valid keyword",
            Self::Overwritten => "keyword overwritten in transit",
            Self::Separators => "parameters not separated by single spaces",
            Self::Unexpected => "unexpected parameters",
            Self::Malformed => "malformed parameters",
            Self::Repeated => "duplicate keyword",
            Self::Without(needed) => return write!(f, "offered without {needed}"),
            Self::OutOfPlace => "not allowed in this state of TLS",
        })
    }
}

impl fmt::Display for Oddity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line.as_bytes().escape_ascii(), self.kind)
    }
}
