//! Shows script and dialogue side by side.

use std::fmt;

use crate::counted::Counted;
use crate::report::Line;
use crate::script::{Event, Script};
use crate::transcript::{Pause, Transcript, Visible};

/// The lines of the script that are shown before and after the mismatch.
const BEFORE: usize = 12;
const AFTER: usize = 4;

/// The characters of a line that are shown in each column.
const WIDEST_LEFT: usize = 48;
const WIDEST_RIGHT: usize = 96;

/// The lines of the dialogue that are shown for one line of the script.
const MOST_AT_ONE: usize = 6;

/// Two columns, with a `>` at the mismatch.
pub(super) struct Columns<'a> {
    pub(super) script: &'a Script,
    pub(super) dialogue: &'a [Line],
    /// The index of the entry with the mismatch; one past the last at the end of the script.
    pub(super) mark: usize,
}

impl fmt::Display for Columns<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.rows();
        let width = rows.iter().map(|row| row.left.chars().count()).max().unwrap_or_default();
        for row in rows {
            let Row { marker, line, left, right } = row;
            let text = format!("{marker} {line:>4}  {left:width$}  | {right}");
            writeln!(f, "{}", text.trim_end())?;
        }
        Ok(())
    }
}

struct Row {
    marker: char,
    line: String,
    left: String,
    right: String,
}

impl Row {
    fn new(left: &str, right: &str) -> Self {
        Self { marker: ' ', line: String::new(), left: left.to_owned(), right: right.to_owned() }
    }
}

impl Columns<'_> {
    fn rows(&self) -> Vec<Row> {
        let entries = self.script.entries();
        let first = self.mark.saturating_sub(BEFORE);
        let last = entries.len().min(self.mark + 1 + AFTER);

        let mut rows = vec![Row::new("script", "dialogue")];
        if first > 0 {
            rows.push(Row::new(&format!("({} before)", Counted(first, "line")), ""));
        }
        for (index, entry) in entries.iter().enumerate().take(last).skip(first) {
            let head = Row {
                marker: if index == self.mark { '>' } else { ' ' },
                line: entry.line.to_string(),
                ..Row::new(&cut(&visible(&entry.event), WIDEST_LEFT), "")
            };
            rows.extend(beside(head, self.dialogue_at(Some(entry.line))));
        }
        if self.mark == entries.len() {
            let head = Row { marker: '>', ..Row::new("(end of the script)", "") };
            rows.extend(beside(head, self.dialogue_at(None)));
        }
        if last < entries.len() {
            rows.push(Row::new(&format!("({} more)", Counted(entries.len() - last, "line")), ""));
        }
        rows
    }

    /// The dialogue at a line of the script, or after the last one.
    fn dialogue_at(&self, line: Option<usize>) -> Vec<String> {
        let pieces = self.dialogue.iter().enumerate();
        let pieces = pieces.filter(|(_, piece)| piece.script_line == line);
        let mut shown = Vec::new();
        for (at, piece) in pieces {
            let text = Transcript(piece).to_string();
            let first = shown.len();
            shown.extend(text.lines().map(|line| cut(line, WIDEST_RIGHT)));
            if let Some(line) = shown.get_mut(first) {
                line.push_str(&Pause { dialogue: self.dialogue, at }.to_string());
            }
        }
        if shown.len() > MOST_AT_ONE {
            let hidden = shown.len() - (MOST_AT_ONE - 1);
            shown.truncate(MOST_AT_ONE - 1);
            shown.push(format!("({} more)", Counted(hidden, "line")));
        }
        shown
    }
}

/// Puts the first line beside `head`, and the others below it.
fn beside(head: Row, shown: Vec<String>) -> impl Iterator<Item = Row> {
    let mut shown = shown.into_iter();
    let head = Row { right: shown.next().unwrap_or_default(), ..head };
    [head].into_iter().chain(shown.map(|line| Row::new("", &line)))
}

/// The line of the script, with characters escaped that would break the columns.
fn visible(event: &Event) -> String {
    Visible(event.to_string().as_bytes()).to_string()
}

pub(super) fn cut(text: &str, widest: usize) -> String {
    match text.chars().count() > widest {
        true => text.chars().take(widest - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}
