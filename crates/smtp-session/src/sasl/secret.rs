//! Secrets: passwords and tokens.
use std::fmt;

use smtp_error::{Field, Flaw, Invalid};
use zeroize::Zeroizing;

/// A password or a token: overwritten when it is dropped, and never shown.
///
/// A copy of it that was made before, such as the `String` that it was read into, is not
/// overwritten; nor are the buffers of TLS and of the operating system.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Refuses an empty secret, and one with a NUL, which parts the fields of PLAIN.
    pub(super) fn check(&self, field: Field) -> Result<(), Invalid> {
        check(field, self.expose())
    }
}

/// Refuses an empty value, and one with a NUL.
pub(super) fn check(field: Field, value: &str) -> Result<(), Invalid> {
    let flaw = match value.find('\0') {
        Some(offset) => Flaw::Nul { offset },
        None if value.is_empty() => Flaw::Empty,
        None => return Ok(()),
    };
    Err(Invalid::new(field, flaw))
}

/// Refuses control characters, of which SOH parts the fields of OAuth mechanisms.
pub(super) fn check_controls(field: Field, value: &str) -> Result<(), Invalid> {
    match value.char_indices().find(|(_, character)| character.is_control()) {
        Some((offset, character)) => Err(Invalid::new(field, Flaw::Control { character, offset })),
        None => Ok(()),
    }
}

impl From<String> for Secret {
    fn from(secret: String) -> Self {
        Self(Zeroizing::new(secret))
    }
}

impl From<&str> for Secret {
    fn from(secret: &str) -> Self {
        Self::from(secret.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}
