//! A server on tokio: listeners, connections, and their limits.
use std::{
    fmt,
    future::Future,
    io,
    net::{SocketAddr, ToSocketAddrs},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use smtp_codec::encode_reply;
use smtp_error::{Reply, ReplyCode};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
    task::JoinSet,
};
use tracing::{Instrument, Span, debug, info_span, warn};

use crate::{Client, Closing, InvalidSettings, Settings, StartTls};

mod connection;
mod connections;
mod data;
mod handler;
mod listener;
#[cfg(feature = "tls")]
mod tls;
mod wire;

pub use data::{Data, Incomplete};
pub use handler::{Context, Handler, Identity, NoLogins, Outcome, Verify};
pub use listener::Listener;
#[cfg(feature = "tls")]
pub use tls::{Certificates, InvalidCertificate};
pub use wire::Timeouts;

use connection::{Connection, Endpoint, Service};
use connections::Connections;
use listener::{Accepted, Bound};

/// A server: listeners, a handler, and what holds for all of its connections. The page of the crate
/// has a whole one.
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

    /// Runs the server until `stop` is ready. Then it accepts no more connections, finishes the
    /// messages that are on their way, and answers 421 to everything else. Connections that go on
    /// after [`Capacity::grace`] are dropped. Where this future is dropped, all connections are.
    ///
    /// # Errors
    /// The server cannot start.
    pub async fn run_until(self, stop: impl Future<Output = ()> + Send) -> Result<(), ServeError> {
        if self.listeners.is_empty() {
            return Err(ServeError::NoListener);
        }
        let grace = self.capacity.grace;
        let (running, listeners) = self.start()?;
        let running = Arc::new(running);
        let _end = AbortAtEnd(Arc::clone(&running.connections));
        let mut accepting = JoinSet::new();
        for (listener, endpoint) in listeners {
            let bound = listener.bind()?;
            accepting.spawn(accept(Arc::clone(&running), listener, bound, endpoint));
        }
        stop.await;
        running.shutdown.send_replace(true);
        accepting.shutdown().await;
        running.drained(grace).await;
        Ok(())
    }

    /// Makes the server ready for connections that the caller accepts.
    ///
    /// # Errors
    /// The settings do not fit to what the server has.
    pub fn into_service(self) -> Result<RunningServer<H, V>, ServeError> {
        self.start().map(|(running, _)| running)
    }

    #[allow(clippy::type_complexity, reason = "a private function with one caller of each part")]
    fn start(self) -> Result<(RunningServer<H, V>, Vec<(Listener, Arc<Endpoint>)>), ServeError> {
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
        let service =
            Service { handler: self.handler, verifier: self.verifier, timeouts: self.timeouts };
        let running = RunningServer {
            service: Arc::new(service),
            endpoint: Arc::new(usual),
            shutdown: watch::Sender::new(false),
            connections: Arc::new(Connections::new(self.capacity)),
            numbers: AtomicU64::new(0),
        };
        Ok((running, listeners))
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

/// A server for connections that its user accepts: [`Server::into_service`].
pub struct RunningServer<H, V = NoLogins> {
    service: Arc<Service<H, V>>,
    endpoint: Arc<Endpoint>,
    shutdown: watch::Sender<bool>,
    connections: Arc<Connections>,
    numbers: AtomicU64,
}

impl<H: Handler, V: Verify> RunningServer<H, V> {
    /// Serves a client on a connection of any kind. Returns why the session ended.
    ///
    /// The number of connections is up to the caller: [`Capacity`] is for listeners. Where the future
    /// is dropped, the connection is.
    ///
    /// # Errors
    /// The system gave no random octets.
    pub async fn serve<S>(&self, stream: S, client: Client) -> io::Result<Closing>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let address = client.address();
        let accepted = Accepted { stream: Box::new(stream), client };
        let (id, connection) = self.connection(accepted, &self.endpoint)?;
        Ok(connection.serve().instrument(span(id, address)).await)
    }

    /// Ends the sessions with 421 as soon as no message is on its way.
    pub fn shut_down(&self) {
        self.shutdown.send_replace(true);
    }

    fn connection(
        &self,
        Accepted { stream, client }: Accepted,
        endpoint: &Arc<Endpoint>,
    ) -> io::Result<(u64, Connection<H, V>)> {
        let mut nonce = [0; 32];
        getrandom::fill(&mut nonce).map_err(io::Error::other)?;
        let id = self.numbers.fetch_add(1, Ordering::Relaxed) + 1;
        let connection = Connection::new(
            Arc::clone(&self.service),
            Arc::clone(endpoint),
            (stream, client),
            (id, nonce),
            self.shutdown.subscribe(),
        );
        Ok((id, connection))
    }

    /// Waits until the last connection has ended, at most this long.
    async fn drained(&self, grace: Duration) {
        let mut ended = self.connections.ended.subscribe();
        let all = async {
            while self.connections.count() > 0 {
                if ended.changed().await.is_err() {
                    return;
                }
            }
        };
        if tokio::time::timeout(grace, all).await.is_err() {
            warn!(connections = self.connections.count(), "connections dropped at shutdown");
        }
    }
}

/// Ends the tasks of all connections when it is dropped: at the end of a server, and where a server
/// is dropped in the middle.
struct AbortAtEnd(Arc<Connections>);

impl Drop for AbortAtEnd {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<H, V> fmt::Debug for RunningServer<H, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningServer").finish_non_exhaustive()
    }
}

/// The pause after a connection could not be accepted: the process may be out of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections at one listener.
async fn accept<H: Handler, V: Verify>(
    running: Arc<RunningServer<H, V>>,
    listener: Listener,
    bound: Bound,
    endpoint: Arc<Endpoint>,
) {
    let settings = &endpoint.settings;
    let has_proxies = settings.has_proxy_header();
    let mut refusal = Vec::new();
    if !settings.is_implicit_tls() {
        let reply = Reply::new(ReplyCode::SERVICE_CLOSING, "4.7.0 Too many connections");
        encode_reply(&reply, &mut refusal);
    }
    loop {
        let enter = |address: Option<SocketAddr>| {
            Connections::enter(&running.connections, address.filter(|_| !has_proxies))
        };
        let (accepted, place) = match bound.accept(&listener, &refusal, enter).await {
            Ok(Some(accepted)) => accepted,
            Ok(None) => continue,
            Err(error) if is_of_client(&error) => {
                debug!(%error, %listener, "a client was gone before its connection was accepted");
                continue;
            }
            Err(error) => {
                warn!(%error, %listener, "accepting a connection failed");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let address = accepted.client.address();
        // The state of a connection is the handler's, and making it may panic.
        let connect = || running.connection(accepted, &endpoint);
        let (id, connection) = match catch_unwind(AssertUnwindSafe(connect)) {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => {
                warn!(%error, "no random octets");
                continue;
            }
            Err(_panic) => {
                warn!("the handler panicked where it made the state of a connection");
                continue;
            }
        };
        let serve = async move {
            let why = connection.serve().await;
            debug!(?why, "session ended");
            drop(place);
        };
        running.connections.spawn(serve.instrument(span(id, address)));
    }
}

/// Returns whether accepting failed because of one client. The next one can be accepted at once.
fn is_of_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Returns the span of a session. The address of the client is shown at DEBUG.
fn span(id: u64, client: Option<SocketAddr>) -> Span {
    let span = info_span!("session", id);
    span.in_scope(|| debug!(?client, "session begins"));
    span
}
