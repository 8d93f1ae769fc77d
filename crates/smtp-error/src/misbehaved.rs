//! What a server did that the protocol does not allow.
use crate::{Reply, ReplyCode, SaslFault, Step};

/// A server broke the protocol. The connection is out of step and takes no further command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misbehaved {
    /// What it sent is no reply.
    #[error("malformed reply: {0}")]
    Malformed(#[from] MalformedReply),
    /// Octets in clear came after the go-ahead for TLS: somebody may have put them there to be
    /// taken for a protected reply.
    #[error("octets in clear after the reply to STARTTLS")]
    PlaintextAfterStartTls,
    /// A reply to nothing that was asked.
    #[error("a reply that nobody asked for: {0}")]
    Unsolicited(Reply),
    /// Octets that belong to nothing that was asked, and that are no whole reply.
    #[error("octets that nobody asked for")]
    UnsolicitedOctets,
    /// A well-formed reply whose code cannot answer this step.
    #[error("unexpected reply to {step}: {reply}")]
    WrongCode {
        /// The step.
        step: Step,
        /// The reply.
        reply: Reply,
    },
    /// It broke the rules of a SASL mechanism.
    #[error("SASL exchange: {0}")]
    Sasl(#[from] SaslFault),
}

/// Octets that are no reply (RFC 5321, 4.2): what is wrong, and where.
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
    /// This fault at this place.
    pub fn new(fault: ReplyFault, line: usize, offset: usize) -> Self {
        Self { fault, line, offset }
    }
}

/// What makes octets no reply, or a reply that the policy in force does not tolerate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyFault {
    /// The line does not begin with a code from 200 to 599.
    #[error("expected a reply code")]
    Code,
    /// Neither a space, a hyphen nor the end of the line follows the code.
    #[error("expected a space, a hyphen or the end of the line")]
    Separator,
    /// Two lines of one reply have different codes.
    #[error("the code changed from {first} to {then} within one reply")]
    CodeChanged {
        /// The code of the first line.
        first: ReplyCode,
        /// The other code.
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
