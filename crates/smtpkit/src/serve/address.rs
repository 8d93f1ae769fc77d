//! Where a listener listens: an address and port, or the path of a Unix socket.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// An address and a port of this machine. A port alone is one of 127.0.0.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TcpAddress(pub(crate) SocketAddr);

/// A place to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Tcp(TcpAddress),
    Unix(PathBuf),
}

/// A text that is no address to listen at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidAddress {
    #[error("write a port, such as 1025, or an address and a port: 127.0.0.1:1025, [::1]:1025")]
    NotAnAddress,
    #[error("write 0.0.0.0:PORT or [::]:PORT for every address of this machine")]
    Everywhere,
    #[error("write the path of the socket after unix:, such as unix:/run/lmtp")]
    NoPath,
    #[error("this system has no Unix sockets; write an address and a port")]
    NoUnix,
}

impl FromStr for TcpAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let of_port = |port: u16| SocketAddr::new(local, port);
        let address = match text.rsplit_once(':') {
            Some(("", _) | ("*", _)) => return Err(InvalidAddress::Everywhere),
            Some(("localhost", port)) => port.parse().ok().map(of_port),
            Some(_) => text.parse().ok(),
            None => text.parse().ok().map(of_port),
        };
        address.map(Self).ok_or(InvalidAddress::NotAnAddress)
    }
}

impl FromStr for Place {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        match text.strip_prefix("unix:") {
            Some(_) if cfg!(not(unix)) => Err(InvalidAddress::NoUnix),
            Some("") => Err(InvalidAddress::NoPath),
            Some(path) => Ok(Self::Unix(path.into())),
            None => text.parse().map(Self::Tcp),
        }
    }
}

impl TcpAddress {
    /// Returns whether only this machine reaches it.
    pub(crate) fn is_loopback(self) -> bool {
        self.0.ip().to_canonical().is_loopback()
    }
}

impl fmt::Display for TcpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let read = |text: &str| text.parse::<Place>();
        let tcp = |address: &str| Ok(Place::Tcp(TcpAddress(address.parse().unwrap())));
        for (text, place) in [
            ("1025", tcp("127.0.0.1:1025")),
            ("0", tcp("127.0.0.1:0")),
            ("localhost:25", tcp("127.0.0.1:25")),
            ("[::1]:25", tcp("[::1]:25")),
            ("0.0.0.0:25", tcp("0.0.0.0:25")),
            ("*:25", Err(InvalidAddress::Everywhere)),
            (":25", Err(InvalidAddress::Everywhere)),
            ("::1", Err(InvalidAddress::NotAnAddress)),
            ("mail.example", Err(InvalidAddress::NotAnAddress)),
            ("127.0.0.1", Err(InvalidAddress::NotAnAddress)),
            ("70000", Err(InvalidAddress::NotAnAddress)),
            ("unix:", Err(InvalidAddress::NoPath)),
        ] {
            assert_eq!(read(text), place, "{text}");
        }
        #[cfg(unix)]
        assert_eq!(read("unix:/run/lmtp"), Ok(Place::Unix("/run/lmtp".into())));
    }
}
