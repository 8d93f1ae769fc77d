//! Asks: operations of one command and one reply.
use smtp_codec::{Argument, Command, Verb, Word};
use smtp_error::{
    Ended, Error, ErrorKind, Extension, Field, Flaw, Invalid, Misbehaved, Reply, ReplyCode, Step,
    Unsupported,
};
use std::convert::Infallible;

use super::{
    Operation, Session,
    operation::Protocol,
    replies::{PendingReply, refused},
};

/// One command and its reply: RSET, NOOP, VRFY, EXPN, HELP, ETRN, ATRN, QUIT, or one that has no
/// name here.
///
/// To VRFY, EXPN, HELP and a nameless command the reply is the answer, whatever its code: only 421
/// is an error, and a 3yz reply, after which it is not known what the server waits for. To the
/// others a refusal is an error, and so is every 2yz code but those that they may get. ETRN and
/// ATRN have no place in a mail transaction: one that may be open is left with RSET first.
#[derive(Debug)]
pub struct SimpleCommand<'a> {
    command: Command<'a>,
    step: Step,
    sent: bool,
    reply: Option<Reply>,
}

impl<'a> SimpleCommand<'a> {
    /// RSET: aborts the mail transaction.
    pub fn reset() -> Self {
        Self::new(Command::Rset, Step::Reset)
    }

    /// NOOP.
    pub fn noop() -> Self {
        Self::new(Command::Noop(None), Step::Noop)
    }

    /// VRFY: asks who a user name or mailbox is.
    pub fn verify(argument: &'a Argument) -> Self {
        let smtputf8 = !argument.is_ascii();
        let argument = argument.borrowed();
        Self::new(Command::Vrfy { argument, smtputf8 }, Step::Verify)
    }

    /// EXPN: asks who is on a list.
    pub fn expand(argument: &'a Argument) -> Self {
        let smtputf8 = !argument.is_ascii();
        let argument = argument.borrowed();
        Self::new(Command::Expn { argument, smtputf8 }, Step::Expand)
    }

    /// HELP, with a topic or without.
    pub fn help(topic: Option<&'a Argument>) -> Self {
        Self::new(Command::Help(topic.map(Argument::borrowed)), Step::Help)
    }

    /// ETRN: asks that the mail that waits for a node be sent to it (RFC 1985).
    pub fn etrn(node: Word<&'a str>) -> Self {
        Self::new(Command::Etrn(node), Step::Etrn)
    }

    /// ATRN: asks that the roles be turned around, for the mail of these domains or of all that
    /// are the client's (RFC 2645). With 250 the session is over, and the next octet is the
    /// greeting of this side.
    pub fn atrn(domains: Option<Word<&'a str>>) -> Self {
        Self::new(Command::Atrn(domains), Step::Atrn)
    }

    /// A command that has no name here, with its arguments or an empty text. It is sent as it is
    /// given, and logs show it so.
    ///
    /// # Errors
    /// The verb is not a word or has a name here, the arguments hold a control character, or the
    /// line is too long.
    pub fn command(verb: &'a str, arguments: &'a str) -> Result<Self, Invalid> {
        let flaw = match Word::new(verb) {
            Err(invalid) => Some(invalid.flaw),
            Ok(_) => match reserved(verb) {
                Some(verb) => Some(Flaw::Reserved { verb }),
                None => {
                    let outside = verb.find(|character: char| !character.is_ascii());
                    outside.map(|offset| Flaw::NonAscii { offset })
                }
            },
        };
        if let Some(flaw) = flaw {
            return Err(Invalid::new(Field::Verb, flaw));
        }
        let command = Command::Other { verb, arguments };
        command.check(Command::MAX_LINE)?;
        Ok(Self::new(command, Step::Command))
    }

    /// QUIT: ends the session, whatever the reply.
    pub fn quit() -> Self {
        Self::new(Command::Quit, Step::Quit)
    }

    fn new(command: Command<'a>, step: Step) -> Self {
        Self { command, step, sent: false, reply: None }
    }

