//! Steps of a session.
use core::fmt;

/// What the client was doing, or waiting for, when it received a reply or an error occurred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Step {
    /// Opening the connection: name lookup, TCP or Unix socket.
    Connect,
    /// The TLS handshake.
    Handshake,
    /// The server's greeting.
    Greeting,
    /// EHLO, LHLO or HELO.
    Hello,
    /// STARTTLS.
    StartTls,
    /// AUTH and its challenges.
    Auth,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA, up to the reply 354.
    Data,
    /// The mail data, before its end has been written.
    Text,
    /// The final reply to a message, after the end of its mail data.
    EndOfText,
    /// RSET.
    Reset,
    /// NOOP.
    Noop,
    /// VRFY.
    Verify,
    /// EXPN.
    Expand,
    /// HELP.
    Help,
    /// ETRN.
    Etrn,
    /// ATRN.
    Atrn,
    /// XCLIENT.
    Xclient,
    /// XFORWARD.
    Xforward,
    /// A command that has no variant of its own.
    Command,
    /// QUIT.
    Quit,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Connect => "connect",
            Self::Handshake => "TLS handshake",
            Self::Greeting => "greeting",
            Self::Hello => "hello",
            Self::StartTls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::Text => "mail data",
            Self::EndOfText => "end of mail data",
            Self::Reset => "RSET",
            Self::Noop => "NOOP",
            Self::Verify => "VRFY",
            Self::Expand => "EXPN",
            Self::Help => "HELP",
            Self::Etrn => "ETRN",
            Self::Atrn => "ATRN",
            Self::Xclient => "XCLIENT",
            Self::Xforward => "XFORWARD",
            Self::Command => "command",
            Self::Quit => "QUIT",
        })
    }
}
