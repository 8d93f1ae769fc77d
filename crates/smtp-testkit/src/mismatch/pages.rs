//! Shows the dialogues of a server without a script, with a `>` at each mistake of the client.

use std::collections::BTreeSet;
use std::fmt;

use super::columns::cut;
use crate::counted::Counted;
use crate::lint::{Finding, Lint};
use crate::report::{Conversation, Report};
use crate::transcript::{Pause, Transcript};

/// The lines of a dialogue that are shown around each finding, and at the end of one without
/// findings.
const AROUND: usize = 4;
const AT_MOST: usize = 30;
/// The lines of one text that are shown, and the characters of a line.
const OF_ONE: usize = 6;
const WIDEST: usize = 110;

/// The mistakes, each with its remedy, and then the dialogues.
pub(super) struct Pages<'a> {
    pub(super) report: &'a Report,
    pub(super) denied: &'a BTreeSet<Lint>,
}

impl fmt::Display for Pages<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for connection in self.report.connections() {
            for finding in self.shown(connection) {
                let Finding { lint, what, .. } = finding;
                let line = connection.omitted() + finding.at + 1;
                let place = format!("connection {}, line {line}", connection.number());
                writeln!(f, "  {place}: the client {lint}: {what}")?;
                writeln!(f, "      fix: {}", lint.remedy())?;
            }
        }
        let count = self.report.connections().last().map_or(0, Conversation::number);
        for connection in self.report.connections() {
            let findings: Vec<&Finding> = self.shown(connection).collect();
            if !self.denied.is_empty() && findings.is_empty() {
                continue;
            }
            writeln!(f, "\nconnection {} of {count}", connection.number())?;
            page(f, connection, &findings)?;
        }
        if self.report.connections().is_empty() {
            writeln!(f, "  no client connected")?;
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
        let shown_lines: Vec<&str> = text.lines().collect();
        for (index, piece) in shown_lines.iter().take(OF_ONE).enumerate() {
            let number = if index == 0 {
                (connection.omitted() + at + 1).to_string()
            } else {
                String::new()
            };
            let marker = if index == 0 { marker } else { ' ' };
            let line = format!("{marker} {number:>4}  {}", cut(piece, WIDEST));
            write!(f, "{}", line.trim_end())?;
            if index == 0 {
                write!(f, "{}", Pause { dialogue: lines, at })?;
            }
            writeln!(f)?;
        }
        if shown_lines.len() > OF_ONE {
            writeln!(f, "        ({} more)", Counted(shown_lines.len() - OF_ONE, "line"))?;
        }
    }
    Ok(())
}
