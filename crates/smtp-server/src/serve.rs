//! A server on tokio: listeners, connections, and their limits.
use std::{
    fmt,
    future::Future,
    io,
    net::{SocketAddr, ToSocketAddrs},
    sync::Arc,
    time::Duration,
};

use crate::{InvalidSettings, Settings, StartTls};

mod connection;
mod connections;
mod data;
mod handler;
mod listener;
mod running;
#[cfg(feature = "tls")]
mod tls;
mod verifier;
mod wire;

pub use data::{Data, Incomplete};
pub use handler::{Context, Handler, Outcome};
pub use listener::Listener;
pub use running::{RunningServer, Service};
#[cfg(feature = "tls")]
pub use tls::{Certificates, InvalidCertificate};
pub use verifier::{Identity, NoLogins, Verify};
pub use wire::Timeouts;

use connection::{Endpoint, Shared};

/// A server: listeners, a handler, and what holds for all of its connections. The page of the crate
/// has the smallest one; this one takes mail from other servers on port 25, and from its users on
/// port 465:
///
/// ```no_run
/// # #[cfg(feature = "aws-lc-rs")]
/// # async fn example(
/// #     handler: impl smtp_server::Handler,
/// #     users: impl smtp_server::Verify,
/// # ) -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use smtp_server::{
///     Bounds, Capacity, Certificates, Listener, Mechanism, Server, Settings, StartTls, Timeouts,
/// };
///
/// let certificates = Certificates::files("chain.pem", "key.pem")?;
/// let mut bounds = Bounds::default();
/// bounds.recipients = 100;
/// let others = Settings::smtp("mx.example.org").starttls(StartTls::Offered).bounds(bounds);
/// let own = Settings::smtp("mx.example.org")
///     .implicit_tls()
///     .auth([Mechanism::SCRAM_SHA_256, Mechanism::PLAIN])
///     .require_login();
///
/// let mut capacity = Capacity::default();
/// capacity.per_address = 20;
/// let mut timeouts = Timeouts::default();
/// timeouts.command = Duration::from_secs(60);
/// let server = Server::new(handler)
///     .verifier(users)
///     .tls(certificates.config()?)
///     .capacity(capacity)
///     .timeouts(timeouts)
///     .listener(Listener::tcp("0.0.0.0:25")?.name("mx").settings(others.build()?))
///     .listener(Listener::tcp("0.0.0.0:465")?.name("submission").settings(own.build()?));
/// server.run_until(async { tokio::signal::ctrl_c().await.unwrap_or_default() }).await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "`run` runs it"]
pub struct Server<H, V = NoLogins> {
    handler: H,
    verifier: Option<V>,
    settings: Option<Settings>,
    listeners: Vec<Listener>,
    timeouts: Timeouts,
    capacity: Capacity,
    #[cfg(feature = "tls")]
    tls: Option<Arc<rustls::ServerConfig>>,
}

/// How many connections a server has at a time. Further ones get 421.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capacity {
    /// Connections in all: 10,000.
    pub connections: usize,
    /// Connections from one IPv4 address, or one IPv6 network of 64 bits: 100. It does not count
    /// connections by Unix sockets, of trusted clients ([`Listener::trust`]), and of listeners that
    /// ask for a PROXY header: these are proxies, with the connections of many.
    pub per_address: usize,
    /// How long connections may go on after the server was told to stop: 30 seconds. Then they are
    /// dropped.
    pub grace: Duration,
}

impl Default for Capacity {
    fn default() -> Self {
        Self { connections: 10_000, per_address: 100, grace: Duration::from_secs(30) }
    }
}

