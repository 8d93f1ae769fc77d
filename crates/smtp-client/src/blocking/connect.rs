//! Connecting: from an address to a session that knows what the server offers.
use std::{
    io,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

use smtp_error::{Broken, Cause, Error, Step};

use crate::{
    Address,
    blocking::{
        Connection, OpenSocket,
        dial::{Dialer, dial},
        drive::{Driver, in_span},
        exchange::exchange,
        handshake::handshake,
        stream::{Stream, Transport},
    },
    clock::{Instant, later},
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

    /// Opens sockets with this function instead of connecting to an address. It is given the
    /// address to connect to, whose host has A-labels. It returns sockets in clear; the connector
    /// adds TLS if the server's address requires it, as for [`connect_over`](Self::connect_over).
    ///
    /// The function runs on the calling thread and takes the time that it takes: no timeout ends
    /// it.
    ///
    /// ```no_run
    /// use std::net::TcpStream;
    ///
    /// use smtp_client::{Address, Server, blocking::Connector};
    ///
    /// let connector = Connector::new(Server::tcp("mx.example.org", 25));
    /// // HOST:PORT of a TCP port.
    /// let connector = connector.dialer(|address: Address| TcpStream::connect(address.to_string()));
    /// ```
    #[must_use]
    pub fn dialer<S: Into<OpenSocket>>(
        mut self,
        dial: impl Fn(Address) -> io::Result<S> + Send + Sync + 'static,
    ) -> Self {
        self.dialer = Some(Arc::new(move |address| dial(address).map(Into::into)));
        self
    }

    /// Opens a connection as [`connect`](Self::connect) does, over a socket that is open already:
    /// one that went through a proxy, for instance. The address is used for the name that a
    /// certificate must be for; TLS is done as it asks for, so bring a socket in clear.
    ///
    /// It has to be a socket, because the client reads while it writes, and what only blocks
    /// cannot do both.
    ///
    /// # Errors
    /// As for [`connect`](Self::connect).
    pub fn connect_over(&self, socket: impl Into<OpenSocket>) -> Result<Connection, Error> {
        let transport = socket.into().into_transport();
        self.greet_over(transport.map_err(|error| Error::new(Step::Connect, Broken::from(error)))?)
    }
}

connecting!(
    [],
    [],
    "A name is looked up on a thread of its own, which is left to itself if the lookup takes \
     longer than [`Timeouts::connect`](crate::Timeouts::connect)."
);

log_in!(pub(super) [], []);

/// Waits for a token; `None` if it is not there in time.
fn fetch(mut fetching: Fetching, bound: Duration) -> Option<Result<Secret, Cause>> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    let deadline = later(Instant::now(), bound);
    loop {
        if let Poll::Ready(fetched) = fetching.as_mut().poll(&mut cx) {
            return Some(fetched);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        thread::park_timeout(left);
    }
}

/// Wakes a thread that is parked.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
