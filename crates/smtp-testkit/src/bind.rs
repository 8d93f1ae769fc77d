//! Where a server listens, and why it cannot.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{self, SocketAddr};
use std::path::PathBuf;

/// A server could not listen where it was to.
///
/// Both `Display` and `Debug` name the address, say what the system said, and what to do. An
/// [`io::Error`] that is made of it has the same kind, and carries it.
#[non_exhaustive]
pub enum BindError {
    /// On TCP.
    Tcp {
        /// The address and the port that were asked for; port 0 is any free one.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// On a Unix socket.
    Unix {
        /// Where the socket was to be.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl BindError {
    /// The kind of the system's error, such as [`io::ErrorKind::AddrInUse`].
    pub fn kind(&self) -> io::ErrorKind {
        self.cause().kind()
    }

    fn cause(&self) -> &io::Error {
        match self {
            Self::Tcp { source, .. } | Self::Unix { source, .. } => source,
        }
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { addr, .. } => write!(f, "cannot listen on {addr}")?,
            Self::Unix { path, .. } => write!(f, "cannot listen on {}", path.display())?,
        }
        write!(f, ": {}", self.cause())?;
        f.write_str(match (self, self.kind()) {
            (Self::Tcp { .. }, io::ErrorKind::AddrInUse) => {
                "; another process or test listens there, and port 0 takes a free port"
            }
            (Self::Unix { .. }, io::ErrorKind::AddrInUse) => {
                "; a file is there already, and each server needs a path of its own"
            }
            (Self::Tcp { .. }, io::ErrorKind::AddrNotAvailable) => {
                "; no interface of this machine has this address"
            }
            (Self::Tcp { addr, .. }, io::ErrorKind::PermissionDenied) if addr.port() < 1024 => {
                "; ports below 1024 need privileges on this system"
            }
            _ => "",
        })
    }
}

impl fmt::Debug for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for BindError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.cause())
    }
}

impl From<BindError> for io::Error {
    fn from(error: BindError) -> Self {
        Self::new(error.kind(), error)
    }
}

/// Listens on `addr`; the runtime that is to serve it takes the result.
pub(crate) fn listen(addr: SocketAddr) -> Result<net::TcpListener, BindError> {
    let listen = || {
        let listener = net::TcpListener::bind(addr)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    listen().map_err(|source| BindError::Tcp { addr, source })
}
