//! Protocol violations by the server.
use crate::{Reply, ReplyCode, SaslFault, Step};

/// The server violated the protocol. The session state is unknown, so the connection takes no
/// further command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misbehaved {
    /// The server sent octets that are not a reply.
    #[error("malformed reply: {0}")]
    Malformed(#[from] MalformedReply),
    /// The client received unencrypted octets after the reply to STARTTLS. An attacker may have
    /// injected them, so that the client would take them for a reply inside TLS.
    #[error("received unencrypted octets after the reply to STARTTLS, possibly injected")]
    PlaintextAfterStartTls,
    /// The server sent a reply that no command is waiting for.
    #[error("received a reply that no command is waiting for: {0}")]
    Unsolicited(Reply),
    /// The server sent octets that no command is waiting for, and that are not a whole reply.
    #[error("received octets that no command is waiting for")]
    UnsolicitedOctets,
    /// The reply is well-formed, but its code is not valid for this step.
    #[error("unexpected reply to {step}: {reply}")]
    WrongCode {
        /// The step.
        step: Step,
        /// The reply.
        reply: Reply,
    },
    /// The server violated the rules of a SASL mechanism.
    #[error("SASL exchange: {0}")]
    Sasl(#[from] SaslFault),
}

/// Octets that are not a reply (RFC 5321, 4.2): what is wrong, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault} (line {line}, octet {offset})")]
#[non_exhaustive]
pub struct MalformedReply {
    /// What is wrong.
    pub fault: ReplyFault,
    /// The line of the reply, from 1.
    pub line: usize,
    /// The octet of that line, from 0.
    pub offset: usize,
}

impl MalformedReply {
    /// Returns this fault at this position.
    pub fn new(fault: ReplyFault, line: usize, offset: usize) -> Self {
        Self { fault, line, offset }
    }
}

/// Why octets are not a reply, or not a reply that the decoder is configured to tolerate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyFault {
    /// The line does not begin with a code from 200 to 599.
    #[error("expected a reply code from 200 to 599")]
    Code,
    /// Neither a space, a hyphen nor the end of the line follows the code.
    #[error("expected a space, a hyphen or the end of the line")]
    Separator,
    /// Two lines of one reply have different codes.
    #[error("the code changed from {first} to {then} within one reply")]
    CodeChanged {
        /// The code of the first line.
        first: ReplyCode,
        /// The code of the later line.
        then: ReplyCode,
    },
    /// The line ends with LF alone.
    #[error("LF without CR")]
    BareLf,
    /// A CR that no LF follows.
    #[error("CR without LF")]
    BareCr,
    /// A control character in the text.
    #[error("control character")]
    Control,
    /// An octet outside ASCII in the text.
    #[error("octet outside ASCII")]
    NonAscii,
    /// The second digit of the code is 6 to 9.
    #[error("second digit of the code out of range")]
    SecondDigit,
    /// The line is longer than the limit.
    #[error("line longer than {limit} octets")]
    LineTooLong {
        /// The limit.
        limit: usize,
    },
    /// The reply has more lines than the limit.
    #[error("more than {limit} lines")]
    TooManyLines {
        /// The limit.
        limit: usize,
    },
    /// The reply is longer than the limit.
    #[error("reply longer than {limit} octets")]
    TooLong {
        /// The limit.
        limit: usize,
    },
}
