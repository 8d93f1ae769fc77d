//! The session: what to say next, given what was said.
//!
//! The protocol as a state machine: no socket, no clock, no runtime. Whoever drives it hands over
//! what came in and writes what is to go out.
//!
//! A [`Session`] is what lasts: the dialect, the capabilities, whether and why it has ended. What
//! is done with it is a [`Operation`], one of [`Hello`], [`StartTls`], [`Auth`], [`SimpleCommand`],
//! [`Xclient`], [`Xforward`], [`Transaction`] and [`Batch`]. [`Session::run`] makes a [`ActiveOperation`] of the
//! two, and [`ActiveOperation::next`] says what to do:
//!
//! ```
//! use smtp_session::{Hello, Next, Session};
//!
//! let mut session = Session::default();
//! let mut run = session.run(Hello::after_greeting())?;
//! assert_eq!(run.next(), Next::Read);
//! run.receive(b"220 mx.example.org\r\n");
//!
//! assert_eq!(run.next(), Next::Write);
//! assert_eq!(run.output().first(), b"EHLO localhost\r\n");
//! run.wrote(16);
//! run.receive(b"250-mx.example.org\r\n250 SIZE 1000\r\n");
//!
//! assert_eq!(run.next(), Next::Done);
//! run.finish()?;
//! assert_eq!(session.capabilities().size_limit(), Some(1000));
//! # Ok::<(), smtp_session::Error>(())
//! ```
use std::{collections::VecDeque, fmt, sync::Arc};

use smtp_caps::{Capabilities, Channel};
use smtp_codec::{Command, Deviations, HelloName, ReplyDecoder, ReplyLimits};
use smtp_error::{Ended, Excerpt, Extension, Reply, ReplyCode, Step, Verdict};

mod anticipation;
mod auth;
mod batch;
mod changes;
mod dialect;
mod exchange;
mod hello;
mod in_step;
mod next;
mod observer;
mod operation;
mod output;
mod protection;
mod proxy;
mod run;
#[cfg(feature = "sasl")]
pub mod sasl;
mod sending;
mod simple_command;
mod starttls;
mod transaction;
mod used;
mod veil;

pub use auth::Auth;
pub use batch::{Batch, BatchRequest};
pub use dialect::Dialect;
pub use exchange::{Challenge, ClearText, Exchange, Exposure, Response};
pub use hello::{Hello, HelloFallback};
pub use next::Next;
pub use observer::{Event, Observer};
pub use operation::{ContentRequest, Operation, SendsContent};
pub use output::Output;
pub use protection::ChannelBinding;
pub use proxy::{Xclient, Xforward};
pub use run::ActiveOperation;
pub use sending::{Ahead, Excess, FirstChunk, Partial, Sending};
pub use simple_command::SimpleCommand;
pub use starttls::StartTls;
pub use transaction::{EnvelopeRef, Piece, Transaction};
#[cfg(feature = "sasl")]
pub(crate) use veil::without_secret;

/// The errors of operations, from `smtp-error`.
pub use smtp_error::{Error, ErrorKind, Invalid};

use operation::{Expected, PendingReply};
use used::Used;
use veil::Veil;

/// What lasts from one operation to the next.
pub struct Session {
    dialect: Dialect,
    hello_name: HelloName,
    greeting: Option<Reply>,
    channel: Channel,
    confined: bool,
    binding: Option<ChannelBinding>,
    /// The mechanism by which the client is known.
    authenticated: Option<String>,
    veil: Veil,
    capabilities: Capabilities,
    fell_back: bool,
    /// The mail transaction that may be open on the server's side.
    open: Option<u64>,
    /// How many transactions were begun.
    numbers: u64,
    ended: Option<Ended>,

    limits: ReplyLimits,
    decoder: ReplyDecoder,
    deviations: Deviations,
    /// What came in and belongs to nothing that was asked.
    surplus: Vec<u8>,
    /// What had come in when the server closed an idle connection, and was not a whole 421.
    last_octets: Option<Excerpt>,
    /// How much had been handed to the transport when the reply under way began to come in.
    reply_began: u64,

    output: Output,
    /// The ledger: the steps that are owed a reply, the oldest first.
    owed: VecDeque<PendingReply>,
    used: Used,
    canceled: Vec<Option<Verdict>>,
    observer: Option<Arc<dyn Observer>>,
    /// The code of the last reply of what is under way.
    heard: Option<ReplyCode>,
    /// How often something was changed that the next message would notice.
    changes: u32,
}

impl Default for Session {
    fn default() -> Self {
        Self::new(Dialect::Smtp, HelloName::localhost(), ReplyLimits::default())
    }
}

impl Session {
    /// A session that has not begun.
    pub fn new(dialect: Dialect, hello_name: HelloName, limits: ReplyLimits) -> Self {
        Self {
            dialect,
            hello_name,
            greeting: None,
            channel: Channel::default(),
            confined: false,
            binding: None,
            authenticated: None,
            veil: Veil::default(),
            capabilities: Capabilities::none(),
            fell_back: false,
            open: None,
            numbers: 0,
            ended: None,
            limits,
            decoder: ReplyDecoder::new(limits, Deviations::TOLERANT),
            deviations: Deviations::empty(),
            surplus: Vec::new(),
            last_octets: None,
            reply_began: 0,
            output: Output::default(),
            owed: VecDeque::new(),
            used: Used::default(),
            canceled: Vec::new(),
            observer: None,
            heard: None,
            changes: 0,
        }
    }

