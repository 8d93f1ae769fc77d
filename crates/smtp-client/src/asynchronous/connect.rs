//! Connecting: from an address to a session that knows what the server offers.
use std::{convert::Infallible, future::Future, io, sync::Arc};

use smtp_error::{Error, Step};
use tracing::Instrument;

use crate::{
    Security, Server,
    asynchronous::{
        Connection, Io,
        dial::{Dialer, dial, dial_by},
        drive::Wire,
        feed::Nothing,
        handshake::handshake,
        login::log_in,
        stream::{Stream, Transport},
    },
    clock::Clock,
    session::{Hello, HelloFallback, Operation, Session, StartTls},
    settings::{Settings, settings},
    spans::Watch,
    tls::{Tls, TlsFacts},
};

mod early;

pub use early::EhloCache;

/// Opens connections to one server, all in the same way.
#[derive(Clone)]
pub struct Connector {
    settings: Settings,
    dialer: Option<Dialer>,
    ehlo_cache: Option<EhloCache>,
}

impl Connector {
    /// Connects to this server, with the defaults that each method names.
    pub fn new(server: Server) -> Self {
        Self { settings: Settings::new(server), dialer: None, ehlo_cache: None }
    }

    settings!();

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
            let mut clock = Clock::start(self.settings.timeouts);
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
        let clock = Clock::start(self.settings.timeouts);
        self.watched(self.greet(Transport::Brought(Box::new(stream)), clock)).await
    }

    async fn watched(
        &self,
        connecting: impl Future<Output = Result<Connection, Error>>,
    ) -> Result<Connection, Error> {
        let watch = Watch::connect(&self.settings.server);
        let connected = connecting.instrument(watch.span()).await;
        let connected = connected.map_err(|error| self.settings.server.hinted(error));
        watch.end(&connected, None);
        connected
    }

    async fn open(&self, clock: &mut Clock) -> Result<Transport, Error> {
        match &self.dialer {
            Some(dialer) => dial_by(dialer, clock).await,
            None => dial(&self.settings.server.address, clock).await,
        }
    }

    /// A session that has not begun, over a stream that is protected if the address asks for TLS
    /// from the first octet.
    async fn begin(
        &self,
        transport: Transport,
        clock: &mut Clock,
    ) -> Result<(Session, Wire), Error> {
        let mut session = self.settings.session(transport.local_ip(), transport.is_confined());
        let wire = match self.settings.server.security {
            Security::Tls => {
                self.secure(self.settings.tls()?, transport, &mut session, clock).await?
            }
            Security::Plain | Security::StartTls => Wire::new(Stream::Plain(transport)),
        };
        Ok((session, wire))
    }

    async fn greet(&self, transport: Transport, mut clock: Clock) -> Result<Connection, Error> {
        let clock = &mut clock;
        let starttls = self.settings.server.security == Security::StartTls;
        let tls = starttls.then(|| self.settings.tls()).transpose()?;
        let (mut session, mut wire) = self.begin(transport, clock).await?;
        let mut hello = Hello::after_greeting().fallback(self.settings.fallback());
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
        let starttls = self.settings.server.security == Security::StartTls;
        if let Some(memory) = self.ehlo_cache.as_ref().filter(|_| !starttls) {
            memory.keep(session.capabilities());
        }
        if let Some(login) = &self.settings.login {
            log_in(wire, session, clock, login).await?;
        }
        Ok(())
    }

    fn connection(&self, session: Session, wire: Wire) -> Connection {
        let security = self.settings.server.security;
        let facts = wire.stream().tls().map(|tls| TlsFacts::new(tls, security));
        Connection::new(session, wire, (self.settings.timeouts, self.settings.sending), facts)
    }

    async fn secure(
        &self,
        tls: Tls,
        transport: Transport,
        session: &mut Session,
        clock: &mut Clock,
    ) -> Result<Wire, Error> {
        let watch = Watch::begin(Step::Handshake);
        let handshake = handshake(&tls, self.settings.server.host(), transport, session, clock);
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

async fn converse<O: Operation<Request = Infallible>>(
    wire: &mut Wire,
    session: &mut Session,
    clock: &mut Clock,
    operation: O,
) -> Result<O::Answer, Error> {
    let step = operation.step();
    let run = session.run(operation)?;
    let watch = Watch::begin(step);
    let answer = wire.drive(run, clock, &mut Nothing).instrument(watch.span()).await;
    watch.end(&answer, session.last_code());
    answer
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").field("server", &self.settings.server).finish_non_exhaustive()
    }
}
