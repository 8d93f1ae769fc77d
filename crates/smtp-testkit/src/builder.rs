//! What can be settled about a server before it starts.

use std::io;
use std::net::Ipv4Addr;
#[cfg(unix)]
use std::path::Path;
use std::time::Duration;

use tokio::net::TcpListener;

#[cfg(unix)]
use crate::acceptor::UnixDoor;
use crate::acceptor::{Acceptor, Dialer};
use crate::certificate::{Authority, CertificateKind};
use crate::pipe::{DEFAULT_WINDOW, Pipe};
use crate::script::Script;
use crate::server::{Parts, Server};

/// Puts a [`Server`] together.
///
/// The methods that start it panic outside of a tokio runtime, as [`tokio::spawn`] does.
#[derive(Debug)]
#[must_use = "nothing listens before one of the methods that start a server is called"]
pub struct ServerBuilder {
    parts: Parts,
    window: usize,
}

impl ServerBuilder {
    pub(crate) fn new() -> Self {
        Self {
            parts: Parts {
                scripts: Vec::new(),
                authority: None,
                certificate: CertificateKind::Good,
                watchdog: Duration::from_secs(10),
            },
            window: DEFAULT_WINDOW,
        }
    }

    /// Adds a script for one more connection; connections are served in the order of the scripts,
    /// one after the other.
    pub fn script(mut self, script: Script) -> Self {
        self.parts.scripts.push(script);
        self
    }

    /// Who issues the server's certificate; by default, an authority of its own.
    pub fn authority(mut self, authority: Authority) -> Self {
        self.parts.authority = Some(authority);
        self
    }

    /// What is wrong with the server's certificate; by default, nothing.
    pub fn certificate(mut self, kind: CertificateKind) -> Self {
        self.parts.certificate = kind;
        self
    }

    /// How long [`Server::finish`] waits for each thing that the client is to do; by default, ten
    /// seconds.
    pub fn watchdog(mut self, patience: Duration) -> Self {
        self.parts.watchdog = patience;
        self
    }

    /// How many octets a pipe holds unread in each direction before a writer must wait; by
    /// default, 65,536.
    pub fn window(mut self, octets: usize) -> Self {
        self.window = octets;
        self
    }

    /// Listens on a free port of `127.0.0.1`.
    pub async fn bind_tcp(self) -> io::Result<Server> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        Ok(Server::start(self.parts, Acceptor::Tcp(listener)))
    }

    pub(crate) fn listen(self) -> io::Result<Server> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        Ok(Server::start(self.parts, Acceptor::Tcp(TcpListener::from_std(listener)?)))
    }

    /// Listens on a Unix socket, which is removed when the server has ended.
    #[cfg(unix)]
    pub async fn bind_unix(self, path: impl AsRef<Path>) -> io::Result<Server> {
        let door = UnixDoor::open(path.as_ref().to_owned())?;
        Ok(Server::start(self.parts, Acceptor::Unix(door)))
    }

    /// Serves one connection in memory, and returns the client's end.
    pub fn pipe(self) -> (Server, Pipe) {
        let (server, dialer) = self.pipes();
        let client = dialer.dial();
        (server, client)
    }

    /// Serves connections in memory, which the client makes with the [`Dialer`].
    pub fn pipes(self) -> (Server, Dialer) {
        let (dialer, acceptor) = Dialer::new(self.window);
        (Server::start(self.parts, acceptor), dialer)
    }
}
