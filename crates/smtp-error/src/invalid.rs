//! What the caller asked that no conforming client may put on the wire.
use core::fmt;

/// A value that the caller gave and that cannot be sent: which field, and what is wrong with it.
///
/// Nothing was written when a call returns this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{field}: {flaw}")]
#[non_exhaustive]
pub struct Invalid {
    /// The field.
    pub field: Field,
    /// What is wrong with it.
    pub flaw: Flaw,
}

impl Invalid {
    /// This flaw of this field.
    pub fn new(field: Field, flaw: Flaw) -> Self {
        Self { field, flaw }
    }

    /// The same flaw, named after the field it was found in.
    #[must_use]
    pub fn in_field(self, field: Field) -> Self {
        Self { field, ..self }
    }
}

impl From<core::convert::Infallible> for Invalid {
    fn from(never: core::convert::Infallible) -> Self {
        match never {}
    }
}

/// A value that a caller gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field {
    /// The argument of a command that has no narrower name here.
    Argument,
    /// The name of a SASL mechanism.
    AuthMechanism,
    /// A SASL response.
    AuthResponse,
    /// The identity that a login asks to act as.
    AuthIdentity,
    /// A line of the reply to EHLO: a keyword and its parameters.
    Capability,
    /// A domain, or an address literal in its place.
    Domain,
    /// The argument of EXPN.
    ExpandArgument,
    /// A forward-path: a recipient.
    ForwardPath,
    /// What a server says behind its name.
    Greeting,
    /// The client's name in EHLO, HELO or LHLO.
    HelloName,
    /// The topic of HELP.
    HelpTopic,
    /// The node of ETRN, or the domains of ATRN.
    Node,
    /// What XCLIENT or XFORWARD say about a client.
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
    /// The text of a message.
    Text,
    /// The verb of a command that has no name here.
    Verb,
    /// An OAuth access token.
    Token,
    /// The trace of an anonymous login.
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
            Self::Server => "server",
            Self::Text => "text",
            Self::Verb => "verb",
            Self::Token => "token",
            Self::Trace => "trace",
            Self::User => "user name",
            Self::VerifyArgument => "VRFY argument",
        })
    }
}

/// The name of a header field, as an error shows it: printable ASCII, and of a longer name the first
/// 40 octets.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct HeaderName {
    octets: [u8; Self::MAX],
    length: u8,
}

impl HeaderName {
    /// The longest name that is kept, in octets.
    pub const MAX: usize = 40;

    /// Returns the name of the header field that begins with these octets: all up to the colon.
    /// What is not printable ASCII becomes `?`, and so does a name that is missing.
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
        // All of it is ASCII.
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
    /// It is empty and must not be.
    #[error("must not be empty")]
    Empty,
    /// A carriage return that no line feed follows.
    #[error("bare CR at octet {offset}")]
    BareCr {
        /// Where it stands.
        offset: usize,
    },
    /// A line feed that no carriage return precedes.
    #[error("bare LF at octet {offset}")]
    BareLf {
        /// Where it stands.
        offset: usize,
    },
    /// A control character, CR, LF and NUL included, or one that is as dangerous where text is
    /// shown (bidirectional controls, line separators).
    #[error("control character U+{character:04X} at octet {offset}", character = u32::from(*character))]
    Control {
        /// The character.
        character: char,
        /// Where it stands.
        offset: usize,
    },
    /// A NUL in a value that may hold anything else.
    #[error("NUL at octet {offset}")]
    Nul {
        /// Where it stands.
        offset: usize,
    },
    /// A character outside ASCII where only ASCII may stand.
    #[error("character outside ASCII at octet {offset}")]
    NonAscii {
        /// Where it stands.
        offset: usize,
    },
    /// A label of a domain that is not valid as an internationalized label: it holds a character
    /// that IDNA does not allow, that is ignored or that is blank, or it mixes directions (UTS 46).
    #[error("invalid internationalized label at octet {offset}")]
    InvalidLabel {
        /// Where the label begins, or the character in it stands.
        offset: usize,
    },
    /// Anything else that the grammar does not allow.
    #[error("syntax error at octet {offset}")]
    Syntax {
        /// Where the grammar was left.
        offset: usize,
    },
    /// The value is longer than it may be.
    #[error("{length} octets, at most {limit} are allowed")]
    TooLong {
        /// Its length.
        length: usize,
        /// The longest that is allowed.
        limit: usize,
    },
    /// A label of a domain is longer than a label may be.
    #[error("label at octet {offset} has {length} octets, at most {limit} are allowed")]
    LabelTooLong {
        /// Where the label begins.
        offset: usize,
        /// Its length; that of the A-label, if the label is internationalized.
        length: usize,
        /// The longest that is allowed.
        limit: usize,
    },
    /// The command line that the value makes is longer than this server need accept, CRLF
    /// included.
    #[error("makes a command line of {length} octets, at most {limit} are allowed")]
    CommandTooLong {
        /// The length of the line.
        length: usize,
        /// The longest that is allowed.
        limit: usize,
    },
    /// A number outside the range that the protocol has for it.
    #[error("must be from {least} to {most}")]
    OutOfRange {
        /// The least.
        least: u64,
        /// The most.
        most: u64,
    },
    /// A line of the text is longer than a line may be, CRLF not counted.
    #[error("line {line} has {length} octets, at most {limit} are allowed")]
    LineTooLong {
        /// The number of the line, from 1.
        line: usize,
        /// Its length, without CRLF.
        length: usize,
        /// The longest that is allowed.
        limit: usize,
    },
    /// A header field holds octets outside ASCII, MAIL does not declare SMTPUTF8, and the caller
    /// wants RFC 6531, 3.2 kept.
    #[error("header field {name} holds octets outside ASCII, which needs SMTPUTF8")]
    RawHeader {
        /// The name of the first such field.
        name: HeaderName,
    },
    /// A text that was declared to be made of lines is binary.
    #[error("declared to be made of lines, but is binary")]
    NotLines,
    /// A text that was declared to be 7-bit has octets outside ASCII.
    #[error("declared 7BIT, but has octets outside ASCII")]
    NotSevenBit,
    /// A text has another size than was declared.
    #[error("declared to have {declared} octets, but has {found}{}", if *.found > *.declared { " or more" } else { "" })]
    OtherSize {
        /// What was declared, in octets.
        declared: u64,
        /// What there is, in octets, as far as it was looked at.
        found: u64,
    },
    /// It stands alone, but makes sense beside another parameter only.
    #[error("makes no sense without {parameter}")]
    Without {
        /// The parameter that is missing.
        parameter: &'static str,
    },
    /// A verb that must not be sent this way: it has a method of its own, or what follows it would
    /// leave the two sides out of step.
    #[error("is no verb for a command of one's own")]
    Reserved,
    /// A parameter was given twice.
    #[error("given twice")]
    Repeated,
}
