//! Output: the same records as lines for people and as JSON, one object a line.
use std::fmt::Display;
use std::io::Write;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;

/// The version of the JSON output. A field that is added does not change it; one that is removed, or
/// that changes its meaning, does.
pub(crate) const SCHEMA: u32 = 1;

/// A record: `Display` is for people and may have several lines, `Serialize` for programs.
pub(crate) trait Record: Serialize + Display {
    /// The field `type` of the JSON object.
    const TYPE: &'static str;
}

/// Where the results of a command go. A closed output never ends a command in the middle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    format: Format,
    detail: Detail,
}

/// The form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Lines for people, with color on a terminal.
    Text,
    /// One JSON object a line.
    Json,
}

/// How much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Detail {
    /// Errors only.
    Quiet,
    /// The results.
    Normal,
    /// The dialogue as well.
    Verbose,
}

#[derive(Serialize)]
struct Line<'r, R: Serialize> {
    schema: u32,
    r#type: &'static str,
    #[serde(flatten)]
    record: &'r R,
}

#[derive(Serialize)]
struct ErrorLine {
    error: String,
    exit: Exit,
    status: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_doubt: Option<bool>,
}

impl Output {
    pub(crate) fn new(format: Format, detail: Detail) -> Self {
        Self { format, detail }
    }

    /// Returns whether the output is JSON.
    pub(crate) fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// Returns whether the dialogue is shown.
    pub(crate) fn is_verbose(self) -> bool {
        self.detail == Detail::Verbose
    }

    /// Returns whether a progress bar is shown: on a terminal, for people.
    pub(crate) fn shows_progress(self) -> bool {
        use std::io::IsTerminal;
        self.format == Format::Text
            && self.detail != Detail::Quiet
            && std::io::stderr().is_terminal()
    }

    /// Shows a result.
    pub(crate) fn show<R: Record>(self, record: &R) {
        match self.format {
            Format::Json => self.json(R::TYPE, record),
            Format::Text => self.text(record),
        }
    }

    /// Shows a record of the dialogue, with `--verbose` only.
    pub(crate) fn detail<R: Record>(self, record: &R) {
        if self.is_verbose() {
            self.show(record);
        }
    }

    /// Shows a line for people, such as a heading. JSON output does not have it.
    pub(crate) fn text(self, line: impl Display) {
        if self.format == Format::Text && self.detail > Detail::Quiet {
            let _ = writeln!(anstream::stdout(), "{line}");
        }
    }

    /// Shows a warning on standard error.
    pub(crate) fn warn(self, warning: impl Display) {
        if self.detail > Detail::Quiet {
            let style = WARNING;
            let _ = writeln!(anstream::stderr(), "{style}warning:{style:#} {warning}");
        }
    }

    /// A file could not be written after the result was shown. That is the failure of the command if
    /// all else is fine; otherwise it is a warning, and the result decides about the exit status.
    pub(crate) fn not_written(self, failure: Failure, result: Exit) -> Result<Exit, Failure> {
        if result == Exit::Fine {
            return Err(failure);
        }
        self.warn(failure);
        Ok(result)
    }

    /// Shows why the command failed: on standard error, and with `--json` as the last object.
    pub(crate) fn failure(self, failure: &Failure) {
        if self.is_json() {
            let exit = failure.exit();
            let in_doubt = failure.client().map(smtp_client::Error::in_doubt);
            let line =
                ErrorLine { error: failure.to_string(), exit, status: exit.status(), in_doubt };
            self.json("error", &line);
        } else {
            let style = BAD;
            let _ = writeln!(anstream::stderr(), "{style}error:{style:#} {failure}");
        }
    }

    fn json(self, kind: &'static str, record: &impl Serialize) {
        let line = Line { schema: SCHEMA, r#type: kind, record };
        if let Ok(mut line) = serde_json::to_string(&line) {
            line.push('\n');
            let mut output = std::io::stdout().lock();
            let _ = output.write_all(line.as_bytes()).and_then(|()| output.flush());
        }
    }
}

/// The style of what went well.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// The style of what failed.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// The style of what deserves attention.
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// The style of what is not the matter, such as times.
pub(crate) const DIM: Style = Style::new().dimmed();
/// The style of headings.
pub(crate) const HEADING: Style = Style::new().bold();

/// Returns a duration in milliseconds, as both forms of output have it.
pub(crate) fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
