//! Requests that exceed what the server offers.
use core::fmt;

use crate::{Extension, NoMechanism};

/// The server, or the client, does not support what the caller asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unsupported {
    /// The operation needs an extension that the server does not offer.
    #[error("the server does not offer {0}")]
    Extension(Extension),
    /// The client does not implement what this extension needs.
    #[error("this client does not implement {0}")]
    ByClient(Extension),
    /// The message is larger than the server accepts (RFC 1870). Sizes are octets.
    #[error("the message has {size} octets, the server accepts at most {limit}")]
    TooBig {
        /// The size of the message.
        size: u64,
        /// The largest size that the server accepts.
        limit: u64,
    },
    /// The server offered an extension outside TLS that is valid only inside it, because an attacker
    /// can forge an offer in clear.
    #[error("the server offered {0} outside TLS, where it is not valid")]
    OutsideTls(Extension),
    /// The server offers no AUTH mechanism that the client can use.
    #[error("no AUTH mechanism in common: {0}")]
    Mechanism(NoMechanism),
    /// The connection is in clear, and every AUTH mechanism that the client could use would reveal
    /// the secret.
    #[error("refusing to send the password or token over an unencrypted connection")]
    ClearText,
    /// The server's certificate was not verified, and every AUTH mechanism that the client could use
    /// would reveal the secret to the server, which may be another one.
    #[error(
        "refusing to send the password or token to a server whose certificate was not verified"
    )]
    Unverified,
    /// STARTTLS was asked for on a connection that has TLS.
    #[error("TLS protects the connection already")]
    InsideTls,
    /// The session is authenticated, and a session allows one AUTH only (RFC 4954, 4).
    #[error("the session is already authenticated")]
    Authenticated,
    /// The server's capabilities are not those that the caller remembered from an earlier session.
    /// Nothing of a message was sent.
    #[error("the server's capabilities differ from the remembered ones")]
    Changed,
    /// The server does not list this attribute of a client for XCLIENT or XFORWARD.
    #[error(
        "attribute number {number} is not among those that the server accepts with {extension}"
    )]
    Attribute {
        /// The extension.
        extension: Extension,
        /// The position of the attribute among those that the caller gave, from 1.
        number: usize,
    },
    /// The operation exceeds a limit of the server (RFC 9422).
    #[error("{asked} {what}, the server accepts at most {limit}")]
    TooMany {
        /// What the limit is about.
        what: Limited,
        /// The number that the operation needs.
        asked: u64,
        /// The most that the server accepts.
        limit: u64,
    },
    /// The value of a parameter is outside the range that the server accepts.
    #[error("{extension}: {bound}")]
    OutOfRange {
        /// The extension that the parameter belongs to.
        extension: Extension,
        /// The bound that the value exceeds.
        bound: Bound,
    },
}

/// What the limits of a server are about (RFC 9422).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limited {
    /// Mail transactions in one session.
    Transactions,
    /// Recipients of one message.
    Recipients,
    /// Different domains of recipients in one session.
    RecipientDomains,
}

impl fmt::Display for Limited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Transactions => "mail transactions in one session",
            Self::Recipients => "recipients",
            Self::RecipientDomains => "domains of recipients in one session",
        })
    }
}

/// A bound of the server, and the value that the caller asked for. Times are seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Bound {
    /// The value is lower than the server accepts.
    #[error("{asked} seconds requested, the server accepts at least {minimum}")]
    AtLeast {
        /// The value that the caller asked for.
        asked: u32,
        /// The least that the server accepts.
        minimum: u32,
    },
    /// The value is higher than the server accepts.
    #[error("{asked} seconds requested, the server accepts at most {maximum}")]
    AtMost {
        /// The value that the caller asked for.
        asked: u32,
        /// The most that the server accepts.
        maximum: u32,
    },
    /// The date and time is later than the server accepts.
    #[error("the requested date and time is later than the server accepts")]
    NotAfter,
}
