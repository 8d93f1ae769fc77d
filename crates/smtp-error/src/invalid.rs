//! Values from the caller that no conforming client may send.
use core::fmt;

use crate::HeaderDefect;

/// A value from the caller that cannot be sent: the field, and what is wrong with it.
///
/// A call that returns this has written nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{field}: {flaw}")]
#[non_exhaustive]
pub struct Invalid {
    /// The field.
    pub field: Field,
    /// What is wrong with it.
    pub flaw: Flaw,
}

impl Invalid {
    /// Returns this flaw of this field.
    pub fn new(field: Field, flaw: Flaw) -> Self {
        Self { field, flaw }
    }

    /// Returns the same flaw, attributed to `field`.
    #[must_use]
    pub fn in_field(self, field: Field) -> Self {
        Self { field, ..self }
    }
}

/// The text, and the fields with `{:#?}`.
impl fmt::Debug for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return fmt::Display::fmt(self, f);
        }
        let Self { field, flaw } = self;
        f.debug_struct("Invalid").field("field", field).field("flaw", flaw).finish()
    }
}

impl From<core::convert::Infallible> for Invalid {
    fn from(never: core::convert::Infallible) -> Self {
        match never {}
    }
}

/// A value from the caller, by the name that errors give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field {
    /// The argument of a command, where no other variant is more precise.
    Argument,
    /// The name of a SASL mechanism.
    AuthMechanism,
    /// A SASL response.
    AuthResponse,
    /// The authorization identity: the user that a login asks to act as.
    AuthIdentity,
    /// A line of the reply to EHLO: a keyword and its parameters.
    Capability,
    /// A domain, or an address literal in its place.
    Domain,
    /// The argument of EXPN.
    ExpandArgument,
    /// A forward-path: a recipient.
    ForwardPath,
    /// The text after the server's name in a greeting.
    Greeting,
    /// The client's name in EHLO, HELO or LHLO.
    HelloName,
    /// The topic of HELP.
    HelpTopic,
    /// The node of ETRN, or the domains of ATRN.
    Node,
    /// The attributes of a client, for XCLIENT or XFORWARD.
    ClientAttributes,
    /// The part of a mailbox before the `@`.
    LocalPart,
    /// A mailbox.
    Mailbox,
    /// A password.
    Password,
    /// The keyword of a MAIL or RCPT parameter.
    ParameterKeyword,
    /// The value of a MAIL or RCPT parameter.
    ParameterValue,
    /// The list of recipients.
    Recipients,
    /// A reverse-path: the sender.
    ReversePath,
    /// The name or address of a server to connect to.
    Server,
    /// The mail data: header section and body of a message.
    Text,
    /// The verb of a command that has no method of its own.
    Verb,
    /// An OAuth access token.
    Token,
    /// The trace information of an anonymous login (RFC 4505).
    Trace,
    /// The name of a user.
    User,
    /// The argument of VRFY.
    VerifyArgument,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Argument => "argument",
            Self::AuthMechanism => "SASL mechanism",
            Self::AuthResponse => "SASL response",
            Self::AuthIdentity => "authorization identity",
            Self::Capability => "capability",
            Self::Domain => "domain",
            Self::ExpandArgument => "EXPN argument",
            Self::ForwardPath => "forward-path",
            Self::Greeting => "greeting",
            Self::HelloName => "EHLO name",
            Self::HelpTopic => "HELP topic",
            Self::Node => "node",
            Self::ClientAttributes => "client attributes",
            Self::LocalPart => "local-part",
            Self::Mailbox => "mailbox",
            Self::Password => "password",
            Self::ParameterKeyword => "parameter keyword",
            Self::ParameterValue => "parameter value",
            Self::Recipients => "recipients",
            Self::ReversePath => "reverse-path",
            Self::Server => "server address",
            Self::Text => "mail data",
            Self::Verb => "verb",
            Self::Token => "token",
            Self::Trace => "trace",
            Self::User => "user name",
            Self::VerifyArgument => "VRFY argument",
        })
    }
}

/// The name of a header field, for errors: printable ASCII, cut after 40 octets.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct HeaderName {
    octets: [u8; Self::MAX],
    length: u8,
}

impl HeaderName {
    /// The most octets that a name keeps.
    pub const MAX: usize = 40;

