//! What a server cannot do, or does not do to the extent that was asked for.
use core::fmt;

use crate::{Extension, NoMechanism};

/// The server does not offer what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unsupported {
    /// An extension is needed and was not offered.
    #[error("the server does not offer {0}")]
    Extension(Extension),
    /// The client does not do what this extension needs, whatever the server offers.
    #[error("this client does not do {0}")]
    ByClient(Extension),
    /// The message is larger than the server takes (RFC 1870). Sizes are octets.
    #[error("the message has {size} octets, the server takes at most {limit}")]
    TooBig {
        /// The size of the message.
        size: u64,
        /// The largest that the server takes.
        limit: u64,
    },
    /// An extension that counts only inside TLS was offered outside it, where anybody can offer it.
    #[error("{0} was offered outside TLS, where it does not count")]
    OutsideTls(Extension),
    /// AUTH offers no mechanism that the client can use.
    #[error("no AUTH mechanism in common: {0}")]
    Mechanism(NoMechanism),
    /// The connection is in clear, where every mechanism that could be used would reveal the
    /// secret.
    #[error("the secret would go over a connection in clear")]
    ClearText,
    /// The session is authenticated, and AUTH is taken once only (RFC 4954, 4).
    #[error("the session is authenticated already")]
    Authenticated,
    /// The server offers something else than was remembered of it. Nothing of a message was sent.
    #[error("the server offers something else than was remembered")]
    Changed,
    /// The server does not list this attribute of a client for XCLIENT or XFORWARD.
    #[error("the server does not take attribute {number} with {extension}")]
    Attribute {
        /// The extension.
        extension: Extension,
        /// Which of the attributes that were given, from 1.
        number: usize,
    },
    /// More is asked for than the server takes (RFC 9422).
    #[error("{asked} {what}, the server takes at most {limit}")]
    TooMany {
        /// What there is too much of.
        what: Limited,
        /// How many are asked for.
        asked: u64,
        /// How many the server takes.
        limit: u64,
    },
    /// A parameter asks for less or more than the server grants.
    #[error("{extension}: {bound}")]
    OutOfRange {
        /// The extension that the parameter belongs to.
        extension: Extension,
        /// What the server grants.
        bound: Bound,
    },
}

/// What a server may take a limited number of (RFC 9422).
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

/// What a server grants, and what was asked of it. Times are seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Bound {
    /// Less was asked for than the server takes.
    #[error("{asked} seconds were asked for, the server takes at least {minimum}")]
    AtLeast {
        /// What was asked for.
        asked: u32,
        /// The least that the server takes.
        minimum: u32,
    },
    /// More was asked for than the server takes.
    #[error("{asked} seconds were asked for, the server takes at most {maximum}")]
    AtMost {
        /// What was asked for.
        asked: u32,
        /// The most that the server takes.
        maximum: u32,
    },
    /// A date and time was asked for that is later than the server takes.
    #[error("the date and time is later than the server takes")]
    NotAfter,
}
