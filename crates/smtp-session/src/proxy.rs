//! What a proxy or a content filter passes on about its client: XCLIENT and XFORWARD
//! (Postfix).
use smtp_caps::Capabilities;
use smtp_codec::{Attributes, Command};
use smtp_error::{
    Ended, Error, ErrorKind, Extension, Field, Flaw, Invalid, Reply, Step, Unsupported,
};
use std::convert::Infallible;

use super::{
    Hello, HelloFallback, Operation, Session,
    mail_state::NO_TRANSACTION,
    operation::Protocol,
    replies::{PendingReply, refused},
};

/// Acts for another client from here on. The server restarts the session: its 220 is the new
/// greeting, and the EHLO or LHLO that follows replaces the capabilities.
///
/// All attributes have to fit into one line. Several would be legal, but each restarts the session,
/// and a server that has accepted the address in the first may not trust the second.
#[derive(Debug)]
pub struct Xclient<'a> {
    attributes: Attributes<&'a str>,
    state: State,
}

#[derive(Debug)]
enum State {
    Send,
    AwaitReply,
    Restarted(Hello),
}

impl<'a> Xclient<'a> {
    /// Sends these attributes of the client.
    pub fn new(attributes: &'a Attributes) -> Self {
        Self { attributes: attributes.borrowed(), state: State::Send }
    }
}

impl Protocol for Xclient<'_> {
    fn current_step(&self) -> Step {
        match &self.state {
            State::Restarted(hello) => hello.step(),
            State::Send | State::AwaitReply => Step::Xclient,
        }
    }

    fn write_commands(&mut self, session: &mut Session) -> Result<(), ErrorKind> {
        match &mut self.state {
            State::Restarted(hello) => hello.write_commands(session),
            State::Send if session.replies.none_pending() => {
                let listed = session.capabilities.xclient_attributes();
                check(session, Extension::Xclient, listed, &self.attributes)?;
                let command = Command::Xclient(self.attributes);
                command.check(Command::MAX_LINE)?;
                if session.mail.is_open() {
                    return session.write_reset();
                }
                let reply = PendingReply::new(Step::Xclient);
                session.command(command, Command::MAX_LINE, reply)?;
                self.state = State::AwaitReply;
                Ok(())
            }
            State::Send | State::AwaitReply => Ok(()),
        }
    }

    fn handle_reply(
        &mut self,
        session: &mut Session,
        pending: PendingReply,
        reply: Reply,
    ) -> Result<(), ErrorKind> {
        if let State::Restarted(hello) = &mut self.state {
            let handled = hello.handle_reply(session, pending, reply);
            if handled.is_err() {
                // The server has reset the session, and offers nothing.
                session.end(Ended::Failed { step: Step::Hello });
            }
            return handled;
        }
        if !reply.is_completion() {
            return Err(refused(reply));
        }
        if pending.step == Step::Reset {
            session.mail.reset();
        } else {
            session.changes += 1;
            session.greeting = Some(reply);
            session.capabilities = Capabilities::none();
            self.state = State::Restarted(Hello::again().fallback(HelloFallback::Forbidden));
        }
        Ok(())
    }

    fn is_done(&self, session: &Session) -> bool {
        matches!(&self.state, State::Restarted(hello) if hello.is_done(session))
    }
}

impl Operation for Xclient<'_> {
    type Answer = ();

    type Request = Infallible;

    fn answer(&mut self, _: &Session) -> Result<(), Error> {
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
    sent: usize,
    reply: Option<Reply>,
}

/// What is left of a line for the attributes.
const ROOM: usize = Command::MAX_LINE - "XFORWARD \r\n".len();

impl<'a> Xforward<'a> {
    /// Sends these attributes of the client.
    pub fn new(attributes: &'a Attributes) -> Self {
        Self { attributes, sent: 0, reply: None }
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
        if !session.replies.none_pending() {
            return Ok(());
        }
        if self.sent == 0 {
            self.check(session)?;
            if session.mail.is_open() {
                // The transaction would begin with it, and undo what is sent here.
                return session.write_reset();
            }
        }
        let Some(group) = self.attributes.groups(ROOM).nth(self.sent) else { return Ok(()) };
        let reply = PendingReply::new(Step::Xforward);
        session.command(Command::Xforward(group), Command::MAX_LINE, reply)?;
        self.sent += 1;
        session.changes += 1;
        Ok(())
    }

    fn handle_reply(
        &mut self,
        session: &mut Session,
        pending: PendingReply,
        reply: Reply,
    ) -> Result<(), ErrorKind> {
        if !reply.is_completion() {
            session.mail.open(NO_TRANSACTION);
            return Err(refused(reply));
        }
        if pending.step == Step::Reset {
            session.mail.reset();
        } else if self.attributes.groups(ROOM).nth(self.sent).is_none() {
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

    fn answer(&mut self, _: &Session) -> Result<Reply, Error> {
        let step = Step::Xforward;
        self.reply.take().ok_or_else(|| Error::new(step, Ended::Failed { step }))
    }
}

/// Refuses what the server must offer first, before anything is written.
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
