//! What can be settled about a server before it starts.

mod manners;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
#[cfg(unix)]
use std::path::Path;
use std::time::Duration;

use tokio::net::TcpListener;

#[cfg(unix)]
use crate::acceptor::UnixDoor;
use crate::acceptor::{Acceptor, Dialer};
use crate::bind::{BindError, listen};
use crate::certificate::{Authority, CertificateKind};
use crate::home::Home;
use crate::host::Manners;
use crate::pipe::{DEFAULT_WINDOW, Pipe};
use crate::script::Script;
use crate::server::{Parts, Server};
use crate::tls::{ClientCertificate, TlsVersions};

/// Puts a [`Server`] together.
///
/// Without a [script](Self::script), the server is the well-behaved one: strict, with nothing on
/// offer but what is [offered](Self::offer), and with [rules](Self::rule) for what it is to do
/// otherwise.
///
/// Where there is no tokio runtime, the server runs in a thread of its own.
#[derive(Debug)]
#[must_use = "nothing listens before one of the methods that start a server is called"]
pub struct ServerBuilder {
    parts: Parts,
    window: usize,
    addr: SocketAddr,
    home: Option<Home>,
}

impl ServerBuilder {
    pub(crate) fn new() -> Self {
        Self {
            parts: Parts {
                scripts: Vec::new(),
                manners: Manners::default(),
                authority: None,
                certificate: CertificateKind::Good,
                versions: TlsVersions::Both,
                client_certificate: ClientCertificate::NotAsked,
                watchdog: Duration::from_secs(10),
                deadline: None,
                reconnect: Duration::from_millis(500),
            },
            window: DEFAULT_WINDOW,
            addr: FREE_PORT,
            home: None,
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

    /// Which versions of TLS the server speaks; by default, 1.2 and 1.3.
    pub fn tls_versions(mut self, versions: TlsVersions) -> Self {
        self.parts.versions = versions;
        self
    }

    /// Whether the client must show a certificate, which the server's
    /// [authority](Self::authority) has issued; by default, none is asked for.
    pub fn client_certificate(mut self, wanted: ClientCertificate) -> Self {
        self.parts.client_certificate = wanted;
        self
    }

    /// How long [`Server::finish`] waits for each thing that the client is to do, and the other
    /// waits for what they are asked for, as long as a client is there; by default, ten seconds.
    pub fn watchdog(mut self, patience: Duration) -> Self {
        self.parts.watchdog = patience;
        self
    }

    /// How long a client has to connect again, once all its connections have ended, before
    /// [`Server::messages`] and [`Server::message`] give up; by default, 500 milliseconds.
    ///
    /// Set this for a client that pauses between two attempts, if the test waits while the client
    /// pauses, or before it has been started again. The [watchdog](Self::watchdog) bounds the wait
    /// in any case. For connections that cannot be followed by another one, such as that of
    /// [`pipe`](Self::pipe), and for a server with scripts, this time means nothing.
    pub fn reconnect_within(mut self, time: Duration) -> Self {
        self.parts.reconnect = time;
        self
    }

    /// Ends a test that is stuck: after this time the server closes whatever is open, so that a
    /// client that waits for it fails, and [`finish`](Server::finish) says where it was. By
    /// default, a server waits for its client as long as the test does.
    pub fn deadline(mut self, time: Duration) -> Self {
        self.parts.deadline = Some(time);
        self
    }

    /// Runs the server in a thread of its own, also inside of a runtime: for tests that block.
    pub fn own_thread(mut self) -> Self {
        self.home = Some(Home::thread());
        self
    }

    /// How many octets a pipe holds unread in each direction before a writer must wait; by
    /// default, 65,536.
    pub fn window(mut self, octets: usize) -> Self {
        self.window = octets;
        self
    }

    /// The address and the port that [`tcp`](Self::tcp) listens on; by default, a free port of
    /// `127.0.0.1`.
    ///
    /// Port 0 is any free port, which [`Server::addr`] tells. A fixed port is for a client whose
    /// configuration has one; tests that use the same port cannot run side by side.
    ///
    /// ```no_run
    /// use std::net::{Ipv6Addr, SocketAddr};
    /// use smtp_testkit::Server;
    ///
    /// let server = Server::builder().listen_on(([127, 0, 0, 1], 2525)).tcp()?;
    /// let server = Server::builder().listen_on((Ipv6Addr::LOCALHOST, 0)).tcp()?;
    /// let server = Server::builder().listen_on("0.0.0.0:2525".parse::<SocketAddr>()?).tcp()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn listen_on(mut self, addr: impl Into<SocketAddr>) -> Self {
        self.addr = addr.into();
        self
    }

    /// Listens on TCP: on a free port of `127.0.0.1`, or [where the test
    /// says](Self::listen_on).
    pub fn tcp(self) -> Result<Server, BindError> {
        let Self { parts, home, addr, .. } = self;
        let listener = listen(addr)?;
        let home = home.unwrap_or_else(Home::here_or_thread);
        let listener = {
            let _inside = home.handle().enter();
            TcpListener::from_std(listener).map_err(|source| BindError::Tcp { addr, source })?
        };
        Ok(Server::start(parts, Acceptor::Tcp(listener), home))
    }

    /// Listens on a Unix socket, which is removed when the server has ended.
    #[cfg(unix)]
    pub fn unix(self, path: impl AsRef<Path>) -> Result<Server, BindError> {
        let Self { parts, home, .. } = self;
        let home = home.unwrap_or_else(Home::here_or_thread);
        let path = path.as_ref().to_owned();
        let door = {
            let _inside = home.handle().enter();
            UnixDoor::open(path.clone()).map_err(|source| BindError::Unix { path, source })?
        };
        Ok(Server::start(parts, Acceptor::Unix(door), home))
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
        let home = self.home.unwrap_or_else(Home::here_or_thread);
        (Server::start(self.parts, acceptor, home), dialer)
    }
}

/// Any free port of the loopback interface.
pub(crate) const FREE_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
