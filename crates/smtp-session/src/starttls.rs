//! STARTTLS, up to the handshake (RFC 3207).
use smtp_codec::Command;
use smtp_error::{Error, ErrorKind, Extension, Misbehaved, Reply, Step, Unsupported};
use std::convert::Infallible;

use super::{
    Operation, Session,
    operation::Protocol,
    replies::{PendingReply, refused},
};

/// Asks for TLS. When it is done, the handshake begins with the very next octet; then call
/// [`Session::secured`] and run a [`Hello`](super::Hello) again.
///
/// Octets that follow the 220 in clear are an error: an attacker may have injected them to be
/// taken for protected replies.
#[derive(Debug, Default)]
pub struct StartTls {
    sent: bool,
    granted: bool,
}

impl StartTls {
    /// A request for TLS.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Protocol for StartTls {
    fn current_step(&self) -> Step {
        Step::StartTls
    }

    fn write_commands(&mut self, session: &mut Session) -> Result<(), ErrorKind> {
        if self.sent {
            return Ok(());
        }
        if !session.has(Extension::StartTls) {
            return Err(Unsupported::Extension(Extension::StartTls).into());
        }
        let reply = PendingReply::new(Step::StartTls);
        session.command(Command::StartTls, Command::MAX_LINE, reply)?;
        self.sent = true;
        Ok(())
    }

    fn handle_reply(
        &mut self,
        _: &mut Session,
        _: PendingReply,
        reply: Reply,
    ) -> Result<(), ErrorKind> {
        if !reply.is_completion() {
            return Err(refused(reply));
        }
        self.granted = true;
        Ok(())
    }

    fn is_done(&self, _: &Session) -> bool {
        self.granted
    }
}

impl Operation for StartTls {
    type Answer = ();

    type Request = Infallible;

    fn answer(&mut self, session: &Session) -> Result<(), Error> {
        if session.replies.has_surplus() {
            return Err(session.error(Step::StartTls, Misbehaved::PlaintextAfterStartTls));
        }
        Ok(())
    }
}
