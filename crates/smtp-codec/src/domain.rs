//! Domains, address literals, and the name a client gives itself (RFC 5321, 4.1.2 and 4.1.3).
use alloc::string::String;
use core::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use smtp_error::{Field, Flaw, Invalid};

use crate::grammar;

/// A domain: labels of letters, digits and inner hyphens, at most 255 octets. Labels may hold
/// characters outside ASCII (RFC 6531); an ASCII label has at most 63 octets.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Domain(String);

impl Domain {
    /// The longest domain, in octets.
    pub const MAX: usize = 255;

    /// The domain as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Refuses what is no domain; offsets are counted from `base`.
    pub(crate) fn check(text: &str, base: usize) -> Result<(), Invalid> {
        grammar::check_characters(Field::Domain, text).map_err(|invalid| shifted(invalid, base))?;
        grammar::check_length(Field::Domain, text.len(), Self::MAX)?;
        let mut offset = base;
        for label in text.split('.') {
            let syntax =
                |at| Err(Invalid::new(Field::Domain, Flaw::Syntax { offset: offset + at }));
            if label.is_empty() || label.starts_with('-') {
                return syntax(0);
            }
            if let Some(at) = label.find(|character| !is_label(character)) {
                return syntax(at);
            }
            if label.ends_with('-') {
                return syntax(label.len() - 1);
            }
            if label.is_ascii() {
                grammar::check_length(Field::Domain, label.len(), 63)?;
            }
            offset += label.len() + 1;
        }
        Ok(())
    }
}

/// Letters, digits, hyphens, and everything outside ASCII but the other full stops of IDNA, which
/// would part labels for some readers and not for others.
fn is_label(character: char) -> bool {
    character.is_ascii_alphanumeric()
        || character == '-'
        || (!character.is_ascii() && !matches!(character, '\u{3002}' | '\u{ff0e}' | '\u{ff61}'))
}

fn shifted(invalid: Invalid, base: usize) -> Invalid {
    let flaw = match invalid.flaw {
        Flaw::Control { character, offset } => Flaw::Control { character, offset: offset + base },
        flaw => flaw,
    };
    Invalid::new(invalid.field, flaw)
}

impl FromStr for Domain {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::check(text, 0)?;
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Domain({})", self.0)
    }
}

/// An address literal such as `[192.0.2.1]` or `[IPv6:2001:db8::1]`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct AddressLiteral(String);

impl AddressLiteral {
    /// The literal as it was given, brackets included.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Refuses what is no address literal; offsets are counted from `base`.
    pub(crate) fn check(text: &str, base: usize) -> Result<(), Invalid> {
        let invalid = Invalid::new(Field::Domain, Flaw::Syntax { offset: base });
        let inner =
            text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).ok_or(invalid)?;
        grammar::check_length(Field::Domain, text.len(), Domain::MAX)?;
        let valid = match inner.split_once(':') {
            None => inner.parse::<Ipv4Addr>().is_ok(),
            Some((tag, address)) if tag.eq_ignore_ascii_case("IPv6") => is_ipv6(address),
            Some((tag, content)) => is_general(tag, content),
        };
        if valid { Ok(()) } else { Err(invalid) }
    }
}

/// The grammar's IPv6 address: `::` stands for at least two groups there.
fn is_ipv6(address: &str) -> bool {
    let groups = |part: &str| match part {
        "" => 0,
        part => part.split(':').map(|group| if group.contains('.') { 2 } else { 1 }).sum(),
    };
    address.parse::<Ipv6Addr>().is_ok()
        && address
            .split_once("::")
            .is_none_or(|(before, behind)| groups(before) + groups(behind) <= 6)
}

fn is_general(tag: &str, content: &str) -> bool {
    !tag.is_empty()
        && tag.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
        && !tag.ends_with('-')
        && !content.is_empty()
        && content.bytes().all(|octet| matches!(octet, b'!'..=b'Z' | b'^'..=b'~'))
}

impl FromStr for AddressLiteral {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::check(text, 0)?;
        Ok(Self(text.into()))
    }
}

impl From<IpAddr> for AddressLiteral {
    fn from(address: IpAddr) -> Self {
        Self(match address {
            IpAddr::V4(address) => alloc::format!("[{address}]"),
            // The library may write `::` for one group, which the grammar does not allow.
            IpAddr::V6(address) => {
                let groups = address.segments().map(|group| alloc::format!("{group:x}"));
                alloc::format!("[IPv6:{}]", groups.join(":"))
            }
        })
    }
}

impl fmt::Display for AddressLiteral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for AddressLiteral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AddressLiteral({})", self.0)
    }
}

/// A domain or an address literal: what stands behind the `@`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "the grammar has these two")]
pub enum Host {
    /// A domain.
    Domain(Domain),
    /// An address literal.
    Literal(AddressLiteral),
}

impl Host {
    /// The host as it was given.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Domain(domain) => domain.as_str(),
            Self::Literal(literal) => literal.as_str(),
        }
    }

    /// Refuses what is neither; offsets are counted from `base`.
    pub(crate) fn check(text: &str, base: usize) -> Result<(), Invalid> {
        if text.starts_with('[') {
            grammar::check_characters(Field::Domain, text)
                .map_err(|invalid| shifted(invalid, base))?;
            AddressLiteral::check(text, base)
        } else {
            Domain::check(text, base)
        }
    }
}

impl FromStr for Host {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::check(text, 0)?;
        Ok(if text.starts_with('[') {
            Self::Literal(AddressLiteral(text.into()))
        } else {
            Self::Domain(Domain(text.into()))
        })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The name that a client gives itself in EHLO, HELO and LHLO: a domain in ASCII, or an address
/// literal if it has none (RFC 5321, 4.1.1.1 and 4.1.4).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HelloName(Host);

impl HelloName {
    /// `localhost`: for a transport that has no address.
    pub fn localhost() -> Self {
        Self(Host::Domain(Domain("localhost".into())))
    }

    /// The name as it is sent.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for HelloName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let host: Host = text.parse().map_err(|e: Invalid| e.in_field(Field::HelloName))?;
        if let Some(offset) = text.find(|character: char| !character.is_ascii()) {
            return Err(Invalid::new(Field::HelloName, Flaw::NonAscii { offset }));
        }
        Ok(Self(host))
    }
}

impl TryFrom<&str> for HelloName {
    type Error = Invalid;

    fn try_from(text: &str) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<IpAddr> for HelloName {
    fn from(address: IpAddr) -> Self {
        Self(Host::Literal(address.into()))
    }
}

impl fmt::Display for HelloName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
