//! Peers: the server that an error is about.
use alloc::boxed::Box;
use core::{
    fmt,
    net::{Ipv6Addr, SocketAddr},
};

use crate::reply::printable;

/// The server that an error is about: its host and port, or the path of its Unix socket, and the
/// address that the client had connected to.
///
/// `Display` shows all that is known: `mail.example.org:587 (192.0.2.1)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    host: Box<str>,
    port: Option<u16>,
    address: Option<SocketAddr>,
}

impl Peer {
    /// Returns the server on this port of a host, which is a name or an IP address without
    /// brackets. Control characters are escaped.
    pub fn tcp(host: &str, port: u16) -> Self {
        Self { port: Some(port), ..Self::unix(host) }
    }

    /// Returns the server on the Unix socket of this path. Control characters are escaped.
    pub fn unix(path: &str) -> Self {
        Self { host: printable(path.as_bytes()).into(), port: None, address: None }
    }

    /// Sets the address of the host.
    #[must_use]
    pub fn with_address(self, address: SocketAddr) -> Self {
        Self { address: Some(address), ..self }
    }

    /// Returns the host, a name or an IP address, or the path of a Unix socket.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port; `None` for a Unix socket.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Returns the address that the client connected to, or could not connect to; `None` if there
    /// is none yet, or more than one, or if the caller opened the stream.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = &self.host;
        match self.port {
            None => return f.write_str(host),
            Some(port) if host.parse::<Ipv6Addr>().is_ok() => write!(f, "[{host}]:{port}")?,
            Some(port) => write!(f, "{host}:{port}")?,
        }
        match self.address.map(|address| address.ip()) {
            // The host is the address.
            Some(ip) if host.parse() != Ok(ip) => write!(f, " ({ip})"),
            _ => Ok(()),
        }
    }
}
