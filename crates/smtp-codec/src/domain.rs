//! Domains, address literals, and the name a client gives itself (RFC 5321, 4.1.2 and 4.1.3).
use alloc::{borrow::Cow, format, string::String};
use core::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use smtp_error::{Field, Flaw, Invalid};

use crate::{Deviations, grammar, idna};

/// A domain: labels of letters, digits and inner hyphens, at most 63 octets each, and at most 255
/// octets in all.
///
/// With the feature `std` a label may be internationalized (RFC 6531, 3.3). It is checked by UTS
/// 46, non-transitional, with the STD3 rules, and the limits of length hold for its ASCII form too.
/// What UTS 46 would change into a dot, a label separator for some readers and not for others, is
/// refused, and so is what it leaves out and what is shown as a blank. The text is kept as it was
/// given; [`to_ascii`](Self::to_ascii) gives the form with A-labels. Without `std` a domain outside
/// ASCII is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Domain<S = String>(S);

impl Domain {
    /// The longest domain, in octets.
    pub const MAX: usize = 255;
    /// The longest label, in octets.
    pub const MAX_LABEL: usize = 63;
}

impl<S: AsRef<str>> Domain<S> {
    /// Returns the domain of this text.
    ///
    /// # Errors
    /// Refuses text that is not a domain.
    pub fn new(text: S) -> Result<Self, Invalid> {
        Self::tolerating(text, Deviations::empty())
    }

    /// Returns the domain of this text, which may have [`UNDERSCORE`](Deviations::UNDERSCORE) if
    /// that is `tolerated`.
    ///
    /// # Errors
    /// Refuses text that is not a domain, and a deviation that is not tolerated.
    pub fn tolerating(text: S, tolerated: Deviations) -> Result<Self, Invalid> {
        check_domain(text.as_ref(), 0, tolerated)?;
        Ok(Self(text))
    }

    /// Returns the domain as it was given.
    pub fn as_str(&self) -> &str {
        self.0.as_ref()
    }

    /// Returns the domain in ASCII, with its internationalized labels as A-labels
    /// (RFC 5890, 2.3.2.1). One that is ASCII is returned as it was given.
    pub fn to_ascii(&self) -> Cow<'_, str> {
        idna::to_ascii(self.as_str())
    }
}

/// Checks a domain and returns how it deviates. Offsets of errors count from `base`.
pub(crate) fn check_domain(
    text: &str,
    base: usize,
    tolerated: Deviations,
) -> Result<Deviations, Invalid> {
    if is_plain(text.as_bytes()) {
        return Ok(Deviations::empty());
    }
    grammar::check_length(Field::Domain, text.len(), Domain::MAX)?;
    if text.is_empty() {
        return Err(Invalid::new(Field::Domain, Flaw::Empty));
    }
    let underscore = tolerated.contains(Deviations::UNDERSCORE);
    let is_label = |character| match character {
        '_' => underscore,
        character if character.is_ascii() => character.is_ascii_alphanumeric(),
        character => !idna::is_dot(character) && !grammar::is_forbidden(character),
    };
    let (mut offset, end) = (base, base + text.len());
    for label in text.split('.') {
        let flawed = |flaw| Err(Invalid::new(Field::Domain, flaw));
        if label.is_empty() {
            // The last dot of all, rather than a place after the end.
            let offset = if offset == end && offset > base { offset - 1 } else { offset };
            return flawed(Flaw::EmptyLabel { offset });
        }
        let last = label.len() - 1;
        let is_valid = |at, character| match character {
            '-' => at > 0 && at < last,
            _ => is_label(character),
        };
        if let Some((at, character)) = label.char_indices().find(|&(at, it)| !is_valid(at, it)) {
            return flawed(Flaw::Unexpected { character, offset: offset + at });
        }
        if label.is_ascii() {
            check_label_length(label.len(), offset)?;
        }
        offset += label.len() + 1;
    }
    if !text.is_ascii() {
        return idna::check(text, base, tolerated);
    }
    let mut seen = Deviations::empty();
    seen.set(Deviations::UNDERSCORE, text.contains('_'));
    Ok(seen)
}

/// Checks the length of the label that begins at `offset`.
pub(crate) fn check_label_length(length: usize, offset: usize) -> Result<(), Invalid> {
    let limit = Domain::MAX_LABEL;
    if length > limit {
        return Err(Invalid::new(Field::Domain, Flaw::LabelTooLong { offset, length, limit }));
    }
    Ok(())
}

