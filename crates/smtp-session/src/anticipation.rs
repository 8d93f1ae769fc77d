//! Anticipation: to speak before the greeting, to a server that is known to take that (PIPECONNECT,
//! as Exim has it).
use smtp_caps::Capabilities;
use smtp_codec::Command;
use smtp_error::{Error, ErrorKind, Extension, Reply, Step, Unsupported};

use super::{
    Dialect, Session,
    operation::{Expected, PendingReply},
};

impl Session {
    /// Says EHLO without waiting for the greeting, and takes for offered what this reply to an
    /// earlier EHLO offers. The first operation runs ahead of both answers as far as PIPELINING
    /// allows, but for the text of a message, which waits for them. If the server offers anything
    /// else this time, the operation fails.
    ///
    /// # Errors
    /// The reply does not offer PIPECONNECT, or the session has begun already.
    pub fn anticipate(&mut self, remembered: Reply) -> Result<(), Error> {
        let capabilities = Capabilities::from_reply(remembered).learned(self.channel);
        let refuse = |kind: Unsupported| Err(Error::new(Step::Hello, kind));
        if self.greeting.is_some() || self.dialect != Dialect::Smtp {
            return refuse(Unsupported::ByClient(Extension::PipeConnect));
        }
        if !capabilities.has(Extension::PipeConnect) {
            return refuse(Unsupported::Extension(Extension::PipeConnect));
        }
        let greeting = PendingReply::new(Step::Greeting, Expected::Codes(&[220]));
        self.expect_greeting(PendingReply { early: true, ..greeting });
        let name = self.hello_name.clone();
        let hello =
            PendingReply { early: true, ..PendingReply::new(Step::Hello, Expected::Codes(&[250])) };
        self.say(Command::Ehlo(name.borrowed()), Command::MAX_LINE, hello)
            .map_err(|kind| Error::new(Step::Hello, kind))?;
        self.capabilities = capabilities;
        Ok(())
    }

    /// Whether answers are owed that were taken for granted.
    pub(super) fn anticipates(&self) -> bool {
        self.owed.front().is_some_and(|owed| owed.early)
    }

    /// Hears an answer that was taken for granted.
    pub(super) fn confirm(&mut self, owed: PendingReply, reply: Reply) -> Result<(), ErrorKind> {
        if !reply.is_completion() {
            return Err(ErrorKind::Refused(reply));
        }
        if owed.step == Step::Greeting {
            self.greeting = Some(reply);
            return Ok(());
        }
        let offered = Capabilities::from_reply(reply).learned(self.channel);
        let same = offered.iter().eq(self.capabilities.iter());
        self.capabilities = offered;
        if same { Ok(()) } else { Err(Unsupported::Changed.into()) }
    }
}
