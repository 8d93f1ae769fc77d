//! The connection: a session over a stream, one operation at a time.
use std::{convert::Infallible, fmt, pin::pin};

use smtp_caps::{Capabilities, Envelope};
use smtp_codec::{Deviations, HelloName};
use smtp_error::{Delivery, Ended, Error, Reply, Step, Verdict};
use tracing::Instrument;

use crate::{
    Content, Messages, SendMany, Timeouts,
    asynchronous::{
        drive::Wire,
        feed::{Feed, Nothing},
        many::Queue,
    },
    clock::Clock,
    session::{Batch, Dialect, Operation, Sending, Session, SimpleCommand, Transaction},
    spans::Watch,
    tls::TlsFacts,
};

mod commands;
mod scoped;
mod verbs;

pub use scoped::ScopedSettings;

/// An open connection to a server.
///
/// A serial protocol has one operation at a time, so every operation takes `&mut self`. Each is
/// bounded by the [`Timeouts`]. Dropping the future of an operation ends the session, unless
/// nothing of it was written: the next call says so, instead of taking a late reply for its own,
/// and closes the connection.
/// The same holds after an error that leaves the two sides out of step, and after 421.
pub struct Connection {
    session: Session,
    /// Gone when the session has ended.
    wire: Option<Wire>,
    timeouts: Timeouts,
    sending: Sending,
    /// What is known of the TLS around it.
    tls: Option<TlsFacts>,
}

impl Connection {
    pub(crate) fn new(
        session: Session,
        wire: Wire,
        (timeouts, sending): (Timeouts, Sending),
        tls: Option<TlsFacts>,
    ) -> Self {
        Self { session, wire: Some(wire), timeouts, sending, tls }
    }

    /// Sends one message, and says what became of it for each recipient.
    ///
    /// `Ok` means that the server has answered for every recipient; some or all of them may have
    /// been refused. What the message needs (8BITMIME, SMTPUTF8, SIZE) is derived from envelope
    /// and content; what is left open is done as [`Sending`] says.
    ///
    /// # Errors
    /// The server was never asked, or its answer is not known:
    /// [`in_doubt`](Error::in_doubt) says which. [`verdicts`](Error::verdicts) has what was known
    /// by then.
    pub async fn send(
        &mut self,
        envelope: &Envelope,
        content: impl Into<Content<'_>>,
    ) -> Result<Delivery, Error> {
        let mut content = content.into();
        if let Err(error) = self.look(Step::Mail).await {
            let unsent = Err(error);
            Watch::send(envelope, content.facts()).sent(&unsent, None);
            return unsent;
        }
        self.send_at_once(envelope, &mut content).await
    }

    /// The same on a connection whose server may not have greeted yet: what comes in was asked for.
    pub(crate) async fn send_at_once(
        &mut self,
        envelope: &Envelope,
        content: &mut Content<'_>,
    ) -> Result<Delivery, Error> {
        let watch = Watch::send(envelope, content.facts());
        let transaction = Transaction::new(envelope, content.facts());
        let transaction = transaction.sending(content.sending(self.sending));
        let sent = {
            // Pinned first, so that it need not be moved into the span.
            let sending = pin!(self.run(transaction, content));
            sending.instrument(watch.span()).await
        };
        watch.sent(&sent, self.session.last_code());
        sent
    }

    /// Sends many messages, one after the other or [running ahead](crate::Ahead), and has a result
    /// for each, in their order and as soon as it is known. A message that is refused or cannot be
    /// sent disturbs no other.
    ///
    /// The messages come from an iterator, or from a stream by way of [`Messages::stream`].
    ///
    /// # Errors
    /// The session has ended; then none was taken.
    pub async fn send_many<'c, 'm>(
        &'c mut self,
        messages: impl Into<Messages<'m>>,
    ) -> Result<SendMany<'c, 'm>, Error> {
        self.check(Step::Mail).await?;
        let Some(wire) = &mut self.wire else {
            return Err(Error::new(Step::Mail, Ended::Closed));
        };
        let run = self.session.run(Batch::new(self.sending.ahead))?;
        let clock = Clock::start(self.timeouts);
        Ok(SendMany::new(run, wire, clock, Queue::new(messages.into(), self.sending)))
    }

