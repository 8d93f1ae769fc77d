//! One connection to a server, from the lookup of its name to QUIT.
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::SupportedProtocolVersion;
use serde::Serialize;
use smtp_client::session::Event;
use smtp_client::{
    Address, Attempt, Broken, Cause, Connection, Connector, Error, HelloName, Peer, Server, Step,
    Timeouts, Tls,
};
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::observed::Observed;
use super::trust::Witness;
use crate::cli::Common;
use crate::failure::Failure;

/// What to connect to, and how.
#[derive(Clone, Debug)]
pub(crate) struct Goal {
    pub(crate) server: Server,
    /// The addresses of the host, if they are known; they are looked up otherwise.
    pub(crate) addresses: Option<Vec<SocketAddr>>,
    /// The name that the server is asked for in TLS, if it is not that of the host.
    pub(crate) name: Option<String>,
    pub(crate) hello: Option<HelloName>,
    /// The protocols that are offered in TLS (ALPN).
    pub(crate) alpn: Vec<String>,
}

/// An address that was tried.
///
/// | Field | Value |
/// |---|---|
/// | `address` | IP address and port |
/// | `error` | why there is no connection; absent for the one that was used |
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Tried {
    pub(crate) address: SocketAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

/// A connection, or why there is none, and what was seen on the way.
pub(crate) struct Contact {
    pub(crate) connection: Result<Connection, Error>,
    pub(crate) observed: Observed,
    pub(crate) tried: Vec<Tried>,
    pub(crate) witness: Arc<Witness>,
}

/// The opening of a stream, step by step.
struct Opening<'a> {
    goal: &'a Goal,
    common: &'a Common,
    observed: &'a Observed,
    tried: Vec<Tried>,
}

impl Goal {
    pub(crate) fn new(server: Server) -> Self {
        Self { server, addresses: None, name: None, hello: None, alpn: Vec::new() }
    }

    /// Returns the name that the certificate must be for; a Unix socket has none.
    pub(crate) fn certificate_name(&self) -> Option<&str> {
        match &self.server.address {
            _ if self.name.is_some() => self.name.as_deref(),
            Address::Tcp { host, .. } => Some(host),
            _ => None,
        }
    }

