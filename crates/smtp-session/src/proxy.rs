//! What a proxy or a content filter says of the client that it speaks for: XCLIENT and XFORWARD
//! (Postfix).
use smtp_caps::Capabilities;
use smtp_codec::{Attributes, Command};
use smtp_error::{
    Ended, Error, ErrorKind, Extension, Field, Flaw, Invalid, Reply, Step, Unsupported,
};
use std::convert::Infallible;

use super::{
    Hello, HelloFallback, Operation, Session,
    operation::{Expected, PendingReply, Protocol},
};

/// Speaks for another client from here on. The server begins anew: its 220 is the new greeting, and
/// the EHLO or LHLO that follows replaces the capabilities.
///
/// All attributes have to fit into one line. Several would be legal, but each begins the session
/// anew, and a server that has taken the address in the first may trust the second no more.
#[derive(Debug)]
pub struct Xclient<'a> {
    attributes: Attributes<&'a str>,
    turn: Turn,
}

#[derive(Debug)]
enum Turn {
    Say,
    Listen,
    Restarted(Hello),
}

impl<'a> Xclient<'a> {
    /// Says these attributes of the client.
    pub fn new(attributes: &'a Attributes) -> Self {
        Self { attributes: attributes.borrowed(), turn: Turn::Say }
    }
}

impl Protocol for Xclient<'_> {
    fn current_step(&self) -> Step {
        match &self.turn {
            Turn::Restarted(hello) => hello.step(),
            Turn::Say | Turn::Listen => Step::Xclient,
        }
    }

    fn write_commands(&mut self, session: &mut Session) -> Result<(), ErrorKind> {
        match &mut self.turn {
            Turn::Restarted(hello) => hello.write_commands(session),
            Turn::Say if session.owed.is_empty() => {
                let listed = session.capabilities.xclient_attributes();
                check(session, Extension::Xclient, listed, &self.attributes)?;
                let command = Command::Xclient(self.attributes);
                command.check(Command::MAX_LINE)?;
                if session.open.is_some() {
                    return session.say_reset();
                }
                let owed = PendingReply::new(Step::Xclient, Expected::Codes(&[220]));
                session.say(command, Command::MAX_LINE, owed)?;
                self.turn = Turn::Listen;
                Ok(())
            }
            Turn::Say | Turn::Listen => Ok(()),
        }
    }

    fn handle_reply(
        &mut self,
        session: &mut Session,
        owed: PendingReply,
        reply: Reply,
    ) -> Result<(), ErrorKind> {
        if let Turn::Restarted(hello) = &mut self.turn {
            let heard = hello.handle_reply(session, owed, reply);
            if heard.is_err() {
                // The server knows nobody any more, and offers nothing.
                session.end(Ended::Failed { step: Step::Hello });
            }
            return heard;
        }
        if !reply.is_completion() {
            return Err(ErrorKind::Refused(reply));
        }
        if owed.step == Step::Reset {
            session.open = None;
        } else {
            session.changes += 1;
            session.greeting = Some(reply);
            session.capabilities = Capabilities::none();
            self.turn = Turn::Restarted(Hello::again().fallback(HelloFallback::Forbidden));
        }
        Ok(())
    }

    fn is_done(&self, session: &Session) -> bool {
        matches!(&self.turn, Turn::Restarted(hello) if hello.is_done(session))
    }
}

impl Operation for Xclient<'_> {
    type Answer = ();

    type Request = Infallible;

    fn answer(self, _: &Session) -> Result<(), Error> {
        Ok(())
    }
}

/// Passes on what is known of the client that the next message came from. It counts for one mail
/// transaction.
///
/// Attributes that do not fit into one line go out in several. If a line is refused, the server may
/// have taken what stands before the attribute that it did not like: the next transaction begins
/// with RSET, which makes it forget.
#[derive(Debug)]
pub struct Xforward<'a> {
    attributes: &'a Attributes,
    said: usize,
    reply: Option<Reply>,
}

/// The number of no transaction: only RSET closes what is open under it.
const NOBODY: u64 = 0;
/// What is left of a line for the attributes.
const ROOM: usize = Command::MAX_LINE - "XFORWARD \r\n".len();

impl<'a> Xforward<'a> {
    /// Says these attributes of the client.
    pub fn new(attributes: &'a Attributes) -> Self {
        Self { attributes, said: 0, reply: None }
    }

    fn check(&self, session: &Session) -> Result<(), ErrorKind> {
        let listed = session.capabilities.xforward_attributes();
        check(session, Extension::Xforward, listed, &self.attributes.borrowed())?;
        for group in self.attributes.groups(ROOM) {
            Command::Xforward(group).check(Command::MAX_LINE)?;
        }
        Ok(())
    }
}

impl Protocol for Xforward<'_> {
    fn current_step(&self) -> Step {
        Step::Xforward
    }

    fn write_commands(&mut self, session: &mut Session) -> Result<(), ErrorKind> {
        if !session.owed.is_empty() {
            return Ok(());
        }
        if self.said == 0 {
            self.check(session)?;
            if session.open.is_some() {
                // The transaction would begin with it, and undo what is said here.
                return session.say_reset();
            }
        }
        let Some(group) = self.attributes.groups(ROOM).nth(self.said) else { return Ok(()) };
        let owed = PendingReply::new(Step::Xforward, Expected::Codes(&[250]));
        session.say(Command::Xforward(group), Command::MAX_LINE, owed)?;
        self.said += 1;
        session.changes += 1;
        Ok(())
    }

    fn handle_reply(
        &mut self,
        session: &mut Session,
        owed: PendingReply,
        reply: Reply,
    ) -> Result<(), ErrorKind> {
        if !reply.is_completion() {
            session.open = Some(NOBODY);
            return Err(ErrorKind::Refused(reply));
        }
        if owed.step == Step::Reset {
            session.open = None;
        } else if self.attributes.groups(ROOM).nth(self.said).is_none() {
            self.reply = Some(reply);
        }
        Ok(())
    }

    fn is_done(&self, _: &Session) -> bool {
        self.reply.is_some()
    }
}

impl Operation for Xforward<'_> {
    type Answer = Reply;

    type Request = Infallible;

    fn answer(self, _: &Session) -> Result<Reply, Error> {
        let step = Step::Xforward;
        self.reply.ok_or_else(|| Error::new(step, Ended::Failed { step }))
    }
}

/// Refuses what the server must offer first, before anything is said.
fn check<'l>(
    session: &Session,
    extension: Extension,
    listed: impl Iterator<Item = &'l str>,
    attributes: &Attributes<&str>,
) -> Result<(), ErrorKind> {
    if !session.has(extension) {
        return Err(Unsupported::Extension(extension).into());
    }
    if attributes.as_str().is_empty() {
        return Err(Invalid::new(Field::ClientAttributes, Flaw::Empty).into());
    }
    let listed: Vec<&str> = listed.collect();
    let is_listed = |name: &str| listed.iter().any(|known| known.eq_ignore_ascii_case(name));
    let strange = attributes.iter().position(|(name, _)| !is_listed(name));
    match strange {
        Some(at) => Err(Unsupported::Attribute { extension, number: at + 1 }.into()),
        None => Ok(()),
    }
}
