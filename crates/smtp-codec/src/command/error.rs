//! What is wrong with a command line, and what a server answers.
use alloc::format;

use smtp_error::{Field, Invalid, Reply, ReplyCode};

use crate::{Deviations, Verb};

/// A line that is no command, or one whose arguments are wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommandError {
    /// The verb, if the line begins with one that is known.
    pub verb: Option<Verb>,
    /// What is wrong.
    pub fault: CommandFault,
    /// The octet of the line, from 0.
    pub offset: usize,
}

/// What is wrong with a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandFault {
    /// It does not begin with a word.
    NoVerb,
    /// It holds a control character, one that is as dangerous where text is shown, or octets that
    /// are no UTF-8.
    NotText,
    /// The verb needs an argument.
    MissingArgument,
    /// The verb takes no argument, or not so many.
    UnexpectedArgument,
    /// Something else stands where the grammar has a fixed word, a bracket or a space.
    Syntax,
    /// The sender is no reverse-path, or the recipient no forward-path.
    Path(Invalid),
    /// A parameter or another argument is wrong.
    Argument(Invalid),
    /// The size of a chunk is no number, or too large to count.
    ChunkSize,
    /// A deviation that is not tolerated.
    Deviation(Deviations),
}

impl CommandError {
    pub(crate) fn new(verb: Option<Verb>, fault: CommandFault, offset: usize) -> Self {
        Self { verb, fault, offset }
    }

    /// Whether it is not known where the next command begins: behind a BDAT whose size cannot be
    /// relied on octets follow that are no command. Answer, and close the connection.
    pub fn loses_sync(&self) -> bool {
        self.verb == Some(Verb::Bdat)
    }

    /// What the address of MAIL or RCPT has that is not tolerated, if nothing else is wrong.
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

    /// What a server answers, with an enhanced status code (RFC 5321, 4.2.4; RFC 5248).
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
            CommandFault::NoVerb => "no verb",
            CommandFault::NotText => "control character, or no UTF-8",
            CommandFault::MissingArgument => "an argument is missing",
            CommandFault::UnexpectedArgument => "an argument that is not taken",
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
