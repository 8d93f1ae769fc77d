//! How long each step may take (RFC 5321, 4.5.3.2).
use std::time::Duration;

use smtp_error::Step;

/// How long each step may take. A bound covers the whole step, not one read: a server that sends
/// an octet now and then gains nothing by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// Looking up the name and opening the connection, for each address: 30 seconds.
    pub connect: Duration,
    /// The TLS handshake: 1 minute.
    pub handshake: Duration,
    /// The greeting: 5 minutes.
    pub greeting: Duration,
    /// EHLO, STARTTLS, RSET, NOOP, VRFY, EXPN, HELP, ETRN and all that is not named here: 5 minutes.
    pub command: Duration,
    /// AUTH, each challenge, and fetching a token: 5 minutes. A server may delay its answer to a
    /// wrong password.
    pub auth: Duration,
    /// MAIL: 5 minutes.
    pub mail: Duration,
    /// RCPT, each: 5 minutes.
    pub rcpt: Duration,
    /// DATA, up to the invitation: 2 minutes.
    pub data: Duration,
    /// Each piece of the text, whose writing may stall for so long: 3 minutes. A text that trickles
    /// out without ever stalling is bounded by `operation` only.
    pub text: Duration,
    /// The final reply to a message, each with LMTP: 10 minutes.
    pub end_of_text: Duration,
    /// ATRN, to which a server looks for mail before it answers (RFC 2645, 5.2): 10 minutes.
    pub turn: Duration,
    /// QUIT: 20 seconds, since nothing depends on it.
    pub quit: Duration,
    /// Closing: what is given to the other side to close too, and to a reply that may still be
    /// unread when a write fails: 2 seconds.
    pub close: Duration,
    /// An operation as a whole, such as connecting or sending one message: no bound.
    pub operation: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        Self {
            connect: Duration::from_secs(30),
            handshake: minutes(1),
            greeting: minutes(5),
            command: minutes(5),
            auth: minutes(5),
            mail: minutes(5),
            rcpt: minutes(5),
            data: minutes(2),
            text: minutes(3),
            end_of_text: minutes(10),
            turn: minutes(10),
            quit: Duration::from_secs(20),
            close: Duration::from_secs(2),
            operation: None,
        }
    }
}

impl Timeouts {
    /// The same bound for every step, and none for operations as a whole.
    pub fn every_step(bound: Duration) -> Self {
        Self {
            connect: bound,
            handshake: bound,
            greeting: bound,
            command: bound,
            auth: bound,
            mail: bound,
            rcpt: bound,
            data: bound,
            text: bound,
            end_of_text: bound,
            turn: bound,
            quit: bound,
            close: bound,
            operation: None,
        }
    }

    /// The bound for this step.
    pub fn for_step(&self, step: Step) -> Duration {
        match step {
            Step::Connect => self.connect,
            Step::Handshake => self.handshake,
            Step::Greeting => self.greeting,
            Step::Auth => self.auth,
            Step::Mail => self.mail,
            Step::Rcpt => self.rcpt,
            Step::Data => self.data,
            Step::Text => self.text,
            Step::EndOfText => self.end_of_text,
            Step::Atrn => self.turn,
            Step::Quit => self.quit,
            _ => self.command,
        }
    }
}
