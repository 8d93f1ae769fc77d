//! The timeouts of each step (RFC 5321, 4.5.3.2).
use std::time::Duration;

use smtp_error::Step;

/// The timeouts of each step. A timeout covers the whole step, not one read: a server cannot extend
/// it by sending single octets. Each field names its default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// Looking up the name and opening the connection, for each address: 30 seconds.
    pub connect: Duration,
    /// The TLS handshake: 1 minute.
    pub handshake: Duration,
    /// The greeting: 5 minutes.
    pub greeting: Duration,
    /// EHLO, STARTTLS, RSET, NOOP, VRFY, EXPN, HELP, ETRN and all other commands: 5 minutes.
    pub command: Duration,
    /// AUTH, each challenge, and fetching a token: 5 minutes. Servers delay the reply to a wrong
    /// password.
    pub auth: Duration,
    /// MAIL: 5 minutes.
    pub mail: Duration,
    /// RCPT, each: 5 minutes.
    pub rcpt: Duration,
    /// DATA, up to the 354 reply: 2 minutes.
    pub data: Duration,
    /// Each piece of the text: 3 minutes without progress. A text that is read slowly but steadily
    /// is bounded by `operation` only.
    pub text: Duration,
    /// The reply to the end of the text, with LMTP for each recipient: 10 minutes.
    pub end_of_text: Duration,
    /// ATRN, whose reply the server sends after it has looked for mail (RFC 2645, 5.2): 10 minutes.
    pub atrn: Duration,
    /// QUIT: 20 seconds. Its reply changes no result.
    pub quit: Duration,
    /// Closing: the wait for the server to close too, and for an unread reply after a failed write:
    /// 2 seconds.
    pub close: Duration,
    /// An operation as a whole, such as connecting or sending one message: `None`, no timeout.
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
            atrn: minutes(10),
            quit: Duration::from_secs(20),
            close: Duration::from_secs(2),
            operation: None,
        }
    }
}

impl Timeouts {
    /// Creates the timeouts of a relay (RFC 5321, 4.5.3.2), which waits for slow servers as long as
    /// they may take. This is the default.
    pub fn relay() -> Self {
        Self::default()
    }

    /// Creates the timeouts of a program that submits messages to a server of its provider, and has
    /// a person or a request waiting: 10 seconds to connect to each address, 30 seconds for the
    /// handshake and the greeting, 1 minute for every command and for each piece of the text. The
    /// reply to the end of the text keeps its 10 minutes: a client that waits for less has more
    /// messages of which it does not know whether they were accepted.
    pub fn submission() -> Self {
        let minute = Duration::from_secs(60);
        Self {
            connect: Duration::from_secs(10),
            handshake: Duration::from_secs(30),
            greeting: Duration::from_secs(30),
            command: minute,
            auth: minute,
            mail: minute,
            rcpt: minute,
            data: minute,
            text: minute,
            ..Self::default()
        }
    }

    /// Creates timeouts with the same value for every step, and none for operations as a whole.
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
            atrn: bound,
            quit: bound,
            close: bound,
            operation: None,
        }
    }

    /// Returns the timeout of this step.
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
            Step::Atrn => self.atrn,
            Step::Quit => self.quit,
            _ => self.command,
        }
    }
}
