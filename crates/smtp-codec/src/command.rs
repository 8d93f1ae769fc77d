//! Commands (RFC 5321, 4.1.1, and the extensions that add verbs).
use crate::{Argument, Attributes, HelloName, Mail, Mechanism, Rcpt, SaslResponse, Verb, Word};

mod encoder;
mod error;
mod line;
mod parser;

pub use error::{CommandError, CommandFault};
pub use parser::DecodedCommand;

/// A command. It borrows its parts, so that decoding one allocates nothing, and it encodes into
/// exactly one line.
///
/// `Display` gives the line without CRLF and with `***` in place of secrets, for logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command<'a> {
    /// ATRN with domains separated by commas, or none (RFC 2645).
    Atrn(Option<Word<&'a str>>),
    /// AUTH with a mechanism and its initial response (RFC 4954).
    Auth {
        /// The mechanism.
        mechanism: Mechanism<&'a str>,
        /// The initial response. An empty one is not the same as none.
        initial: Option<SaslResponse<&'a str>>,
    },
    /// A line of an AUTH exchange: the response to a challenge (RFC 4954).
    AuthResponse(SaslResponse<&'a str>),
    /// The line that cancels an AUTH exchange (RFC 4954).
    AuthCancel,
    /// BDAT with the size of the chunk that follows, in octets (RFC 3030).
    Bdat {
        /// The size of the chunk.
        size: u64,
        /// Whether it is the last of the message.
        last: bool,
    },
    /// BURL with the URI of a message (RFC 4468).
    Burl {
        /// The URI.
        uri: Word<&'a str>,
        /// Whether it is the last of the message.
        last: bool,
    },
    /// DATA.
    Data,
    /// EHLO with the client's name.
    Ehlo(HelloName<&'a str>),
    /// ETRN with a node, which `@` or `#` may precede (RFC 1985).
    Etrn(Word<&'a str>),
    /// EXPN with the name of a list.
    Expn {
        /// The name of the list.
        argument: Argument<&'a str>,
        /// Whether the SMTPUTF8 parameter follows (RFC 6531, 3.7.4.2).
        smtputf8: bool,
    },
    /// HELO with the client's name.
    Helo(HelloName<&'a str>),
    /// HELP, with a topic.
    Help(Option<Argument<&'a str>>),
    /// LHLO with the client's name (RFC 2033).
    Lhlo(HelloName<&'a str>),
    /// MAIL with the sender.
    Mail(Mail<&'a str>),
    /// NOOP, with an argument that the server ignores.
    Noop(Option<Argument<&'a str>>),
    /// A command with a verb that is not known here.
    Other {
        /// The verb.
        verb: &'a str,
        /// The text after the verb and one space; empty if there is none.
        arguments: &'a str,
    },
    /// QUIT.
    Quit,
    /// RCPT with a recipient.
    Rcpt(Rcpt<&'a str>),
    /// RSET.
    Rset,
    /// STARTTLS (RFC 3207).
    StartTls,
    /// VRFY with a user name or mailbox.
    Vrfy {
        /// The user name or mailbox.
        argument: Argument<&'a str>,
        /// Whether the SMTPUTF8 parameter follows (RFC 6531, 3.7.4.2).
        smtputf8: bool,
    },
    /// XCLIENT (Postfix).
    Xclient(Attributes<&'a str>),
    /// XFORWARD (Postfix).
    Xforward(Attributes<&'a str>),
}

impl Command<'_> {
    /// The longest command line that every server accepts, in octets, CRLF included
    /// (RFC 5321, 4.5.3.1.4). Extensions that a server offers add to it.
    pub const MAX_LINE: usize = 512;

    /// Returns the verb; `None` for one that is not known here, and for the lines of an AUTH
    /// exchange.
    pub fn verb(&self) -> Option<Verb> {
        Some(match self {
            Self::Atrn(_) => Verb::Atrn,
            Self::Auth { .. } => Verb::Auth,
            Self::Bdat { .. } => Verb::Bdat,
            Self::Burl { .. } => Verb::Burl,
            Self::Data => Verb::Data,
            Self::Ehlo(_) => Verb::Ehlo,
            Self::Etrn(_) => Verb::Etrn,
            Self::Expn { .. } => Verb::Expn,
            Self::Helo(_) => Verb::Helo,
            Self::Help(_) => Verb::Help,
            Self::Lhlo(_) => Verb::Lhlo,
            Self::Mail(_) => Verb::Mail,
            Self::Noop(_) => Verb::Noop,
            Self::Quit => Verb::Quit,
            Self::Rcpt(_) => Verb::Rcpt,
            Self::Rset => Verb::Rset,
            Self::StartTls => Verb::StartTls,
            Self::Vrfy { .. } => Verb::Vrfy,
            Self::Xclient(_) => Verb::Xclient,
            Self::Xforward(_) => Verb::Xforward,
            Self::AuthResponse(_) | Self::AuthCancel | Self::Other { .. } => return None,
        })
    }
}
