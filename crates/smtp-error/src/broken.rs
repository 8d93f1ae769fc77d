//! Failures of the connection.
use alloc::{boxed::Box, vec::Vec};
use core::{fmt, net::SocketAddr, time::Duration};

use crate::{Cause, ProxyError};

/// The connection failed: the operation ended without a reply that decided it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Broken {
    /// The server closed the connection.
    #[error("the server closed the connection")]
    Closed,
    /// The server sent nothing, or took no octets, within the timeout of the step.
    #[error("timed out after {after:?}")]
    TimedOut {
        /// The timeout of the step.
        after: Duration,
    },
    /// The operation as a whole did not finish within the time that the caller allows.
    #[error("the operation did not finish within {limit:?}")]
    Deadline {
        /// The time that the caller allows.
        limit: Duration,
    },
    /// A host name has several addresses, and connecting to each of them failed.
    #[error("could not connect to any of {} addresses{}", .0.len(), AttemptList(.0))]
    Unreachable(Vec<Attempt>),
    /// The host name does not exist, or has no address.
    #[error("unknown host: {0}")]
    UnknownHost(#[source] Cause),
    /// No connection of a mailer became free within the time that a message may wait: all of them
    /// were busy.
    #[error("all connections of the mailer were busy for {after:?}, its wait timeout")]
    NoConnection {
        /// The time that a message may wait.
        after: Duration,
    },
    /// The first connection of a mailer was still being opened when the time ended that a message
    /// may wait.
    #[error("no connection was open within {after:?}, the wait timeout of the mailer")]
    StillConnecting {
        /// The time that a message may wait.
        after: Duration,
    },
    /// The proxy did not connect the client to the server.
    #[error(transparent)]
    Proxy(Box<ProxyError>),
    /// The transport failed.
    #[error("{0}")]
    Io(#[source] Cause),
    /// TLS failed: the handshake, or the check of the server's certificate.
    #[error("{0}")]
    Tls(#[source] Cause),
}

impl Broken {
    /// Returns whether another attempt may succeed: not if TLS failed, the host is unknown, or a
    /// proxy refuses what is asked of it.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Tls(_) | Self::UnknownHost(_) => false,
            Self::Proxy(proxy) => proxy.is_transient(),
            _ => true,
        }
    }
}

impl From<ProxyError> for Broken {
    fn from(error: ProxyError) -> Self {
        Self::Proxy(Box::new(error))
    }
}

/// A failed attempt to connect to an address.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// The address.
    pub address: SocketAddr,
    /// Why the attempt failed. Those that were under way when the time of the whole operation
    /// ended failed with its [`Deadline`](Broken::Deadline).
    pub broken: Broken,
}

impl Attempt {
    /// Returns an attempt to connect to `address` that failed with `broken`.
    pub fn new(address: SocketAddr, broken: Broken) -> Self {
        Self { address, broken }
    }
}

/// Displays each attempt after a semicolon.
struct AttemptList<'a>(&'a [Attempt]);

impl fmt::Display for AttemptList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|attempt| write!(f, "; {}: {}", attempt.address, attempt.broken))
    }
}

#[cfg(feature = "std")]
impl From<std::io::Error> for Broken {
    fn from(error: std::io::Error) -> Self {
        Self::Io(Cause::new(error))
    }
}
