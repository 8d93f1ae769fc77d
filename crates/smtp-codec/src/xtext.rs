//! xtext: the encoding of values in parameters (RFC 3461, 4).
use alloc::{borrow::ToOwned, string::String, vec::Vec};
use core::fmt;

use smtp_error::{Field, Flaw, Invalid};

use crate::{Deviations, grammar};

/// Text in its xtext form: `+` and two hexadecimal digits for `+`, for `=`, and for every octet
/// that is not printable ASCII.
///
/// The form is kept as it was received: a text has more than one form, and a relay must not change
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Xtext<S = String>(S);

impl Xtext {
    /// Returns the xtext form of these octets.
    pub fn encode(octets: impl AsRef<[u8]>) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        let mut encoded = String::new();
        for &octet in octets.as_ref() {
            if grammar::is_xchar(octet) {
                encoded.push(char::from(octet));
            } else {
                encoded.push('+');
                encoded.push(char::from(DIGITS[usize::from(octet >> 4)]));
                encoded.push(char::from(DIGITS[usize::from(octet & 15)]));
            }
        }
        Self(encoded)
    }
}

impl<S: AsRef<str>> Xtext<S> {
    /// Returns the xtext that is given in its form.
    ///
    /// # Errors
    /// Refuses text that is not xtext. Lower-case hexadecimal digits are accepted, because a relay
    /// has to send them on unchanged; [`deviations`](Self::deviations) reports them.
    pub fn new(encoded: S) -> Result<Self, Invalid> {
        let octets = encoded.as_ref().as_bytes();
        let mut offset = 0;
        while let Some(&octet) = octets.get(offset) {
            offset += match octet {
                octet if grammar::is_xchar(octet) => 1,
                b'+' if is_hex(&octets[offset + 1..]) => 3,
                _ => return Err(Invalid::new(Field::ParameterValue, Flaw::Syntax { offset })),
            };
        }
        Ok(Self(encoded))
    }

    /// Returns [`LOWER_HEX`](Deviations::LOWER_HEX) if a hexadecimal digit is in lower case, which
    /// the grammar does not allow.
    pub fn deviations(&self) -> Deviations {
        deviations(self.as_str())
    }

    /// Returns the form as it is sent.
    pub fn as_str(&self) -> &str {
        self.0.as_ref()
    }

    /// Returns the octets that it stands for.
    pub fn octets(&self) -> impl Iterator<Item = u8> {
        let digit = |octet: u8| match octet {
            b'0'..=b'9' => octet - b'0',
            _ => (octet | 0x20) - b'a' + 10,
        };
        let mut octets = self.as_str().bytes();
        core::iter::from_fn(move || match octets.next()? {
            b'+' => Some(digit(octets.next()?) << 4 | digit(octets.next()?)),
            octet => Some(octet),
        })
    }

    /// Returns the octets that it stands for, collected.
    pub fn decode(&self) -> Vec<u8> {
        self.octets().collect()
    }

    /// Returns the same xtext, owned.
    pub fn owned(&self) -> Xtext {
        Xtext(self.as_str().to_owned())
    }
}

/// Returns how this xtext deviates. Text without a `+` has no deviation.
pub(crate) fn deviations(text: &str) -> Deviations {
    let mut escapes = text.as_bytes().split(|&octet| octet == b'+').skip(1);
    let is_lower = |digits: &[u8]| digits.iter().take(2).any(|octet| matches!(octet, b'a'..=b'f'));
    let mut seen = Deviations::empty();
    seen.set(Deviations::LOWER_HEX, escapes.any(is_lower));
    seen
}

/// Returns whether it begins with two hexadecimal digits.
fn is_hex(octets: &[u8]) -> bool {
    octets.get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}

impl<S: AsRef<str>> fmt::Display for Xtext<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
