//! Where a client departs from the script, told so that one sees what to mend.

mod columns;
mod pages;
mod words;

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;

use self::columns::Columns;
use self::pages::Pages;
use self::words::{Expected, Kind, Place, Received};
use crate::escape::Unquoted;
use crate::inbox::End;
use crate::lint::{Finding, Lint};
use crate::matching::Matching;
use crate::report::Report;
use crate::script::{Event, Script};

/// The client did not do what the script says.
///
/// Both `Display` and `Debug` print the whole story: the connection and the line of the script,
/// what was expected and what came, then script and dialogue side by side with a `>` where they
/// part, or the dialogue alone where there is no script. The text has no ports in it, and of times
/// only pauses of a second and more, so that it can be compared.
#[derive(Clone)]
pub struct Mismatch(Box<Story>);

#[derive(Clone)]
struct Story {
    connection: usize,
    scripts: Vec<Script>,
    departure: Departure,
    report: Report,
    denied: BTreeSet<Lint>,
}

/// In which way a client departs from the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MismatchKind {
    /// The client sent a line, and not the one that was expected.
    WrongLine,
    /// The client sent something before the reply that it had to wait for.
    SentAhead,
    /// The lines of a `C|` group came in more than one segment.
    SeveralSegments,
    /// The client closed while something was expected of it.
    ClosedEarly,
    /// The client sent something where `[expect-close]` expects it to close.
    InsteadOfClose,
    /// The client sent something after the end of the script, where it was to close.
    AfterTheEnd,
    /// The TLS handshake failed.
    Handshake,
    /// A script was left for a connection that the client did not make.
    NotConnected,
    /// The client did nothing for as long as the watchdog allows.
    Unfinished,
    /// The runtime that the server ran on was shut down.
    Interrupted,
    /// The client made mistakes that the test denies.
    Denied,
    /// A rule that is required never had its turn.
    UnusedRule,
    /// The message that the test waited for did not come.
    NoMessage,
    /// A message came where the test expected none.
    UnexpectedMessage,
}

/// What a player knows when client and script part.
#[derive(Clone)]
pub(crate) struct Departure {
    pub(crate) kind: MismatchKind,
    /// The entry of the script; one past the last at its end.
    pub(crate) entry: usize,
    /// What arrived and was not taken yet.
    pub(crate) received: Vec<u8>,
    pub(crate) end: Option<End>,
    pub(crate) reason: Option<String>,
}

impl Departure {
    /// A departure that is not the doing of octets.
    pub(crate) fn without_octets(kind: MismatchKind) -> Self {
        Self { kind, entry: 0, received: Vec::new(), end: None, reason: None }
    }

    pub(crate) fn because(self, error: &dyn Error) -> Self {
        Self { reason: Some(error.to_string()), ..self }
    }
}

impl Mismatch {
    /// `connection` counts from zero.
    pub(crate) fn new(
        connection: usize,
        scripts: Vec<Script>,
        departure: Departure,
        report: Report,
    ) -> Self {
        let denied = BTreeSet::new();
        Self(Box::new(Story { connection, scripts, departure, report, denied }))
    }

    /// What a server without a script has to say.
    pub(crate) fn told(kind: MismatchKind, reason: String, report: Report) -> Self {
        let reason = Some(reason).filter(|reason| !reason.is_empty());
        let departure = Departure { reason, ..Departure::without_octets(kind) };
        Self::new(0, Vec::new(), departure, report)
    }

    /// The mistakes of these kinds that the clients made, if any.
    pub(crate) fn denied(denied: &BTreeSet<Lint>, report: &Report) -> Option<Self> {
        let is_denied = |finding: &Finding| denied.contains(&finding.lint);
        let connection = report
            .connections()
            .iter()
            .position(|connection| connection.findings().iter().any(is_denied))?;
        let departure = Departure::without_octets(MismatchKind::Denied);
        let mut mismatch = Self::new(connection, Vec::new(), departure, report.clone());
        mismatch.0.denied.clone_from(denied);
        Some(mismatch)
    }

    /// The mistakes that the test denies.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.0.report.findings().filter(|finding| self.0.denied.contains(&finding.lint))
    }

    /// In which way client and script part.
    pub fn kind(&self) -> MismatchKind {
        self.0.departure.kind
    }

    /// The connection, counted from one.
    pub fn connection(&self) -> usize {
        self.0.connection + 1
    }

    /// The line of the script; `None` at its end, or if there was no connection to play it on.
    pub fn script_line(&self) -> Option<usize> {
        let entry = self.script()?.entries().get(self.0.departure.entry)?;
        self.is_on_a_line().then_some(entry.line)
    }

    /// The line that the script expected of the client, with its CRLF; `None` if it expected
    /// something other than a line.
    pub fn expected(&self) -> Option<&[u8]> {
        match self.event() {
            Some(Event::Client { octets, .. }) => Some(octets),
            _ => None,
        }
    }

    /// What came instead: the first line of what the script had not come to yet.
    pub fn received(&self) -> &[u8] {
        let received = &self.0.departure.received;
        received.split_inclusive(|&octet| octet == b'\n').next().unwrap_or_default()
    }

    /// What went over the wire until then.
    pub fn report(&self) -> &Report {
        &self.0.report
    }

    fn script(&self) -> Option<&Script> {
        self.0.scripts.get(self.0.connection)
    }

    fn event(&self) -> Option<&Event> {
        let entry = self.script()?.entries().get(self.0.departure.entry)?;
        self.is_on_a_line().then_some(&entry.event)
    }

    /// Under which column of a quoted line that was not the one expected the two part.
    fn column(&self) -> Option<usize> {
        let Some(Event::Client { octets, matching: Matching::Exact | Matching::Group }) =
            self.event()
        else {
            return None;
        };
        let same = octets.iter().zip(self.received()).take_while(|(one, other)| one == other);
        let quoted = Unquoted(&octets[..same.count()]).to_string();
        (self.kind() == MismatchKind::WrongLine).then_some(quoted.len() + 1)
    }

    fn is_on_a_line(&self) -> bool {
        !matches!(self.kind(), MismatchKind::NotConnected | MismatchKind::Interrupted)
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}{}", Place(self), Kind(self))?;
        if let Some(reason) = &self.0.departure.reason {
            writeln!(f, "  because   {reason}")?;
        }
        let Some(script) = self.script() else {
            return write!(f, "{}", Pages { report: &self.0.report, denied: &self.0.denied });
        };
        writeln!(f, "  expected  {}", Expected(self))?;
        if !matches!(self.kind(), MismatchKind::Handshake | MismatchKind::NotConnected) {
            writeln!(f, "  received  {}", Received(self))?;
        }
        if let Some(column) = self.column() {
            writeln!(f, "            {:column$}^", "")?;
        }
        match self.0.report.connections().get(self.0.connection) {
            Some(connection) => {
                let dialogue = connection.dialogue();
                let parting = self.0.departure.entry;
                write!(f, "\n{}", Columns { script, dialogue, parting })
            }
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `unwrap` puts this behind words of its own.
        writeln!(f)?;
        fmt::Display::fmt(self, f)
    }
}

impl Error for Mismatch {}
