//! The dialogues of a server without a script, with a `>` where the client is to be mended.

use std::collections::BTreeSet;
use std::fmt;

use super::columns::cut;
use crate::counted::Counted;
use crate::lint::{Finding, Lint};
use crate::report::{Conversation, Report};
use crate::transcript::{Pause, Transcript};

/// How many lines of a dialogue are shown around each finding, and of one without any.
const AROUND: usize = 4;
const AT_MOST: usize = 30;
/// How many lines are shown of one text, and how many characters of a line.
const OF_ONE: usize = 6;
const WIDEST: usize = 110;

/// First the mistakes, each with its remedy; then what was said.
pub(super) struct Pages<'a> {
    pub(super) report: &'a Report,
    pub(super) denied: &'a BTreeSet<Lint>,
}

impl fmt::Display for Pages<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, connection) in self.report.connections().iter().enumerate() {
            for finding in self.shown(connection) {
                let Finding { lint, what, .. } = finding;
                let place = format!("connection {}, line {}", index + 1, finding.at + 1);
                writeln!(f, "  {place}: the client {lint}: {what}")?;
                writeln!(f, "      to mend it: {}", lint.remedy())?;
            }
        }
        for (index, connection) in self.report.connections().iter().enumerate() {
            let findings: Vec<&Finding> = self.shown(connection).collect();
            if !self.denied.is_empty() && findings.is_empty() {
                continue;
            }
            let count = self.report.connections().len();
            writeln!(f, "\nconnection {} of {count}", index + 1)?;
            page(f, connection, &findings)?;
        }
        if self.report.connections().is_empty() {
            writeln!(f, "  nobody has connected")?;
        }
        Ok(())
    }
}

impl<'a> Pages<'a> {
    fn shown(&self, connection: &'a Conversation) -> impl Iterator<Item = &'a Finding> {
        connection.findings().iter().filter(|finding| self.denied.contains(&finding.lint))
    }
}

fn page(
    f: &mut fmt::Formatter<'_>,
    connection: &Conversation,
    findings: &[&Finding],
) -> fmt::Result {
    let lines = connection.dialogue();
    let near = |at: usize| match findings.is_empty() {
        true => at + AT_MOST >= lines.len(),
        false => findings.iter().any(|finding| finding.at.abs_diff(at) <= AROUND),
    };
    let mut hidden = 0;
    for (at, line) in lines.iter().enumerate() {
        if !near(at) {
            hidden += 1;
            continue;
        }
        if std::mem::take(&mut hidden) > 0 {
            writeln!(f, "        ...")?;
        }
        let marker = if findings.iter().any(|finding| finding.at == at) { '>' } else { ' ' };
        let text = Transcript(line).to_string();
        let said: Vec<&str> = text.lines().collect();
        for (index, piece) in said.iter().take(OF_ONE).enumerate() {
            let number = if index == 0 { (at + 1).to_string() } else { String::new() };
            let marker = if index == 0 { marker } else { ' ' };
            let line = format!("{marker} {number:>4}  {}", cut(piece, WIDEST));
            write!(f, "{}", line.trim_end())?;
            if index == 0 {
                write!(f, "{}", Pause { dialogue: lines, at })?;
            }
            writeln!(f)?;
        }
        if said.len() > OF_ONE {
            writeln!(f, "        ({} more)", Counted(said.len() - OF_ONE, "line"))?;
        }
    }
    Ok(())
}
