//! What the connections of both clients have in common, written once.
//!
//! Each macro is expanded beside a `Connection` and its `Driver`: with `[async]` and `[.await]` in
//! the client that awaits, with `[]` and `[]` in the one that blocks. The macro `in_span`, which
//! each client has for itself, runs an operation in a span.

mod commands;
mod scoped;
mod verbs;

pub(crate) use commands::{argument, session_commands};
pub(crate) use scoped::scoped_settings;
pub(crate) use verbs::{nodes, verbs, word};

/// Sending, logging in, and what is known of a connection.
macro_rules! connection {
    ([$($async:tt)*], [$($await:tt)*]) => {
        impl Connection {
            pub(crate) fn new(
                session: $crate::session::Session,
                driver: Driver,
                settings: &$crate::settings::Settings,
                tls: Option<$crate::TlsFacts>,
            ) -> Self {
                Self {
                    session,
                    driver: Some(driver),
                    server: settings.server.clone(),
                    timeouts: settings.timeouts,
                    sending: settings.sending,
                    tls,
                }
            }

            /// Sends one message, and returns the result for each recipient.
            ///
            /// `Ok` means that the server has answered for every recipient; some or all of them
            /// may have been refused. What the message needs (8BITMIME, SMTPUTF8, SIZE) is derived
            /// from envelope and content; what is left open is done as
            /// [`Sending`](crate::Sending) says.
            ///
            /// # Errors
            /// The server was never asked, or its answer is not known:
            /// [`in_doubt`](crate::Error::in_doubt) says which.
            /// [`verdicts`](crate::Error::verdicts) has what was known by then.
            pub $($async)* fn send<'a>(
                &mut self,
                envelope: &$crate::Envelope,
                content: impl Into<$crate::Content<'a>>,
            ) -> Result<$crate::Delivery, $crate::Error> {
                let mut content = content.into();
                let looked = self.look($crate::Step::Mail)$($await)*;
                if let Err(error) = looked.and_then(|()| content.check(Driver::AWAITS)) {
                    let unsent = Err(error);
                    $crate::spans::Watch::send(envelope, content.facts()).sent(&unsent, None);
                    return unsent;
                }
                self.send_at_once(envelope, &mut content)$($await)*
            }

            /// The same on a connection whose server may not have greeted yet: what comes in was
            /// asked for.
            pub(crate) $($async)* fn send_at_once(
                &mut self,
                envelope: &$crate::Envelope,
                content: &mut $crate::Content<'_>,
            ) -> Result<$crate::Delivery, $crate::Error> {
                let watch = $crate::spans::Watch::send(envelope, content.facts());
                let transaction = $crate::session::Transaction::new(envelope, content.facts());
                let transaction = transaction.sending(content.sending(self.sending));
                let sent = in_span!(watch.span(), self.run(transaction, content));
                watch.sent(&sent, self.session.last_code());
                sent
            }

            /// Begins to send what `queue` gives.
            $($async)* fn dispatch<'c, 'm, S: $crate::messages::Supply<'m>>(
                &'c mut self,
                supply: S,
            ) -> Result<(&'c mut Driver, $crate::messages::Dispatch<'c, 'm, S>), $crate::Error> {
                self.check($crate::Step::Mail)$($await)*?;
                let Some(driver) = &mut self.driver else {
                    return Err($crate::Error::new($crate::Step::Mail, $crate::Ended::Closed));
                };
                let run = self.session.run($crate::session::Batch::new(self.sending.ahead))?;
                let clock = $crate::clock::Clock::start(self.timeouts);
                let queue = $crate::messages::Queue::new(supply, self.sending, Driver::AWAITS);
                Ok((driver, $crate::messages::Dispatch::new(run, clock, queue)))
            }

            /// AUTH: authenticates the session, which is possible once. If a transaction may be
            /// open, RSET closes it first. What the server offers is taken to be as before;
            /// [`rehlo`](Self::rehlo) asks again.
            ///
            /// # Errors
            /// The session is authenticated already, nothing that the server offers may be used,
            /// the server refused ([`advice`](crate::Error::advice) says what to do), or it did
            /// not prove what it has to prove: then the session has ended.
            pub $($async)* fn login(&mut self, login: &$crate::Login) -> Result<(), $crate::Error> {
                self.check($crate::Step::Auth)$($await)*?;
                let mut clock = $crate::clock::Clock::start(self.timeouts);
                let Some(driver) = &mut self.driver else {
                    return Err($crate::Error::new($crate::Step::Auth, $crate::Ended::Closed));
                };
                let outcome = log_in(driver, &mut self.session, &mut clock, login)$($await)*;
                self.drop_if_ended();
                outcome.map_err(|error| self.session.name_server(error))
            }

            /// STARTTLS: puts the connection under TLS, and sends EHLO or LHLO again. The certificate
            /// must be for the host that was connected to, unless `tls` has another
            /// [name](crate::Tls::server_name). What was known of the server is forgotten, and so
            /// is the authentication (RFC 3207, 4.2).
            ///
            /// # Errors
            /// There is TLS already, or the server does not offer it: nothing was sent. The server
            /// refused: the connection is as before, in clear. The handshake failed: the connection
            /// is closed, because what follows it cannot be known. EHLO was refused inside TLS: the
            /// connection is protected, and the server offers nothing.
            pub $($async)* fn start_tls(
                &mut self,
                tls: $crate::Tls,
            ) -> Result<&$crate::Capabilities, $crate::Error> {
                let step = $crate::Step::StartTls;
                self.check(step)$($await)*?;
                if self.tls.is_some() {
                    return Err($crate::Error::new(step, $crate::Unsupported::InsideTls));
                }
                tls.name_for(self.server.host())?;
                self.drive($crate::session::StartTls::new())$($await)*?;
                let Some(mut driver) = self.driver.take() else {
                    return Err($crate::Error::new(step, $crate::Ended::Closed));
                };
                driver.check_idle(&mut self.session)$($await)*;
                self.session.check_before_tls()?;
                let mut clock = $crate::clock::Clock::start(self.timeouts);
                let watch = $crate::spans::Watch::begin($crate::Step::Handshake);
                let transport = driver.into_transport()?;
                let (host, session) = (self.server.host(), &mut self.session);
                let secured =
                    in_span!(watch.span(), handshake(&tls, host, transport, session, &mut clock));
                watch.end(&secured, None);
                let stream = secured.map_err(|error| {
                    self.session.handshake_failed();
                    self.session.name_server($crate::tls::hinted(error))
                })?;
                self.tls = stream.tls().map(|(tls, protection)| {
                    $crate::TlsFacts::new(tls, protection, $crate::Security::StartTls)
                });
                self.driver = Some(Driver::new(stream));
                let hello = $crate::session::Hello::again();
                let hello = hello.fallback($crate::session::HelloFallback::Forbidden);
                self.drive(hello)$($await)*?;
                Ok(self.capabilities())
            }

            /// The mechanism by which the session is authenticated; `None` if it is not.
            pub fn authenticated_by(&self) -> Option<&str> {
                self.session.authenticated_by()
            }

            /// What the server offers.
            pub fn capabilities(&self) -> &$crate::Capabilities {
                self.session.capabilities()
            }

            /// Takes away or changes capabilities, until the next [`rehlo`](Self::rehlo) replaces
            /// them.
            pub fn set_capabilities(&mut self, capabilities: $crate::Capabilities) {
                self.session.set_capabilities(capabilities);
            }

            /// The name for the next [`rehlo`](Self::rehlo).
            pub fn set_hello_name(&mut self, name: $crate::HelloName) {
                self.session.set_hello_name(name);
            }

            /// What the server greeted with.
            pub fn greeting(&self) -> Option<&$crate::Reply> {
                self.session.greeting()
            }

            /// Returns the server that this is a connection to. Of the two ports of
            /// `Connector::submission`, it has the one that was used.
            pub fn server(&self) -> &$crate::Server {
                &self.server
            }

            /// What is known of the TLS around this connection; `None` if it is in clear.
            pub fn tls(&self) -> Option<&$crate::TlsFacts> {
                self.tls.as_ref()
            }

            /// What protects the connection: whether there is TLS, and whether it is known who the
            /// server is. A Unix socket is in clear.
            pub fn protection(&self) -> $crate::Protection {
                self.tls.as_ref().map_or($crate::Protection::Clear, $crate::TlsFacts::protection)
            }

            /// Whether SMTP or LMTP is spoken.
            pub fn dialect(&self) -> $crate::session::Dialect {
                self.session.dialect()
            }

            /// What was unusual about the replies so far.
            pub fn deviations(&self) -> $crate::Deviations {
                self.session.deviations()
            }

            /// Why the connection takes no further operation, as far as that is known yet.
            pub fn ended(&self) -> Option<&$crate::Ended> {
                self.session.ended()
            }

            /// What the server had said about each recipient of the message whose sending was
            /// canceled: of the operation that [`Ended::Canceled`](crate::Ended::Canceled) is
            /// about, in the order of the envelope. Empty if that was no message.
            pub fn canceled_verdicts(
                &self,
            ) -> impl Iterator<Item = (&str, Option<&$crate::Verdict>)> + Clone {
                self.session.canceled_verdicts()
            }

            /// How long each step may take, to look at or to change for all that follows.
            pub fn timeouts_mut(&mut self) -> &mut $crate::Timeouts {
                &mut self.timeouts
            }

            $($async)* fn ask(
                &mut self,
                ask: $crate::session::SimpleCommand<'_>,
            ) -> Result<$crate::Reply, $crate::Error> {
                self.check($crate::session::Operation::step(&ask))$($await)*?;
                self.drive(ask)$($await)*
            }

            /// Looks whether the session can take an operation, before anything is prepared for it.
            $($async)* fn check(&mut self, step: $crate::Step) -> Result<(), $crate::Error> {
                let checked = self.look(step)$($await)*;
                if checked.is_err() {
                    $crate::spans::Watch::begin(step).end(&checked, None);
                }
                checked
            }

            $($async)* fn look(&mut self, step: $crate::Step) -> Result<(), $crate::Error> {
                if self.session.ended().is_none()
                    && let Some(driver) = &mut self.driver
                {
                    driver.check_idle(&mut self.session)$($await)*;
                } else if self.session.ended().is_none() {
                    // A TLS handshake was canceled.
                    self.session.closed_idle();
                }
                let checked = self.session.check(step);
                self.drop_if_ended();
                checked
            }

            /// Runs an operation in a span of its own.
            $($async)* fn drive<O>(&mut self, what: O) -> Result<O::Answer, $crate::Error>
            where
                O: $crate::session::Operation<Request = std::convert::Infallible>,
            {
                let watch = $crate::spans::Watch::begin(what.step());
                let feed = &mut $crate::feed::Nothing;
                let answer = in_span!(watch.span(), self.run(what, feed));
                watch.end(&answer, self.session.last_code());
                answer
            }

            $($async)* fn run<O: $crate::session::Operation>(
                &mut self,
                what: O,
                feed: &mut impl $crate::feed::Feed<O>,
            ) -> Result<O::Answer, $crate::Error> {
                let step = what.step();
                let mut clock = $crate::clock::Clock::start(self.timeouts);
                let mut run = self.session.run(what)?;
                let Some(driver) = &mut self.driver else {
                    return Err($crate::Error::new(step, $crate::Ended::Closed));
                };
                // Like `Driver::drive`, which would move the whole message into its own future.
                driver.advance(&mut run, &mut clock, feed)$($await)*;
                let answer = run.finish().map_err($crate::tls::hinted);
                // QUIT closes in its own way, and ATRN gives the stream away.
                if !matches!(step, $crate::Step::Quit | $crate::Step::Atrn) {
                    self.drop_if_ended();
                }
                answer
            }

            /// Closes the connection without waiting for anything, with QUIT if the session takes
            /// one.
            pub(crate) $($async)* fn leave(mut self) {
                if let Some(driver) = self.driver.take() {
                    driver.quit_without_waiting(&mut self.session)$($await)*;
                }
            }

            /// A session that has ended is closed without waiting for anything.
            fn drop_if_ended(&mut self) {
                if self.session.ended().is_some() {
                    self.driver = None;
                }
            }
        }

        impl std::fmt::Debug for Connection {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct("Connection").field("session", &self.session).finish_non_exhaustive()
            }
        }
    };
}

pub(crate) use connection;