    /// AUTH: authenticates the session, which is possible once. If a transaction may be open, RSET
    /// closes it first. What the server offers is taken to be as before; [`rehlo`](Self::rehlo)
    /// asks again.
    ///
    /// # Errors
    /// The session is authenticated already, nothing that the server offers may be used, the
    /// server refused ([`advice`](Error::advice) says what to do), or it did not prove what it has
    /// to prove: then the session has ended.
    pub async fn login(&mut self, login: &crate::Login) -> Result<(), Error> {
        self.check(Step::Auth).await?;
        let mut clock = Clock::start(self.timeouts);
        let Some(wire) = &mut self.wire else {
            return Err(Error::new(Step::Auth, Ended::Closed));
        };
        let outcome =
            crate::asynchronous::login::log_in(wire, &mut self.session, &mut clock, login).await;
        self.drop_if_ended();
        outcome
    }

    /// The mechanism by which the session is authenticated; `None` if it is not.
    pub fn authenticated_by(&self) -> Option<&str> {
        self.session.authenticated_by()
    }

    /// What the server offers.
    pub fn capabilities(&self) -> &Capabilities {
        self.session.capabilities()
    }

    /// Takes away or changes capabilities, until the next [`rehlo`](Self::rehlo) replaces them.
    pub fn set_capabilities(&mut self, capabilities: Capabilities) {
        self.session.set_capabilities(capabilities);
    }

    /// The name for the next [`rehlo`](Self::rehlo).
    pub fn set_hello_name(&mut self, name: HelloName) {
        self.session.set_hello_name(name);
    }

    /// What the server greeted with.
    pub fn greeting(&self) -> Option<&Reply> {
        self.session.greeting()
    }

    /// What is known of the TLS around this connection; `None` if it is in clear.
    pub fn tls(&self) -> Option<&TlsFacts> {
        self.tls.as_ref()
    }

    /// Whether SMTP or LMTP is spoken.
    pub fn dialect(&self) -> Dialect {
        self.session.dialect()
    }

    /// What was unusual about the replies so far.
    pub fn deviations(&self) -> Deviations {
        self.session.deviations()
    }

    /// Why the connection takes no further operation, as far as that is known yet.
    pub fn ended(&self) -> Option<&Ended> {
        self.session.ended()
    }

    /// What the server had said about each recipient of the message whose sending was canceled:
    /// of the operation that [`Ended::Canceled`] is about, in the order of the envelope. Empty if
    /// that was no message.
    pub fn canceled_verdicts(&self) -> &[Option<Verdict>] {
        self.session.canceled_verdicts()
    }

    /// How long each step may take, to look at or to change for all that follows.
    pub fn timeouts_mut(&mut self) -> &mut Timeouts {
        &mut self.timeouts
    }

    /// Changes whenever something was changed that the next message would notice.
    pub(crate) fn changes(&self) -> u32 {
        self.session.changes()
    }

    async fn ask(&mut self, ask: SimpleCommand<'_>) -> Result<Reply, Error> {
        self.check(ask.step()).await?;
        self.drive(ask).await
    }

    /// Looks whether the session can take an operation, before anything is prepared for it.
    async fn check(&mut self, step: Step) -> Result<(), Error> {
        let checked = self.look(step).await;
        if checked.is_err() {
            Watch::begin(step).end(&checked, None);
        }
        checked
    }

    async fn look(&mut self, step: Step) -> Result<(), Error> {
        if self.session.ended().is_none()
            && let Some(wire) = &mut self.wire
        {
            wire.look(&mut self.session).await;
        }
        let checked = self.session.check(step);
        self.drop_if_ended();
        checked
    }

    /// Runs a operation in a span of its own.
    async fn drive<O: Operation<Request = Infallible>>(
        &mut self,
        what: O,
    ) -> Result<O::Answer, Error> {
        let watch = Watch::begin(what.step());
        let answer = self.run(what, &mut Nothing).instrument(watch.span()).await;
        watch.end(&answer, self.session.last_code());
        answer
    }

    async fn run<O: Operation>(
        &mut self,
        what: O,
        feed: &mut impl Feed<O>,
    ) -> Result<O::Answer, Error> {
        let step = what.step();
        let mut clock = Clock::start(self.timeouts);
        let run = self.session.run(what)?;
        let Some(wire) = &mut self.wire else {
            return Err(Error::new(step, Ended::Closed));
        };
        let answer = wire.drive(run, &mut clock, feed).await;
        // QUIT closes in its own way, and ATRN gives the stream away.
        if !matches!(step, Step::Quit | Step::Atrn) {
            self.drop_if_ended();
        }
        answer
    }

    /// Closes the connection without waiting for anything, with QUIT if the session takes one.
    pub(crate) async fn leave(mut self) {
        if let Some(wire) = self.wire.take() {
            wire.leave(&mut self.session).await;
        }
    }

    /// A session that has ended is closed without waiting for anything.
    fn drop_if_ended(&mut self) {
        if self.session.ended().is_some() {
            self.wire = None;
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("session", &self.session).finish_non_exhaustive()
    }
}
