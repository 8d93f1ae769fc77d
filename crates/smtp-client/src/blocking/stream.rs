//! Streams: sockets that never block, how they are waited for, and TLS over them.
use std::{
    io::{self, IoSlice, Read, Write},
    net::{IpAddr, Shutdown},
    time::{Duration, Instant as Measured},
};

#[cfg(unix)]
use mio::net::UnixStream;
use mio::{Events, Interest, Poll, Token, net::TcpStream};
use rustls::ClientConnection;

use crate::clock::Instant;

/// A stream in clear, and what tells when it is ready.
///
/// Readiness is told once: a wait is over when something has become ready since the last read or
/// write that found nothing, so whoever waits has tried both before.
pub(crate) struct Transport {
    socket: Socket,
    poll: Poll,
    events: Events,
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

/// How long one wait takes at most; systems have bounds of their own.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

impl Transport {
    pub(super) fn new(mut socket: Socket, is_own: bool) -> io::Result<Self> {
        if let Socket::Tcp(tcp) = &socket {
            // A group of commands leaves in one write; nothing may hold it back.
            let _ = tcp.set_nodelay(true);
        }
        let poll = Poll::new()?;
        let both = Interest::READABLE | Interest::WRITABLE;
        delegate!(&mut socket, inner => poll.registry().register(inner, Token(0), both))?;
        Ok(Self { socket, poll, events: Events::with_capacity(4), is_own })
    }

    /// The address of this end, where there is one.
    pub(super) fn local_ip(&self) -> Option<IpAddr> {
        match &self.socket {
            Socket::Tcp(tcp) => tcp.local_addr().ok().map(|address| address.ip()),
            #[cfg(unix)]
            Socket::Unix(_) => None,
        }
    }

    /// Whether nobody but this machine can listen in.
    pub(super) fn is_confined(&self) -> bool {
        self.is_own && !matches!(self.socket, Socket::Tcp(_))
    }

    /// Returns whether the other side has taken the connection.
    pub(super) fn is_connected(&self) -> io::Result<bool> {
        if let Some(error) = delegate!(&self.socket, inner => inner.take_error())? {
            return Err(error);
        }
        match delegate!(&self.socket, inner => inner.peer_addr().map(drop)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Waits until something can be read or written again. Returns whether that was before the
    /// deadline.
    pub(super) fn wait(&mut self, deadline: Instant) -> io::Result<bool> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        let begun = Measured::now();
        match self.poll.poll(&mut self.events, Some(left.min(LONGEST_WAIT))) {
            // The clock of a runtime may stand still.
            Ok(()) => Ok(!self.events.is_empty() || begun.elapsed() < left),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn wait_for_ever(&mut self) -> io::Result<()> {
        match self.poll.poll(&mut self.events, None) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
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

/// TLS over a transport.
pub(crate) struct TlsStream {
    pub(super) transport: Transport,
    pub(super) tls: ClientConnection,
}

impl Stream {
    /// The TLS connection, if there is one.
    pub(super) fn tls(&self) -> Option<&ClientConnection> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(stream) => Some(&stream.tls),
        }
    }

    /// Waits as [`Transport::wait`] does.
    pub(super) fn wait(&mut self, deadline: Instant) -> io::Result<bool> {
        self.transport().wait(deadline)
    }

    /// Closes this direction, with close_notify if TLS protects it.
    pub(super) fn shutdown(&mut self) -> io::Result<()> {
        if let Self::Tls(stream) = self {
            stream.tls.send_close_notify();
            stream.write_records()?;
        }
        self.transport().shutdown()
    }

    fn transport(&mut self) -> &mut Transport {
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

impl TlsStream {
    /// Writes the records that wait, as far as the transport takes them.
    fn write_records(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            if self.tls.write_tls(&mut self.transport)? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    /// Gives the TLS library octets with `take`, as often as it takes none because records have to
    /// leave first. What it takes counts as written.
    fn write_with(
        &mut self,
        take: impl Fn(&mut rustls::Writer<'_>) -> io::Result<usize>,
    ) -> io::Result<usize> {
        loop {
            let taken = take(&mut self.tls.writer())?;
            match self.write_records() {
                Ok(()) if taken == 0 => {}
                Err(error) if taken == 0 || error.kind() != io::ErrorKind::WouldBlock => {
                    return Err(error);
                }
                _ => return Ok(taken),
            }
        }
    }
}

impl Read for TlsStream {
    /// Returns 0 at close_notify, and `UnexpectedEof` if the other side closes without it.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.tls.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
            self.tls.read_tls(&mut self.transport)?;
            if let Err(error) = self.tls.process_new_packets() {
                // The alert that says so is worth one attempt.
                let _ = self.write_records();
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
    }
}

impl Write for TlsStream {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match octets {
            [] => Ok(0),
            octets => self.write_with(|writer| writer.write(octets)),
        }
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if slices.iter().all(|slice| slice.is_empty()) {
            return Ok(0);
        }
        self.write_with(|writer| writer.write_vectored(slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_records()
    }
}

/// The stream of a connection that ended with [ATRN](super::Connection::atrn). Reading and writing
/// block for as long as it takes.
pub struct ReleasedStream(Stream);

impl ReleasedStream {
    pub(super) fn new(stream: Stream) -> Self {
        Self(stream)
    }

    /// Tries until it need not wait.
    fn block<T>(&mut self, mut act: impl FnMut(&mut Stream) -> io::Result<T>) -> io::Result<T> {
        loop {
            match act(&mut self.0) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.0.transport().wait_for_ever()?;
                }
                done => return done,
            }
        }
    }
}

impl Read for ReleasedStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.block(|stream| stream.read(buffer))
    }
}

impl Write for ReleasedStream {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.block(|stream| stream.write(octets))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.block(Write::flush)
    }
}

impl std::fmt::Debug for ReleasedStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReleasedStream").finish_non_exhaustive()
    }
}

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