/// A server that cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// It has no listener.
    #[error("the server has no listener; use `Server::listen`")]
    NoListener,
    /// It has a listener, and is to serve only the connections that its caller accepts.
    #[error("the server has a listener, which a service does not use; use `Server::spawn`")]
    UnusedListener,
    /// It was started outside of a runtime.
    #[error("there is no tokio runtime to run the server on")]
    NoRuntime,
    /// TLS is offered without a certificate.
    #[error("the settings offer TLS, and the server has no certificate; use `Server::tls`")]
    NoCertificate,
    /// AUTH is offered without a verifier.
    #[error("the settings offer AUTH, and the server has no verifier; use `Server::verifier`")]
    NoVerifier,
    /// The default settings cannot be made.
    #[error(transparent)]
    Settings(#[from] InvalidSettings),
    /// A socket failed, or the system gave no random octets.
    #[error("listening socket: {0}")]
    Io(#[from] io::Error),
}

impl<H: Handler> Server<H> {
    /// Returns a server with this handler, without a listener yet.
    pub fn new(handler: H) -> Self {
        Self {
            handler,
            verifier: None,
            settings: None,
            listeners: Vec::new(),
            timeouts: Timeouts::default(),
            capacity: Capacity::default(),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

impl<H: Handler, V: Verify> Server<H, V> {
    /// Uses these settings where a listener has none of its own. By default they are
    /// [`Settings::smtp`] of `localhost`.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = Some(settings);
        self
    }

    /// Verifies logins with this.
    pub fn verifier<W: Verify>(self, verifier: W) -> Server<H, W> {
        Server {
            handler: self.handler,
            verifier: Some(verifier),
            settings: self.settings,
            listeners: self.listeners,
            timeouts: self.timeouts,
            capacity: self.capacity,
            #[cfg(feature = "tls")]
            tls: self.tls,
        }
    }

    /// Listens on this address.
    ///
    /// # Errors
    /// The address cannot be resolved or bound.
    pub fn listen(self, address: impl ToSocketAddrs) -> io::Result<Self> {
        Ok(self.listener(Listener::tcp(address)?))
    }

    /// Adds a listener.
    pub fn listener(mut self, listener: Listener) -> Self {
        self.listeners.push(listener);
        self
    }

    /// Uses this configuration for TLS, such as
    /// [`Certificates::config`](crate::Certificates::config) makes.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, config: impl Into<Arc<rustls::ServerConfig>>) -> Self {
        self.tls = Some(config.into());
        self
    }

    /// Sets how long the server waits for its clients.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Sets how many connections there may be.
    pub fn capacity(mut self, capacity: Capacity) -> Self {
        self.capacity = capacity;
        self
    }

    /// Returns the addresses that the server listens on, in the order of its listeners, without Unix
    /// sockets.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(Listener::address).collect()
    }

    /// Runs the server until the process ends.
    ///
    /// # Errors
    /// The server cannot start.
    pub async fn run(self) -> Result<(), ServeError> {
        self.run_until(std::future::pending()).await
    }

    /// Runs the server until `stop` is ready, and stops it as [`RunningServer::stop`] does. Where this
    /// future is dropped, all connections are.
    ///
    /// # Errors
    /// The server cannot start.
    pub async fn run_until(self, stop: impl Future<Output = ()> + Send) -> Result<(), ServeError> {
        let running = self.spawn()?;
        stop.await;
        running.stop().await;
        Ok(())
    }

    /// Starts the server on the current runtime, beside other tasks: it accepts connections when this
    /// returns.
    ///
    /// ```
    /// # use smtp_server::{Context, Data, Decision, Envelope, Handler, Outcome, Rcpt, Refuse, Server};
    /// # struct Inbox;
    /// # impl Handler for Inbox {
    /// #     type State = ();
    /// #     async fn rcpt(&self, _: &mut Context, _: &Rcpt) -> Decision {
    /// #         Err(Refuse::no_such_mailbox())
    /// #     }
    /// #     async fn message(
    /// #         &self,
    /// #         _: &mut Context,
    /// #         _: &Envelope,
    /// #         _: &mut Data<'_>,
    /// #     ) -> Result<Outcome, Refuse> {
    /// #         Ok(Outcome::accepted())
    /// #     }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let server = Server::new(Inbox).listen("127.0.0.1:0")?.spawn()?;
    /// let address = server.addresses()[0];
    /// // Clients connect to the address here.
    /// server.stop().await;
    /// # assert!(tokio::net::TcpStream::connect(address).await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The server cannot start, or there is no current runtime.
    pub fn spawn(self) -> Result<RunningServer, ServeError> {
        if self.listeners.is_empty() {
            return Err(ServeError::NoListener);
        }
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(ServeError::NoRuntime);
        }
        let addresses = self.addresses();
        let (service, listeners) = self.start()?;
        RunningServer::spawn(service, listeners, addresses)
    }

    /// Makes the server ready for connections that the caller accepts.
    ///
    /// # Errors
    /// The server has listeners, or its settings do not fit to what it has.
    pub fn into_service(self) -> Result<Service<H, V>, ServeError> {
        if !self.listeners.is_empty() {
            return Err(ServeError::UnusedListener);
        }
        self.start().map(|(service, _)| service)
    }

    #[allow(clippy::type_complexity, reason = "a private function with one caller of each part")]
    fn start(self) -> Result<(Service<H, V>, Vec<(Listener, Arc<Endpoint>)>), ServeError> {
        let settings = match self.settings {
            Some(settings) => settings,
            None => Settings::smtp("localhost").build()?,
        };
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(io::Error::other)?;
        let usual = Endpoint {
            settings: Arc::new(settings.with_secret(secret)),
            name: None,
            #[cfg(feature = "tls")]
            tls: self.tls,
        };
        if self.listeners.is_empty() {
            usual.check(self.verifier.is_some())?;
        }
        let mut listeners = Vec::new();
        for mut listener in self.listeners {
            let own = listener.settings.take();
            let own = own.map(|own| Arc::new(own.with_secret(secret)));
            let endpoint = Endpoint {
                settings: own.unwrap_or_else(|| Arc::clone(&usual.settings)),
                name: listener.name.take(),
                #[cfg(feature = "tls")]
                tls: listener.tls.take().or_else(|| usual.tls.clone()),
            };
            endpoint.check(self.verifier.is_some())?;
            listeners.push((listener, Arc::new(endpoint)));
        }
        let shared =
            Shared { handler: self.handler, verifier: self.verifier, timeouts: self.timeouts };
        Ok((Service::new(shared, usual, self.capacity), listeners))
    }
}

impl Endpoint {
    /// Checks that the server has what the settings need.
    fn check(&self, has_verifier: bool) -> Result<(), ServeError> {
        #[cfg(feature = "tls")]
        let has_tls = self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        let has_tls = false;
        let settings = &self.settings;
        let wants_tls = settings.starttls() != StartTls::Absent || settings.is_implicit_tls();
        if wants_tls && !has_tls {
            return Err(ServeError::NoCertificate);
        }
        if !settings.mechanisms().is_empty() && !has_verifier {
            return Err(ServeError::NoVerifier);
        }
        Ok(())
    }
}

impl<H, V> fmt::Debug for Server<H, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("listeners", &self.listeners).finish_non_exhaustive()
    }
}
