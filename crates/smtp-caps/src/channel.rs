//! The channel that capabilities were learned in: what is said in clear, anybody may have said.
use smtp_error::{Extension, Unsupported};

use crate::Capabilities;

/// What protected the connection, and whether the client was known, when the server said what it
/// offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_structs, reason = "each of the two is so or not, and both may be")]
pub struct Channel {
    /// Whether it was inside TLS.
    pub tls: bool,
    /// Whether the client had authenticated.
    pub authenticated: bool,
}

impl Channel {
    /// In clear, before authentication: what is assumed unless somebody knows better.
    pub const CLEAR: Self = Self { tls: false, authenticated: false };
    /// Inside TLS, before authentication.
    pub const TLS: Self = Self { tls: true, authenticated: false };

    /// The same channel after authentication.
    #[must_use]
    pub const fn authenticated(self) -> Self {
        Self { authenticated: true, ..self }
    }
}

impl Capabilities {
    /// The same capabilities, learned in this channel.
    #[must_use]
    pub fn learned(mut self, channel: Channel) -> Self {
        self.channel = channel;
        self
    }

    /// The channel that they were learned in.
    pub fn channel(&self) -> Channel {
        self.channel
    }

    /// Whether this extension may be used: it is offered, and so is what it builds on.
    ///
    /// # Errors
    /// Says what is missing: the extension; CHUNKING, without which BINARYMIME is of no use; or
    /// TLS, outside which REQUIRETLS does not count (RFC 8689).
    pub fn require(&self, extension: Extension) -> Result<(), Unsupported> {
        if !self.has(extension) {
            return Err(Unsupported::Extension(extension));
        }
        match extension {
            Extension::BinaryMime => self.require(Extension::Chunking),
            Extension::RequireTls if !self.channel.tls => Err(Unsupported::OutsideTls(extension)),
            _ => Ok(()),
        }
    }
}