    /// Returns the name of the header field that begins with these octets: everything before the
    /// colon. Octets that are not printable ASCII become `?`, and so does an empty name.
    pub fn of_field(field: &[u8]) -> Self {
        let mut name = Self { octets: [0; Self::MAX], length: 0 };
        let shown = field.iter().take_while(|&&octet| !matches!(octet, b':' | b'\r' | b'\n'));
        for (room, &octet) in name.octets.iter_mut().zip(shown) {
            *room = if octet.is_ascii_graphic() { octet } else { b'?' };
            name.length += 1;
        }
        if name.length == 0 {
            (name.octets[0], name.length) = (b'?', 1);
        }
        name
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        // `of_field` stores ASCII only.
        core::str::from_utf8(&self.octets[..usize::from(self.length)]).unwrap_or("")
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// What is wrong with a value. Offsets and lengths are octets; offsets count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Flaw {
    /// The value is empty.
    #[error("must not be empty")]
    Empty,
    /// A carriage return that no line feed follows.
    #[error(
        "bare CR at octet {offset}; `MailData::normalize` and `Content::line_ends` convert it to CRLF \
         with `LineEnds::Any`"
    )]
    BareCr {
        /// The offset of the CR.
        offset: usize,
    },
    /// A line feed that no carriage return precedes.
    #[error(
        "bare LF at octet {offset}; `MailData::normalize` and `Content::line_ends` convert it to CRLF"
    )]
    BareLf {
        /// The offset of the LF.
        offset: usize,
    },
    /// A control character, including CR, LF and NUL, or a character that is as dangerous where
    /// text is displayed (bidirectional controls, line separators).
    #[error("control character U+{character:04X} at octet {offset}", character = u32::from(*character))]
    Control {
        /// The character.
        character: char,
        /// The offset of the character.
        offset: usize,
    },
    /// A NUL in a value that may hold every other character.
    #[error("NUL at octet {offset}")]
    Nul {
        /// The offset of the NUL.
        offset: usize,
    },
    /// A character outside ASCII where only ASCII is allowed.
    #[error("character outside ASCII at octet {offset}")]
    NonAscii {
        /// The offset of the character.
        offset: usize,
    },
    /// A label of a domain that is not valid as an internationalized label: it holds a character
    /// that IDNA does not allow, that is ignored or that is blank, or it mixes directions (UTS 46).
    #[error("invalid internationalized label at octet {offset}")]
    InvalidLabel {
        /// The offset of the label, or of the character in it.
        offset: usize,
    },
    /// A mailbox has no `@`.
    #[error("no @ between local-part and domain")]
    NoAt,
    /// A mailbox has no local-part before the `@`.
    #[error("nothing before the @")]
    NoLocalPart,
    /// A mailbox has no domain after the `@`.
    #[error("nothing after the @")]
    NoDomain,
    /// A mailbox is written as in a header field, with angle brackets and perhaps a name.
    #[error("write the address alone, without a name and angle brackets")]
    Bracketed,
    /// A quoted local-part has no closing quotation mark.
    #[error("the quotation mark at its start is not closed")]
    OpenQuote,
    /// A label of a domain is empty: two dots in a row, or a dot at the start or the end.
    #[error("a label of the domain is empty, at octet {offset}")]
    EmptyLabel {
        /// The offset of the label; that of the dot before it, if the domain ends there.
        offset: usize,
    },
    /// Text that begins with `[` is not an address literal (RFC 5321, 4.1.3).
    #[error("not an address literal, such as [192.0.2.1] or [IPv6:2001:db8::1], at octet {offset}")]
    NotALiteral {
        /// The offset of the bracket.
        offset: usize,
    },
    /// A character that is not allowed at this place.
    #[error("unexpected '{}' at octet {offset}", character.escape_default())]
    Unexpected {
        /// The character.
        character: char,
        /// The offset of the character.
        offset: usize,
    },
    /// Any other violation of the grammar.
    #[error("syntax error at octet {offset}")]
    Syntax {
        /// The offset of the first octet that the grammar does not allow.
        offset: usize,
    },
    /// The value is too long.
    #[error("{length} octets, at most {limit} are allowed")]
    TooLong {
        /// The length of the value.
        length: usize,
        /// The longest that is allowed.
        limit: usize,
    },
    /// A label of a domain is too long (RFC 1035, 2.3.4).
    #[error("label at octet {offset} has {length} octets, at most {limit} are allowed")]
    LabelTooLong {
        /// The offset of the label.
        offset: usize,
        /// The length of the label; that of the A-label, if the label is internationalized.
        length: usize,
        /// The longest that is allowed.
        limit: usize,
    },
    /// The command line with this value is longer than a server must accept, CRLF included.
    #[error("the command line has {length} octets, at most {limit} are allowed")]
    CommandTooLong {
        /// The length of the line.
        length: usize,
        /// The longest that is allowed.
        limit: usize,
    },
    /// The number is outside the range that the protocol allows.
    #[error("must be from {least} to {most}")]
    OutOfRange {
        /// The least.
        least: u64,
        /// The most.
        most: u64,
    },
    /// A line of the mail data is too long, CRLF not counted.
    #[error(
        "line {line} has {length} octets, at most {limit} are allowed; wrap it, or encode the text as \
         quoted-printable or base64"
    )]
    LineTooLong {
        /// The number of the line, from 1.
        line: usize,
        /// The length of the line, without CRLF.
        length: usize,
        /// The longest that is allowed.
        limit: usize,
    },
    /// A header field has octets outside ASCII, MAIL does not declare SMTPUTF8, and the caller
    /// requires that the client follow RFC 6531, 3.2.
    #[error("header field {name} has octets outside ASCII, which requires SMTPUTF8")]
    RawHeader {
        /// The name of the first such field.
        name: HeaderName,
    },
    /// The header section has a defect, and the caller requires that such mail data is not sent.
    #[error(transparent)]
    Header(HeaderDefect),
    /// The mail data was declared to consist of lines (7BIT or 8BITMIME), but is binary.
    #[error("declared 7BIT or 8BITMIME, but is binary")]
    NotLines,
    /// The mail data was declared 7BIT, but has octets outside ASCII.
    #[error("declared 7BIT, but has octets outside ASCII")]
    NotSevenBit,
    /// The size of the mail data is not the declared size.
    #[error("declared to have {declared} octets, but has {found}{}", if *.found > *.declared { " or more" } else { "" })]
    SizeMismatch {
        /// The declared size, in octets.
        declared: u64,
        /// The size that was found, in octets; the rest was not read.
        found: u64,
    },
    /// A parameter was given without another parameter that it requires.
    #[error("{parameter} is required as well")]
    Requires {
        /// The parameter that is missing.
        parameter: &'static str,
    },
    /// A verb that `command` must not send: it has a method of its own, or it changes the state of
    /// the session in a way that the client would not follow.
    #[error(
        "{verb} has its own method or changes the session state; `command` sends only unnamed verbs"
    )]
    Reserved {
        /// The verb.
        verb: &'static str,
    },
    /// A parameter was given twice.
    #[error("given twice")]
    Repeated,
    /// One command has too many parameters.
    #[error("more than {limit} parameters")]
    TooManyParameters {
        /// The most that is allowed.
        limit: usize,
    },
}
