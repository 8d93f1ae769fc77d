//! How a line that arrived is held against the line of a script.

/// What a script demands of a line besides its place in the order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Matching {
    /// `C:`: octet for octet.
    #[default]
    Exact,
    /// `C|`: octet for octet, and in one segment with its `C|` neighbors.
    Group,
    /// `C~`: `*` stands for any octets, or none.
    Glob,
}

impl Matching {
    /// Whether `received` is what `expected` asks for; both with their CRLF.
    ///
    /// Whether a [group](Self::Group) came in one segment is not visible here.
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

/// Takes each literal part at its first place: with `*` as the only wildcard, an earlier place
/// never spoils what follows.
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

/// Where `needle` first occurs in `octets`.
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