    /// Opens a connection with these versions of TLS, whatever the certificate. `watch` is shown
    /// each event.
    ///
    /// # Errors
    /// An option cannot be used. That the connection fails is a result.
    pub(crate) async fn contact(
        &self,
        common: &Common,
        versions: &[&'static SupportedProtocolVersion],
        watch: impl Fn(&Event<'_>) + Send + Sync + 'static,
    ) -> Result<Contact, Failure> {
        let witness = Witness::new();
        let observed = Observed::new();
        // A person waits for a probe; RFC 5321 has a relay wait for minutes.
        let connector = Connector::new(self.server.clone()).timeouts(Timeouts::submission());
        let mut connector = common.reach(connector)?;
        connector = connector.tls(self.tls(&witness, versions)?).observer({
            let observed = observed.clone();
            move |event: Event<'_>| {
                observed.record(event);
                watch(&event);
            }
        });
        if let Some(name) = &self.hello {
            connector = connector.hello_name(name.clone());
        }
        let mut opening = Opening { goal: self, common, observed: &observed, tried: Vec::new() };
        let connection = opening.connect(&connector).await;
        let tried = opening.tried;
        Ok(Contact { connection, observed, tried, witness })
    }

    fn tls(
        &self,
        witness: &Arc<Witness>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Result<Tls, Failure> {
        let config = witness.config(versions);
        let config =
            config.map_err(|error| Failure::machine("TLS", io::Error::other(error.to_string())))?;
        let tls = Tls::new(Arc::new(config)).alpn(self.alpn.iter().map(String::as_bytes));
        match &self.name {
            Some(name) => {
                tls.server_name(name).map_err(|invalid| Failure::option("the name in TLS", invalid))
            }
            None => Ok(tls),
        }
    }
}

impl Opening<'_> {
    async fn connect(&mut self, connector: &Connector) -> Result<Connection, Error> {
        let Address::Tcp { host, port } = &self.goal.server.address else {
            return self.connect_to_socket(connector).await;
        };
        // The proxy looks up the name, and its own name is no matter of the server.
        if self.common.proxy.is_some() {
            return connector.connect().await;
        }
        let addresses = match &self.goal.addresses {
            Some(addresses) => addresses.clone(),
            None => match self.look_up(host, *port).await {
                Some(addresses) => addresses,
                // The client tells a name that does not exist from a lookup that failed.
                None => return connector.connect().await,
            },
        };
        let peer = Peer::tcp(host, *port);
        let stream = self.dial(&addresses, peer).await?;
        connector.connect_over(stream).await
    }

    async fn look_up(&self, host: &str, port: u16) -> Option<Vec<SocketAddr>> {
        let began = Instant::now();
        let found = timeout(self.limit(), lookup_host((host, port))).await.ok()?.ok()?;
        if host.parse::<IpAddr>().is_err() {
            self.observed.took("DNS", began.elapsed());
        }
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for address in found {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        (!addresses.is_empty()).then_some(addresses)
    }

    /// Connects to the first address that can be connected to.
    async fn dial(&mut self, addresses: &[SocketAddr], peer: Peer) -> Result<TcpStream, Error> {
        let mut attempts = Vec::new();
        for &address in addresses {
            let began = Instant::now();
            let broken = match leaves_out(self.common, address) {
                Some(reason) => Broken::from(io::Error::other(reason)),
                None => match timeout(self.limit(), TcpStream::connect(address)).await {
                    Ok(Ok(stream)) => {
                        // A group of commands leaves in one write; nothing may hold it back.
                        let _ = stream.set_nodelay(true);
                        self.tried.push(Tried { address, error: None });
                        self.observed.took("connect", began.elapsed());
                        return Ok(stream);
                    }
                    Ok(Err(error)) => error.into(),
                    Err(_) => Broken::TimedOut { after: self.limit() },
                },
            };
            self.tried.push(Tried { address, error: Some(broken.to_string()) });
            attempts.push(Attempt::new(address, broken));
        }
        let (peer, broken) = match attempts.pop() {
            Some(only) if attempts.is_empty() => (peer.with_address(only.address), only.broken),
            Some(last) => {
                attempts.push(last);
                (peer, Broken::Unreachable(attempts))
            }
            None => (peer, Broken::UnknownHost(Cause::new(io::Error::other("no address")))),
        };
        Err(Error::new(Step::Connect, broken).with_server(&Arc::new(peer)))
    }

    #[cfg(not(unix))]
    async fn connect_to_socket(&self, connector: &Connector) -> Result<Connection, Error> {
        connector.connect().await
    }

    #[cfg(unix)]
    async fn connect_to_socket(&self, connector: &Connector) -> Result<Connection, Error> {
        let Address::Unix(path) = &self.goal.server.address else {
            return connector.connect().await;
        };
        let began = Instant::now();
        match timeout(self.limit(), UnixStream::connect(path)).await {
            Ok(Ok(stream)) => {
                self.observed.took("connect", began.elapsed());
                connector.connect_over(stream).await
            }
            // The client has the texts for what fails.
            _ => connector.connect().await,
        }
    }

    fn limit(&self) -> Duration {
        self.common.timeout.unwrap_or_else(|| Timeouts::submission().connect)
    }
}

/// Returns why an address is not connected to, if the family is left out.
fn leaves_out(common: &Common, address: SocketAddr) -> Option<&'static str> {
    match address.is_ipv4() {
        true if common.ipv6 => Some("an IPv4 address, which -6 leaves out"),
        false if common.ipv4 => Some("an IPv6 address, which -4 leaves out"),
        _ => None,
    }
}
