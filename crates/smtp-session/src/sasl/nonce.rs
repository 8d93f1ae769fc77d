//! Nonces: what makes an exchange unlike every other.
use std::fmt;

use smtp_codec::SaslResponse;

/// Octets that were never used before and cannot be guessed. The session has no randomness of its
/// own, so that its driver supplies them; the clients take them from the operating system.
///
/// It is good for one login, and deliberately no `Clone`.
pub struct Nonce(String);

impl Nonce {
    /// The nonce of these octets: at least 16, from a source of randomness that is fit for
    /// cryptography.
    pub fn new(octets: impl AsRef<[u8]>) -> Self {
        Self(SaslResponse::new(octets).into_base64())
    }

    /// The nonce for one more exchange of the same login. The first gets the octets alone.
    pub(super) fn for_exchange(&self, number: usize) -> String {
        match number {
            0 => self.0.clone(),
            number => format!("{}{number}", self.0),
        }
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonce(***)")
    }
}
