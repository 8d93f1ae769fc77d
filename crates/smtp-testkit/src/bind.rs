//! Listening on an address, and the error if that fails.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{self, SocketAddr};
use std::path::PathBuf;

/// The server could not listen on the address.
///
/// Both `Display` and `Debug` name the address, the error of the system and what to do. The
/// [`io::Error`] made from it has the same kind and contains it.
#[non_exhaustive]
pub enum BindError {
    /// A TCP address.
    Tcp {
        /// The requested address and port; port 0 means any free port.
        addr: SocketAddr,
        /// The error of the system.
        source: io::Error,
    },
    /// A Unix socket.
    Unix {
        /// The requested path of the socket.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
}

impl BindError {
    /// Returns the kind of the system's error, such as [`io::ErrorKind::AddrInUse`].
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

/// Listens on `addr` without a runtime; the listener is non-blocking.
pub(crate) fn listen(addr: SocketAddr) -> Result<net::TcpListener, BindError> {
    let listen = || {
        let listener = net::TcpListener::bind(addr)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    listen().map_err(|source| BindError::Tcp { addr, source })
}
