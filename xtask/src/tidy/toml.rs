//! TOML flattened to `key.key.key = value`, as far as our own manifests need it.
//!
//! What it does not understand is an error, never skipped: a rule must not be dodged by spelling.

/// One value, and every key on the way to it; a header is an entry without a value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) line: usize,
    pub(super) path: Vec<String>,
    /// The value when it is a string or a bare word such as `true`; an array has one entry each.
    pub(super) text: Option<String>,
}

impl Entry {
    pub(super) fn is(&self, path: &[&str]) -> bool {
        self.path == path
    }
}

/// The line that could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable(pub(super) usize);

pub(super) fn read(source: &str) -> Result<Vec<Entry>, Unreadable> {
    let mut reader =
        Reader { chars: source.chars().collect(), at: 0, line: 1, entries: Vec::new() };
    let mut section = Vec::new();
    reader.skip_blank();
    while let Some(next) = reader.peek() {
        if next == '[' {
            section = reader.header()?;
        } else {
            reader.pair(&section)?;
        }
        reader.line_end()?;
        reader.skip_blank();
    }
    Ok(reader.entries)
}

struct Reader {
    chars: Vec<char>,
    at: usize,
    line: usize,
    entries: Vec<Entry>,
}

impl Reader {
    fn header(&mut self) -> Result<Vec<String>, Unreadable> {
        self.expect('[')?;
        let double = self.accept('[');
        let path = self.keys(&[])?;
        self.expect(']')?;
        if double {
            self.expect(']')?;
        }
        self.push(&path, None);
        Ok(path)
    }

    fn pair(&mut self, section: &[String]) -> Result<(), Unreadable> {
        let path = self.keys(section)?;
        self.expect('=')?;
        self.skip_spaces();
        self.value(&path)
    }

    /// A dotted key, behind the keys that it stands under.
    fn keys(&mut self, under: &[String]) -> Result<Vec<String>, Unreadable> {
        let mut path = under.to_vec();
        loop {
            self.skip_spaces();
            let key = match self.peek() {
                Some('"' | '\'') => self.string()?,
                _ => self.word(),
            };
            if key.is_empty() {
                return Err(Unreadable(self.line));
            }
            path.push(key);
            self.skip_spaces();
            if !self.accept('.') {
                return Ok(path);
            }
        }
    }

    fn value(&mut self, path: &[String]) -> Result<(), Unreadable> {
        match self.peek() {
            Some('{') => self.many(path, '}', Self::pair),
            Some('[') => self.many(path, ']', Self::value),
            Some('"' | '\'') => {
                let text = self.string()?;
                self.push(path, Some(text));
                Ok(())
            }
            _ => {
                let text = self.word();
                if text.is_empty() {
                    return Err(Unreadable(self.line));
                }
                self.push(path, Some(text));
                Ok(())
            }
        }
    }

    /// The items of an array or an inline table, each read by `item`.
    fn many(
        &mut self,
        path: &[String],
        close: char,
        item: fn(&mut Self, &[String]) -> Result<(), Unreadable>,
    ) -> Result<(), Unreadable> {
        self.push(path, None);
        self.bump();
        self.skip_blank();
        while !self.accept(close) {
            item(self, path)?;
            self.skip_blank();
            if !self.accept(',') && self.peek() != Some(close) {
                return Err(Unreadable(self.line));
            }
            self.skip_blank();
        }
        Ok(())
    }

    /// A string in single or double quotes; of escapes only those that cannot hide a name.
    fn string(&mut self) -> Result<String, Unreadable> {
        let quote = self.bump();
        let mut text = String::new();
        loop {
            match self.bump() {
                next if next == quote && text.is_empty() && self.peek() == quote => {
                    // Three quotes: a string over many lines, which no manifest of ours needs.
                    return Err(Unreadable(self.line));
                }
                next if next == quote => return Ok(text),
                Some('\\') if quote == Some('"') => match self.bump() {
                    Some(next @ ('\\' | '"')) => text.push(next),
                    _ => return Err(Unreadable(self.line)),
                },
                Some(next) if next != '\n' => text.push(next),
                _ => return Err(Unreadable(self.line)),
            }
        }
    }

    fn word(&mut self) -> String {
        let mut text = String::new();
        while let Some(next) = self.peek().filter(|next| is_bare(*next)) {
            text.push(next);
            self.bump();
        }
        text
    }

    fn line_end(&mut self) -> Result<(), Unreadable> {
        self.skip_spaces();
        match self.peek() {
            None | Some('\n' | '\r' | '#') => Ok(()),
            Some(_) => Err(Unreadable(self.line)),
        }
    }

    fn skip_spaces(&mut self) {
        while self.accept(' ') || self.accept('\t') {}
    }

    fn skip_blank(&mut self) {
        while let Some(next) = self.peek() {
            if next == '#' {
                while self.peek().is_some_and(|next| next != '\n') {
                    self.bump();
                }
            } else if next.is_whitespace() {
                self.bump();
            } else {
                return;
            }
        }
    }

    fn expect(&mut self, wanted: char) -> Result<(), Unreadable> {
        if self.accept(wanted) { Ok(()) } else { Err(Unreadable(self.line)) }
    }

    fn accept(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.bump();
        }
        found
    }

    fn push(&mut self, path: &[String], text: Option<String>) {
        self.entries.push(Entry { line: self.line, path: path.to_vec(), text });
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += 1;
        if next == '\n' {
            self.line += 1;
        }
        Some(next)
    }
}

fn is_bare(next: char) -> bool {
    next.is_ascii_alphanumeric() || next == '_' || next == '-'
}

#[cfg(test)]
mod tests;
