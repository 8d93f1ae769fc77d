//! Streams: sockets that never block, and how they are waited for.
use std::{
    io::{self, IoSlice, Read, Write},
    net::{IpAddr, Shutdown, SocketAddr},
};

#[cfg(unix)]
use mio::net::UnixStream;
use mio::{Interest, Registry, Token, event::Source, net::TcpStream};
use rustls::ClientConnection;

use crate::{
    blocking::{readiness::Readiness, records::TlsStream},
    clock::Instant,
    tls::Protection,
};

/// A stream in clear, and what tells when it is ready.
pub(crate) struct Transport {
    socket: Socket,
    readiness: Readiness,
    /// The address that the server sees, if it is known not to be that of the socket.
    seen_as: Option<IpAddr>,
    /// Where it leads is known: this client has opened it.
    is_own: bool,
}

/// A socket that does not block.
pub(super) enum Socket {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

/// Calls the same method on whichever socket it is.
macro_rules! delegate {
    ($socket:expr, $inner:ident => $call:expr) => {
        match $socket {
            Socket::Tcp($inner) => $call,
            #[cfg(unix)]
            Socket::Unix($inner) => $call,
        }
    };
}

impl Socket {
    /// Returns whether the other side has taken the connection.
    pub(super) fn is_connected(&self) -> io::Result<bool> {
        if let Some(error) = delegate!(self, inner => inner.take_error())? {
            return Err(error);
        }
        match delegate!(self, inner => inner.peer_addr().map(drop)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Source for Socket {
    fn register(&mut self, to: &Registry, token: Token, interest: Interest) -> io::Result<()> {
        delegate!(self, inner => inner.register(to, token, interest))
    }

    fn reregister(&mut self, to: &Registry, token: Token, interest: Interest) -> io::Result<()> {
        delegate!(self, inner => inner.reregister(to, token, interest))
    }

    fn deregister(&mut self, from: &Registry) -> io::Result<()> {
        delegate!(self, inner => inner.deregister(from))
    }
}

impl Transport {
    pub(super) fn new(mut socket: Socket, is_own: bool) -> io::Result<Self> {
        if let Socket::Tcp(tcp) = &socket {
            // A group of commands leaves in one write; nothing may hold it back.
            let _ = tcp.set_nodelay(true);
        }
        let readiness = Readiness::new()?;
        readiness.add(&mut socket)?;
        Ok(Self { socket, readiness, seen_as: None, is_own })
    }

    /// The same stream, which the server sees as one from this address.
    pub(super) fn seen_as(self, ip: IpAddr) -> Self {
        Self { seen_as: Some(ip), is_own: false, ..self }
    }

    /// The address of this end, where there is one.
    pub(super) fn local_ip(&self) -> Option<IpAddr> {
        let of_socket = || match &self.socket {
            Socket::Tcp(tcp) => tcp.local_addr().ok().map(|address| address.ip()),
            #[cfg(unix)]
            Socket::Unix(_) => None,
        };
        self.seen_as.or_else(of_socket)
    }

    /// Returns the address that a TCP stream is connected to.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Tcp(tcp) => tcp.peer_addr().ok(),
            #[cfg(unix)]
            Socket::Unix(_) => None,
        }
    }

    /// Returns whether no other machine can read the traffic.
    pub(super) fn is_confined(&self) -> bool {
        self.is_own && !matches!(self.socket, Socket::Tcp(_))
    }

    /// Returns whether the other side has taken the connection.
    pub(super) fn is_connected(&self) -> io::Result<bool> {
        self.socket.is_connected()
    }

    /// Waits until something can be read or written again. Returns whether that was before the
    /// deadline.
    pub(super) fn wait(&mut self, deadline: Instant) -> io::Result<bool> {
        self.readiness.wait(deadline)
    }

    pub(super) fn wait_for_ever(&mut self) -> io::Result<()> {
        self.readiness.wait_for_ever()
    }

    /// Acknowledges what has come.
    fn acknowledge(&self) {
        if let Socket::Tcp(tcp) = &self.socket {
            crate::route::acknowledge(tcp);
        }
    }

    fn shutdown(&self) -> io::Result<()> {
        delegate!(&self.socket, inner => inner.shutdown(Shutdown::Write))
    }
}

impl Read for Transport {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        uninterrupted(|| delegate!(&mut self.socket, inner => inner.read(buffer)))
    }
}

impl Write for Transport {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        uninterrupted(|| delegate!(&mut self.socket, inner => inner.write(octets)))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        uninterrupted(|| delegate!(&mut self.socket, inner => inner.write_vectored(slices)))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Tries again at once what a signal has interrupted: it says nothing about readiness.
fn uninterrupted<T>(mut act: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match act() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// A stream, protected or not. Where it would have to wait it fails with `WouldBlock`.
pub(crate) enum Stream {
    Plain(Transport),
    Tls(Box<TlsStream>),
}

impl Stream {
    /// The TLS connection, if there is one.
    pub(super) fn tls(&self) -> Option<(&ClientConnection, Protection)> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(stream) => Some((&stream.tls, stream.protection)),
        }
    }

    /// Returns the number of octets that were counted as written although TLS still withholds them.
    pub(super) fn withheld(&self) -> usize {
        match self {
            Self::Plain(_) => 0,
            Self::Tls(stream) => stream.withheld(),
        }
    }

    /// Acknowledges what has come, without waiting for something to send.
    pub(super) fn acknowledge(&mut self) {
        self.transport().acknowledge();
    }

    /// Waits as [`Transport::wait`] does.
    pub(super) fn wait(&mut self, deadline: Instant) -> io::Result<bool> {
        self.transport().wait(deadline)
    }

    /// Closes this direction, with close_notify if TLS protects it.
    pub(super) fn shutdown(&mut self) -> io::Result<()> {
        if let Self::Tls(stream) = self {
            stream.tls.send_close_notify();
            stream.flush()?;
        }
        self.transport().shutdown()
    }

    pub(super) fn transport(&mut self) -> &mut Transport {
        match self {
            Self::Plain(transport) => transport,
            Self::Tls(stream) => &mut stream.transport,
        }
    }

    fn io(&mut self) -> &mut dyn Duplex {
        match self {
            Self::Plain(transport) => transport,
            Self::Tls(stream) => &mut **stream,
        }
    }
}

trait Duplex: Read + Write {}

impl<T: Read + Write> Duplex for T {}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.io().read(buffer)
    }
}

impl Write for Stream {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.io().write(octets)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.io().write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.io().flush()
    }
}
