//! Connecting: from an address to a session that knows what the server offers.
use std::{future::Future, io, sync::Arc};

use smtp_codec::{HelloName, ReplyLimits};
use smtp_error::{Error, Step};
use tracing::Instrument;

use crate::{
    Connection, Io, Security, Server, Timeouts,
    clock::Clock,
    dial::{Dialer, dial, dial_by},
    drive::Wire,
    feed::Nothing,
    session::{Conversation, Hello, HelloFallback, Observer, Sending, Session, StartTls},
    spans::Watch,
    stream::{Stream, Transport},
    tls::{Tls, TlsFacts},
};

mod early;
mod hints;

pub use early::Memory;

/// Opens connections to one server, all in the same way.
#[derive(Clone)]
pub struct Connector {
    server: Server,
    dialer: Option<Dialer>,
    memory: Option<Memory>,
    hello_name: Option<HelloName>,
    timeouts: Timeouts,
    sending: Sending,
    limits: ReplyLimits,
    observer: Option<Arc<dyn Observer>>,
    tls: Option<Tls>,
    #[cfg(feature = "sasl")]
    login: Option<crate::Login>,
}

impl Connector {
    /// Connects to this server, with the defaults that each method names.
    pub fn new(server: Server) -> Self {
        Self {
            server,
            dialer: None,
            memory: None,
            hello_name: None,
            timeouts: Timeouts::default(),
            sending: Sending::default(),
            limits: ReplyLimits::default(),
            observer: None,
            tls: None,
            #[cfg(feature = "sasl")]
            login: None,
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

    /// Opens streams in this way instead of connecting to the address: through a proxy, or in
    /// memory. What it opens is in clear; the address says what is done with it, as for
    /// [`connect_over`](Self::connect_over).
    #[must_use]
    pub fn dialer<D, F, S>(mut self, dial: D) -> Self
    where
        D: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = io::Result<S>> + Send + 'static,
        S: Io + 'static,
    {
        self.dialer = Some(Arc::new(move || {
            let opening = dial();
            Box::pin(async move { Ok(Box::new(opening.await?) as Box<dyn Io>) })
        }));
        self
    }

    /// Authenticates while connecting: a connection that is not authenticated is an error then. By
    /// default nobody is.
    #[cfg(feature = "sasl")]
    #[must_use]
    pub fn login(mut self, login: crate::Login) -> Self {
        self.login = Some(login);
        self
    }

    /// Opens a connection: socket, TLS as the address asks for, greeting, EHLO or LHLO, and AUTH if
    /// there is a [`login`](Self::login). The addresses of a name are tried one after the other,
    /// never two at once; if all fail, the error has [all of them](smtp_error::Broken::Unreachable).
    ///
    /// A name is looked up on a thread of the runtime, which a runtime that is dropped waits for:
    /// shut it down in the background if a lookup that hangs must not hold up the program.
    ///
    /// # Errors
    /// Whatever keeps it from being usable; nothing of a failed connection is left. If the server
    /// has greeted, and client and server are in step, it is sent QUIT, for which nothing waits.
    pub async fn connect(&self) -> Result<Connection, Error> {
        let connecting = async {
            let mut clock = Clock::start(self.timeouts);
            let transport = self.open(&mut clock).await?;
            self.greet(transport, clock).await
        };
        self.watched(connecting).await
    }

    /// The same over a stream that is open already. The address is used for the name that a
    /// certificate must be for; TLS is done as it asks for, so bring a stream in clear.
    ///
    /// # Errors
    /// As for [`connect`](Self::connect).
    pub async fn connect_over(&self, stream: impl Io + 'static) -> Result<Connection, Error> {
        let clock = Clock::start(self.timeouts);
        self.watched(self.greet(Transport::Brought(Box::new(stream)), clock)).await
    }

    async fn watched(
        &self,
        connecting: impl Future<Output = Result<Connection, Error>>,
    ) -> Result<Connection, Error> {
        let watch = Watch::connect(&self.server);
        let connected = connecting.instrument(watch.span()).await;
        let connected = connected.map_err(|error| self.hinted(error));
        watch.end(&connected, None);
        connected
    }

    async fn open(&self, clock: &mut Clock) -> Result<Transport, Error> {
        match &self.dialer {
            Some(dialer) => dial_by(dialer, clock).await,
            None => dial(&self.server.address, clock).await,
        }
    }

    /// A session that has not begun, over a stream that is protected if the address asks for TLS
    /// from the first octet.
    async fn begin(
        &self,
        transport: Transport,
        clock: &mut Clock,
    ) -> Result<(Session, Wire), Error> {
        let name = self.hello_name.clone();
        let name = name.or_else(|| transport.local_ip().map(HelloName::from));
        let name = name.unwrap_or_else(HelloName::localhost);
        let mut session = Session::new(self.server.dialect, name, self.limits);
        if let Some(observer) = &self.observer {
            session.observe(Arc::clone(observer));
        }
        if transport.is_confined() {
            session.confined();
        }
        let wire = match self.server.security {
            Security::Tls => {
                self.secure(self.how_to_secure()?, transport, &mut session, clock).await?
            }
            Security::Plain | Security::StartTls => Wire::new(Stream::Plain(transport)),
        };
        Ok((session, wire))
    }

    async fn greet(&self, transport: Transport, mut clock: Clock) -> Result<Connection, Error> {
        let clock = &mut clock;
        let starttls = self.server.security == Security::StartTls;
        let tls = starttls.then(|| self.how_to_secure()).transpose()?;
        let (mut session, mut wire) = self.begin(transport, clock).await?;
        let mut hello = Hello::after_greeting().fallback(self.fallback());
        if let Some(tls) = tls {
            let granted = ask_for_tls(&mut wire, &mut session, clock).await;
            wire = keep_or_leave(wire, &mut session, granted).await?;
            wire = self.secure(tls, wire.into_transport()?, &mut session, clock).await?;
            hello = Hello::again().fallback(HelloFallback::Forbidden);
        }
        let introduced = self.introduce(&mut wire, &mut session, clock, hello).await;
        let wire = keep_or_leave(wire, &mut session, introduced).await?;
        Ok(self.connection(session, wire))
    }

    /// Learns what the server offers, and logs in if there is a login.
    async fn introduce(
        &self,
        wire: &mut Wire,
        session: &mut Session,
        clock: &mut Clock,
        hello: Hello,
    ) -> Result<(), Error> {
        converse(wire, session, clock, hello).await?;
        let starttls = self.server.security == Security::StartTls;
        if let Some(memory) = self.memory.as_ref().filter(|_| !starttls) {
            memory.keep(session.capabilities());
        }
        #[cfg(feature = "sasl")]
        if let Some(login) = &self.login {
            crate::login::log_in(wire, session, clock, login).await?;
        }
        Ok(())
    }

    fn connection(&self, session: Session, wire: Wire) -> Connection {
        let facts = TlsFacts::of(wire.stream(), self.server.security);
        Connection::new(session, wire, (self.timeouts, self.sending), facts)
    }

    /// A login needs EHLO, without which there is no AUTH.
    fn fallback(&self) -> HelloFallback {
        if self.has_login() { HelloFallback::Forbidden } else { HelloFallback::Allowed }
    }

    fn has_login(&self) -> bool {
        #[cfg(feature = "sasl")]
        return self.login.is_some();
        #[cfg(not(feature = "sasl"))]
        false
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
        let watch = Watch::begin(Step::Handshake);
        let handshake = tls.handshake(self.server.host(), transport, session, clock);
        let secured = handshake.instrument(watch.span()).await.map(Wire::new);
        watch.end(&secured, None);
        secured
    }
}

/// Everything up to the handshake of STARTTLS.
async fn ask_for_tls(
    wire: &mut Wire,
    session: &mut Session,
    clock: &mut Clock,
) -> Result<(), Error> {
    let hello = Hello::after_greeting().fallback(HelloFallback::Forbidden);
    converse(wire, session, clock, hello).await?;
    converse(wire, session, clock, StartTls::new()).await?;
    wire.look(session).await;
    session.check_before_tls()
}

/// The wire, if it is still used. If not, the server is sent QUIT where the protocol allows that,
/// and the caller has the error without waiting for the reply.
async fn keep_or_leave(
    wire: Wire,
    session: &mut Session,
    outcome: Result<(), Error>,
) -> Result<Wire, Error> {
    match outcome {
        Ok(()) => Ok(wire),
        Err(error) => {
            wire.leave(session).await;
            Err(error)
        }
    }
}

async fn converse<C: Conversation>(
    wire: &mut Wire,
    session: &mut Session,
    clock: &mut Clock,
    conversation: C,
) -> Result<C::Answer, Error> {
    let step = conversation.step();
    let run = session.run(conversation)?;
    let watch = Watch::begin(step);
    let answer = wire.drive(run, clock, &mut Nothing).instrument(watch.span()).await;
    watch.end(&answer, session.last_code());
    answer
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").field("server", &self.server).finish_non_exhaustive()
    }
}
