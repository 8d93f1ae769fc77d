//! Sockets that the caller has opened.
use std::io;

use mio::net::TcpStream;
#[cfg(unix)]
use mio::net::UnixStream;

use crate::blocking::stream::{Socket, Transport};

/// A socket that is open already, for [`Connector::connect_over`](super::Connector::connect_over).
#[derive(Debug)]
pub struct OpenSocket(Open);

#[derive(Debug)]
enum Open {
    Tcp(std::net::TcpStream),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixStream),
}

impl OpenSocket {
    pub(super) fn into_transport(self) -> io::Result<Transport> {
        let socket = match self.0 {
            Open::Tcp(tcp) => {
                tcp.set_nonblocking(true)?;
                Socket::Tcp(TcpStream::from_std(tcp))
            }
            #[cfg(unix)]
            Open::Unix(unix) => {
                unix.set_nonblocking(true)?;
                Socket::Unix(UnixStream::from_std(unix))
            }
        };
        Transport::new(socket, false)
    }
}

impl From<std::net::TcpStream> for OpenSocket {
    fn from(tcp: std::net::TcpStream) -> Self {
        Self(Open::Tcp(tcp))
    }
}

#[cfg(unix)]
impl From<std::os::unix::net::UnixStream> for OpenSocket {
    fn from(unix: std::os::unix::net::UnixStream) -> Self {
        Self(Open::Unix(unix))
    }
}
