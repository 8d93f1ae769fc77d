//! Asks: conversations of one command and one reply.
use smtp_codec::{Argument, Command};
use smtp_error::{
    Ended, Error, ErrorKind, Extension, Field, Flaw, Invalid, Reply, ReplyCode, Step, Unsupported,
};

use super::{
    Conversation, Session,
    conversation::{Expected, Owed},
};

/// One command and its reply: RSET, NOOP, VRFY, EXPN, HELP or QUIT.
///
/// To VRFY, EXPN and HELP the reply is the answer, whatever its code: only 421 is an error, and a
/// 3yz reply, which leaves nobody knowing what the server waits for. To the others a refusal is
/// an error, and so is every 2yz code but the one that they may get.
#[derive(Debug)]
pub struct Ask<'a> {
    command: Command<'a>,
    step: Step,
    expected: Expected,
    said: bool,
    reply: Option<Reply>,
}

impl<'a> Ask<'a> {
    /// RSET: aborts the mail transaction.
    pub fn reset() -> Self {
        Self::new(Command::Rset, Step::Reset, Expected::Codes(&[250]))
    }

    /// NOOP.
    pub fn noop() -> Self {
        Self::new(Command::Noop(None), Step::Noop, Expected::Codes(&[250]))
    }

    /// VRFY: asks who a user name or mailbox is.
    pub fn verify(argument: &'a Argument) -> Self {
        let smtputf8 = !argument.is_ascii();
        let argument = argument.borrowed();
        Self::new(Command::Vrfy { argument, smtputf8 }, Step::Verify, Expected::Completion)
    }

    /// EXPN: asks who is on a list.
    pub fn expand(argument: &'a Argument) -> Self {
        let smtputf8 = !argument.is_ascii();
        let argument = argument.borrowed();
        Self::new(Command::Expn { argument, smtputf8 }, Step::Expand, Expected::Completion)
    }

    /// HELP, with a topic or without.
    pub fn help(topic: Option<&'a Argument>) -> Self {
        Self::new(Command::Help(topic.map(Argument::borrowed)), Step::Help, Expected::Completion)
    }

    /// QUIT: ends the session, whatever the reply.
    pub fn quit() -> Self {
        Self::new(Command::Quit, Step::Quit, Expected::Codes(&[221]))
    }

    fn new(command: Command<'a>, step: Step, expected: Expected) -> Self {
        Self { command, step, expected, said: false, reply: None }
    }

    /// Refuses what the server must offer first, before anything is said.
    fn check(&self, session: &Session) -> Result<(), ErrorKind> {
        match self.command {
            Command::Vrfy { smtputf8: true, .. } | Command::Expn { smtputf8: true, .. }
                if !session.has(Extension::SmtpUtf8) =>
            {
                Err(Unsupported::Extension(Extension::SmtpUtf8).into())
            }
            Command::Help(Some(topic)) if !topic.is_ascii() => {
                let offset = topic.as_str().find(|character: char| !character.is_ascii());
                let flaw = Flaw::NonAscii { offset: offset.unwrap_or(0) };
                Err(Invalid::new(Field::HelpTopic, flaw).into())
            }
            _ => Ok(()),
        }
    }

    /// Whether a refusal is an answer.
    fn takes_any(&self) -> bool {
        matches!(self.step, Step::Verify | Step::Expand | Step::Help)
    }
}

impl Conversation for Ask<'_> {
    type Answer = Reply;

    fn step(&self) -> Step {
        self.step
    }

    fn speak(&mut self, session: &mut Session) -> Result<(), ErrorKind> {
        if self.said {
            return Ok(());
        }
        self.check(session)?;
        session.say(self.command, Command::MAX_LINE, Owed::new(self.step, self.expected))?;
        self.said = true;
        Ok(())
    }

    fn hear(&mut self, session: &mut Session, _: Owed, reply: Reply) -> Result<(), ErrorKind> {
        if self.step == Step::Quit {
            session.end(Ended::Quit);
        }
        let shut_down = reply.code() == ReplyCode::SHUTTING_DOWN;
        if !reply.is_completion() && (shut_down || !self.takes_any()) {
            return Err(ErrorKind::Refused(reply));
        }
        if self.step == Step::Reset {
            session.open = None;
        }
        self.reply = Some(reply);
        Ok(())
    }

    fn is_done(&self, _: &Session) -> bool {
        self.reply.is_some()
    }

    fn answer(self, _: &Session) -> Result<Reply, Error> {
        self.reply.ok_or_else(|| Error::new(self.step, Ended::Failed { step: self.step }))
    }
}
