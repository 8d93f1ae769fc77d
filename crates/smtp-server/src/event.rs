//! Events: what a session needs of its driver, and what it asks of the server.
use std::fmt;

use smtp_caps::Envelope;
use smtp_codec::{Attributes, Mail, Rcpt, TextFlaws};
use smtp_error::ReplyCode;

use crate::{Hello, Login};

/// What happens next in a session.
///
/// An event that [`needs_decision`](Self::needs_decision) is answered by
/// [`ServerSession::decide`](crate::ServerSession::decide).
#[non_exhaustive]
pub enum Event<'a> {
    /// More octets of the client are needed. Write the output first: the client may wait for it.
    Read,
    /// Write the output before anything else: it has become long.
    Write,
    /// Write the output, and close the connection.
    Close(Closing),
    /// Write the output, and begin a TLS handshake as its server; then call
    /// [`tls_started`](crate::ServerSession::tls_started).
    StartTls,
    /// A client has connected. Undecided, it is greeted.
    ///
    /// After a refusal with 5yz, except 521, only QUIT is executed, and the session ends with it (RFC
    /// 5321, 3.1). After another refusal the session ends at once.
    Connected,
    /// EHLO, HELO or LHLO. Undecided, the reply has the offer.
    Hello(&'a Hello),
    /// The client wants to authenticate. Undecided, it cannot for now.
    Auth(Login<'a>),
    /// A login has failed by itself, after what [`Auth`](Self::Auth) asked was decided: the proof for
    /// SCRAM was wrong, or no identity is known. The output has the reply with this code.
    LoginFailed(ReplyCode),
    /// MAIL. Undecided, it is refused for now.
    Mail(&'a Mail),
    /// RCPT. Undecided, it is refused for now.
    Rcpt(&'a Rcpt),
    /// The content of a message is about to come, by DATA or in chunks. Undecided, it is refused for
    /// now.
    Message(&'a Envelope),
    /// Octets of the content, without the dots that were stuffed.
    Content(&'a [u8]),
    /// The content is complete. Undecided, it is refused for now.
    End(End),
    /// The message that had begun will not be completed. Whatever was kept of it has to go.
    Abandoned(Abandoned),
    /// The mail transaction was ended by RSET, or by a further greeting.
    Reset,
    /// VRFY with a user or mailbox. Undecided, the reply is 252.
    Verify(&'a str),
    /// EXPN with a list. Undecided, the reply is 502.
    Expand(&'a str),
    /// HELP, with a topic. Undecided, the reply points to RFC 5321.
    Help(Option<&'a str>),
    /// ETRN with a node. It comes only if ETRN is offered. Undecided, it is refused for now.
    Etrn(&'a str),
    /// XCLIENT of a trusted client. Undecided, it is accepted: the session starts again, for the
    /// client that is described.
    Xclient(&'a Attributes),
    /// XFORWARD of a trusted client. Undecided, it is accepted.
    Xforward(&'a Attributes),
    /// A command that is not known here. Undecided, the reply is 500.
    Other {
        /// The verb.
        verb: &'a str,
        /// The text after it.
        arguments: &'a str,
    },
}

/// The end of a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct End {
    /// The size of the content, in octets.
    pub size: u64,
    /// The flaws that [`BareOctets`](crate::BareOctets) lets pass.
    pub flaws: TextFlaws,
    /// The number of replies that may differ: that of the recipients in LMTP and with PRDR, and one
    /// otherwise. [`decide_each`](crate::ServerSession::decide_each) takes a decision for each
    /// recipient in any case.
    pub decisions: usize,
}

/// Why a message will not be completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Abandoned {
    /// It is larger than the limit, in octets.
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// It has a bare CR, a bare LF or a NUL.
    Flawed(TextFlaws),
    /// The client ended the mail transaction between two chunks.
    Reset,
    /// The connection ended, or the session ended it.
    Disconnected,
}

/// Why a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Closing {
    /// The client sent QUIT.
    Quit,
    /// The server refused the connection, or a command with 421.
    Refused,
    /// The server shuts down.
    ShuttingDown,
    /// The client was silent for too long.
    TimedOut,
    /// The client made too many mistakes, was refused too often, failed to authenticate too often, or
    /// went on for too long with a line or message that was refused.
    TooManyErrors,
    /// The client sent too many commands that did not lead to a message, or more messages than the
    /// offer allows.
    TooManyCommands,
    /// A line did not end with CRLF, or the beginning of the next command is unknown: after BDAT
    /// without a size, or after a request of HTTP.
    Desynchronized,
    /// Octets came between STARTTLS and the handshake: an attacker on the path may have inserted them.
    EarlyOctets,
    /// The connection did not begin with a header of the PROXY protocol.
    NoProxyHeader,
    /// The client closed the connection, or it failed.
    Disconnected,
}

impl Event<'_> {
    /// Returns whether the session waits for a decision.
    pub fn needs_decision(&self) -> bool {
        !matches!(
            self,
            Self::Read
                | Self::Write
                | Self::Close(_)
                | Self::StartTls
                | Self::Content(_)
                | Self::Abandoned(_)
                | Self::Reset
                | Self::LoginFailed(_)
        )
    }
}

impl fmt::Debug for Event<'_> {
    /// Shows the size of content, and not the content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read => f.write_str("Read"),
            Self::Write => f.write_str("Write"),
            Self::Close(why) => f.debug_tuple("Close").field(why).finish(),
            Self::StartTls => f.write_str("StartTls"),
            Self::Connected => f.write_str("Connected"),
            Self::Hello(hello) => f.debug_tuple("Hello").field(hello).finish(),
            Self::Auth(login) => f.debug_tuple("Auth").field(login).finish(),
            Self::LoginFailed(code) => f.debug_tuple("LoginFailed").field(code).finish(),
            Self::Mail(mail) => f.debug_tuple("Mail").field(mail).finish(),
            Self::Rcpt(rcpt) => f.debug_tuple("Rcpt").field(rcpt).finish(),
            Self::Message(envelope) => f.debug_tuple("Message").field(envelope).finish(),
            Self::Content(octets) => f.debug_tuple("Content").field(&octets.len()).finish(),
            Self::End(end) => f.debug_tuple("End").field(end).finish(),
            Self::Abandoned(why) => f.debug_tuple("Abandoned").field(why).finish(),
            Self::Reset => f.write_str("Reset"),
            Self::Verify(name) => f.debug_tuple("Verify").field(name).finish(),
            Self::Expand(name) => f.debug_tuple("Expand").field(name).finish(),
            Self::Help(topic) => f.debug_tuple("Help").field(topic).finish(),
            Self::Etrn(node) => f.debug_tuple("Etrn").field(node).finish(),
            Self::Xclient(attributes) => f.debug_tuple("Xclient").field(attributes).finish(),
            Self::Xforward(attributes) => f.debug_tuple("Xforward").field(attributes).finish(),
            Self::Other { verb, .. } => {
                f.debug_struct("Other").field("verb", verb).finish_non_exhaustive()
            }
        }
    }
}
