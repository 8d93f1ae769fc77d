//! The broken line, and how it broke.
use alloc::vec::Vec;
use core::{fmt, net::SocketAddr, time::Duration};

use crate::Cause;

/// The line broke: no word of the server's ended the operation.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Broken {
    /// The other side closed the connection.
    #[error("the server closed the connection")]
    Closed,
    /// Nothing happened for as long as this step may take.
    #[error("timed out after {after:?}")]
    TimedOut {
        /// How long was waited.
        after: Duration,
    },
    /// The operation as a whole took longer than the caller allows.
    #[error("the operation took longer than {limit:?}")]
    Deadline {
        /// What the caller allows.
        limit: Duration,
    },
    /// None of the several addresses of a name could be connected to.
    #[error("none of {} addresses could be reached{}", .0.len(), Listed(.0))]
    Unreachable(Vec<Attempt>),
    /// The transport failed.
    #[error("{0}")]
    Io(#[source] Cause),
    /// TLS failed: the handshake, or the check of the server's certificate.
    #[error("{0}")]
    Tls(#[source] Cause),
}

/// An address that could not be connected to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// The address.
    pub address: SocketAddr,
    /// Why not. The last of several may be the [`Deadline`](Broken::Deadline) of them all.
    pub broken: Broken,
}

impl Attempt {
    /// This address failed in this way.
    pub fn new(address: SocketAddr, broken: Broken) -> Self {
        Self { address, broken }
    }
}

/// Shows each attempt behind a semicolon.
struct Listed<'a>(&'a [Attempt]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|one| write!(f, "; {}: {}", one.address, one.broken))
    }
}

#[cfg(feature = "std")]
impl From<std::io::Error> for Broken {
    fn from(error: std::io::Error) -> Self {
        Self::Io(Cause::new(error))
    }
}
