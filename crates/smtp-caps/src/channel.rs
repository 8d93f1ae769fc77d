//! The channel that capabilities were received over: in clear, an attacker may have forged them.
use smtp_error::{Extension, Unsupported};

use crate::Capabilities;

/// The state of the connection when the server sent its capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_structs, reason = "two independent properties")]
pub struct Channel {
    /// Whether the connection was inside TLS, with a server whose certificate was accepted.
    pub tls: bool,
    /// Whether the client had authenticated.
    pub authenticated: bool,
}

impl Channel {
    /// In clear, before authentication: the default.
    pub const CLEAR: Self = Self { tls: false, authenticated: false };
    /// Inside TLS, before authentication.
    pub const TLS: Self = Self { tls: true, authenticated: false };

    /// Returns the same channel after authentication.
    #[must_use]
    pub const fn authenticated(self) -> Self {
        Self { authenticated: true, ..self }
    }
}

impl Capabilities {
    /// Sets the channel that the capabilities were received over.
    #[must_use]
    pub fn with_channel(mut self, channel: Channel) -> Self {
        self.channel = channel;
        self
    }

    /// Returns the channel that the capabilities were received over.
    pub fn channel(&self) -> Channel {
        self.channel
    }

    /// Checks that a client may use this extension.
    ///
    /// # Errors
    /// The server does not offer the extension; it offers BINARYMIME without CHUNKING; or it offers
    /// REQUIRETLS outside TLS.
    pub fn require(&self, extension: Extension) -> Result<(), Unsupported> {
        if !self.has(extension) {
            return Err(Unsupported::Extension(extension));
        }
        match extension {
            // Binary mail data can be sent with BDAT only (RFC 3030, 3).
            Extension::BinaryMime => self.require(Extension::Chunking),
            // A server must not offer REQUIRETLS outside TLS (RFC 8689): an attacker could add the
            // keyword in clear, and the sender would rely on it.
            Extension::RequireTls if !self.channel.tls => Err(Unsupported::OutsideTls(extension)),
            _ => Ok(()),
        }
    }
}
