//! The beginning: the greeting, and EHLO, LHLO or HELO (RFC 5321, 4.1.1.1 and 3.1).
use smtp_caps::Capabilities;
use smtp_codec::Command;
use smtp_error::{Error, ErrorKind, Reply, ReplyCode, Step};
use std::convert::Infallible;

use super::{
    Dialect, Operation, Session,
    operation::{Expected, PendingReply, Protocol},
};

/// Learns what the server offers. Its capabilities replace all that were known.
#[derive(Debug)]
pub struct Hello {
    turn: Turn,
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
    /// The refusal is an error: for whoever needs something that only EHLO offers.
    Forbidden,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    AwaitGreeting,
    Say,
    SayHelo,
    Listen(Verb),
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
        Self { turn: Turn::AwaitGreeting, fallback: HelloFallback::Allowed, refused: None }
    }

    /// Greets again: after TLS, or to learn what changed. HELO if the session fell back before.
    pub fn again() -> Self {
        Self { turn: Turn::Say, fallback: HelloFallback::Allowed, refused: None }
    }

    /// The same, with or without the fallback to HELO.
    #[must_use]
    pub fn fallback(mut self, fallback: HelloFallback) -> Self {
        self.fallback = fallback;
        self
    }

    fn say(&mut self, session: &mut Session, verb: Verb) -> Result<(), ErrorKind> {
        let name = session.hello_name.clone();
        let command = match (verb, session.dialect) {
            (Verb::Helo, _) => Command::Helo(name.borrowed()),
            (Verb::Extended, Dialect::Smtp) => Command::Ehlo(name.borrowed()),
            (Verb::Extended, Dialect::Lmtp) => Command::Lhlo(name.borrowed()),
        };
        let owed = PendingReply::new(Step::Hello, Expected::Codes(&[250]));
        session.say(command, Command::MAX_LINE, owed)?;
        self.turn = Turn::Listen(verb);
        Ok(())
    }

    fn may_fall_back(&self, session: &Session, reply: &Reply) -> bool {
        self.turn == Turn::Listen(Verb::Extended)
            && self.fallback == HelloFallback::Allowed
            && session.dialect == Dialect::Smtp
            && matches!(reply.code(), ReplyCode::UNRECOGNIZED | ReplyCode::NOT_IMPLEMENTED)
    }
}

impl Protocol for Hello {
    fn current_step(&self) -> Step {
        if self.turn == Turn::AwaitGreeting { Step::Greeting } else { Step::Hello }
    }

    fn write_commands(&mut self, session: &mut Session) -> Result<(), ErrorKind> {
        match self.turn {
            Turn::AwaitGreeting if session.owed.is_empty() => {
                session.expect_greeting(PendingReply::new(Step::Greeting, Expected::Codes(&[220])));
                Ok(())
            }
            Turn::Say if session.fell_back => self.say(session, Verb::Helo),
            Turn::Say => self.say(session, Verb::Extended),
            Turn::SayHelo => self.say(session, Verb::Helo),
            Turn::AwaitGreeting | Turn::Listen(_) | Turn::Done => Ok(()),
        }
    }

    fn handle_reply(
        &mut self,
        session: &mut Session,
        _: PendingReply,
        reply: Reply,
    ) -> Result<(), ErrorKind> {
        if self.may_fall_back(session, &reply) {
            self.turn = Turn::SayHelo;
            self.refused = Some(reply);
            return Ok(());
        }
        if !reply.is_completion() {
            return Err(ErrorKind::Refused(reply));
        }
        self.turn = match self.turn {
            Turn::Listen(verb) => {
                session.open = None;
                session.fell_back = verb == Verb::Helo;
                session.capabilities = match verb {
                    Verb::Extended => Capabilities::from_reply(reply).learned(session.channel),
                    Verb::Helo => Capabilities::none(),
                };
                Turn::Done
            }
            _ => {
                session.greeting = Some(reply);
                Turn::Say
            }
        };
        Ok(())
    }

    fn is_done(&self, _: &Session) -> bool {
        self.turn == Turn::Done
    }
}

impl Operation for Hello {
    type Answer = ();

    type Request = Infallible;

    fn answer(self, _: &Session) -> Result<(), Error> {
        Ok(())
    }

    /// A server that refuses EHLO and then closes has said why, but not to HELO.
    fn failed(self, error: Error) -> Result<(), Error> {
        match self.refused {
            Some(reply) if error.reply().is_none() => Err(error.with_explanation(reply.as_bytes())),
            _ => Err(error),
        }
    }
}
