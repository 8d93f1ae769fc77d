//! What AUTH carries: the name of a mechanism, and responses that nobody may see (RFC 4954).
use alloc::{string::String, vec::Vec};
use core::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use smtp_error::{Field, Flaw, Invalid};

/// The name of a SASL mechanism: 1 to 20 letters, digits, hyphens and underscores.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mechanism(String);

impl Mechanism {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Mechanism {
    type Err = Invalid;

    fn from_str(name: &str) -> Result<Self, Invalid> {
        let allowed = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
        let flaw = match name.bytes().position(|octet| !allowed(octet)) {
            _ if name.is_empty() => Flaw::Empty,
            Some(offset) => Flaw::Syntax { offset },
            None if name.len() > 20 => Flaw::TooLong { length: name.len(), limit: 20 },
            None => return Ok(Self(name.into())),
        };
        Err(Invalid::new(Field::AuthMechanism, flaw))
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The octets of a SASL response, before base64. No `Debug` or `Display` of this crate shows them.
#[derive(Clone, PartialEq, Eq)]
pub struct SaslResponse(Vec<u8>);

impl SaslResponse {
    /// These octets as a response.
    pub fn new(octets: impl Into<Vec<u8>>) -> Self {
        Self(octets.into())
    }

    /// The response as it goes over the wire, without CRLF.
    pub(crate) fn encoded(&self) -> String {
        STANDARD.encode(&self.0)
    }
}

impl fmt::Debug for SaslResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SaslResponse(***)")
    }
}