    /// Lets `observer` see every command, reply and text from now on.
    pub fn observe(&mut self, observer: Arc<dyn Observer>) {
        self.observer = Some(observer);
    }

    /// Begins a operation.
    ///
    /// # Errors
    /// `Ended` if the session has ended, or ends now because something came in that nobody asked
    /// for. Nothing is written then.
    pub fn run<C: Operation>(&mut self, operation: C) -> Result<ActiveOperation<'_, C>, Error> {
        self.check(operation.step())?;
        Ok(ActiveOperation::new(self, operation))
    }

    /// Whether a operation can begin with this step.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub fn check(&mut self, step: Step) -> Result<(), Error> {
        self.heard = None;
        self.check_in_step(step)?;
        match &self.ended {
            Some(ended) => {
                let error = Error::new(step, ended.clone());
                Err(match (ended, &self.last_octets) {
                    (Ended::Closed, Some(octets)) => error.with_excerpt(octets.clone()),
                    _ => error,
                })
            }
            None => Ok(()),
        }
    }

    /// Whether SMTP or LMTP is spoken.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The name for the next EHLO, HELO or LHLO.
    pub fn hello_name(&self) -> &HelloName {
        &self.hello_name
    }

    /// What the server greeted with.
    pub fn greeting(&self) -> Option<&Reply> {
        self.greeting.as_ref()
    }

    /// What the server offers: nothing before the first [`Hello`], and after a fallback to HELO.
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Why the session takes no further command, if it has ended.
    pub fn ended(&self) -> Option<&Ended> {
        self.ended.as_ref()
    }

    /// What was unusual about the replies so far.
    pub fn deviations(&self) -> Deviations {
        self.deviations
    }

    /// The code of the last reply to what was done last.
    pub fn last_code(&self) -> Option<ReplyCode> {
        self.heard
    }

    fn has(&self, extension: Extension) -> bool {
        self.capabilities.has(extension)
    }

    /// Ends the session, unless it has ended before: the first reason is the true one.
    fn end(&mut self, reason: Ended) {
        self.ended.get_or_insert(reason);
    }

    /// What the server had said about each recipient of the message whose sending was
    /// [canceled](Ended::Canceled), in the order of the envelope; empty if there was none.
    pub fn canceled_verdicts(&self) -> &[Option<Verdict>] {
        &self.canceled
    }

    /// Says a command and owes it a reply.
    fn say(
        &mut self,
        command: Command<'_>,
        limit: usize,
        owed: PendingReply,
    ) -> Result<(), ErrorKind> {
        self.write(command, limit)?;
        self.owe(owed);
        Ok(())
    }

    /// Says a command, for which nothing is owed yet.
    fn write(&mut self, command: Command<'_>, limit: usize) -> Result<(), ErrorKind> {
        self.output.command(|line| command.encode(limit, line))?;
        if matches!(command, Command::Auth { .. } | Command::AuthResponse(_)) {
            self.output.keep_secret();
        }
        self.emit(Event::Sent(command));
        Ok(())
    }

    /// Owes a reply to what was said last.
    fn owe(&mut self, owed: PendingReply) {
        self.owed.push_back(PendingReply { asked: self.output.end(), ..owed });
    }

    /// Owes a greeting, whose last line may refuse though the lines before it do not.
    fn expect_greeting(&mut self, owed: PendingReply) {
        self.decoder = ReplyDecoder::new(self.limits, Deviations::TOLERANT).greeting();
        self.owed.push_back(owed);
    }

    /// The greeting has come: each reply from here on has one code.
    fn has_greeted(&mut self) {
        self.decoder = ReplyDecoder::new(self.limits, Deviations::TOLERANT);
    }

    /// Says RSET, to leave a mail transaction that may be open on the server's side.
    fn say_reset(&mut self) -> Result<(), ErrorKind> {
        self.say(
            Command::Rset,
            Command::MAX_LINE,
            PendingReply::new(Step::Reset, Expected::Codes(&[250])),
        )
    }

    /// The server refused the RSET before something else. A mail transaction may still be open, to
    /// which the next commands would be added: the session ends. A 421 ends it anyway.
    fn not_reset(&mut self, reply: Reply) -> ErrorKind {
        if reply.code() == ReplyCode::SERVICE_CLOSING {
            return ErrorKind::Refused(reply);
        }
        let ended = Ended::NotReset(reply);
        self.end(ended.clone());
        ended.into()
    }

    fn emit(&mut self, event: Event<'_>) {
        if let Event::Received(reply) = event {
            self.heard = Some(reply.code());
        }
        tracing::trace!(target: "smtp_session", "{event}");
        if let Some(observer) = &self.observer {
            observer.event(event);
        }
    }

    /// Returns whether nothing waits to be written and no reply is pending.
    fn is_quiet(&self) -> bool {
        self.output.is_empty() && self.owed.is_empty()
    }

    /// Forgets what was under way.
    fn forget(&mut self) {
        self.output.clear();
        self.owed.clear();
        if self.ended.is_some() {
            self.veil.lift();
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("dialect", &self.dialect)
            .field("hello_name", &self.hello_name)
            .field("capabilities", &self.capabilities)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}
