//! Compares a received line with the line of a script.

/// How a received line has to match the line of a script.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Matching {
    /// `C:`: the same octets.
    #[default]
    Exact,
    /// `C|`: the same octets, in one segment with the neighboring `C|` lines.
    Group,
    /// `C~`: `*` stands for any octets, or none.
    Glob,
}

impl Matching {
    /// Returns whether `received` matches `expected`; both include their CRLF.
    ///
    /// This does not check whether a [group](Self::Group) arrived in one segment.
    pub fn accepts(self, expected: &[u8], received: &[u8]) -> bool {
        match self {
            Self::Exact | Self::Group => expected == received,
            Self::Glob => glob(expected, received),
        }
    }

    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Exact => "C:",
            Self::Group => "C|",
            Self::Glob => "C~",
        }
    }
}

/// Matches each literal part at its first occurrence. As `*` is the only wildcard, a later
/// occurrence cannot match more.
fn glob(pattern: &[u8], octets: &[u8]) -> bool {
    let mut parts = pattern.split(|&octet| octet == b'*');
    let Some(mut rest) = parts.next().and_then(|head| octets.strip_prefix(head)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = position(rest, part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

/// The position of the first `needle` in `octets`.
pub(crate) fn position(octets: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return Some(0);
    }
    octets.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, octets: &str, accepted: bool) {
        assert_eq!(
            Matching::Glob.accepts(pattern.as_bytes(), octets.as_bytes()),
            accepted,
            "{pattern:?} against {octets:?}"
        );
    }

    #[test]
    fn a_star_stands_for_any_octets() {
        check("EHLO *", "EHLO client.example", true);
        check("EHLO *", "EHLO ", true);
        check("EHLO *", "HELO client.example", false);
        check("*", "", true);
        check("a*b*c", "a-b-b-c", true);
        check("a*b*c", "a-c-c", false);
        check("a**c", "ac", true);
    }

    #[test]
    fn the_ends_are_anchored() {
        check("QUIT", "QUIT", true);
        check("QUIT", "QUIT now", false);
        check("*\r\n", "QUIT\r\n", true);
        check("*\r\n", "QUIT\n", false);
        check("ab*ba", "aba", false);
    }

    #[test]
    fn a_star_is_literal_in_an_exact_line() {
        assert!(Matching::Exact.accepts(b"AUTH *\r\n", b"AUTH *\r\n"));
        assert!(!Matching::Exact.accepts(b"AUTH *\r\n", b"AUTH PLAIN\r\n"));
    }
}
