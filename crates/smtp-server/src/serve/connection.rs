//! One connection: passes the events of its session to the handler, and the decisions back.
use std::{
    any::Any,
    fmt,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Instant,
};

use smtp_caps::Envelope;
use tokio::sync::watch;
use tracing::{debug, info, warn};

use super::{
    data::Data,
    handler::{Context, Decided, Handler, Outcome},
    verifier::{Identity, Verify},
    wire::{Io, Stream, Timeouts},
};
use crate::{
    Accept, Client, Closing, Decision, Event, Login, Refuse, ReplyCode, ServerSession, Settings,
};

/// What all connections share.
pub(super) struct Shared<H, V> {
    pub(super) handler: H,
    pub(super) verifier: Option<V>,
    pub(super) timeouts: Timeouts,
}

/// What the connections of one listener share.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) settings: Arc<Settings>,
    pub(super) name: Option<String>,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<Arc<rustls::ServerConfig>>,
}

/// One connection.
pub(super) struct Connection<H: Handler, V> {
    shared: Arc<Shared<H, V>>,
    io: Io,
    cx: Context<H::State>,
    /// Whether the server shuts down.
    shutdown: watch::Receiver<bool>,
}

impl<H: Handler, V: Verify> Connection<H, V> {
    pub(super) fn new(
        shared: Arc<Shared<H, V>>,
        endpoint: Arc<Endpoint>,
        (stream, client): (Box<dyn Stream>, Client),
        (id, nonce): (u64, [u8; 32]),
        shutdown: watch::Receiver<bool>,
    ) -> Self {
        let session = ServerSession::new(Arc::clone(&endpoint.settings), client, nonce);
        let cx = Context::new(Arc::clone(session.client()), endpoint, id, H::State::default());
        let io = Io::new(session, stream, shared.timeouts);
        Self { shared, io, cx, shutdown }
    }

    /// Serves the client until the session ends.
    pub(super) async fn serve(mut self) -> Closing {
        if *self.shutdown.borrow() {
            self.io.session.shut_down();
        }
        let why = loop {
            self.cx.update(self.io.session.client());
            match self.io.next(usize::MAX) {
                Event::Read => self.wait().await,
                Event::Write => {
                    if self.io.flush().await.is_err() {
                        self.io.session.disconnected();
                    }
                }
                Event::Close(why) => break why,
                Event::StartTls => self.start_tls().await,
                Event::Reset | Event::Abandoned(_) => self.reset().await,
                Event::LoginFailed(code) => log_login(self.cx.client(), code),
                _ => self.decide().await,
            }
        };
        let Self { shared, cx, .. } = &mut self;
        if let Err(panic) = caught(|| shared.handler.closed(cx, why)).await {
            warn!(%panic, "the handler panicked");
        }
        self.io.close().await;
        why
    }

    /// Waits for the client, or for the shutdown of the server.
    async fn wait(&mut self) {
        let Self { io, shutdown, .. } = self;
        let mut told = pin!(told_to_stop(shutdown));
        let is_shutdown = poll_fn(|cx| {
            if told.as_mut().poll(cx).is_ready() {
                return Poll::Ready(true);
            }
            io.poll_fill(cx).map(|()| false)
        });
        if is_shutdown.await {
            io.stop_waiting();
            io.session.shut_down();
        }
    }

    async fn reset(&mut self) {
        self.cx.set_mail(None);
        let Self { shared, cx, .. } = self;
        if let Err(panic) = caught(|| shared.handler.reset(cx)).await {
            warn!(%panic, "the handler panicked");
        }
    }

    /// Asks the handler what the session asks.
    async fn decide(&mut self) {
        let Self { shared, io, cx, .. } = self;
        let handler = &shared.handler;
        let Some(question) = io.session.question() else { return };
        let decision = match question {
            Event::Connected => refusing(|| handler.connect(cx)).await,
            Event::Hello(hello) => refusing(|| handler.hello(cx, hello)).await,
            Event::Mail(mail) => {
                let decision = refusing(|| handler.mail(cx, mail)).await;
                cx.set_mail(decision.is_ok().then(|| mail.clone()));
                decision
            }
            Event::Rcpt(rcpt) => refusing(|| handler.rcpt(cx, rcpt)).await,
            Event::Message(envelope) => {
                let envelope = envelope.clone();
                return self.message(&envelope).await;
            }
            Event::Auth(Login::ScramKeys { user, hash }) => {
                let Some(verifier) = &shared.verifier else { return };
                let context = cx.without_state();
                match caught(|| verifier.scram_keys(&context, user, hash)).await {
                    Ok(Ok(keys)) => return io.session.scram_keys(keys),
                    Ok(Err(refuse)) => Err(refuse),
                    Err(panic) => Err(panic.into()),
                }
            }
            Event::Auth(login) => {
                let Some(verifier) = &shared.verifier else { return };
                let context = cx.without_state();
                match refusing(|| verifier.login(&context, login)).await {
                    Ok(Identity(Some(identity))) => return io.session.accept_login(&identity),
                    Ok(Identity(None)) => Ok(Accept::usual()),
                    Err(refuse) => {
                        log_login(cx.client(), refuse.reply().code());
                        Err(refuse)
                    }
                }
            }
            Event::Verify(name) => refusing(|| handler.verify(cx, name)).await,
            Event::Expand(list) => refusing(|| handler.expand(cx, list)).await,
            Event::Etrn(node) => refusing(|| handler.etrn(cx, node)).await,
            Event::Xforward(attributes) => refusing(|| handler.xforward(cx, attributes)).await,
            Event::Other { verb, arguments } => {
                refusing(|| handler.command(cx, verb, arguments)).await
            }
            // What is added later gets its usual reply.
            _ => return,
        };
        log(&decision);
        io.session.decide(decision);
    }

