//! Domains, address literals, and the name a client gives itself (RFC 5321, 4.1.2 and 4.1.3).
use alloc::{format, string::String};
use core::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use smtp_error::{Field, Flaw, Invalid};

use crate::grammar;

/// A domain: labels of letters, digits and inner hyphens, at most 255 octets. Labels may hold
/// characters outside ASCII (RFC 6531); an ASCII label has at most 63 octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Domain<S = String>(S);

impl Domain {
    /// The longest domain, in octets.
    pub const MAX: usize = 255;
}

impl<S: AsRef<str>> Domain<S> {
    /// The domain of this text.
    ///
    /// # Errors
    /// Refuses what is no domain.
    pub fn new(text: S) -> Result<Self, Invalid> {
        check_domain(text.as_ref(), 0)?;
        Ok(Self(text))
    }

    /// The domain as it was given.
    pub fn as_str(&self) -> &str {
        self.0.as_ref()
    }
}

/// Refuses what is no domain; offsets are counted from `base`.
fn check_domain(text: &str, base: usize) -> Result<(), Invalid> {
    if is_plain(text.as_bytes()) {
        return Ok(());
    }
    grammar::check_length(Field::Domain, text.len(), Domain::MAX)?;
    if text.is_empty() {
        return Err(Invalid::new(Field::Domain, Flaw::Empty));
    }
    let mut offset = base;
    for label in text.split('.') {
        let syntax = |at| Err(Invalid::new(Field::Domain, Flaw::Syntax { offset: offset + at }));
        if label.is_empty() || label.starts_with('-') {
            return syntax(0);
        }
        if let Some(at) = label.find(|character| !is_label(character)) {
            return syntax(at);
        }
        if label.ends_with('-') {
            return syntax(label.len() - 1);
        }
        if label.len() > 63 && label.is_ascii() {
            grammar::check_length(Field::Domain, label.len(), 63)?;
        }
        offset += label.len() + 1;
    }
    Ok(())
}

/// Whether it is a domain in ASCII, as nearly all are. Whatever is not is looked at closely.
fn is_plain(text: &[u8]) -> bool {
    let mut rest = text;
    loop {
        let end = rest.iter().take_while(|&&octet| grammar::is_let_dig_hyp(octet)).count();
        let (label, behind) = rest.split_at(end);
        if end > 63 || matches!(label, [] | [b'-', ..] | [.., b'-']) {
            return false;
        }
        match behind {
            [] => return text.len() <= Domain::MAX,
            [b'.', behind @ ..] => rest = behind,
            _ => return false,
        }
    }
}

/// Letters, digits, hyphens, and everything outside ASCII but what compatibility normalization
/// makes a full stop or an `@`, which would part the mailbox for some readers and not for others.
fn is_label(character: char) -> bool {
    character.is_ascii_alphanumeric()
        || character == '-'
        || (!character.is_ascii()
            && !matches!(
                character,
                '\u{2024}'
                    | '\u{3002}'
                    | '\u{fe52}'
                    | '\u{fe6b}'
                    | '\u{ff0e}'
                    | '\u{ff20}'
                    | '\u{ff61}'
            )
            && !grammar::is_forbidden(character))
}

impl FromStr for Domain {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        grammar::check_characters(Field::Domain, text)?;
        Self::new(text.into())
    }
}

impl<S: AsRef<str>> fmt::Display for Domain<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An address literal such as `[192.0.2.1]` or `[IPv6:2001:db8::1]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddressLiteral<S = String>(S);

impl<S: AsRef<str>> AddressLiteral<S> {
    /// The literal of this text, brackets included.
    ///
    /// # Errors
    /// Refuses what is no address literal.
    pub fn new(text: S) -> Result<Self, Invalid> {
        check_literal(text.as_ref(), 0)?;
        Ok(Self(text))
    }

    /// The literal as it was given, brackets included.
    pub fn as_str(&self) -> &str {
        self.0.as_ref()
    }

    /// The IP address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        let inner = self.as_str().strip_prefix('[')?.strip_suffix(']')?;
        match inner.split_once(':') {
            None => inner.parse().ok().map(IpAddr::V4),
            Some((tag, address)) if tag.eq_ignore_ascii_case("IPv6") => {
                address.parse().ok().map(IpAddr::V6)
            }
            Some(_) => None,
        }
    }
}

/// Refuses what is no address literal; offsets are counted from `base`.
fn check_literal(text: &str, base: usize) -> Result<(), Invalid> {
    let invalid = Invalid::new(Field::Domain, Flaw::Syntax { offset: base });
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).ok_or(invalid)?;
    grammar::check_length(Field::Domain, text.len(), Domain::MAX)?;
    let valid = match inner.split_once(':') {
        None => inner.parse::<Ipv4Addr>().is_ok(),
        Some((tag, address)) if tag.eq_ignore_ascii_case("IPv6") => is_ipv6(address),
        // An IPv6 address whose tag was forgotten has the form of a general literal.
        Some((tag, content)) => is_general(tag, content) && inner.parse::<Ipv6Addr>().is_err(),
    };
    if valid { Ok(()) } else { Err(invalid) }
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
        Self::new(text.into())
    }
}

impl From<IpAddr> for AddressLiteral {
    fn from(address: IpAddr) -> Self {
        Self(match address {
            IpAddr::V4(address) => format!("[{address}]"),
            // The library may write `::` for one group, which the grammar does not allow.
            IpAddr::V6(address) => {
                let groups = address.segments().map(|group| format!("{group:x}"));
                format!("[IPv6:{}]", groups.join(":"))
            }
        })
    }
}

impl<S: AsRef<str>> fmt::Display for AddressLiteral<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A domain or an address literal: what stands behind the `@`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "the grammar has these two")]
pub enum Host<S = String> {
    /// A domain.
    Domain(Domain<S>),
    /// An address literal.
    Literal(AddressLiteral<S>),
}

impl<S: AsRef<str>> Host<S> {
    /// The host of this text.
    ///
    /// # Errors
    /// Refuses what is neither.
    pub fn new(text: S) -> Result<Self, Invalid> {
        check_host(text.as_ref(), 0)?;
        Ok(match text.as_ref().starts_with('[') {
            true => Self::Literal(AddressLiteral(text)),
            false => Self::Domain(Domain(text)),
        })
    }

    /// The host as it was given.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Domain(domain) => domain.as_str(),
            Self::Literal(literal) => literal.as_str(),
        }
    }
}

/// Refuses what is neither domain nor literal; offsets are counted from `base`.
pub(crate) fn check_host(text: &str, base: usize) -> Result<(), Invalid> {
    match text.starts_with('[') {
        true => check_literal(text, base),
        false => check_domain(text, base),
    }
}

impl FromStr for Host {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        grammar::check_characters(Field::Domain, text)?;
        Self::new(text.into())
    }
}

impl<S: AsRef<str>> fmt::Display for Host<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
