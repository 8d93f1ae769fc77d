//! Connecting: from an address to a session that knows what the server offers.
use std::{future::Future, sync::Arc};

use smtp_codec::{HelloName, ReplyLimits};
use smtp_error::{Broken, Error, ErrorKind, Step};
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

use crate::{
    Address, Connection, Io, Security, Server, Timeouts,
    clock::Clock,
    drive::Wire,
    feed::Nothing,
    session::{Conversation, Hello, HelloFallback, Observer, Sending, Session, StartTls},
    stream::{Stream, Transport},
    tls::Tls,
};

/// Opens connections to one server, all in the same way.
#[derive(Clone)]
pub struct Connector {
    server: Server,
    hello_name: Option<HelloName>,
    timeouts: Timeouts,
    sending: Sending,
    limits: ReplyLimits,
    observer: Option<Arc<dyn Observer>>,
    tls: Option<Tls>,
}

impl Connector {
    /// Connects to this server, with the defaults that each method names.
    pub fn new(server: Server) -> Self {
        Self {
            server,
            hello_name: None,
            timeouts: Timeouts::default(),
            sending: Sending::default(),
            limits: ReplyLimits::default(),
            observer: None,
            tls: None,
        }
    }

    /// The name for EHLO, HELO or LHLO. By default the address of this end as an address literal,
    /// or `localhost` if it has none.
    #[must_use]
    pub fn hello_name(mut self, name: HelloName) -> Self {
        self.hello_name = Some(name);
        self
    }

    /// How long each step may take: for connecting, and for the connection until it is given
    /// others. By default what RFC 5321, 4.5.3.2 asks for.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// How messages are sent, until the connection is told otherwise.
    #[must_use]
    pub fn sending(mut self, sending: Sending) -> Self {
        self.sending = sending;
        self
    }

    /// How much of a reply is held at most.
    #[must_use]
    pub fn reply_limits(mut self, limits: ReplyLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Lets `observer` see every command, reply and text. By default nobody does.
    #[must_use]
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// How TLS is done, if the server's address asks for it. By default the platform's
    /// certificates are trusted, and the server's must be for the host of its address.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Opens a connection: socket, TLS as the address asks for, greeting, and EHLO or LHLO. The
    /// addresses of a name are tried one after the other.
    ///
    /// A name is looked up on a thread of the runtime, which a runtime that is dropped waits for:
    /// shut it down in the background if a lookup that hangs must not hold up the program.
    ///
    /// # Errors
    /// Whatever keeps it from being usable; nothing of a failed connection is left.
    pub async fn connect(&self) -> Result<Connection, Error> {
        let mut clock = Clock::start(self.timeouts);
        let transport = self.open(&mut clock).await?;
        self.greet(transport, clock).await
    }

    /// The same over a stream that is open already. The address is used for the name that a
    /// certificate must be for; TLS is done as it asks for, so bring a stream in clear.
    ///
    /// # Errors
    /// As for [`connect`](Self::connect).
    pub async fn connect_over(&self, stream: impl Io + 'static) -> Result<Connection, Error> {
        let clock = Clock::start(self.timeouts);
        self.greet(Transport::Brought(Box::new(stream)), clock).await
    }

    async fn open(&self, clock: &mut Clock) -> Result<Transport, Error> {
        match &self.server.address {
            Address::Tcp { host, port } => {
                let nothing = Broken::from(std::io::Error::from(std::io::ErrorKind::NotFound));
                let mut last = Error::new(Step::Connect, nothing);
                for address in opened(clock, lookup_host((host.as_str(), *port))).await? {
                    match opened(clock, TcpStream::connect(address)).await {
                        Ok(tcp) => {
                            // A group of commands leaves in one write; nothing may hold it back.
                            let _ = tcp.set_nodelay(true);
                            return Ok(Transport::Tcp(tcp));
                        }
                        Err(error) if is_deadline(&error) => return Err(error),
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
            #[cfg(unix)]
            Address::Unix(path) => {
                opened(clock, UnixStream::connect(path)).await.map(Transport::Unix)
            }
            #[cfg(not(unix))]
            Address::Unix(_) => Err(Error::new(
                Step::Connect,
                Broken::from(std::io::Error::from(std::io::ErrorKind::Unsupported)),
            )),
        }
    }

    async fn greet(&self, transport: Transport, mut clock: Clock) -> Result<Connection, Error> {
        let clock = &mut clock;
        let name = self.hello_name.clone();
        let name = name.or_else(|| transport.local_ip().map(HelloName::from));
        let name = name.unwrap_or_else(HelloName::localhost);
        let mut session = Session::new(self.server.dialect, name, self.limits);
        if let Some(observer) = &self.observer {
            session.observe(Arc::clone(observer));
        }
        let plain = |transport| Wire::new(Stream::Plain(transport));
        let hello = Hello::after_greeting();
        let wire = match self.server.security {
            Security::Plain => {
                let mut wire = plain(transport);
                converse(&mut wire, &mut session, clock, hello).await?;
                wire
            }
            Security::Tls => {
                let mut wire =
                    self.secure(self.how_to_secure()?, transport, &mut session, clock).await?;
                converse(&mut wire, &mut session, clock, hello).await?;
                wire
            }
            Security::StartTls => {
                let tls = self.how_to_secure()?;
                let mut wire = plain(transport);
                let hello = hello.fallback(HelloFallback::Forbidden);
                converse(&mut wire, &mut session, clock, hello).await?;
                converse(&mut wire, &mut session, clock, StartTls::new()).await?;
                wire.look(&mut session).await;
                session.check_before_tls()?;
                let transport = wire.into_transport()?;
                let mut wire = self.secure(tls, transport, &mut session, clock).await?;
                let hello = Hello::again().fallback(HelloFallback::Forbidden);
                converse(&mut wire, &mut session, clock, hello).await?;
                wire
            }
        };
        Ok(Connection::new(session, wire, self.timeouts, self.sending))
    }

    /// How TLS is done. Asked before anything is said, so that nothing is said in vain.
    fn how_to_secure(&self) -> Result<Tls, Error> {
        self.tls.clone().map_or_else(Tls::default_or_error, Ok)
    }

    async fn secure(
        &self,
        tls: Tls,
        transport: Transport,
        session: &mut Session,
        clock: &mut Clock,
    ) -> Result<Wire, Error> {
        let bound = clock.begin(Step::Handshake);
        let handshake = tls.handshake(self.server.host(), transport, session);
        match timeout(bound, handshake).await {
            Ok(secured) => secured.map(Wire::new),
            Err(_) => Err(Error::new(Step::Handshake, clock.expired())),
        }
    }
}

async fn converse<C: Conversation>(
    wire: &mut Wire,
    session: &mut Session,
    clock: &mut Clock,
    conversation: C,
) -> Result<C::Answer, Error> {
    let run = session.run(conversation)?;
    wire.drive(run, clock, &mut Nothing).await
}

/// Awaits one attempt to open something, within the time that it may take.
async fn opened<T>(
    clock: &mut Clock,
    attempt: impl Future<Output = std::io::Result<T>>,
) -> Result<T, Error> {
    let error = |broken| Error::new(Step::Connect, broken);
    let bound = clock.begin(Step::Connect);
    match timeout(bound, attempt).await {
        Ok(opened) => opened.map_err(|failure| error(Broken::from(failure))),
        Err(_) => Err(error(clock.expired())),
    }
}

/// Whether the operation as a whole is over.
fn is_deadline(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Broken(Broken::Deadline { .. }))
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").field("server", &self.server).finish_non_exhaustive()
    }
}
