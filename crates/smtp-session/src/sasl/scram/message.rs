//! The server's messages (RFC 5802, 7), taken to the letter.
use std::ops::RangeInclusive;

use smtp_codec::SaslResponse;
use smtp_error::SaslFault;

/// A name with what parts attributes written differently.
pub(in crate::sasl) fn escaped(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

/// The server-first-message.
pub(super) struct ServerFirst {
    /// The client's nonce, followed by the server's.
    pub(super) nonce: String,
    pub(super) salt: Vec<u8>,
    pub(super) iterations: u32,
}

impl ServerFirst {
    /// Reads it. Nothing is computed for a server that asks for too much or too little.
    pub(super) fn parse(
        message: &[u8],
        ours: &str,
        iterations: &RangeInclusive<u32>,
    ) -> Result<Self, SaslFault> {
        let message = std::str::from_utf8(message).map_err(|_| SaslFault::Syntax)?;
        let mut attributes = message.split(',').map(attribute);
        let nonce = expect(attributes.next(), b'r')?;
        let salt = expect(attributes.next(), b's')?;
        let count = expect(attributes.next(), b'i')?;
        extensions(attributes, b"rsi")?;

        let printable = nonce.bytes().all(|octet| octet.is_ascii_graphic());
        match nonce.strip_prefix(ours) {
            Some(theirs) if !theirs.is_empty() && printable => {}
            _ => return Err(SaslFault::Nonce),
        }
        let salt = decode(salt).filter(|salt| !salt.is_empty()).ok_or(SaslFault::Salt)?;
        let fault = SaslFault::WorkFactor { least: *iterations.start(), most: *iterations.end() };
        let digits = count.bytes().all(|octet| octet.is_ascii_digit()) && !count.starts_with('0');
        let count = Some(count).filter(|_| digits).and_then(|count| count.parse().ok());
        let count = count.filter(|count| iterations.contains(count)).ok_or(fault)?;
        Ok(Self { nonce: nonce.to_owned(), salt, iterations: count })
    }
}

/// The server-final-message.
pub(super) enum ServerFinal {
    Signature(Vec<u8>),
    Error,
}

impl ServerFinal {
    /// Parses it. A value that is not a signature proves nothing.
    pub(super) fn parse(message: &[u8]) -> Result<Self, SaslFault> {
        let message = std::str::from_utf8(message).map_err(|_| SaslFault::Signature)?;
        let mut attributes = message.split(',').map(attribute);
        let message = match attributes.next().flatten() {
            Some((b'e', _)) => Self::Error,
            Some((b'v', signature)) => {
                Self::Signature(decode(signature).ok_or(SaslFault::Signature)?)
            }
            _ => return Err(SaslFault::Signature),
        };
        extensions(attributes, b"ve").map_err(|_| SaslFault::Signature)?;
        Ok(message)
    }
}

type Attribute<'a> = Option<(u8, &'a str)>;

/// A letter and its value.
fn attribute(text: &str) -> Attribute<'_> {
    match text.split_once('=')? {
        (letter, value) if letter.len() == 1 && letter.as_bytes()[0].is_ascii_alphabetic() => {
            Some((letter.as_bytes()[0], value))
        }
        _ => None,
    }
}

fn expect(attribute: Option<Attribute<'_>>, letter: u8) -> Result<&str, SaslFault> {
    match attribute.flatten() {
        Some((found, value)) if found == letter => Ok(value),
        Some((b'm', _)) => Err(SaslFault::MandatoryExtension),
        _ => Err(SaslFault::Syntax),
    }
}

/// What follows may be ignored, but it must be an attribute, and not one that was there before.
fn extensions<'a>(
    mut attributes: impl Iterator<Item = Attribute<'a>>,
    known: &[u8],
) -> Result<(), SaslFault> {
    attributes.try_for_each(|attribute| match attribute {
        Some((b'm', _)) => Err(SaslFault::MandatoryExtension),
        Some((letter, _)) if !known.contains(&letter) => Ok(()),
        _ => Err(SaslFault::Syntax),
    })
}

fn decode(text: &str) -> Option<Vec<u8>> {
    SaslResponse::from_base64(text).and_then(|encoded| encoded.decode()).ok()
}