    /// Receives a message.
    async fn message(&mut self, envelope: &Envelope) {
        let Self { shared, io, cx, .. } = self;
        let handler = &shared.handler;
        let decision = refusing(|| handler.data(cx, envelope)).await;
        let refused = decision.is_err();
        log(&decision);
        io.session.decide(decision);
        if refused {
            return;
        }
        // The client waits for 354, and the handler may wait before it reads.
        if io.flush().await.is_err() {
            io.session.disconnected();
        }
        let begun = Instant::now();
        io.begin_message();
        let mut data = Data::new(io);
        let outcome = match caught(|| handler.message(cx, envelope, &mut data)).await {
            Ok(outcome) => outcome,
            Err(panic) => Err(panic.into()),
        };
        let end = data.finish().await;
        io.end_message();
        cx.set_mail(None);
        let recipients = envelope.rcpts().len();
        let duration_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let Some(end) = end else {
            debug!(recipients, duration_us, "message not completed");
            return;
        };
        match outcome {
            Ok(Outcome(Decided::All(accept))) => {
                info!(recipients, size = end.size, duration_us, "message accepted");
                io.session.decide(Ok(accept));
            }
            Ok(Outcome(Decided::Each(decisions))) => {
                let mut accepted = decisions.iter().filter(|decision| decision.is_ok()).count();
                if decisions.len() != recipients {
                    let decisions = decisions.len();
                    warn!(
                        recipients,
                        decisions, "wrong number of decisions, message refused for now"
                    );
                    accepted = 0;
                } else if end.decisions < recipients && accepted < recipients {
                    // One reply for all, which accepts nothing then.
                    accepted = 0;
                }
                info!(recipients, accepted, size = end.size, duration_us, "message decided");
                decisions.iter().for_each(log);
                io.session.decide_each(decisions);
            }
            Err(refuse) => {
                // The text may hold addresses.
                let code = refuse.reply().code().get();
                info!(recipients, size = end.size, duration_us, code, "message refused");
                let decision = Err(refuse);
                log(&decision);
                io.session.decide(decision);
            }
        }
    }

    #[cfg(not(feature = "tls"))]
    async fn start_tls(&mut self) {
        // The server did not start with such settings.
        self.io.session.disconnected();
    }

    #[cfg(feature = "tls")]
    async fn start_tls(&mut self) {
        let Self { shared, io, cx, shutdown } = self;
        let Some(config) = cx.tls() else { return io.session.disconnected() };
        if io.flush().await.is_err() {
            return io.session.disconnected();
        }
        let prefix = io.take_unread();
        let stream = std::mem::replace(&mut io.stream, Box::new(tokio::io::empty()));
        let accepted = super::tls::accept(config, prefix, stream);
        let mut accepted = pin!(tokio::time::timeout(shared.timeouts.handshake, accepted));
        let mut told = pin!(told_to_stop(shutdown));
        // No reply would be understood in a handshake, so that its client is not waited for.
        let accepted = poll_fn(|cx| match told.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => accepted.as_mut().poll(cx).map(Some),
        });
        match accepted.await {
            Some(Ok(Ok((stream, facts)))) => {
                io.stream = stream;
                io.session.tls_started(facts);
            }
            Some(Ok(Err(error))) => {
                debug!(%error, "TLS handshake failed");
                io.session.disconnected();
            }
            Some(Err(_elapsed)) => {
                debug!("TLS handshake timed out");
                io.session.timed_out();
            }
            None => io.session.shut_down(),
        }
    }
}

/// Waits until the server is told to stop. It is ready once, and never without a sender.
async fn told_to_stop(shutdown: &mut watch::Receiver<bool>) {
    if shutdown.changed().await.is_err() {
        std::future::pending().await
    }
}

/// Logs a login that was refused, with the network address, so that those who guess can be shut out.
fn log_login(client: &Client, code: ReplyCode) {
    let client = client.address().map(|address| address.ip());
    info!(?client, code = code.get(), "login refused");
}

/// Logs the error that caused a refusal, which the client does not see.
fn log(decision: &Decision) {
    if let Err(refuse) = decision
        && let Some(cause) = refuse.cause()
    {
        warn!(code = refuse.reply().code().get(), %cause, "refused because of an error");
    }
}

/// A panic of a handler, which refuses for now.
#[derive(Debug)]
struct Panicked(String);

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the handler panicked: {}", self.0)
    }
}

impl std::error::Error for Panicked {}

impl From<Box<dyn Any + Send>> for Panicked {
    fn from(payload: Box<dyn Any + Send>) -> Self {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        Self(text.unwrap_or_else(|| "no message".to_owned()))
    }
}

async fn refusing<T, F>(ask: impl FnOnce() -> F) -> Result<T, Refuse>
where
    F: Future<Output = Result<T, Refuse>>,
{
    match caught(ask).await {
        Ok(decision) => decision,
        Err(panic) => Err(panic.into()),
    }
}

/// Calls a method of the handler, waits for it, and catches its panic: it is the fault of one
/// message, and must not end others. A method that is not an `async fn` may panic where it is called.
async fn caught<F: Future>(call: impl FnOnce() -> F) -> Result<F::Output, Panicked> {
    let mut future = pin!(catch_unwind(AssertUnwindSafe(call))?);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(payload) => Poll::Ready(Err(payload.into())),
    })
    .await
}
