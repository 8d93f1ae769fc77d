//! Layout: labels and paragraphs within the 80 columns of a terminal.
use std::fmt::{self, Write as _};

use anstyle::Style;

use crate::output::HEADING;

/// The columns of a line.
const WIDTH: usize = 80;
/// The columns of a label; the text begins after it, and continues in the same column.
const LABEL: usize = 10;

/// A space at which no line ends.
pub(crate) const NO_BREAK: char = '\u{a0}';

/// A text that is laid out line by line.
#[derive(Debug, Default)]
pub(crate) struct Layout(String);

impl Layout {
    /// Adds an empty line, except at the beginning.
    pub(crate) fn gap(&mut self) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
    }

    /// Adds a heading.
    pub(crate) fn heading(&mut self, text: impl fmt::Display) {
        let text = printable(&text.to_string());
        let _ = writeln!(self.0, "{HEADING}{text}{HEADING:#}");
    }

    /// Adds a text after its label. Words that do not fit into a line go to the next one.
    pub(crate) fn entry(&mut self, label: &str, text: impl fmt::Display) {
        self.styled(label, Style::new(), text);
    }

    /// Adds a text after its label, which has this style.
    pub(crate) fn styled(&mut self, label: &str, style: Style, text: impl fmt::Display) {
        let text = printable(&text.to_string());
        let _ = write!(self.0, "{style}{label:LABEL$}{style:#}");
        // A label that is too long has a line of its own.
        let mut column = label.chars().count().max(LABEL);
        if column > LABEL {
            self.next_line();
            column = LABEL;
        }
        for (number, word) in text.split(' ').enumerate() {
            let width = word.chars().count();
            let space = usize::from(number > 0 && column > LABEL);
            if column > LABEL && column + space + width > WIDTH {
                self.next_line();
                column = LABEL;
            } else if space == 1 {
                self.0.push(' ');
                column += 1;
            }
            self.0.push_str(&word.replace(NO_BREAK, " "));
            column += width;
        }
        while self.0.ends_with(' ') {
            self.0.pop();
        }
        self.0.push('\n');
    }

    /// Adds items after a label, separated by commas.
    pub(crate) fn list<T: fmt::Display>(
        &mut self,
        label: &str,
        items: impl IntoIterator<Item = T>,
    ) {
        let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
        if !items.is_empty() {
            self.entry(label, items.join(", "));
        }
    }

    /// Adds lines that are laid out already, such as a table.
    pub(crate) fn lines(&mut self, lines: impl fmt::Display) {
        let _ = writeln!(self.0, "{lines}");
    }

    fn next_line(&mut self) {
        while self.0.ends_with(' ') {
            self.0.pop();
        }
        self.0.push('\n');
        self.0.push_str(&" ".repeat(LABEL));
    }
}

/// Displays the text without the last line end, which the output adds.
impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.trim_end_matches('\n'))
    }
}

/// Returns a text of the network without the control characters that could change a terminal.
pub(crate) fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            // The marks that change the direction of a text disguise names.
            '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                printable.extend(character.escape_unicode());
            }
            _ if character.is_control() => printable.extend(character.escape_default()),
            _ => printable.push(character),
        }
    }
    printable
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid_out(text: &str) -> Vec<String> {
        let mut layout = Layout::default();
        layout.entry("label", text);
        layout.to_string().lines().map(str::to_owned).collect()
    }

    #[test]
    fn words_go_to_the_next_line_in_the_column_of_the_text() {
        let lines = laid_out(&"word ".repeat(20));
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("label     word word"), "{lines:?}");
        assert!(lines[1].starts_with("          word"), "{lines:?}");
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH), "{lines:?}");
    }

    #[test]
    fn a_word_that_fits_no_line_stays_whole() {
        let long = "x".repeat(100);
        assert_eq!(laid_out(&long), [format!("label     {long}")]);
        assert_eq!(laid_out(&format!("a {long}"))[1], format!("          {long}"));
    }

    #[test]
    fn nothing_of_the_network_controls_the_terminal() {
        assert_eq!(
            printable("a\u{1b}[2Jb\r\n\u{9b}\u{202e}"),
            "a\\u{1b}[2Jb\\r\\n\\u{9b}\\u{202e}"
        );
        assert_eq!(laid_out("a\tb"), ["label     a\\tb"]);
    }
}
