//! The name that a client gives itself (RFC 5321, 4.1.1.1 and 4.1.4).
use alloc::{borrow::ToOwned, string::String};
use core::{fmt, net::IpAddr, str::FromStr};

use smtp_error::{Field, Flaw, Invalid};

use crate::{AddressLiteral, Deviations, domain, grammar, idna};

/// The argument of EHLO, HELO and LHLO: a domain in ASCII, or an address literal if the client has
/// no domain. An internationalized domain that is parsed from a string becomes one with A-labels
/// (RFC 6531, 3.7.1). A decoder that tolerates
/// [`HELLO_NAME`](Deviations::HELLO_NAME) accepts other text too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HelloName<S = String>(S);

impl HelloName {
    /// Returns `localhost`, for a transport that has no address.
    pub fn localhost() -> Self {
        Self("localhost".into())
    }
}

impl<S: AsRef<str>> HelloName<S> {
    /// Returns the name of this text.
    ///
    /// # Errors
    /// Refuses text that is neither a domain in ASCII nor an address literal.
    pub fn new(text: S) -> Result<Self, Invalid> {
        Self::tolerating(text, Deviations::empty())
    }

    /// Returns the name of this text; a domain may have [`UNDERSCORE`](Deviations::UNDERSCORE) if
    /// that is `tolerated`.
    ///
    /// # Errors
    /// Refuses text that is neither a domain in ASCII nor an address literal, and a deviation that
    /// is not tolerated.
    pub fn tolerating(text: S, tolerated: Deviations) -> Result<Self, Invalid> {
        check(text.as_ref(), tolerated)?;
        Ok(Self(text))
    }

    /// Returns the name of this text without a check.
    pub(crate) fn unchecked(text: S) -> Self {
        Self(text)
    }

    /// Returns the name as it is sent.
    pub fn as_str(&self) -> &str {
        self.0.as_ref()
    }

    /// Returns the same name, borrowed.
    pub fn borrowed(&self) -> HelloName<&str> {
        HelloName(self.as_str())
    }

    /// Returns the same name, owned.
    pub fn owned(&self) -> HelloName {
        HelloName(self.as_str().to_owned())
    }
}

fn check(text: &str, tolerated: Deviations) -> Result<(), Invalid> {
    check_host(text, tolerated)?;
    match text.bytes().position(|octet| !octet.is_ascii()) {
        Some(offset) => Err(Invalid::new(Field::HelloName, Flaw::NonAscii { offset })),
        None => Ok(()),
    }
}

fn check_host(text: &str, tolerated: Deviations) -> Result<(), Invalid> {
    grammar::check_characters(Field::HelloName, text)?;
    domain::check_host(text, 0, tolerated)
        .map(drop)
        .map_err(|invalid| invalid.in_field(Field::HelloName))
}

impl FromStr for HelloName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        check_host(text, Deviations::empty())?;
        Ok(Self(idna::to_ascii(text).into_owned()))
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
        Self(AddressLiteral::from(address).as_str().to_owned())
    }
}

impl<S: AsRef<str>> fmt::Display for HelloName<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
