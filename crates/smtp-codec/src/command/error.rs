//! Errors of command lines, and the replies to them.
use alloc::format;

use smtp_error::{Field, Invalid, Reply, ReplyCode};

use crate::{Deviations, Verb};

/// A line is not a command, or its arguments are wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommandError {
    /// The verb, if the line begins with one that is known.
    pub verb: Option<Verb>,
    /// What is wrong.
    pub fault: CommandFault,
    /// The offset of the octet in the line, from 0.
    pub offset: usize,
}

/// The fault of a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandFault {
    /// It does not begin with a word.
    NoVerb,
    /// It holds a control character, a character that reorders or breaks text where it is shown, or
    /// octets that are not UTF-8.
    NotText,
    /// The verb needs an argument.
    MissingArgument,
    /// The line has more arguments than the verb takes.
    UnexpectedArgument,
    /// A fixed word, a bracket or a space of the grammar is missing.
    Syntax,
    /// The reverse-path or the forward-path is not valid.
    Path(Invalid),
    /// A parameter or another argument is wrong.
    Argument(Invalid),
    /// The size of a chunk is not a number, or is above `u64::MAX`.
    ChunkSize,
    /// A deviation that is not tolerated.
    Deviation(Deviations),
}

impl CommandError {
    pub(crate) fn new(verb: Option<Verb>, fault: CommandFault, offset: usize) -> Self {
        Self { verb, fault, offset }
    }

    /// Returns whether the beginning of the next command is unknown: after a BDAT without a valid
    /// size the client sends a chunk of unknown length. Send the reply and close the connection.
    pub fn loses_sync(&self) -> bool {
        self.verb == Some(Verb::Bdat)
    }

    /// Describes the first deviation of the address of MAIL or RCPT that is not tolerated, if
    /// nothing else is wrong.
    fn bad_address(&self) -> Option<&'static str> {
        let CommandFault::Deviation(refused) = self.fault else { return None };
        let reasons = [
            (Deviations::LONG_LOCAL_PART, "the local-part has more than 64 octets"),
            (Deviations::LOOSE_DOTS, "a dot stands where the local-part needs quotes"),
            (Deviations::UNDERSCORE, "the domain has an underscore"),
            (Deviations::LOOSE_ROUTE, "the source route is not valid"),
            (Deviations::LONG_PATH, "the path has more than 256 octets"),
        ];
        let reason = reasons.iter().find(|(deviation, _)| refused.contains(*deviation));
        reason.map(|(_, reason)| *reason)
    }

    /// Returns the reply that a server sends, with an enhanced status code (RFC 5321, 4.2.4; RFC
    /// 5248).
    pub fn reply(&self) -> Reply {
        let address = |verb| if verb == Some(Verb::Mail) { "5.1.7" } else { "5.1.3" };
        if let Some(reason) = self.bad_address() {
            let text = format!("{} Bad address: {reason}", address(self.verb));
            return Reply::new(ReplyCode::SYNTAX, text);
        }
        let (code, text) = match (self.fault, self.verb) {
            (CommandFault::NoVerb | CommandFault::NotText, None) => {
                (ReplyCode::UNRECOGNIZED, format!("5.5.2 Syntax error at octet {}", self.offset))
            }
            (CommandFault::Path(invalid), verb) => {
                (ReplyCode::SYNTAX, format!("{} Bad address: {}", address(verb), invalid.flaw))
            }
            (CommandFault::Argument(invalid), _) => {
                // RFC 4954, 4.
                let detail = if invalid.field == Field::AuthResponse { "5.5.2" } else { "5.5.4" };
                (ReplyCode::SYNTAX, format!("{detail} Bad {}: {}", invalid.field, invalid.flaw))
            }
            (CommandFault::ChunkSize, _) => (ReplyCode::SYNTAX, "5.5.4 Bad chunk size".into()),
            (CommandFault::MissingArgument, _) => {
                (ReplyCode::SYNTAX, "5.5.4 An argument is missing".into())
            }
            (CommandFault::UnexpectedArgument, _) => {
                (ReplyCode::SYNTAX, "5.5.4 No argument is taken here".into())
            }
            _ => (ReplyCode::SYNTAX, format!("5.5.4 Syntax error at octet {}", self.offset)),
        };
        Reply::new(code, text)
    }
}

impl core::fmt::Display for CommandError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if let Some(reason) = self.bad_address() {
            return write!(f, "{reason}, which is not tolerated (octet {})", self.offset);
        }
        let what = match self.fault {
            CommandFault::NoVerb => "the verb is missing",
            CommandFault::NotText => "control character or invalid UTF-8",
            CommandFault::MissingArgument => "an argument is missing",
            CommandFault::UnexpectedArgument => "unexpected argument",
            CommandFault::Syntax => "syntax error",
            CommandFault::ChunkSize => "bad chunk size",
            CommandFault::Deviation(_) => "a deviation that is not tolerated",
            CommandFault::Path(invalid) | CommandFault::Argument(invalid) => {
                return write!(f, "{invalid} (octet {})", self.offset);
            }
        };
        write!(f, "{what} (octet {})", self.offset)
    }
}

impl core::error::Error for CommandError {}
