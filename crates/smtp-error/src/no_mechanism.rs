//! AUTH mechanisms that the server offers and the client cannot use.
use alloc::{boxed::Box, vec::Vec};
use core::fmt;

/// The client and the server have no AUTH mechanism in common (RFC 4954, 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoMechanism {
    offered: Vec<OfferedMechanism>,
    usable: Vec<Box<str>>,
}

/// A mechanism that the server offers, and why the client cannot use it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OfferedMechanism {
    /// The name as the server gives it; control characters are escaped.
    pub name: Box<str>,
    /// Why the client cannot use it.
    pub obstacle: Obstacle,
}

/// Why a client cannot use a mechanism that the server offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Obstacle {
    /// The client does not implement the mechanism, or the mechanism needs other credentials.
    #[error("not implemented, or needs other credentials")]
    Credentials,
    /// The mechanism needs an access token (OAuth), and the caller has other credentials.
    #[error("needs an access token")]
    Token,
    /// The mechanism is not in the caller's list of allowed mechanisms.
    #[error("not in the list of allowed mechanisms")]
    NotAllowed,
    /// The mechanism needs channel binding, which this connection does not provide: it is in clear,
    /// or its TLS version is below 1.3.
    #[error("needs channel binding, which needs TLS 1.3")]
    ChannelBinding,
    /// The mechanism cannot carry an authorization identity.
    #[error("cannot carry an authorization identity")]
    ActAs,
}

impl NoMechanism {
    /// Returns the error for the mechanisms that the server offers, each with its obstacle, and the
    /// names of those that the client could use.
    pub fn new(
        offered: impl IntoIterator<Item = OfferedMechanism>,
        usable: impl IntoIterator<Item: Into<Box<str>>>,
    ) -> Self {
        let usable = usable.into_iter().map(Into::into).collect();
        Self { offered: offered.into_iter().collect(), usable }
    }

    /// Returns the mechanisms that the server offers, in its order. Empty if AUTH lists none.
    pub fn offered(&self) -> &[OfferedMechanism] {
        &self.offered
    }

    /// Returns the names of the mechanisms that the client could use on this connection if the
    /// server offered them, the preferred one first.
    pub fn usable(&self) -> impl Iterator<Item = &str> {
        self.usable.iter().map(|name| &**name)
    }
}

impl OfferedMechanism {
    /// Returns the mechanism of this name, in octets as the server gives it.
    pub fn new(name: &[u8], obstacle: Obstacle) -> Self {
        Self { name: crate::reply::printable(name).into(), obstacle }
    }
}

impl fmt::Display for NoMechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server offers ")?;
        if self.offered.is_empty() {
            f.write_str("none")?;
        }
        for (number, one) in self.offered.iter().enumerate() {
            let separator = if number == 0 { "" } else { ", " };
            write!(f, "{separator}{} ({})", one.name, one.obstacle)?;
        }
        f.write_str("; the client can use ")?;
        if self.usable.is_empty() {
            f.write_str("none")?;
        }
        for (number, name) in self.usable.iter().enumerate() {
            write!(f, "{}{name}", if number == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}
