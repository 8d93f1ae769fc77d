//! A server that runs: its listeners accept connections, or its caller does, and it stops.
use std::{
    fmt, io,
    net::SocketAddr,
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

use super::{
    Capacity, Handler, Listener, NoLogins, ServeError, Verify,
    connection::{Connection, Endpoint, Shared},
    connections::Connections,
    listener::{Accepted, Bound},
};
use crate::{Client, Closing};

/// A server that runs in tasks of its own: [`Server::spawn`](crate::Server::spawn).
///
/// Dropping it ends everything at once, also messages that are on their way, and does not wait for
/// it.
#[must_use = "the server ends where this is dropped"]
pub struct RunningServer {
    addresses: Vec<SocketAddr>,
    shutdown: watch::Sender<bool>,
    accepting: JoinSet<()>,
    connections: Arc<Connections>,
}

impl RunningServer {
    pub(super) fn spawn<H: Handler, V: Verify>(
        service: Service<H, V>,
        listeners: Vec<(Listener, Arc<Endpoint>)>,
        addresses: Vec<SocketAddr>,
    ) -> Result<Self, ServeError> {
        let service = Arc::new(service);
        let mut running = Self {
            addresses,
            shutdown: service.shutdown.clone(),
            accepting: JoinSet::new(),
            connections: Arc::clone(&service.connections),
        };
        for (listener, endpoint) in listeners {
            let bound = listener.bind()?;
            running.accepting.spawn(accept(Arc::clone(&service), listener, bound, endpoint));
        }
        Ok(running)
    }

    /// Returns the addresses that the server listens on, in the order of its listeners, without Unix
    /// sockets.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Stops the server: it accepts no more connections, finishes the messages that are on their way,
    /// and answers 421 to everything else. Connections that go on after
    /// [`Capacity::grace`](crate::Capacity::grace) are dropped.
    ///
    /// When this returns, no task of the server is left, and each [`State`](Handler::State) was
    /// dropped. A handler that blocks its thread is waited for, as no task can be ended there. Where
    /// the future is dropped, the rest ends at once.
    pub async fn stop(mut self) {
        self.shutdown.send_replace(true);
        self.accepting.shutdown().await;
        self.connections.finish().await;
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.connections.abort();
    }
}

impl fmt::Debug for RunningServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningServer").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

/// A server for connections that its caller accepts:
/// [`Server::into_service`](crate::Server::into_service).
pub struct Service<H, V = NoLogins> {
    shared: Arc<Shared<H, V>>,
    endpoint: Arc<Endpoint>,
    shutdown: watch::Sender<bool>,
    connections: Arc<Connections>,
    numbers: AtomicU64,
}

impl<H: Handler, V: Verify> Service<H, V> {
    pub(super) fn new(shared: Shared<H, V>, endpoint: Endpoint, capacity: Capacity) -> Self {
        Self {
            shared: Arc::new(shared),
            endpoint: Arc::new(endpoint),
            shutdown: watch::Sender::new(false),
            connections: Arc::new(Connections::new(capacity)),
            numbers: AtomicU64::new(0),
        }
    }

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
            Arc::clone(&self.shared),
            Arc::clone(endpoint),
            (stream, client),
            (id, nonce),
            self.shutdown.subscribe(),
        );
        Ok((id, connection))
    }
}

impl<H, V> fmt::Debug for Service<H, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

/// The pause after a connection could not be accepted: the process may be out of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections at one listener.
async fn accept<H: Handler, V: Verify>(
    service: Arc<Service<H, V>>,
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
            Connections::enter(&service.connections, address.filter(|_| !has_proxies))
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
        let connect = || service.connection(accepted, &endpoint);
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
        service.connections.spawn(serve.instrument(span(id, address)));
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
