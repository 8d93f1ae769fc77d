//! Figures, as tables and as JSON.

use std::fmt::Write;

/// The figures of one part of the result.
#[derive(Default)]
pub(super) struct Section {
    figures: Vec<Figure>,
}

/// One figure of one peer in one case.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Figure {
    pub(super) name: String,
    pub(super) peer: String,
    pub(super) unit: Unit,
    /// `None` where the peer cannot do this case, or the tool that counts is not installed.
    pub(super) value: Option<f64>,
    /// The ratio to ours, if it was measured: a median of ratios is steadier than the ratio of two
    /// medians. Otherwise it is the ratio of the values.
    pub(super) ratio: Option<f64>,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) name: &'static str,
    /// The number of decimal places to show.
    pub(super) places: usize,
    /// Whether the table has a column for the ratio.
    pub(super) compared: bool,
}

impl Unit {
    /// Messages per second.
    pub(super) const MESSAGES: Self = Self { name: "messages/s", places: 0, compared: true };
    /// Megabytes per second.
    pub(super) const MEGABYTES: Self = Self { name: "MB/s", places: 0, compared: true };
    /// Instructions per message.
    pub(super) const INSTRUCTIONS: Self = Self { name: "instructions", places: 0, compared: true };
    /// System calls per message.
    pub(super) const SYSTEM_CALLS: Self = Self { name: "system calls", places: 1, compared: false };
    /// Resident memory.
    pub(super) const MEMORY: Self = Self { name: "KiB more", places: 0, compared: false };
}

impl Section {
    pub(super) fn is_empty(&self) -> bool {
        self.figures.is_empty()
    }

    pub(super) fn push(&mut self, figure: Figure) {
        self.figures.push(figure);
    }

    pub(super) fn figures(&self) -> impl Iterator<Item = &Figure> {
        self.figures.iter()
    }

    /// The ratio to the first peer of the case, which is ours.
    fn ratio(&self, figure: &Figure) -> Option<f64> {
        let same = |other: &&Figure| other.name == figure.name && other.unit == figure.unit;
        let ours = self.figures.iter().find(same)?.value?;
        figure.value?;
        let ratio = figure.ratio.or_else(|| figure.value.map(|value| value / ours));
        ratio.filter(|ratio| ratio.is_finite())
    }

    /// Markdown tables: cases with the same units share one.
    pub(super) fn tables(&self) -> Vec<String> {
        let mut tables: Vec<(Vec<Unit>, Vec<&str>)> = Vec::new();
        for name in unique(self.figures.iter().map(|figure| figure.name.as_str())) {
            let of_case = self.figures.iter().filter(|figure| figure.name == name);
            let units = unique(of_case.map(|figure| figure.unit));
            match tables.iter_mut().find(|(known, _)| *known == units) {
                Some((_, names)) => names.push(name),
                None => tables.push((units, vec![name])),
            }
        }
        tables.iter().map(|(units, names)| self.table(units, names)).collect()
    }

    fn table(&self, units: &[Unit], names: &[&str]) -> String {
        let mut head = vec!["Case".to_owned(), "Peer".to_owned()];
        for unit in units {
            head.push(unit.name.to_owned());
            if unit.compared {
                head.push("to ours".to_owned());
            }
        }
        let mut lines = vec![head];
        for &name in names {
            let of_case = || self.figures.iter().filter(|figure| figure.name == name);
            for (number, peer) in
                unique(of_case().map(|figure| figure.peer.as_str())).into_iter().enumerate()
            {
                let case = if number == 0 { name } else { "" };
                let mut line = vec![case.to_owned(), peer.to_owned()];
                for &unit in units {
                    let of_peer = |figure: &&Figure| figure.peer == peer && figure.unit == unit;
                    let figure = of_case().find(of_peer);
                    let value = figure.and_then(|figure| figure.value);
                    line.push(shown(value, unit.places));
                    if unit.compared {
                        line.push(shown(figure.and_then(|figure| self.ratio(figure)), 2));
                    }
                }
                lines.push(line);
            }
        }
        markdown(&lines)
    }
}

/// The distinct values, in the order of their first occurrence.
fn unique<T: PartialEq + Clone>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut found = Vec::new();
    for value in values {
        if !found.contains(&value) {
            found.push(value);
        }
    }
    found
}

/// A figure with commas between the thousands.
fn shown(value: Option<f64>, places: usize) -> String {
    let Some(value) = value.filter(|value| value.is_finite()) else { return "-".to_owned() };
    let plain = format!("{value:.places$}");
    let whole = plain.split('.').next().unwrap_or_default().len();
    let mut text = String::new();
    for (at, digit) in plain.chars().enumerate() {
        if at > 0 && at < whole && (whole - at).is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn markdown(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|at| lines.iter().map(|line| line[at].len()).max().unwrap_or_default())
        .collect();
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        for (at, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let padded = if at < 2 { format!("{cell:<width$}") } else { format!("{cell:>width$}") };
            text.push_str(&format!("| {padded} "));
        }
        text.push_str("|\n");
        if number == 0 {
            for (at, width) in widths.iter().enumerate() {
                let end = if at < 2 { '-' } else { ':' };
                text.push_str(&format!("|-{}{end}", "-".repeat(*width)));
            }
            text.push_str("|\n");
        }
    }
    text.trim_end().to_owned()
}

/// One object for each figure. `ratio` is the ratio to ours; it and `value` are `null` if unknown.
pub(super) fn json(sections: &[Section]) -> String {
    let number = |figure: Option<f64>| match figure.filter(|figure| figure.is_finite()) {
        Some(figure) => format!("{figure:.3}"),
        None => "null".to_owned(),
    };
    let mut objects = Vec::new();
    for section in sections {
        for figure in &section.figures {
            let Figure { name, peer, unit, value, .. } = figure;
            let mut object = String::new();
            write!(object, "{{\"name\": \"{name}\", \"peer\": \"{peer}\", ")
                .and_then(|()| write!(object, "\"value\": {}, ", number(*value)))
                .and_then(|()| write!(object, "\"unit\": \"{}\", ", unit.name))
                .and_then(|()| write!(object, "\"ratio\": {}}}", number(section.ratio(figure))))
                .unwrap_or(());
            objects.push(object);
        }
    }
    format!("[\n  {}\n]\n", objects.join(",\n  "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLS: Unit = Unit { name: "calls", places: 0, compared: true };

    fn section() -> Section {
        let mut section = Section::default();
        for (peer, value) in [("ours", Some(2000.0)), ("peer", Some(5000.0)), ("other", None)] {
            let (name, peer) = ("send".to_owned(), peer.to_owned());
            section.push(Figure { name, peer, unit: CALLS, value, ratio: None });
        }
        section
    }

    #[test]
    fn a_table_compares_with_the_first_peer() {
        let expected = "\
| Case | Peer  | calls | to ours |
|------|-------|------:|--------:|
| send | ours  | 2,000 |    1.00 |
|      | peer  | 5,000 |    2.50 |
|      | other |     - |       - |";
        assert_eq!(section().tables(), [expected]);
    }

    #[test]
    fn json_has_an_object_for_each_figure() {
        let json = json(&[section()]);
        assert!(json.contains(
            "{\"name\": \"send\", \"peer\": \"peer\", \"value\": 5000.000, \
             \"unit\": \"calls\", \"ratio\": 2.500}"
        ));
        assert!(json.contains("\"value\": null, \"unit\": \"calls\", \"ratio\": null}"));
    }
}
