//! The settings of a server before it starts.

mod host;

use std::net::{self, IpAddr, Ipv4Addr, SocketAddr};
#[cfg(unix)]
use std::path::Path;
use std::time::Duration;

use tokio::net::TcpListener;

#[cfg(unix)]
use crate::acceptor::UnixAcceptor;
use crate::acceptor::{Acceptor, Dialer};
use crate::bind::{BindError, listen};
use crate::certificate::{Authority, CertificateKind, Identity};
use crate::host::HostConfig;
use crate::pipe::{DEFAULT_WINDOW, Pipe};
use crate::runtime::ServerRuntime;
use crate::script::Script;
use crate::server::{Parts, Server};
use crate::tls::{ClientCertificate, TlsVersions};

/// Configures and starts a [`Server`].
///
/// Without a [script](Self::script), the server follows the protocol strictly. It offers only the
/// extensions [given to it](Self::offer), and [rules](Self::rule) make exceptions.
///
/// Without a tokio runtime, the server runs in a thread of its own.
#[derive(Debug)]
#[must_use = "nothing listens before one of the methods that start a server is called"]
pub struct ServerBuilder {
    parts: Parts,
    window: usize,
    addr: SocketAddr,
    runtime: Option<ServerRuntime>,
}

impl ServerBuilder {
    pub(crate) fn new() -> Self {
        Self {
            parts: Parts {
                scripts: Vec::new(),
                host: HostConfig::default(),
                authority: None,
                certificate: CertificateKind::Good,
                identity: None,
                versions: TlsVersions::Both,
                client_certificate: ClientCertificate::NotAsked,
                watchdog: Duration::from_secs(10),
                deadline: None,
                reconnect: Duration::from_millis(500),
            },
            window: DEFAULT_WINDOW,
            addr: FREE_PORT,
            runtime: None,
        }
    }

    /// Adds a script for one more connection. The connections are served one after the other, in
    /// the order of the scripts.
    pub fn script(mut self, script: Script) -> Self {
        self.parts.scripts.push(script);
        self
    }

    /// Sets the authority that issues the server's certificate; by default, a new one.
    pub fn authority(mut self, authority: Authority) -> Self {
        self.parts.authority = Some(authority);
        self
    }

    /// Sets a fault of the server's certificate; by default, it has none.
    pub fn certificate(mut self, kind: CertificateKind) -> Self {
        self.parts.certificate = kind;
        self
    }

    /// Sets the certificate of the server and its key, such as where the client has to know them
    /// before; by default, the server's [authority](Self::authority) issues a new certificate.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.parts.identity = Some(identity);
        self
    }

    /// Sets the TLS versions that the server accepts; by default, 1.2 and 1.3.
    pub fn tls_versions(mut self, versions: TlsVersions) -> Self {
        self.parts.versions = versions;
        self
    }

    /// Sets whether the client must present a certificate issued by the server's
    /// [authority](Self::authority); by default, the server requests none.
    pub fn client_certificate(mut self, wanted: ClientCertificate) -> Self {
        self.parts.client_certificate = wanted;
        self
    }

    /// Sets how long [`Server::finish`] waits for each action of the client, and how long the other
    /// waits last while a client may still act; by default, 10 seconds.
    pub fn watchdog(mut self, timeout: Duration) -> Self {
        self.parts.watchdog = timeout;
        self
    }

    /// Sets how long [`Server::messages`] and [`Server::message`] wait for another connection after
    /// all connections have ended; by default, 500 milliseconds.
    ///
    /// Set this for a client that pauses between two attempts. The [watchdog](Self::watchdog)
    /// bounds the wait in any case. The setting has no effect on a server with scripts, nor where
    /// no other connection can be made, as with [`pipe`](Self::pipe).
    pub fn reconnect_within(mut self, time: Duration) -> Self {
        self.parts.reconnect = time;
        self
    }

    /// Bounds the whole test: after this time the server closes all connections, so that a client
    /// that waits for a reply fails, and [`finish`](Server::finish) reports the state of the
    /// dialogue. By default, there is no bound.
    pub fn deadline(mut self, time: Duration) -> Self {
        self.parts.deadline = Some(time);
        self
    }

    /// Runs the server in a thread of its own even inside of a runtime, for tests that block.
    pub fn own_thread(mut self) -> Self {
        self.runtime = Some(ServerRuntime::thread());
        self
    }

    /// Sets how many unread octets a pipe holds in each direction before a writer has to wait; by
    /// default, 65,536.
    pub fn window(mut self, octets: usize) -> Self {
        self.window = octets;
        self
    }

    /// Sets the address and the port for [`tcp`](Self::tcp); by default, a free port of
    /// `127.0.0.1`.
    ///
    /// Port 0 means any free port; [`Server::addr`] returns the one chosen. A fixed port is for a
    /// client whose configuration requires it; tests that use the same port cannot run at the same
    /// time.
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

    /// Listens on TCP: on a free port of `127.0.0.1`, or on the address given to
    /// [`listen_on`](Self::listen_on).
    pub fn tcp(self) -> Result<Server, BindError> {
        let listener = listen(self.addr)?;
        self.tcp_listener(listener)
    }

    /// Accepts the connections of a socket that listens already, such as a clone of one that other
    /// servers have used: a client that connects between two of them waits.
    pub fn tcp_listener(self, listener: net::TcpListener) -> Result<Server, BindError> {
        let Self { parts, runtime, addr, .. } = self;
        let addr = listener.local_addr().unwrap_or(addr);
        let runtime = runtime.unwrap_or_else(ServerRuntime::here_or_thread);
        let listener = {
            let _inside = runtime.handle().enter();
            listener
                .set_nonblocking(true)
                .and_then(|()| TcpListener::from_std(listener))
                .map_err(|source| BindError::Tcp { addr, source })?
        };
        Ok(Server::start(parts, Acceptor::Tcp(listener), runtime))
    }

    /// Listens on a Unix socket, whose file is removed when the server has ended.
    #[cfg(unix)]
    pub fn unix(self, path: impl AsRef<Path>) -> Result<Server, BindError> {
        let Self { parts, runtime, .. } = self;
        let runtime = runtime.unwrap_or_else(ServerRuntime::here_or_thread);
        let path = path.as_ref().to_owned();
        let acceptor = {
            let _inside = runtime.handle().enter();
            UnixAcceptor::open(path.clone()).map_err(|source| BindError::Unix { path, source })?
        };
        Ok(Server::start(parts, Acceptor::Unix(acceptor), runtime))
    }

    /// Serves one connection in memory, and returns the client's end.
    pub fn pipe(self) -> (Server, Pipe) {
        let (server, dialer) = self.pipes();
        let client = dialer.dial();
        (server, client)
    }

    /// Serves in-memory connections, which the client makes with the [`Dialer`].
    pub fn pipes(self) -> (Server, Dialer) {
        let (dialer, acceptor) = Dialer::new(self.window);
        let runtime = self.runtime.unwrap_or_else(ServerRuntime::here_or_thread);
        (Server::start(self.parts, acceptor, runtime), dialer)
    }
}

/// Any free port of the loopback interface.
pub(crate) const FREE_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
