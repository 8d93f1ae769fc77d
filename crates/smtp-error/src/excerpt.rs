//! Excerpts: octets from a server that are not a whole reply, kept for an error.
use alloc::boxed::Box;
use core::fmt::{self, Write as _};

use crate::reply::must_escape;

/// Octets that a server sent and that are not a whole reply: the received part of a reply, a line
/// that is malformed and those before it, or clear text in place of a TLS handshake.
///
/// An excerpt holds at most 1,024 octets. `Display` puts them on one line: control characters,
/// quotes, backslashes and octets that are not UTF-8 are escaped. `Debug` shows the same.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Excerpt {
    octets: Box<[u8]>,
    truncated: bool,
}

impl Excerpt {
    /// The most octets that an excerpt holds.
    pub const LIMIT: usize = 1024;

    /// Returns an excerpt of the first [`LIMIT`](Self::LIMIT) of these octets.
    pub fn new(octets: &[u8]) -> Self {
        let kept = &octets[..octets.len().min(Self::LIMIT)];
        Self { octets: kept.into(), truncated: kept.len() < octets.len() }
    }

    /// Returns the octets as the server sent them, line ends included, nothing escaped.
    pub fn as_bytes(&self) -> &[u8] {
        &self.octets
    }

    /// Returns an excerpt of the first line with its end, and of at most `most` octets.
    pub(crate) fn first_line(&self, most: usize) -> Self {
        let line = self.octets.split_inclusive(|&octet| octet == b'\n').next().unwrap_or_default();
        let kept = &line[..line.len().min(most)];
        let truncated = self.truncated || kept.len() < self.octets.len();
        Self { octets: kept.into(), truncated }
    }

    /// Returns whether there were more octets than the excerpt holds.
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.octets.utf8_chunks() {
            for character in chunk.valid().chars() {
                if must_escape(character) || matches!(character, '"' | '\\') {
                    write!(f, "{}", character.escape_default())?;
                } else {
                    f.write_char(character)?;
                }
            }
            write!(f, "{}", chunk.invalid().escape_ascii())?;
        }
        f.write_str(if self.truncated { "..." } else { "" })
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Excerpt(\"{self}\")")
    }
}
