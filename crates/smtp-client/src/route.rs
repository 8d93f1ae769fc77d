//! Routes: how a connection gets to its server, the same for every kind of client.
use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use smtp_codec::ProxyHeader;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::{Proxy, dialing::Order};

/// How a connection gets to its server.
#[derive(Clone, Default)]
pub(crate) struct Route {
    pub(crate) order: Order,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) header: Option<ProxyHeader>,
    source_v4: Option<Ipv4Addr>,
    source_v6: Option<Ipv6Addr>,
    on_socket: Option<Arc<OnSocket>>,
}

/// What the caller does with a socket before it is connected.
type OnSocket = dyn Fn(&Socket, SocketAddr) -> io::Result<()> + Send + Sync;

impl Route {
    /// Connects from this address to the addresses of its family.
    pub(crate) fn set_source(&mut self, source: IpAddr) {
        match source {
            IpAddr::V4(source) => self.source_v4 = Some(source),
            IpAddr::V6(source) => self.source_v6 = Some(source),
        }
    }

    /// Lets this function see each socket.
    pub(crate) fn set_on_socket(
        &mut self,
        on_socket: impl Fn(&Socket, SocketAddr) -> io::Result<()> + Send + Sync + 'static,
    ) {
        self.on_socket = Some(Arc::new(on_socket));
    }

    /// Creates the socket for a connection to this address. It never blocks, and is not connected.
    pub(crate) fn socket(&self, address: SocketAddr) -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        if let Some(on_socket) = &self.on_socket {
            on_socket(&socket, address)?;
        }
        let source = match address {
            SocketAddr::V4(_) => self.source_v4.map(IpAddr::from),
            SocketAddr::V6(_) => self.source_v6.map(IpAddr::from),
        };
        if let Some(source) = source {
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        Ok(socket)
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("order", &self.order)
            .field("proxy", &self.proxy)
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}

/// Has the system acknowledge at once what has come, where it can be told to. It puts that off again by
/// itself after the next write.
pub(crate) fn acknowledge<'a>(socket: impl Into<SockRef<'a>>) {
    let socket = socket.into();
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // Without it the replies come a little later.
    let _ = socket.set_tcp_quickack(true);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = socket;
}

/// The methods of a connector that change the route.
macro_rules! routes {
    () => {
        /// Sets whether the addresses of a name are raced (RFC 8305). If they are, IPv6 and IPv4
        /// take turns, a new attempt starts 250 milliseconds after the previous one or as soon as
        /// that has failed, the first to connect is used, and the others are closed before anything
        /// is written. A dead address costs 250 milliseconds then, and not
        /// [`Timeouts::connect`](crate::Timeouts::connect), which each attempt still has.
        ///
        /// By default, except with [`from_url`](Self::from_url) and
        /// [`submission`](Self::submission), the addresses are tried one after the other, in the
        /// order of the resolver: a race costs servers connections that are not used. It is for
        /// clients that a person waits for, such as for submission, and not for delivery to the MX
        /// hosts of others.
        #[must_use]
        pub fn race(mut self, race: bool) -> Self {
            use $crate::dialing::Order;
            self.settings.route.order = if race { Order::Racing } else { Order::OneByOne };
            self
        }

        /// Connects through this proxy, which resolves the name of the server by itself. The
        /// addresses of the proxy are raced, bound and shown as those of a server without one would
        /// be; a [dialer](Self::dialer) is given the address of the proxy. TLS is done with the
        /// server, through the proxy. Both connecting to the proxy and the exchange with it have
        /// [`Timeouts::connect`](crate::Timeouts::connect).
        ///
        /// A failure of the proxy is [`Broken::Proxy`](crate::Broken::Proxy), and names the proxy.
        /// A server on a Unix socket cannot be connected to. By default there is no proxy, whatever
        /// the environment of the process says.
        ///
        /// Set [`hello_name`](Self::hello_name) too. Without one, EHLO has the address that the proxy
        /// connects from, if the proxy tells it (SOCKS5), because that is the one that the server
        /// sees; and otherwise the address of this machine towards the proxy, which the server
        /// may refuse as not the client's, and which a proxy that hides this machine does not hide.
        ///
        /// ```no_run
        /// # use smtp_client::Server;
        /// # #[cfg(feature = "tokio")]
        /// # use smtp_client::Connector;
        /// # #[cfg(not(feature = "tokio"))]
        /// # use smtp_client::blocking::Connector;
        /// # fn example() -> Result<(), Box<dyn std::error::Error>> {
        /// let connector = Connector::new("smtps://mail.example.org".parse()?)
        ///     .proxy("socks5://user:password@proxy.example.net:1080".parse()?)
        ///     .hello_name("client.example.net".parse()?);
        /// # Ok(())
        /// # }
        /// ```
        #[must_use]
        pub fn proxy(mut self, proxy: $crate::Proxy) -> Self {
            self.settings.route.proxy = Some(proxy);
            self
        }

        /// Sends this header of the PROXY protocol as the first octets of every connection, before
        /// TLS, and after the exchange with a [proxy](Self::proxy): for a server that expects one of
        /// every client. It is sent over streams of the caller's too. By default none is sent.
        ///
        /// ```no_run
        /// # use smtp_client::{ProxyHeader, Server};
        /// # #[cfg(feature = "tokio")]
        /// # use smtp_client::Connector;
        /// # #[cfg(not(feature = "tokio"))]
        /// # use smtp_client::blocking::Connector;
        /// let connector = Connector::new(Server::tcp("10.0.0.25", 10025));
        /// let connector = connector.proxy_header(ProxyHeader::local());
        /// ```
        #[must_use]
        pub fn proxy_header(mut self, header: $crate::ProxyHeader) -> Self {
            self.settings.route.header = Some(header);
            self
        }

        /// Connects from this address of this machine to the addresses of the same family. Call it
        /// once for IPv4 and once for IPv6; for a family without one, the system chooses. It does
        /// not concern Unix sockets and streams of the caller's.
        ///
        /// An address that this machine does not have is an error of connecting.
        #[must_use]
        pub fn source_address(mut self, address: std::net::IpAddr) -> Self {
            self.settings.route.set_source(address);
            self
        }

        /// Calls this function with each TCP socket before it is bound and connected, and with the
        /// address that it is for: to set options such as keepalive, or to bind it to a device. Its
        /// error fails the attempt to connect to that address. If addresses are
        /// [raced](Self::race), it is called for each attempt.
        ///
        /// The socket is nonblocking and has to remain so. Unix sockets and streams of the caller's
        /// are not shown. By default there is no function; a later one replaces it.
        #[must_use]
        pub fn on_socket(
            mut self,
            on_socket: impl Fn(&$crate::socket2::Socket, std::net::SocketAddr) -> std::io::Result<()>
            + Send
            + Sync
            + 'static,
        ) -> Self {
            self.settings.route.set_on_socket(on_socket);
            self
        }
    };
}

pub(crate) use routes;
