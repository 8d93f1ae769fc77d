//! The connection: a session over a stream, one operation at a time.
use std::fmt;

use smtp_caps::{Capabilities, Envelope};
use smtp_codec::{Argument, Deviations, HelloName};
use smtp_error::{Delivery, Ended, Error, Field, Invalid, Reply, Step, Verdict};

use crate::{
    Content, Messages, SendMany, Timeouts,
    clock::Clock,
    drive::Wire,
    feed::{Feed, Nothing},
    many::Queue,
    session::{
        Ask, Batch, Conversation, Dialect, Hello, HelloFallback, Sending, Session, Transaction,
    },
};

mod bounded;

pub use bounded::Bounded;

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
}

impl Connection {
    pub(crate) fn new(session: Session, wire: Wire, timeouts: Timeouts, sending: Sending) -> Self {
        Self { session, wire: Some(wire), timeouts, sending }
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
        self.check(Step::Mail).await?;
        let mut content = content.into();
        let transaction = Transaction::new(envelope, content.facts());
        let transaction = transaction.sending(content.sending(self.sending));
        self.drive(transaction, &mut content).await
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

    /// RSET: aborts the mail transaction, if one is open.
    ///
    /// # Errors
    /// A refusal is one; and any 2yz reply but 250 is a misbehavior.
    pub async fn reset(&mut self) -> Result<Reply, Error> {
        self.ask(Ask::reset()).await
    }

    /// NOOP: keeps the connection alive. There is no need for it before another operation, which
    /// looks for itself whether the server has closed the connection.
    ///
    /// # Errors
    /// A refusal is one; and any 2yz reply but 250 is a misbehavior.
    pub async fn noop(&mut self) -> Result<Reply, Error> {
        self.ask(Ask::noop()).await
    }

    /// VRFY: asks who a user name or mailbox is (RFC 5321, 3.5). The reply is the answer, whatever
    /// its code: 250 and 251 verified, 252 cannot verify but will try, 550 unknown, 553 ambiguous,
    /// 502 not implemented.
    ///
    /// Text that is no atom is quoted; a [`Mailbox`](crate::Mailbox) is sent as it is. Outside
    /// ASCII it needs SMTPUTF8 (RFC 6531, 3.7.4.2).
    ///
    /// # Errors
    /// Only what is no answer: a bad argument, 421, a broken line.
    pub async fn verify<A>(&mut self, who: A) -> Result<Reply, Error>
    where
        A: TryInto<Argument, Error: Into<Invalid>>,
    {
        self.check(Step::Verify).await?;
        let argument = argument(who, Step::Verify, Field::VerifyArgument)?;
        self.ask(Ask::verify(&argument)).await
    }

    /// EXPN: asks who is on a list (RFC 5321, 3.5). The reply is the answer, whatever its code; its
    /// [`lines`](Reply::lines) are the members.
    ///
    /// Arguments are treated as by [`verify`](Self::verify).
    ///
    /// # Errors
    /// Only what is no answer: a bad argument, 421, a broken line.
    pub async fn expand<A>(&mut self, list: A) -> Result<Reply, Error>
    where
        A: TryInto<Argument, Error: Into<Invalid>>,
    {
        self.check(Step::Expand).await?;
        let argument = argument(list, Step::Expand, Field::ExpandArgument)?;
        self.ask(Ask::expand(&argument)).await
    }

    /// HELP, with a topic or `None`. The reply is the answer, whatever its code.
    ///
    /// # Errors
    /// Only what is no answer: a bad topic, 421, a broken line.
    pub async fn help(&mut self, topic: impl Into<Option<&str>>) -> Result<Reply, Error> {
        self.check(Step::Help).await?;
        let topic = topic.into().map(|topic| argument(topic, Step::Help, Field::HelpTopic));
        let topic = topic.transpose()?;
        self.ask(Ask::help(topic.as_ref())).await
    }

    /// EHLO or LHLO again, or HELO if the session fell back to it: the fresh capabilities replace
    /// the old ones. It aborts the mail transaction, if one is open.
    ///
    /// # Errors
    /// A refusal is one; the capabilities stay as they were then.
    pub async fn rehlo(&mut self) -> Result<&Capabilities, Error> {
        self.check(Step::Hello).await?;
        let hello = Hello::again().fallback(HelloFallback::Forbidden);
        self.drive(hello, &mut Nothing).await?;
        Ok(self.session.capabilities())
    }

    /// QUIT: ends the session and closes the connection in both directions, with close_notify if
    /// TLS protects it. Every call afterwards says that the session has ended.
    ///
    /// # Errors
    /// The server did not answer with 221, or not in time. The connection is closed all the same.
    pub async fn quit(&mut self) -> Result<Reply, Error> {
        self.check(Step::Quit).await?;
        let answer = self.ask(Ask::quit()).await;
        if let (Some(wire), Ok(_)) = (self.wire.take(), &answer) {
            wire.close(self.timeouts.close).await;
        }
        answer
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

    /// What the server had said about each recipient of the message whose sending was cancelled:
    /// of the operation that [`Ended::Cancelled`] is about, in the order of the envelope. Empty if
    /// that was no message.
    pub fn cancelled_verdicts(&self) -> &[Option<Verdict>] {
        self.session.cancelled_verdicts()
    }

    /// How long each step may take, to look at or to change for all that follows.
    pub fn timeouts_mut(&mut self) -> &mut Timeouts {
        &mut self.timeouts
    }

    async fn ask(&mut self, ask: Ask<'_>) -> Result<Reply, Error> {
        self.check(ask.step()).await?;
        self.drive(ask, &mut Nothing).await
    }

    /// Looks whether the session can take an operation, before anything is prepared for it.
    async fn check(&mut self, step: Step) -> Result<(), Error> {
        if self.session.ended().is_none()
            && let Some(wire) = &mut self.wire
        {
            wire.look(&mut self.session).await;
        }
        let checked = self.session.check(step);
        self.drop_if_ended();
        checked
    }

    async fn drive<C: Conversation>(
        &mut self,
        what: C,
        feed: &mut impl Feed<C>,
    ) -> Result<C::Answer, Error> {
        let step = what.step();
        let mut clock = Clock::start(self.timeouts);
        let run = self.session.run(what)?;
        let Some(wire) = &mut self.wire else {
            return Err(Error::new(step, Ended::Closed));
        };
        let answer = wire.drive(run, &mut clock, feed).await;
        // QUIT closes in its own way.
        if step != Step::Quit {
            self.drop_if_ended();
        }
        answer
    }

    /// A session that has ended is closed without waiting for anything.
    fn drop_if_ended(&mut self) {
        if self.session.ended().is_some() {
            self.wire = None;
        }
    }
}

/// An argument of this field, given in whatever form.
fn argument<A>(given: A, step: Step, field: Field) -> Result<Argument, Error>
where
    A: TryInto<Argument, Error: Into<Invalid>>,
{
    given.try_into().map_err(|invalid| Error::new(step, invalid.into().in_field(field)))
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("session", &self.session).finish_non_exhaustive()
    }
}