    /// Refuses what the server must offer first, before anything is written.
    fn check(&self, session: &Session) -> Result<(), ErrorKind> {
        let needed = match self.command {
            Command::Etrn(_) => Some(Extension::Etrn),
            Command::Atrn(_) => Some(Extension::Atrn),
            Command::Vrfy { smtputf8: true, .. } | Command::Expn { smtputf8: true, .. } => {
                Some(Extension::SmtpUtf8)
            }
            Command::Other { arguments, .. } if !arguments.is_ascii() => Some(Extension::SmtpUtf8),
            _ => None,
        };
        if let Some(needed) = needed.filter(|&needed| !session.has(needed)) {
            return Err(Unsupported::Extension(needed).into());
        }
        match self.command {
            Command::Help(Some(topic)) => in_ascii(Field::HelpTopic, topic.as_str()),
            Command::Etrn(node) | Command::Atrn(Some(node)) => in_ascii(Field::Node, node.as_str()),
            _ => Ok(()),
        }
    }

    /// Whether a refusal is an answer.
    fn takes_any(&self) -> bool {
        matches!(self.step, Step::Verify | Step::Expand | Step::Help | Step::Command)
    }

    /// Whether a mail transaction must not be open.
    fn stands_alone(&self) -> bool {
        matches!(self.step, Step::Etrn | Step::Atrn)
    }
}

/// Refuses a text outside ASCII where no extension allows it.
fn in_ascii(field: Field, text: &str) -> Result<(), ErrorKind> {
    match text.find(|character: char| !character.is_ascii()) {
        Some(offset) => Err(Invalid::new(field, Flaw::NonAscii { offset }).into()),
        None => Ok(()),
    }
}

/// Returns the verb in upper case if `command` must not send it: it has a method of its own, or the
/// session cannot follow what it does.
fn reserved(verb: &str) -> Option<&'static str> {
    const WITHOUT_METHOD: [&str; 5] = ["SEND", "SOML", "SAML", "TURN", "X-ANONYMOUSTLS"];
    let known = Verb::from_word(verb.as_bytes()).map(Verb::as_str);
    known.or_else(|| WITHOUT_METHOD.into_iter().find(|word| word.eq_ignore_ascii_case(verb)))
}

impl Protocol for SimpleCommand<'_> {
    fn current_step(&self) -> Step {
        self.step
    }

    fn write_commands(&mut self, session: &mut Session) -> Result<(), ErrorKind> {
        if self.sent || !session.replies.none_pending() {
            return Ok(());
        }
        self.check(session)?;
        if self.stands_alone() && session.mail.is_open() {
            return session.write_reset();
        }
        session.command(self.command, Command::MAX_LINE, PendingReply::new(self.step))?;
        self.sent = true;
        Ok(())
    }

    fn handle_reply(
        &mut self,
        session: &mut Session,
        pending: PendingReply,
        reply: Reply,
    ) -> Result<(), ErrorKind> {
        if self.step == Step::Quit {
            session.end(Ended::Quit);
        }
        let is_closing = reply.code() == ReplyCode::SERVICE_CLOSING;
        if !reply.is_completion() && (is_closing || !self.takes_any()) {
            return Err(refused(reply));
        }
        match pending.step {
            Step::Reset => session.mail.reset(),
            Step::Atrn => session.end(Ended::RolesReversed),
            _ => {}
        }
        if pending.step == self.step {
            self.reply = Some(reply);
        }
        Ok(())
    }

    fn is_done(&self, _: &Session) -> bool {
        self.reply.is_some()
    }
}

impl Operation for SimpleCommand<'_> {
    type Answer = Reply;

    type Request = Infallible;

    fn answer(&mut self, session: &Session) -> Result<Reply, Error> {
        if self.step == Step::Atrn && session.replies.has_surplus() {
            return Err(session.error(self.step, Misbehaved::UnsolicitedOctets));
        }
        self.reply.take().ok_or_else(|| Error::new(self.step, Ended::Failed { step: self.step }))
    }
}
