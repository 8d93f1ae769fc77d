//! Connecting: from an address to a session that knows what the server offers.
use std::{future::Future, io, sync::Arc, time::Duration};

use smtp_error::{Cause, Error, Peer};
use tokio::time::timeout;

use crate::{
    Address,
    asynchronous::{
        Connection, Io,
        dial::{Dialer, dial},
        drive::{Driver, in_span},
        exchange::exchange,
        handshake::handshake,
        stream::{Stream, Transport},
    },
    connecting::connecting,
    login::log_in,
    route::routes,
    sasl::{Fetching, Secret},
    settings::{Settings, settings},
};

/// Opens connections to one server, all in the same way.
#[derive(Clone)]
pub struct Connector {
    settings: Settings,
    dialer: Option<Dialer>,
}

impl From<Settings> for Connector {
    fn from(settings: Settings) -> Self {
        Self { settings, dialer: None }
    }
}

impl Connector {
    settings!();
    routes!();

    /// The server, for errors that no connection of it has.
    pub(super) fn peer(&self) -> Arc<Peer> {
        self.settings.server.peer(None)
    }

    /// Opens streams with this function instead of connecting to an address: in memory, over
    /// another protocol, or with a resolver of the caller's. It is given the address to connect
    /// to, whose host has A-labels, and has [`Timeouts::connect`](crate::Timeouts::connect) for
    /// all that it does. It returns streams without TLS; the connector adds TLS if the server's
    /// address requires it, as for [`connect_over`](Self::connect_over).
    ///
    /// ```no_run
    /// use smtp_client::{Address, Connector, Server};
    /// use tokio::net::TcpStream;
    ///
    /// let connector = Connector::new(Server::tcp("mx.example.org", 25));
    /// let connector = connector.dialer(|address: Address| async move {
    ///     // HOST:PORT of a TCP port.
    ///     TcpStream::connect(address.to_string()).await
    /// });
    /// ```
    #[must_use]
    pub fn dialer<D, F, S>(mut self, dial: D) -> Self
    where
        D: Fn(Address) -> F + Send + Sync + 'static,
        F: Future<Output = io::Result<S>> + Send + 'static,
        S: Io + 'static,
    {
        self.dialer = Some(Arc::new(move |address| {
            let opening = dial(address);
            Box::pin(async move { opening.await.map(Transport::custom) })
        }));
        self
    }

    /// Opens a connection as [`connect`](Self::connect) does, over a stream that is open already.
    /// The address is used for the name that a certificate must be for; TLS is done as it asks
    /// for, so bring a stream in clear.
    ///
    /// # Errors
    /// As for [`connect`](Self::connect).
    pub async fn connect_over(&self, stream: impl Io + 'static) -> Result<Connection, Error> {
        self.greet_over(Transport::custom(stream)).await
    }
}

connecting!(
    [async],
    [.await],
    "A name is looked up on a thread of the runtime, which a runtime that is dropped waits for: \
     shut it down in the background if a lookup that hangs must not hold up the program.\n\n# Panics\nIt is called outside of a tokio \
     runtime, or in one without I/O or time: `Builder::enable_all` has both."
);

log_in!(pub(super) [async], [.await]);

/// Awaits a token; `None` if it is not there in time.
async fn fetch(fetching: Fetching, bound: Duration) -> Option<Result<Secret, Cause>> {
    timeout(bound, fetching).await.ok()
}
