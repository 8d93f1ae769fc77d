//! Envelopes from the caller that cannot be sent: which address is wrong, and why.
use alloc::boxed::Box;
use core::{convert::Infallible, fmt};

use crate::{Error, Field, Flaw, Invalid, Step, reply::printable};

/// Why addresses make no envelope. Nothing was sent.
///
/// `Display` names the address: `recipient 417, "bob@@example.org": unexpected '@' at octet 4`.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidEnvelope {
    /// The sender is not valid.
    Sender(InvalidAddress),
    /// A recipient is not valid.
    Recipient {
        /// The position among the recipients, counted from 0. `Display` counts from 1.
        position: usize,
        /// The address, and what is wrong with it.
        invalid: InvalidAddress,
    },
    /// There is no recipient.
    NoRecipients,
}

impl InvalidEnvelope {
    /// Returns the address that is not valid, if one is.
    pub fn address(&self) -> Option<&InvalidAddress> {
        match self {
            Self::Sender(invalid) | Self::Recipient { invalid, .. } => Some(invalid),
            Self::NoRecipients => None,
        }
    }

    /// Returns what is wrong, without the address.
    pub fn why(&self) -> Invalid {
        let no_recipients = Invalid::new(Field::Recipients, Flaw::Empty);
        self.address().map_or(no_recipients, InvalidAddress::why)
    }
}

impl core::error::Error for InvalidEnvelope {}

/// The text, and the fields with `{:#?}`.
impl fmt::Debug for InvalidEnvelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            _ if !f.alternate() => fmt::Display::fmt(self, f),
            Self::Sender(invalid) => f.debug_tuple("Sender").field(invalid).finish(),
            Self::Recipient { position, invalid } => {
                let mut recipient = f.debug_struct("Recipient");
                recipient.field("position", position).field("invalid", invalid).finish()
            }
            Self::NoRecipients => f.write_str("NoRecipients"),
        }
    }
}

impl fmt::Display for InvalidEnvelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sender(invalid) if invalid.0.address.is_some() => write!(f, "sender {invalid}"),
            Self::Sender(invalid) => write!(f, "sender: {invalid}"),
            Self::Recipient { position, invalid } => {
                let separator = if invalid.0.address.is_some() { ',' } else { ':' };
                write!(f, "recipient {}{separator} {invalid}", position + 1)
            }
            Self::NoRecipients => f.write_str("an envelope needs at least one recipient"),
        }
    }
}

/// An address that cannot be sent, and why.
#[derive(Clone, PartialEq, Eq)]
pub struct InvalidAddress(Box<Inner>);

/// In a box, so that no result has to have room for it.
#[derive(Clone, PartialEq, Eq)]
struct Inner {
    address: Option<Box<str>>,
    why: Invalid,
}

impl InvalidAddress {
    /// The most characters of an address that are kept.
    pub const MAX: usize = 80;

    /// Returns this flaw of this address. Control characters are escaped, and an address that is
    /// too long is cut, so that the rest is safe to log.
    #[cold]
    pub fn new(address: &str, why: Invalid) -> Self {
        let end = address.char_indices().nth(Self::MAX).map(|(end, _)| end);
        let kept = printable(&address.as_bytes()[..end.unwrap_or(address.len())]);
        let cut = if end.is_some() { "..." } else { "" };
        Self(Box::new(Inner { address: Some((kept + cut).into()), why }))
    }

    /// Returns the address: escaped, and if it has more than [`MAX`](Self::MAX) characters, these
    /// and `...`. `None` if only the flaw is known.
    pub fn address(&self) -> Option<&str> {
        self.0.address.as_deref()
    }

    /// Returns what is wrong with it. Offsets count in the address as it was given.
    pub fn why(&self) -> Invalid {
        self.0.why
    }
}

impl core::error::Error for InvalidAddress {}

/// The text, and the fields with `{:#?}`.
impl fmt::Debug for InvalidAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return fmt::Display::fmt(self, f);
        }
        let Inner { address, why } = &*self.0;
        f.debug_struct("InvalidAddress").field("address", address).field("why", why).finish()
    }
}

impl fmt::Display for InvalidAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(address) = &self.0.address {
            f.write_str("\"")?;
            for (number, part) in address.split('"').enumerate() {
                f.write_str(if number > 0 { "\\\"" } else { "" })?;
                f.write_str(part)?;
            }
            f.write_str("\": ")?;
        }
        match self.0.why.field {
            Field::ReversePath | Field::ForwardPath | Field::Mailbox => self.0.why.flaw.fmt(f)?,
            _ => fmt::Display::fmt(&self.0.why, f)?,
        }
        f.write_str(match self.0.why.flaw {
            Flaw::Unexpected { character: ',' | ';', .. } => " (hint: give each address alone)",
            // Other systems accept them.
            Flaw::Unexpected { character: '_', .. } => " (hint: `Mailbox::tolerating` accepts it)",
            _ => "",
        })
    }
}

impl From<Invalid> for InvalidAddress {
    fn from(why: Invalid) -> Self {
        Self(Box::new(Inner { address: None, why }))
    }
}

impl From<Infallible> for InvalidAddress {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl From<InvalidAddress> for Invalid {
    fn from(invalid: InvalidAddress) -> Self {
        invalid.0.why
    }
}

impl From<InvalidEnvelope> for Invalid {
    fn from(invalid: InvalidEnvelope) -> Self {
        invalid.why()
    }
}

impl From<InvalidEnvelope> for Error {
    fn from(invalid: InvalidEnvelope) -> Self {
        let step = match invalid {
            InvalidEnvelope::Sender(_) => Step::Mail,
            InvalidEnvelope::Recipient { .. } | InvalidEnvelope::NoRecipients => Step::Rcpt,
        };
        Self::new(step, invalid)
    }
}
