//! The mechanisms of AUTH that a server offers and a client cannot use.
use alloc::{boxed::Box, vec::Vec};
use core::fmt;

/// The client and the server have no AUTH mechanism in common (RFC 4954, 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoMechanism {
    offered: Vec<OfferedMechanism>,
    usable: Vec<Box<str>>,
}

/// A mechanism that the server offers, and why the client does not use it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OfferedMechanism {
    /// The name as the server gives it; control characters are escaped.
    pub name: Box<str>,
    /// Why the client does not use it.
    pub obstacle: Obstacle,
}

/// Why a client does not use a mechanism that the server offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Obstacle {
    /// The client does not implement the mechanism, or has other credentials than it needs.
    #[error("not for these credentials")]
    Credentials,
    /// The caller listed the mechanisms that may be used, and this is not one of them.
    #[error("not among the mechanisms that the caller allows")]
    NotAllowed,
    /// The mechanism binds the login to the TLS connection, and this one cannot be bound to: it is
    /// in clear, or its TLS version is below 1.3.
    #[error("needs channel binding, which needs TLS 1.3")]
    ChannelBinding,
    /// The mechanism cannot carry the identity to act as.
    #[error("cannot act as another identity")]
    ActAs,
}

impl NoMechanism {
    /// The mechanisms that are offered, each with its obstacle, and those that could be used.
    pub fn new(
        offered: impl IntoIterator<Item = OfferedMechanism>,
        usable: impl IntoIterator<Item: Into<Box<str>>>,
    ) -> Self {
        let usable = usable.into_iter().map(Into::into).collect();
        Self { offered: offered.into_iter().collect(), usable }
    }

    /// Returns the mechanisms that the server offers, in its order. Empty if AUTH names none.
    pub fn offered(&self) -> &[OfferedMechanism] {
        &self.offered
    }

    /// Returns the names of the mechanisms that could be used on this connection if the server
    /// offered them, the preferred one first.
    pub fn usable(&self) -> impl Iterator<Item = &str> {
        self.usable.iter().map(|name| &**name)
    }
}

impl OfferedMechanism {
    /// The mechanism of this name, in octets as the server gives it.
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
