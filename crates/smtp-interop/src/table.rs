//! The table: a row for each case, a column for each protocol of a server, and what is to be said of
//! the fields that are not `=`.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::suite::Outcome;

/// What each symbol means.
pub(crate) const LEGEND: &str = "= equal, ~ known difference, - not run, X fault";

/// The results of one protocol of a server.
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) version: String,
    /// In the order of the cases.
    pub(crate) outcomes: Vec<(String, Outcome)>,
}

/// A server that was not tried, and why.
pub(crate) struct NotStarted {
    pub(crate) name: String,
    pub(crate) reason: String,
}

/// The results of a run.
#[derive(Default)]
pub(crate) struct Table {
    pub(crate) columns: Vec<Column>,
    pub(crate) not_started: Vec<NotStarted>,
}

impl Outcome {
    fn symbol(&self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Known(_) => "~",
            Self::Skipped(_) => "-",
            Self::Fault { .. } => "X",
        }
    }
}

impl Table {
    /// Returns how many fields have a fault.
    pub(crate) fn faults(&self) -> usize {
        let outcomes = self.columns.iter().flat_map(|column| &column.outcomes);
        outcomes.filter(|(_, outcome)| matches!(outcome, Outcome::Fault { .. })).count()
    }

    /// Returns the table as Markdown, which a terminal shows well too.
    pub(crate) fn markdown(&self) -> String {
        let mut text = String::new();
        let heads: Vec<String> = self
            .columns
            .iter()
            .map(|column| format!("{} {}", column.name, column.version))
            .collect();
        let first = self.columns.first();
        let names: Vec<&str> = first
            .map(|column| column.outcomes.iter().map(|(name, _)| name.as_str()).collect())
            .unwrap_or_default();
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        if first.is_some() {
            row(&mut text, width, "Case", &heads, &heads);
            row(
                &mut text,
                width,
                &"-".repeat(width),
                &heads.iter().map(|head| "-".repeat(head.len())).collect::<Vec<_>>(),
                &heads,
            );
        }
        for (number, name) in names.iter().enumerate() {
            let symbols = self.columns.iter().map(|column| {
                column.outcomes.get(number).map_or("", |(_, outcome)| outcome.symbol()).to_owned()
            });
            row(&mut text, width, name, &symbols.collect::<Vec<_>>(), &heads);
        }
        text += &self.notes();
        text
    }

    /// Returns what the fields that are not `=` are about, by server and reason.
    fn notes(&self) -> String {
        let mut text = String::new();
        for column in &self.columns {
            let mut reasons: BTreeMap<(&str, String), Vec<&str>> = BTreeMap::new();
            for (name, outcome) in &column.outcomes {
                let key = match outcome {
                    Outcome::Equal => continue,
                    Outcome::Known(why) => ("~", why.clone()),
                    Outcome::Skipped(why) => ("-", why.clone()),
                    Outcome::Fault { text, .. } => ("X", text.clone()),
                };
                reasons.entry(key).or_default().push(name);
            }
            let (name, version) = (&column.name, &column.version);
            let equal = column.outcomes.iter().filter(|(_, one)| *one == Outcome::Equal).count();
            let of = column.outcomes.len();
            let _ = write!(text, "\n**{name} {version}**: {equal} of {of} equal\n\n");
            for ((symbol, why), cases) in reasons {
                let _ = writeln!(text, "- `{symbol}` {why}: {}", listed(&cases));
            }
        }
        for NotStarted { name, reason } in &self.not_started {
            let _ = write!(text, "\n**{name}**: not run: {reason}\n");
        }
        text
    }

    /// Returns the faults with the end of their dialogues.
    pub(crate) fn transcripts(&self) -> String {
        let mut text = String::new();
        for column in &self.columns {
            for (name, outcome) in &column.outcomes {
                if let Outcome::Fault { text: why, dialogue } = outcome {
                    let _ = write!(text, "\nfault: {}: {name}: {why}\n", column.name);
                    for line in dialogue {
                        let _ = writeln!(text, "    {line}");
                    }
                }
            }
        }
        text
    }
}

/// Returns the names of cases. The table has all of them, so that a long list is cut.
fn listed(cases: &[&str]) -> String {
    match cases {
        [first, second, third, _, _, _, ..] => {
            format!("{first}; {second}; {third}; and {} others", cases.len() - 3)
        }
        _ => cases.join("; "),
    }
}

fn row(text: &mut String, width: usize, name: &str, fields: &[String], heads: &[String]) {
    let pad = width.saturating_sub(name.chars().count());
    let _ = write!(text, "| {name}{} |", " ".repeat(pad));
    for (field, head) in fields.iter().zip(heads) {
        let pad = head.chars().count().saturating_sub(field.chars().count());
        let _ = write!(text, " {field}{} |", " ".repeat(pad));
    }
    text.push('\n');
}

#[cfg(test)]
mod tests;
