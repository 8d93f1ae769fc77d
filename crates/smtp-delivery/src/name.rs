//! Domain names, as they are looked up.
use std::{fmt, str::FromStr, sync::Arc};

use smtp_codec::{Deviations, Domain};

/// A domain name in ASCII and lower case, without the dot at its end. Cloning shares the text.
///
/// Names outside ASCII are stored with A-labels (RFC 5890). A name may have labels that no host has,
/// such as `_25._tcp`, and octets that no host name has, since the DNS answers with any:
/// [`is_host`](Self::is_host) tells.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

/// Why a text is not a domain name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidName {
    /// It has no label, and is not the root.
    #[error("the domain name is empty")]
    Empty,
    /// Two dots have nothing between them, or the name begins with a dot.
    #[error("the domain name has an empty label")]
    EmptyLabel,
    /// A label has more octets than the DNS allows (RFC 1035, 2.3.4).
    #[error("a label of the domain name has {length} octets; the limit is {}", Name::MAX_LABEL)]
    LabelTooLong {
        /// The octets of the label.
        length: usize,
    },
    /// The name has more octets than the DNS allows (RFC 1035, 2.3.4).
    #[error("the domain name has {length} octets; the limit is {}", Name::MAX)]
    TooLong {
        /// The octets of the name.
        length: usize,
    },
    /// A character outside ASCII that no internationalized domain name may have, or a space or control
    /// character.
    #[error("the domain name has a character that no domain name may have")]
    Character,
}

impl Name {
    /// The most octets of a name in text, without the dot at its end.
    pub const MAX: usize = 253;
    /// The most octets of a label.
    pub const MAX_LABEL: usize = 63;

    /// Parses a name, with or without the dot at its end. The root is `.`.
    ///
    /// # Errors
    /// The text is not a domain name.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        match text {
            "" => return Err(InvalidName::Empty),
            "." => return Ok(Self(".".into())),
            _ => {}
        }
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.is_ascii() {
            return Self::from_ascii(text);
        }
        let domain = Domain::tolerating(text, Deviations::UNDERSCORE);
        Self::from_ascii(&domain.map_err(|_| InvalidName::Character)?.to_ascii())
    }

    fn from_ascii(text: &str) -> Result<Self, InvalidName> {
        if text.len() > Self::MAX {
            return Err(InvalidName::TooLong { length: text.len() });
        }
        if !text.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(InvalidName::Character);
        }
        for label in text.split('.') {
            match label.len() {
                0 => return Err(InvalidName::EmptyLabel),
                length if length > Self::MAX_LABEL => {
                    return Err(InvalidName::LabelTooLong { length });
                }
                _ => {}
            }
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }

    /// Returns the name with these labels before it, such as `_25._tcp`.
    ///
    /// # Errors
    /// The result is too long.
    pub fn with_prefix(&self, labels: &str) -> Result<Self, InvalidName> {
        Self::new(&format!("{labels}.{self}"))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether this is the root.
    pub fn is_root(&self) -> bool {
        &*self.0 == "."
    }

    /// Returns whether a host may have this name: letters, digits, hyphens and underscores, and no
    /// label that begins or ends with a hyphen. Underscores are no part of host names (RFC 1123,
    /// 2.1), and there are MX hosts with them.
    pub fn is_host(&self) -> bool {
        let is_label = |label: &str| {
            let allowed = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
            label.bytes().all(allowed) && !label.starts_with('-') && !label.ends_with('-')
        };
        !self.is_root() && self.0.split('.').all(is_label)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Name {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_stored_in_one_form() {
        for (given, stored) in [
            ("Example.ORG.", "example.org"),
            ("b\u{fc}cher.example", "xn--bcher-kva.example"),
            ("_25._tcp.MX.example", "_25._tcp.mx.example"),
            (".", "."),
            ("a\\032b.example", "a\\032b.example"),
        ] {
            assert_eq!(Name::new(given).unwrap().as_str(), stored);
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long = "a".repeat(64);
        for (given, reason) in [
            ("", InvalidName::Empty),
            ("..", InvalidName::EmptyLabel),
            (".example", InvalidName::EmptyLabel),
            ("a..b", InvalidName::EmptyLabel),
            ("a b.example", InvalidName::Character),
            ("\u{2028}.example", InvalidName::Character),
            (&long, InvalidName::LabelTooLong { length: 64 }),
        ] {
            assert_eq!(Name::new(given), Err(reason), "{given}");
        }
        assert_eq!(Name::new(&"a.".repeat(127)).unwrap().as_str().len(), Name::MAX);
        let too_long = format!("{}bc", "a.".repeat(126));
        assert_eq!(Name::new(&too_long), Err(InvalidName::TooLong { length: 254 }));
    }

    #[test]
    fn names_of_hosts_are_told_from_others() {
        for (name, is_host) in
            [("mx_1.example", true), ("-a.example", false), ("a\\000.example", false), (".", false)]
        {
            assert_eq!(Name::new(name).unwrap().is_host(), is_host, "{name}");
        }
    }
}
