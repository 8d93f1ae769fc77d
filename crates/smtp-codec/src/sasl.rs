//! The arguments of AUTH: the name of a mechanism, and responses, which are secret (RFC 4954).
use alloc::{borrow::ToOwned, string::String, vec::Vec};
use core::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use smtp_error::{Field, Flaw, Invalid};

/// The name of a SASL mechanism: 1 to 20 letters, digits, hyphens and underscores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mechanism<S = String>(S);

impl<S: AsRef<str>> Mechanism<S> {
    /// Returns the mechanism of this name.
    ///
    /// # Errors
    /// Refuses text that is not such a name.
    pub fn new(name: S) -> Result<Self, Invalid> {
        let text = name.as_ref();
        let allowed = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
        let flaw = match text.bytes().position(|octet| !allowed(octet)) {
            _ if text.is_empty() => Flaw::Empty,
            Some(offset) => Flaw::Syntax { offset },
            None if text.len() > 20 => Flaw::TooLong { length: text.len(), limit: 20 },
            None => return Ok(Self(name)),
        };
        Err(Invalid::new(Field::AuthMechanism, flaw))
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        self.0.as_ref()
    }

    /// Returns the same mechanism, borrowed.
    pub fn borrowed(&self) -> Mechanism<&str> {
        Mechanism(self.as_str())
    }
}

impl Mechanism<&'static str> {
    /// No identity (RFC 4505).
    pub const ANONYMOUS: Self = Self("ANONYMOUS");
    /// A keyed MD5 of a challenge (RFC 2195).
    pub const CRAM_MD5: Self = Self("CRAM-MD5");
    /// An identity that is known from elsewhere, such as a TLS certificate (RFC 4422).
    pub const EXTERNAL: Self = Self("EXTERNAL");
    /// User name and password as they are, one after the other; it was never standardized.
    pub const LOGIN: Self = Self("LOGIN");
    /// An OAuth access token (RFC 7628).
    pub const OAUTHBEARER: Self = Self("OAUTHBEARER");
    /// User name and password as they are (RFC 4616).
    pub const PLAIN: Self = Self("PLAIN");
    /// A proof that both sides know the password (RFC 5802).
    pub const SCRAM_SHA_1: Self = Self("SCRAM-SHA-1");
    /// The same, bound to the TLS connection.
    pub const SCRAM_SHA_1_PLUS: Self = Self("SCRAM-SHA-1-PLUS");
    /// The same with SHA-256 (RFC 7677).
    pub const SCRAM_SHA_256: Self = Self("SCRAM-SHA-256");
    /// The same with SHA-256, bound to the TLS connection.
    pub const SCRAM_SHA_256_PLUS: Self = Self("SCRAM-SHA-256-PLUS");
    /// An OAuth access token, in the way that some providers had before the standard.
    pub const XOAUTH2: Self = Self("XOAUTH2");
}

impl From<Mechanism<&str>> for Mechanism {
    fn from(borrowed: Mechanism<&str>) -> Self {
        Self(borrowed.0.to_owned())
    }
}

impl FromStr for Mechanism {
    type Err = Invalid;

    fn from_str(name: &str) -> Result<Self, Invalid> {
        Self::new(name.to_owned())
    }
}

impl<S: AsRef<str>> fmt::Display for Mechanism<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A SASL response or challenge in base64, the form in which it is sent. No `Debug` or `Display` of
/// this crate shows it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SaslResponse<S = String>(S);

impl SaslResponse {
    /// Returns the response of these octets.
    pub fn new(octets: impl AsRef<[u8]>) -> Self {
        Self(STANDARD.encode(octets))
    }

    /// Returns the response in base64, for a caller that overwrites it after use.
    pub fn into_base64(self) -> String {
        self.0
    }
}

impl<S: AsRef<str>> SaslResponse<S> {
    /// Returns the response of this base64.
    ///
    /// # Errors
    /// Refuses text that is not base64: other characters, or wrong padding (RFC 4954, 4).
    pub fn from_base64(encoded: S) -> Result<Self, Invalid> {
        let text = encoded.as_ref();
        let data = text.trim_end_matches('=');
        let padding = text.len() - data.len();
        let allowed = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/');
        let offset = match data.bytes().position(|octet| !allowed(octet)) {
            Some(offset) => offset,
            None if padding > 2 || text.len() % 4 != 0 => text.len(),
            None => return Ok(Self(encoded)),
        };
        Err(Invalid::new(Field::AuthResponse, Flaw::Syntax { offset }))
    }

    /// Returns the octets.
    ///
    /// # Errors
    /// Refuses base64 whose last character before the padding has bits that are not used.
    pub fn decode(&self) -> Result<Vec<u8>, Invalid> {
        let offset = self.as_base64().len();
        STANDARD
            .decode(self.as_base64())
            .map_err(|_| Invalid::new(Field::AuthResponse, Flaw::Syntax { offset }))
    }

    /// Returns the response in base64, without CRLF.
    pub fn as_base64(&self) -> &str {
        self.0.as_ref()
    }

    /// Returns the same response, borrowed.
    pub fn borrowed(&self) -> SaslResponse<&str> {
        SaslResponse(self.as_base64())
    }
}

impl<S> fmt::Debug for SaslResponse<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SaslResponse(***)")
    }
}
