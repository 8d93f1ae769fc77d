//! Connecting, as both clients do it: from an open stream to a session that knows what the server
//! offers.

/// What both connectors do. Expand it beside a `Connector` that has `settings` and `dialer`, with
/// `Connection`, `Transport`, `Stream`, `Driver`, `dial`, `exchange`, `handshake`, `log_in` and the
/// macro `in_span` in scope. `$lookup` documents how a name is looked up.
macro_rules! connecting {
    ([$($async:tt)*], [$($await:tt)*], $lookup:literal) => {
        impl Connector {
            /// Opens a connection: socket, TLS as the address asks for, greeting, EHLO or LHLO,
            /// and AUTH if there is a [`login`](Self::login). The addresses of a name are tried
            /// one after the other, or [raced](Self::race); if all fail, the error has
            /// [all of them](crate::Broken::Unreachable).
            ///
            #[doc = $lookup]
            ///
            /// # Errors
            /// Whatever keeps it from being usable; nothing of a failed connection is left. If the
            /// server has greeted, and client and server are in step, it is sent QUIT, for which
            /// nothing waits.
            pub $($async)* fn connect(&self) -> Result<Connection, $crate::Error> {
                let clock = &mut $crate::clock::Clock::start(self.settings.timeouts);
                match &self.settings.submission {
                    None => self.connect_to_server(clock)$($await)*,
                    Some(submission) => self.connect_to_either(submission, clock)$($await)*,
                }
            }

            $($async)* fn connect_to_server(
                &self,
                clock: &mut $crate::clock::Clock,
            ) -> Result<Connection, $crate::Error> {
                let connected = self.open_watched(clock)$($await)*;
                let failed = connected.as_ref().err();
                match failed.and_then(|error| self.settings.in_clear_after(error)) {
                    Some(in_clear) => self.to(in_clear).open_watched(clock)$($await)*,
                    None => connected,
                }
            }

            /// Returns the same connector for another address of its server.
            fn to(&self, server: $crate::Server) -> Self {
                let mut connector = self.clone();
                connector.settings.server = server;
                connector
            }

            $($async)* fn open_watched(
                &self,
                clock: &mut $crate::clock::Clock,
            ) -> Result<Connection, $crate::Error> {
                let watch = $crate::spans::Watch::connect(&self.settings.server);
                let connected = in_span!(watch.span(), self.open_and_greet(clock));
                self.settings.connected(watch, connected)
            }

            /// Connects to the first port of a submission server that can be used.
            $($async)* fn connect_to_either(
                &self,
                submission: &$crate::settings::Submission,
                clock: &mut $crate::clock::Clock,
            ) -> Result<Connection, $crate::Error> {
                let [first, second] = submission.ports(&self.settings.server);
                let mut connector = self.to(first);
                let connected = match connector.connect_to_server(clock)$($await)* {
                    Err(failed) if $crate::settings::is_about_the_port(&failed) => {
                        connector = self.to(second);
                        let connected = connector.connect_to_server(clock)$($await)*;
                        connected.map_err(|error| $crate::settings::of_both_ports(failed, error))
                    }
                    connected => connected,
                };
                submission.remember(&connector.settings.server, connected.is_ok());
                connected
            }

            /// Opens a connection and sends one message on it.
            ///
            /// If the server is [remembered](Self::ehlo_cache) to offer PIPECONNECT, EHLO and the
            /// commands of the message leave before its greeting has come, and the text follows
            /// when it is known that the server offers the same as before. If not, or if the
            /// server refuses at the greeting or at EHLO a client that sends so early, the message
            /// is sent again in the usual way, on another connection. Otherwise, with STARTTLS and
            /// with a login, this is the same as [`connect`](Self::connect) and
            /// [`send`](Connection::send).
            ///
            /// # Errors
            /// As for the two. The connection is closed then.
            pub $($async)* fn deliver<'a>(
                &self,
                envelope: &$crate::Envelope,
                content: impl Into<$crate::Content<'a>>,
            ) -> Result<(Connection, $crate::Delivery), $crate::Error> {
                let mut content = content.into();
                content.check(Driver::AWAITS)?;
                if let Some(remembered) = self.settings.remembered() {
                    let early = self.deliver_early(remembered, envelope, &mut content)$($await)*;
                    match early.into() {
                        $crate::ehlo_cache::Early::Over(outcome) => return outcome,
                        $crate::ehlo_cache::Early::Changed => {}
                        $crate::ehlo_cache::Early::Unwelcome => self.settings.forget(),
                    }
                }
                let mut connection = self.connect()$($await)*?;
                match connection.send(envelope, content)$($await)* {
                    Ok(delivery) => Ok((connection, delivery)),
                    Err(error) => {
                        connection.leave()$($await)*;
                        Err(error)
                    }
                }
            }

            $($async)* fn deliver_early(
                &self,
                remembered: $crate::Reply,
                envelope: &$crate::Envelope,
                content: &mut $crate::Content<'_>,
            ) -> Result<(Connection, $crate::Delivery), $crate::Error> {
                let watch = $crate::spans::Watch::connect(&self.settings.server);
                let connected = in_span!(watch.span(), self.open_early(remembered));
                let mut connection = self.settings.connected(watch, connected)?;
                let delivered = connection.send_at_once(envelope, content)$($await)*;
                self.settings.remember(connection.capabilities());
                match delivered {
                    Ok(delivery) => Ok((connection, delivery)),
                    Err(error) => {
                        connection.leave()$($await)*;
                        Err(error)
                    }
                }
            }

            /// A connection whose server has not greeted.
            $($async)* fn open_early(
                &self,
                remembered: $crate::Reply,
            ) -> Result<Connection, $crate::Error> {
                let mut clock = $crate::clock::Clock::start(self.settings.timeouts);
                let transport = self.open(&mut clock)$($await)*?;
                $crate::spans::connected_to(transport.peer());
                let (mut session, driver) = self.begin(transport, &mut clock)$($await)*?;
                session.anticipate(remembered)?;
                Ok(self.connection(session, driver))
            }

            $($async)* fn open_and_greet(
                &self,
                clock: &mut $crate::clock::Clock,
            ) -> Result<Connection, $crate::Error> {
                let transport = self.open(clock)$($await)*?;
                $crate::spans::connected_to(transport.peer());
                self.greet(transport, clock)$($await)*
            }

            /// The same over a stream that is open.
            $($async)* fn greet_over(
                &self,
                transport: Transport,
            ) -> Result<Connection, $crate::Error> {
                let clock = &mut $crate::clock::Clock::start(self.settings.timeouts);
                let watch = $crate::spans::Watch::connect(&self.settings.server);
                let connected = in_span!(watch.span(), self.greet(transport, clock));
                self.settings.connected(watch, connected)
            }

            /// An open stream to the server, through the proxy if there is one.
            $($async)* fn open(
                &self,
                clock: &mut $crate::clock::Clock,
            ) -> Result<Transport, $crate::Error> {
                let (server, route) = (&self.settings.server.address, &self.settings.route);
                let dialer = self.dialer.as_ref();
                let Some(proxy) = &route.proxy else {
                    return dial(server, route, dialer, clock)$($await)*;
                };
                let mut preamble = proxy.preamble(server)?;
                let dialed = dial(proxy.address(), route, dialer, clock)$($await)*;
                let mut transport = dialed.map_err(|error| proxy.blamed(error))?;
                self.exchange(&mut transport, &mut preamble, clock)$($await)*?;
                Ok(match preamble.seen_as() {
                    Some(ip) => transport.seen_as(ip),
                    None => transport,
                })
            }

            $($async)* fn exchange(
                &self,
                transport: &mut Transport,
                preamble: &mut $crate::proxy::Preamble,
                clock: &mut $crate::clock::Clock,
            ) -> Result<(), $crate::Error> {
                let exchanged = exchange(transport, preamble, clock)$($await)*;
                exchanged.map_err(|broken| $crate::Error::new($crate::Step::Connect, broken))
            }

            /// A session that has not begun, over a stream that is protected if the address asks
            /// for TLS from the first octet.
            $($async)* fn begin(
                &self,
                mut transport: Transport,
                clock: &mut $crate::clock::Clock,
            ) -> Result<($crate::session::Session, Driver), $crate::Error> {
                if let Some(header) = &self.settings.route.header {
                    let mut preamble = $crate::proxy::Preamble::header(header);
                    self.exchange(&mut transport, &mut preamble, clock)$($await)*?;
                }
                let confined = transport.is_confined();
                let mut session = self.settings.session(transport.local_ip(), confined);
                session.set_server(self.settings.server.peer(transport.peer()));
                session.connected();
                if self.settings.server.security != $crate::Security::Tls {
                    return Ok((session, Driver::new(Stream::Plain(transport))));
                }
                let tls = self.settings.tls()?;
                let driver = self.secure(tls, transport, &mut session, clock)$($await)*?;
                Ok((session, driver))
            }

            $($async)* fn greet(
                &self,
                transport: Transport,
                clock: &mut $crate::clock::Clock,
            ) -> Result<Connection, $crate::Error> {
                let tls = self.settings.tls_after_starttls()?;
                let (mut session, mut driver) = self.begin(transport, clock)$($await)*?;
                let hello = $crate::session::Hello::after_greeting();
                let mut hello = Some(hello.fallback(self.settings.fallback()));
                if let Some(tls) = tls {
                    let granted = self.ask_for_tls(&mut driver, &mut session, clock)$($await)*;
                    let granted = keep_or_quit(driver, &mut session, granted)$($await)*?;
                    driver = granted.0;
                    hello = None;
                    if granted.1 {
                        let transport = driver.into_transport()?;
                        driver = self.secure(tls, transport, &mut session, clock)$($await)*?;
                        let fallback = $crate::session::HelloFallback::Forbidden;
                        hello = Some($crate::session::Hello::again().fallback(fallback));
                    }
                }
                let known = self.introduce(&mut driver, &mut session, clock, hello)$($await)*;
                let (driver, ()) = keep_or_quit(driver, &mut session, known)$($await)*?;
                Ok(self.connection(session, driver))
            }

            /// Learns what the server offers, and logs in if there is a login.
            $($async)* fn introduce(
                &self,
                driver: &mut Driver,
                session: &mut $crate::session::Session,
                clock: &mut $crate::clock::Clock,
                hello: Option<$crate::session::Hello>,
            ) -> Result<(), $crate::Error> {
                if let Some(hello) = hello {
                    run_watched(driver, session, clock, hello)$($await)*?;
                }
                self.settings.remember(session.capabilities());
                if let Some(login) = &self.settings.login {
                    log_in(driver, session, clock, login)$($await)*?;
                }
                Ok(())
            }

            fn connection(&self, session: $crate::session::Session, driver: Driver) -> Connection {
                let security = self.settings.server.security;
                let tls = driver.stream().tls();
                let facts = tls.map(|(tls, protection)| {
                    $crate::TlsFacts::new(tls, protection, security)
                });
                Connection::new(session, driver, &self.settings, facts)
            }

            $($async)* fn secure(
                &self,
                tls: $crate::Tls,
                transport: Transport,
                session: &mut $crate::session::Session,
                clock: &mut $crate::clock::Clock,
            ) -> Result<Driver, $crate::Error> {
                let host = self.settings.server.host();
                let watch = $crate::spans::Watch::begin($crate::Step::Handshake);
                let secured =
                    in_span!(watch.span(), handshake(&tls, host, transport, session, clock));
                let secured = secured.map_err(|error| session.name_server(error));
                watch.end(&secured, None);
                secured.map(Driver::new)
            }

            /// Everything up to the handshake of STARTTLS. Returns whether it follows: the server
            /// may go on in clear where TLS is opportunistic.
            $($async)* fn ask_for_tls(
                &self,
                driver: &mut Driver,
                session: &mut $crate::session::Session,
                clock: &mut $crate::clock::Clock,
            ) -> Result<bool, $crate::Error> {
                let optional = self.settings.server.security == $crate::Security::Opportunistic;
                let fallback = match optional {
                    true => self.settings.fallback(),
                    false => $crate::session::HelloFallback::Forbidden,
                };
                let hello = $crate::session::Hello::after_greeting().fallback(fallback);
                run_watched(driver, session, clock, hello)$($await)*?;
                if optional && !session.capabilities().has($crate::Extension::StartTls) {
                    return Ok(false);
                }
                let starttls = $crate::session::StartTls::new();
                match run_watched(driver, session, clock, starttls)$($await)* {
                    // Such as 454, temporarily without TLS. After 421 the session has ended.
                    Err(error)
                        if optional && matches!(error.kind(), $crate::ErrorKind::Refused(_)) =>
                    {
                        return Ok(false);
                    }
                    granted => granted?,
                }
                driver.check_idle(session)$($await)*;
                session.check_before_tls()?;
                Ok(true)
            }
        }

        /// The wire, if it is still used. If not, the server is sent QUIT where the protocol
        /// allows that, and the caller has the error without waiting for the reply.
        $($async)* fn keep_or_quit<T>(
            driver: Driver,
            session: &mut $crate::session::Session,
            outcome: Result<T, $crate::Error>,
        ) -> Result<(Driver, T), $crate::Error> {
            match outcome {
                Ok(answer) => Ok((driver, answer)),
                Err(error) => {
                    driver.quit_without_waiting(session)$($await)*;
                    Err(error)
                }
            }
        }

        $($async)* fn run_watched<O>(
            driver: &mut Driver,
            session: &mut $crate::session::Session,
            clock: &mut $crate::clock::Clock,
            operation: O,
        ) -> Result<O::Answer, $crate::Error>
        where
            O: $crate::session::Operation<Request = std::convert::Infallible>,
        {
            let step = operation.step();
            let run = session.run(operation)?;
            let watch = $crate::spans::Watch::begin(step);
            let feed = &mut $crate::feed::Nothing;
            let answer = in_span!(watch.span(), driver.drive(run, clock, feed));
            watch.end(&answer, session.last_code());
            answer
        }

        impl std::fmt::Debug for Connector {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let mut shown = f.debug_struct("Connector");
                shown.field("server", &self.settings.server).finish_non_exhaustive()
            }
        }
    };
}

pub(crate) use connecting;
