//! Listening sockets: TCP and Unix.
#[cfg(unix)]
use std::os::unix::net::{UnixListener, UnixStream};
use std::{
    fmt,
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    path::PathBuf,
    time::Duration,
};

/// The address to listen on.
pub(crate) enum Place {
    /// Host and port.
    Tcp(String),
    /// The path of a socket.
    Unix(PathBuf),
}

/// A listening socket.
pub(crate) enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener, PathBuf),
}

impl Listener {
    pub(crate) fn bind(place: &Place) -> io::Result<Self> {
        Ok(match place {
            Place::Tcp(address) => Self::Tcp(TcpListener::bind(address)?),
            #[cfg(unix)]
            Place::Unix(path) => Self::Unix(UnixListener::bind(path)?, path.clone()),
            #[cfg(not(unix))]
            Place::Unix(_) => return Err(io::ErrorKind::Unsupported.into()),
        })
    }

    pub(crate) fn accept(&self) -> io::Result<Box<dyn Peer>> {
        Ok(match self {
            Self::Tcp(listener) => Box::new(listener.accept()?.0),
            #[cfg(unix)]
            Self::Unix(listener, _) => Box::new(listener.accept()?.0),
        })
    }
}

impl fmt::Display for Listener {
    /// Writes the address, with the port that the system chose for port 0.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(listener) => match listener.local_addr() {
                Ok(address) => address.fmt(f),
                Err(error) => error.fmt(f),
            },
            #[cfg(unix)]
            Self::Unix(_, path) => path.display().fmt(f),
        }
    }
}

/// The client's end of a connection.
pub(crate) trait Peer: Read + Write + Send {
    /// Sets the timeouts, and TCP_NODELAY, so that replies are sent at once.
    fn prepare(&self, idle: Duration) -> io::Result<()>;

    /// Shuts down the sending side and waits briefly for the client to close: closing a socket with
    /// unread octets resets the connection, and the client may lose the last reply.
    fn hang_up(&mut self);
}

impl Peer for TcpStream {
    fn prepare(&self, idle: Duration) -> io::Result<()> {
        self.set_nodelay(true)?;
        self.set_write_timeout(Some(idle))?;
        self.set_read_timeout(Some(idle))
    }

    fn hang_up(&mut self) {
        let open = self.shutdown(Shutdown::Write);
        if open.and_then(|()| self.set_read_timeout(Some(LINGER))).is_ok() {
            linger(self);
        }
    }
}

#[cfg(unix)]
impl Peer for UnixStream {
    fn prepare(&self, idle: Duration) -> io::Result<()> {
        self.set_write_timeout(Some(idle))?;
        self.set_read_timeout(Some(idle))
    }

    fn hang_up(&mut self) {
        let open = self.shutdown(Shutdown::Write);
        if open.and_then(|()| self.set_read_timeout(Some(LINGER))).is_ok() {
            linger(self);
        }
    }
}

/// How long to wait for a client to close the connection.
const LINGER: Duration = Duration::from_secs(1);

/// Discards what the client still sends, at most 1 MiB. The result does not matter: the connection
/// is over.
fn linger(stream: &mut impl Read) {
    let _ = io::copy(&mut stream.take(1 << 20), &mut io::sink());
}
