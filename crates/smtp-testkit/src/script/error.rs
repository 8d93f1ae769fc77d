//! What can be wrong with the text of a script.

use std::error::Error;
use std::fmt;
use std::io;
use std::panic::Location;
use std::path::{Path, PathBuf};

/// A line of a script that means nothing, or that cannot follow the lines before it.
///
/// Both `Display` and `Debug` say where and what to write instead.
#[derive(Clone)]
pub struct ScriptError {
    line: usize,
    text: String,
    kind: ScriptErrorKind,
    file: Option<PathBuf>,
    caller: Option<&'static Location<'static>>,
}

/// Two errors are equal that find the same wrong with the same line, wherever it was read from.
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

    /// The line itself, without the white space that leads it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What is wrong with it.
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

/// What is wrong with a line of a script.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScriptErrorKind {
    /// The file cannot be read.
    #[error("the script cannot be read: {cause}")]
    Unreadable {
        /// What the system says.
        cause: io::ErrorKind,
    },
    /// The line is neither a line of the dialogue nor a stage direction.
    #[error("a line begins with `C:`, `C|`, `C~`, `S:`, `[` or `#`")]
    UnknownLine,
    /// The separator after `C:` or `S:` is missing.
    #[error("one space must follow `{prefix}`")]
    MissingSpace {
        /// What the line begins with.
        prefix: &'static str,
    },
    /// A stage direction does not end.
    #[error("the stage direction has no closing `]`")]
    UnclosedBracket,
    /// There is no stage direction of this name.
    #[error("there is no stage direction `{name}`")]
    UnknownDirection {
        /// The name as written.
        name: String,
    },
    /// The stage direction needs to be told more.
    #[error("`{name}` needs {needs}")]
    MissingArgument {
        /// The stage direction.
        name: &'static str,
        /// What it needs.
        needs: &'static str,
    },
    /// The stage direction stands alone.
    #[error("`{name}` takes no argument")]
    UnexpectedArgument {
        /// The stage direction.
        name: &'static str,
    },
    /// The count is not one that the stage direction can use.
    #[error("`{written}` is not a number of octets that `{name}` can use")]
    BadCount {
        /// The stage direction.
        name: &'static str,
        /// The count as written.
        written: String,
    },
    /// The time is not a whole number with a unit.
    #[error("`{written}` is not a time such as `10ms`, `30s`, `5m` or `1h`")]
    BadTime {
        /// The time as written.
        written: String,
    },
    /// The octets of `[raw]` are not in double quotes.
    #[error("the octets of `raw` stand in double quotes")]
    Unquoted,
    /// A backslash in `[raw]` is followed by something that it does not escape.
    #[error(r#"`{escape}` is none of `\r`, `\n`, `\t`, `\0`, `\\`, `\"` and `\xHH`"#)]
    BadEscape {
        /// The escape as written.
        escape: String,
    },
    /// The line is not for the server to do, and an answer is the server's.
    #[error("an answer has `S:` lines and what the server does, and no such line")]
    NotAnAnswer,
    /// `[usual]` stands in a script, or twice in an answer.
    #[error("`usual` stands in the answer of a rule, once")]
    UsualMisplaced,
    /// `[split]` or `[dribble]` is not followed by what it cuts.
    #[error("`split` and `dribble` must be followed by an `S:` line")]
    SplitWithoutReply,
    /// `[tls]` comes after something else.
    #[error("`tls` begins a connection and so begins a script")]
    TlsNotFirst,
    /// The connection is under TLS already.
    #[error("the connection is under TLS already")]
    TlsTwice,
    /// The connection was over in an earlier line.
    #[error("nothing can follow `{last}`")]
    AfterTheEnd {
        /// What ended it.
        last: String,
    },
    /// The server said in an earlier line that it writes no more.
    #[error("the server cannot write after `[half-close]`")]
    AfterHalfClose,
    /// The client was expected to close in an earlier line.
    #[error("the client cannot write after `[expect-close]`")]
    AfterExpectClose,
}
