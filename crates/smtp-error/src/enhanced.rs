//! Enhanced status codes: class, subject and detail (RFC 3463).
use core::fmt;

use crate::ReplyCode;

/// An enhanced status code such as `5.1.1`.
///
/// Subject and detail go up to 999 and are an open set (RFC 5248 keeps the registry).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnhancedCode {
    class: u8,
    subject: u16,
    detail: u16,
}

impl EnhancedCode {
    /// Returns the code of these three parts; `None` for a class other than 2, 4 and 5 or a part over 999.
    pub const fn new(class: u8, subject: u16, detail: u16) -> Option<Self> {
        if matches!(class, 2 | 4 | 5) && subject <= 999 && detail <= 999 {
            Some(Self { class, subject, detail })
        } else {
            None
        }
    }

    /// Returns the code that the text of a reply line begins with, and its length in octets.
    ///
    /// A code is recognized only if it is well formed, its class is the first digit of `code`, and
    /// a space or the end of the line follows; anything else is plain text (RFC 2034, 4).
    pub fn at_start_of(code: ReplyCode, text: &[u8]) -> Option<(Self, usize)> {
        let [class @ (b'2' | b'4' | b'5'), b'.', rest @ ..] = text else { return None };
        let (subject, rest) = number(rest)?;
        let (detail, rest) = number(rest.strip_prefix(b".")?)?;
        let class = class - b'0';
        if !matches!(rest, [] | [b' ', ..]) || u16::from(class) != code.get() / 100 {
            return None;
        }
        Some((Self::new(class, subject, detail)?, text.len() - rest.len()))
    }

    /// Returns the class: 2 success, 4 persistent transient failure, 5 permanent failure.
    pub const fn class(self) -> u8 {
        self.class
    }

    /// Returns the subject, 0 to 999.
    pub const fn subject(self) -> u16 {
        self.subject
    }

    /// Returns the detail, 0 to 999.
    pub const fn detail(self) -> u16 {
        self.detail
    }
}

impl fmt::Display for EnhancedCode {
    /// Writes the three numbers; with `{:#}` also their [meaning](Self::meaning).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)?;
        match self.meaning().filter(|_| f.alternate()) {
            Some(meaning) => write!(f, " {meaning}"),
            None => Ok(()),
        }
    }
}

/// Splits one to three digits off the front of `text`.
fn number(text: &[u8]) -> Option<(u16, &[u8])> {
    let [first @ b'0'..=b'9', rest @ ..] = text else { return None };
    let mut value = u16::from(first - b'0');
    let mut rest = rest;
    for _ in 1..3 {
        let [digit @ b'0'..=b'9', tail @ ..] = rest else { break };
        value = value * 10 + u16::from(digit - b'0');
        rest = tail;
    }
    Some((value, rest))
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[track_caller]
    fn check(code: u16, text: &str, expected: Option<&str>) {
        let found = EnhancedCode::at_start_of(ReplyCode::new(code).unwrap(), text.as_bytes());
        assert_eq!(found.map(|(code, _)| code.to_string()).as_deref(), expected, "{code} {text}");
    }

    #[test]
    fn well_formed_codes_of_the_right_class_count() {
        check(550, "5.1.1 unknown", Some("5.1.1"));
        check(550, "5.7.509 access denied", Some("5.7.509"));
        check(250, "2.0.0", Some("2.0.0"));
        check(250, "5.7.1 x", None);
        check(550, "2.1.1 x", None);
        check(354, "3.0.0 go on", None);
        for text in ["5.1234.1 x", "5.1. x", "5.1 x", "5..1 x", "5.1.1.1 x", "5.1.1x", "", "x"] {
            check(550, text, None);
        }
    }
}
