//! The error of a failed test: where the client deviates from the script, and what to fix.

mod columns;
mod pages;
mod secrets;
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

/// The client did not do what the test expects.
///
/// Both `Display` and `Debug` print a full explanation: the connection and the line of the script,
/// what was expected and what was received, then script and dialogue side by side with a `>` where
/// they differ. Without a script, the dialogue stands alone. The text contains no ports, and of
/// times only pauses of at least one second, so that tests can compare it.
#[derive(Clone)]
pub struct Mismatch(Box<Story>);

#[derive(Clone)]
struct Story {
    connection: usize,
    scripts: Vec<Script>,
    divergence: Divergence,
    report: Report,
    denied: BTreeSet<Lint>,
}

/// How the client deviates from the script or from the expectation of the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MismatchKind {
    /// The client sent another line than the expected one.
    WrongLine,
    /// The client sent something before a reply that it must wait for.
    SentAhead,
    /// The lines of a `C|` group arrived in more than one segment.
    SeveralSegments,
    /// The client closed before it did everything that the script expects.
    ClosedEarly,
    /// The client sent something where `[expect-close]` expects it to close.
    InsteadOfClose,
    /// The client sent something after the end of the script instead of closing.
    AfterTheEnd,
    /// The TLS handshake failed.
    Handshake,
    /// The client did not make the connection for a script.
    NotConnected,
    /// The client did nothing before the watchdog expired.
    Unfinished,
    /// The runtime of the server was shut down.
    Interrupted,
    /// The client made mistakes that the test denies.
    Denied,
    /// A required rule was never used.
    UnusedRule,
    /// The message that the test waits for did not arrive.
    NoMessage,
    /// A message arrived where the test expects none.
    UnexpectedMessage,
}

/// The state of a connection where client and script differ.
#[derive(Clone)]
pub(crate) struct Divergence {
    pub(crate) kind: MismatchKind,
    /// The index of the entry of the script; one past the last at its end.
    pub(crate) entry: usize,
    /// The octets that were received and not consumed.
    pub(crate) received: Vec<u8>,
    pub(crate) end: Option<End>,
    pub(crate) reason: Option<String>,
}

impl Divergence {
    /// A divergence that no octets of the client caused.
    pub(crate) fn without_octets(kind: MismatchKind) -> Self {
        Self { kind, entry: 0, received: Vec::new(), end: None, reason: None }
    }

    pub(crate) fn because(self, error: &dyn Error) -> Self {
        Self { reason: Some(error.to_string()), ..self }
    }
}

impl Mismatch {
    /// Makes the error; `connection` counts from zero.
    pub(crate) fn new(
        connection: usize,
        scripts: Vec<Script>,
        divergence: Divergence,
        report: Report,
    ) -> Self {
        let denied = BTreeSet::new();
        Self(Box::new(Story { connection, scripts, divergence, report, denied }))
    }

    /// Makes the error of a server without a script.
    pub(crate) fn without_script(kind: MismatchKind, reason: String, report: Report) -> Self {
        let reason = Some(reason).filter(|reason| !reason.is_empty());
        let divergence = Divergence { reason, ..Divergence::without_octets(kind) };
        Self::new(0, Vec::new(), divergence, report)
    }

    /// Returns the error for the mistakes of these kinds, if the clients made any.
    pub(crate) fn denied(denied: &BTreeSet<Lint>, report: &Report) -> Option<Self> {
        let is_denied = |finding: &Finding| denied.contains(&finding.lint);
        let mut connections = report.connections().iter();
        let found = connections.find(|found| found.findings().iter().any(is_denied))?;
        let connection = found.number;
        let divergence = Divergence::without_octets(MismatchKind::Denied);
        let mut mismatch = Self::new(connection, Vec::new(), divergence, report.clone());
        mismatch.0.denied.clone_from(denied);
        Some(mismatch)
    }

    /// Hides what the client has sent with AUTH, for a report that others may see: the arguments and
    /// the responses become `***`.
    #[must_use]
    pub fn without_secrets(mut self) -> Self {
        let Story { report, divergence, .. } = &mut *self.0;
        for connection in &mut report.connections {
            let hidden = secrets::hide(&mut connection.dialogue);
            secrets::hide_lines(&mut divergence.received, &hidden);
        }
        self
    }

    /// The mistakes that the test denies.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.0.report.findings().filter(|finding| self.0.denied.contains(&finding.lint))
    }

    /// The kind of mismatch.
    pub fn kind(&self) -> MismatchKind {
        self.0.divergence.kind
    }

    /// The number of the connection, counted from one.
    pub fn connection(&self) -> usize {
        self.0.connection + 1
    }

    /// The line number in the script; `None` at its end, or if there was no connection to play it
    /// on.
    pub fn script_line(&self) -> Option<usize> {
        let entry = self.script()?.entries().get(self.0.divergence.entry)?;
        self.is_on_a_line().then_some(entry.line)
    }

    /// The line that the script expects of the client, with its CRLF; `None` if it expects
    /// something other than a line.
    pub fn expected(&self) -> Option<&[u8]> {
        match self.event() {
            Some(Event::Client { octets, .. }) => Some(octets),
            _ => None,
        }
    }

    /// The first line of the octets that were received instead.
    pub fn received(&self) -> &[u8] {
        let received = &self.0.divergence.received;
        received.split_inclusive(|&octet| octet == b'\n').next().unwrap_or_default()
    }

    /// The report of everything up to the mismatch.
    pub fn report(&self) -> &Report {
        &self.0.report
    }

    fn script(&self) -> Option<&Script> {
        self.0.scripts.get(self.0.connection)
    }

    fn event(&self) -> Option<&Event> {
        let entry = self.script()?.entries().get(self.0.divergence.entry)?;
        self.is_on_a_line().then_some(&entry.event)
    }

    /// The column at which the quoted line differs from the expected one.
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
        if let Some(reason) = &self.0.divergence.reason {
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
                let mark = self.0.divergence.entry;
                write!(f, "\n{}", Columns { script, dialogue, mark })
            }
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `unwrap` prints this after its own text on the same line.
        writeln!(f)?;
        fmt::Display::fmt(self, f)
    }
}

impl Error for Mismatch {}
