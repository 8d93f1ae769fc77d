//! Where connections come from: a TCP port, or a Unix socket.
#[cfg(unix)]
use std::os::unix::net::{UnixListener, UnixStream};
use std::{
    fmt,
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    path::PathBuf,
    time::Duration,
};

/// Where to listen.
pub(crate) enum Place {
    /// Host and port.
    Tcp(String),
    /// The path of a socket.
    Unix(PathBuf),
}

/// A socket that listens.
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
    /// The address, which has a port even where none was asked for.
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
    /// Bounds every wait, and lets replies leave as soon as they are written.
    fn prepare(&self, idle: Duration) -> io::Result<()>;

    /// Says that nothing more will be written, and waits a little for the client to say the same:
    /// a socket that is closed with octets unread may take the last reply with it.
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

/// How long a client that is silent is waited for at the end.
const LINGER: Duration = Duration::from_secs(1);

/// Drops what still comes in, a MiB at most. However that ends, the connection is over.
fn linger(stream: &mut impl Read) {
    let _ = io::copy(&mut stream.take(1 << 20), &mut io::sink());
}
