//! The beginning: the greeting, and EHLO, LHLO or HELO (RFC 5321, 4.1.1.1 and 3.1).
use smtp_caps::Capabilities;
use smtp_codec::Command;
use smtp_error::{Error, ErrorKind, Extension, Hint, Reply, ReplyCode, Step, Unsupported};
use std::convert::Infallible;

use super::{
    Dialect, Operation, Session,
    operation::Protocol,
    replies::{PendingReply, refused},
};

/// Learns what the server offers. Its capabilities replace all that were known.
#[derive(Debug)]
pub struct Hello {
    state: State,
    fallback: HelloFallback,
    /// The reply that refused EHLO, if HELO is tried instead.
    refused: Option<Reply>,
}

/// Whether a server that does not know EHLO is greeted with HELO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "a yes or no that has a name")]
pub enum HelloFallback {
    /// After 500 or 502 to EHLO, HELO is tried; such a server offers nothing.
    #[default]
    Allowed,
    /// The refusal is an error: for callers that need an extension.
    Forbidden,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    AwaitGreeting,
    Send,
    SendHelo,
    AwaitReply(Verb),
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    /// EHLO or LHLO, which is answered with capabilities.
    Extended,
    Helo,
}

impl Hello {
    /// Waits for the greeting first.
    pub fn after_greeting() -> Self {
        Self { state: State::AwaitGreeting, fallback: HelloFallback::Allowed, refused: None }
    }

    /// Greets again: after TLS, or to learn what changed. HELO if the session fell back before.
    pub fn again() -> Self {
        Self { state: State::Send, fallback: HelloFallback::Allowed, refused: None }
    }

    /// The same, with or without the fallback to HELO.
    #[must_use]
    pub fn fallback(mut self, fallback: HelloFallback) -> Self {
        self.fallback = fallback;
        self
    }

    fn send(&mut self, session: &mut Session, verb: Verb) -> Result<(), ErrorKind> {
        let name = session.hello_name.clone();
        let command = match (verb, session.dialect) {
            (Verb::Helo, _) => Command::Helo(name.borrowed()),
            (Verb::Extended, Dialect::Smtp) => Command::Ehlo(name.borrowed()),
            (Verb::Extended, Dialect::Lmtp) => Command::Lhlo(name.borrowed()),
        };
        let reply = PendingReply::new(Step::Hello);
        session.command(command, Command::MAX_LINE, reply)?;
        self.state = State::AwaitReply(verb);
        Ok(())
    }

    fn may_fall_back(&self, session: &Session, reply: &Reply) -> bool {
        self.state == State::AwaitReply(Verb::Extended)
            && self.fallback == HelloFallback::Allowed
            && session.dialect == Dialect::Smtp
            && is_unknown(reply.code())
    }
}

impl Protocol for Hello {
    fn current_step(&self) -> Step {
        if self.state == State::AwaitGreeting { Step::Greeting } else { Step::Hello }
    }

    fn write_commands(&mut self, session: &mut Session) -> Result<(), ErrorKind> {
        match self.state {
            State::AwaitGreeting if session.replies.none_pending() => {
                session.replies.expect_greeting(false);
                Ok(())
            }
            State::Send if session.uses_helo => self.send(session, Verb::Helo),
            State::Send => self.send(session, Verb::Extended),
            State::SendHelo => self.send(session, Verb::Helo),
            State::AwaitGreeting | State::AwaitReply(_) | State::Done => Ok(()),
        }
    }

    fn handle_reply(
        &mut self,
        session: &mut Session,
        _: PendingReply,
        reply: Reply,
    ) -> Result<(), ErrorKind> {
        if self.may_fall_back(session, &reply) {
            self.state = State::SendHelo;
            self.refused = Some(reply);
            return Ok(());
        }
        if !reply.is_completion() {
            return Err(refused(reply));
        }
        self.state = match self.state {
            State::AwaitReply(verb) => {
                session.mail.reset();
                session.uses_helo = verb == Verb::Helo;
                session.capabilities = match verb {
                    Verb::Extended => session.offered(reply),
                    Verb::Helo => Capabilities::none(),
                };
                State::Done
            }
            _ => {
                session.greeting = Some(reply);
                State::Send
            }
        };
        Ok(())
    }

    fn is_done(&self, _: &Session) -> bool {
        self.state == State::Done
    }
}

impl Operation for Hello {
    type Answer = ();

    type Request = Infallible;

    fn answer(&mut self, _: &Session) -> Result<(), Error> {
        Ok(())
    }

    /// A server that refuses EHLO and then closes has given its reason in the reply to EHLO. One that
    /// knows neither EHLO nor HELO does not speak SMTP.
    fn failed(&mut self, error: Error) -> Result<(), Error> {
        match &self.refused {
            Some(ehlo) => Err(match error.reply().map(Reply::code) {
                None => error.with_explanation(ehlo.as_bytes()),
                Some(code) if is_unknown(code) => error.with_hint(Hint::Lmtp),
                Some(_) => error,
            }),
            None => Err(error),
        }
    }
}

/// Returns whether the server does not know the command that it replies to with this code.
fn is_unknown(code: ReplyCode) -> bool {
    matches!(code, ReplyCode::UNRECOGNIZED | ReplyCode::NOT_IMPLEMENTED)
}

impl Session {
    /// Sends EHLO without waiting for the greeting, and takes the server to offer what this reply
    /// to an earlier EHLO offers (PIPECONNECT, an extension of Exim). The first operation runs
    /// ahead of both replies as far as PIPELINING allows, except for the content of a message,
    /// which waits for them. If the server offers anything else this time, the operation fails.
    ///
    /// # Errors
    /// The earlier reply does not offer PIPECONNECT, or the session has begun already.
    pub fn anticipate(&mut self, earlier: Reply) -> Result<(), Error> {
        let capabilities = self.offered(earlier);
        let refuse = |kind: Unsupported| Err(Error::new(Step::Hello, kind));
        if self.greeting.is_some() || self.dialect != Dialect::Smtp {
            return refuse(Unsupported::ByClient(Extension::PipeConnect));
        }
        if !capabilities.has(Extension::PipeConnect) {
            return refuse(Unsupported::Extension(Extension::PipeConnect));
        }
        self.replies.expect_greeting(true);
        let name = self.hello_name.clone();
        let reply = PendingReply { early: true, ..PendingReply::new(Step::Hello) };
        self.command(Command::Ehlo(name.borrowed()), Command::MAX_LINE, reply)
            .map_err(|kind| Error::new(Step::Hello, kind))?;
        self.capabilities = capabilities;
        Ok(())
    }

    /// Handles a reply whose acceptance was anticipated.
    pub(crate) fn confirm(&mut self, pending: PendingReply, reply: Reply) -> Result<(), ErrorKind> {
        if !reply.is_completion() {
            return Err(refused(reply));
        }
        if pending.step == Step::Greeting {
            self.greeting = Some(reply);
            return Ok(());
        }
        let offered = self.offered(reply);
        let same = offered.iter().eq(self.capabilities.iter());
        self.capabilities = offered;
        if same { Ok(()) } else { Err(Unsupported::Changed.into()) }
    }
}