/// Returns whether it is a valid domain in ASCII, as nearly all are. All other text takes the
/// slower check, which finds the offset of an error.
fn is_plain(text: &[u8]) -> bool {
    let mut rest = text;
    loop {
        let end = grammar::run(rest, grammar::is_let_dig_hyp);
        let (label, following) = rest.split_at(end);
        if end > Domain::MAX_LABEL || matches!(label, [] | [b'-', ..] | [.., b'-']) {
            return false;
        }
        match following {
            [] => return text.len() <= Domain::MAX,
            [b'.', following @ ..] => rest = following,
            _ => return false,
        }
    }
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
    /// Returns the literal of this text, brackets included.
    ///
    /// # Errors
    /// Refuses text that is not an address literal.
    pub fn new(text: S) -> Result<Self, Invalid> {
        check_literal(text.as_ref(), 0)?;
        Ok(Self(text))
    }

    /// Returns the literal as it was given, brackets included.
    pub fn as_str(&self) -> &str {
        self.0.as_ref()
    }

    /// Returns the IP address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        let inner = self.as_str().strip_prefix('[')?.strip_suffix(']')?;
        match inner.split_once(':') {
            None => ipv4(inner).map(IpAddr::V4),
            Some((tag, address)) if tag.eq_ignore_ascii_case("IPv6") => {
                ipv6(address).map(IpAddr::V6)
            }
            Some(_) => None,
        }
    }
}

/// Checks an address literal. Offsets of errors count from `base`.
fn check_literal(text: &str, base: usize) -> Result<(), Invalid> {
    let invalid = Invalid::new(Field::Domain, Flaw::NotALiteral { offset: base });
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).ok_or(invalid)?;
    grammar::check_length(Field::Domain, text.len(), Domain::MAX)?;
    let valid = match inner.split_once(':') {
        None => ipv4(inner).is_some(),
        Some((tag, address)) if tag.eq_ignore_ascii_case("IPv6") => is_ipv6(address),
        // An IPv6 address whose tag was forgotten has the form of a general literal.
        Some((tag, content)) => is_general(tag, content) && inner.parse::<Ipv6Addr>().is_err(),
    };
    if valid { Ok(()) } else { Err(invalid) }
}

/// Parses four decimal numbers of one to three digits, which may begin with zeros.
fn ipv4(address: &str) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let mut numbers = address.split('.');
    for octet in &mut octets {
        let digits = numbers.next()?;
        let is_snum =
            (1..=3).contains(&digits.len()) && digits.bytes().all(|octet| octet.is_ascii_digit());
        *octet = is_snum.then(|| digits.parse().ok())??;
    }
    numbers.next().is_none().then(|| Ipv4Addr::from(octets))
}

/// Parses groups of hexadecimal digits, of which an IPv4 address may be the last two.
fn ipv6(address: &str) -> Option<Ipv6Addr> {
    if let Ok(address) = address.parse() {
        return Some(address);
    }
    // The standard library refuses leading zeros in the IPv4 part.
    let start = address.rfind(':')? + 1;
    let [a, b, c, d] = ipv4(&address[start..])?.octets();
    format!("{}{a:02x}{b:02x}:{c:02x}{d:02x}", &address[..start]).parse().ok()
}

/// Returns whether it is an IPv6 address by the grammar, in which `::` stands for at least two
/// groups.
fn is_ipv6(address: &str) -> bool {
    let groups = |part: &str| match part {
        "" => 0,
        part => part.split(':').map(|group| if group.contains('.') { 2 } else { 1 }).sum(),
    };
    ipv6(address).is_some()
        && address
            .split_once("::")
            .is_none_or(|(before, after)| groups(before) + groups(after) <= 6)
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
            // The standard library may write `::` for one group, which the grammar does not allow.
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

/// A domain or an address literal: the part of a mailbox after the `@`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "the grammar has these two")]
pub enum Host<S = String> {
    /// A domain.
    Domain(Domain<S>),
    /// An address literal.
    Literal(AddressLiteral<S>),
}

impl<S: AsRef<str>> Host<S> {
    /// Returns the host of this text.
    ///
    /// # Errors
    /// Refuses text that is neither.
    pub fn new(text: S) -> Result<Self, Invalid> {
        Self::tolerating(text, Deviations::empty())
    }

    /// Returns the host of this text; a domain may have [`UNDERSCORE`](Deviations::UNDERSCORE) if
    /// that is `tolerated`.
    ///
    /// # Errors
    /// Refuses text that is neither, and a deviation that is not tolerated.
    pub fn tolerating(text: S, tolerated: Deviations) -> Result<Self, Invalid> {
        check_host(text.as_ref(), 0, tolerated)?;
        Ok(match text.as_ref().starts_with('[') {
            true => Self::Literal(AddressLiteral(text)),
            false => Self::Domain(Domain(text)),
        })
    }

    /// Returns the host as it was given.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Domain(domain) => domain.as_str(),
            Self::Literal(literal) => literal.as_str(),
        }
    }

    /// Returns the host in ASCII: a domain as [`Domain::to_ascii`] has it.
    pub fn to_ascii(&self) -> Cow<'_, str> {
        match self {
            Self::Domain(domain) => domain.to_ascii(),
            Self::Literal(literal) => Cow::Borrowed(literal.as_str()),
        }
    }
}

/// Checks a domain or literal and returns how it deviates. Offsets of errors count from `base`.
pub(crate) fn check_host(
    text: &str,
    base: usize,
    tolerated: Deviations,
) -> Result<Deviations, Invalid> {
    match text.starts_with('[') {
        true => check_literal(text, base).map(|()| Deviations::empty()),
        false => check_domain(text, base, tolerated),
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
