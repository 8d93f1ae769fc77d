//! The errors in the text of a script.

use std::error::Error;
use std::fmt;
use std::io;
use std::panic::Location;
use std::path::{Path, PathBuf};

/// An invalid line of a script.
///
/// Both `Display` and `Debug` name the place and what to write instead.
#[derive(Clone)]
pub struct ScriptError {
    line: usize,
    text: String,
    kind: ScriptErrorKind,
    file: Option<PathBuf>,
    caller: Option<&'static Location<'static>>,
}

/// Two errors are equal if line and problem are the same, regardless of the file.
impl PartialEq for ScriptError {
    fn eq(&self, other: &Self) -> bool {
        (self.line, &self.text, &self.kind) == (other.line, &other.text, &other.kind)
    }
}

impl Eq for ScriptError {}

impl ScriptError {
    pub(super) fn new(line: usize, text: &str, kind: ScriptErrorKind) -> Self {
        Self { line, text: text.to_owned(), kind, file: None, caller: None }
    }

    pub(super) fn given_at(self, caller: &'static Location<'static>) -> Self {
        Self { caller: Some(caller), ..self }
    }

    pub(super) fn of(self, file: &Path) -> Self {
        Self { file: Some(file.to_owned()), ..self }
    }

    /// The file that the script was read from.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The line in the text of the script, counted from one.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The line itself, without leading white space.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The problem.
    pub fn kind(&self) -> &ScriptErrorKind {
        &self.kind
    }
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, &self.kind) {
            (Some(file), ScriptErrorKind::Unreadable { .. }) => {
                write!(f, "{}: {}", file.display(), self.kind)
            }
            (Some(file), kind) => {
                write!(f, "{}:{}: `{}`: {kind}", file.display(), self.line, self.text)
            }
            (None, kind) => {
                write!(f, "line {} of the script", self.line)?;
                if let Some(caller) = self.caller {
                    write!(f, " at {}:{}", caller.file(), caller.line())?;
                }
                write!(f, ", `{}`: {kind}", self.text)
            }
        }
    }
}

impl fmt::Debug for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for ScriptError {}

/// The problem of a line of a script.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScriptErrorKind {
    /// The file cannot be read.
    #[error("the script cannot be read: {cause}")]
    Unreadable {
        /// The error of the system.
        cause: io::ErrorKind,
    },
    /// The line is neither a line of the dialogue nor a stage direction.
    #[error("a line must begin with `C:`, `C|`, `C~`, `S:`, `[` or `#`")]
    UnknownLine,
    /// The separator after `C:` or `S:` is missing.
    #[error("one space must follow `{prefix}`")]
    MissingSpace {
        /// The beginning of the line.
        prefix: &'static str,
    },
    /// A stage direction has no closing bracket.
    #[error("the stage direction has no closing `]`")]
    UnclosedBracket,
    /// The stage direction is unknown.
    #[error("unknown stage direction `{name}`")]
    UnknownDirection {
        /// The name as written.
        name: String,
    },
    /// The stage direction lacks its argument.
    #[error("`{name}` needs {needs}")]
    MissingArgument {
        /// The stage direction.
        name: &'static str,
        /// The argument that it needs.
        needs: &'static str,
    },
    /// The stage direction has an argument, but takes none.
    #[error("`{name}` takes no argument")]
    UnexpectedArgument {
        /// The stage direction.
        name: &'static str,
    },
    /// The number is invalid for the stage direction.
    #[error("`{written}` is not a valid number of octets for `{name}`")]
    BadCount {
        /// The stage direction.
        name: &'static str,
        /// The number as written.
        written: String,
    },
    /// The time is not a whole number with a unit.
    #[error("`{written}` is not a time such as `10ms`, `30s`, `5m` or `1h`")]
    BadTime {
        /// The time as written.
        written: String,
    },
    /// The octets of `[raw]` are not in double quotes.
    #[error("the octets of `raw` must be in double quotes")]
    Unquoted,
    /// A backslash in `[raw]` is followed by something that it does not escape.
    #[error(r#"`{escape}` is not one of `\r`, `\n`, `\t`, `\0`, `\\`, `\"` and `\xHH`"#)]
    BadEscape {
        /// The escape as written.
        escape: String,
    },
    /// The line is not for the server, but an answer has only lines of the server.
    #[error("an answer may have only `S:` lines and stage directions of the server")]
    NotAnAnswer,
    /// `[usual]` is in a script, or in an answer for the second time.
    #[error("`usual` may be used only in an answer, and only once")]
    UsualMisplaced,
    /// No `S:` line follows `[split]` or `[dribble]`.
    #[error("`split` and `dribble` must be followed by an `S:` line")]
    SplitWithoutReply,
    /// `[tls]` is not the first entry.
    #[error("`tls` must be the first line of a script")]
    TlsNotFirst,
    /// The connection is under TLS already.
    #[error("the connection already uses TLS")]
    TlsTwice,
    /// An earlier line has ended the connection.
    #[error("nothing can follow `{last}`")]
    AfterTheEnd {
        /// The line that ended it.
        last: String,
    },
    /// The server has closed its writing half in an earlier line.
    #[error("the server cannot write after `[half-close]`")]
    AfterHalfClose,
    /// The client was expected to close in an earlier line.
    #[error("the client cannot write after `[expect-close]`")]
    AfterExpectClose,
}
