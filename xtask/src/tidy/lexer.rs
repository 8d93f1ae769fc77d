//! Splits Rust source into words and marks; drops comments and the contents of literals.
//!
//! It has no grammar and expands no macros.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// A word (identifier, keyword or number), a lifetime, or a single mark such as `:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) line: usize,
    pub(super) text: String,
}

pub(super) fn lex(source: &str) -> Vec<Token> {
    Lexer::run(source).tokens
}

/// Returns the lines that hold more than comments and white space, counted from 1.
///
/// All lines of a literal are code, blank ones included.
pub(super) fn code_lines(source: &str) -> BTreeSet<usize> {
    Lexer::run(source).code
}

/// An inline `mod tests` under `#[cfg(test)]`: its tokens and its lines.
pub(super) struct TestModule {
    pub(super) tokens: RangeInclusive<usize>,
    pub(super) lines: RangeInclusive<usize>,
}

pub(super) fn test_modules(tokens: &[Token]) -> Vec<TestModule> {
    let mut found = Vec::new();
    for (at, window) in tokens.windows(3).enumerate() {
        if !(window[0].text == "mod" && window[1].text == "tests" && window[2].text == "{") {
            continue;
        }
        let Some(start) = cfg_test_before(tokens, at) else { continue };
        let end = closing_brace(tokens, at + 2);
        let lines = tokens[start].line..=tokens[end].line;
        found.push(TestModule { tokens: start..=end, lines });
    }
    found
}

/// Where the attributes before `item` begin, if one of them is `#[cfg(test)]` or narrower.
fn cfg_test_before(tokens: &[Token], item: usize) -> Option<usize> {
    let (mut start, mut found) = (item, false);
    while start > 0 && tokens[start - 1].text == "]" {
        let open = tokens[..start].iter().rposition(|token| token.text == "[");
        let Some(hash) = open.and_then(|open| open.checked_sub(1)) else { break };
        if tokens[hash].text != "#" {
            break;
        }
        let inside: Vec<&str> =
            tokens[hash + 2..start].iter().map(|token| token.text.as_str()).collect();
        let narrows = !inside.contains(&"not") && !inside.contains(&"any");
        found |= inside[0] == "cfg" && inside.contains(&"test") && narrows;
        start = hash;
    }
    found.then_some(start)
}

fn closing_brace(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" if depth == 1 => return at,
            "}" => depth -= 1,
            _ => {}
        }
    }
    tokens.len() - 1
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    line: usize,
    tokens: Vec<Token>,
    code: BTreeSet<usize>,
}

impl Lexer {
    fn run(source: &str) -> Self {
        let (tokens, code) = (Vec::new(), BTreeSet::new());
        let mut lexer = Self { chars: source.chars().collect(), at: 0, line: 1, tokens, code };
        while let Some(next) = lexer.peek(0) {
            let first = lexer.line;
            let is_comment = next == '/' && matches!(lexer.peek(1), Some('/' | '*'));
            lexer.step(next);
            if !is_comment && !next.is_whitespace() {
                lexer.code.extend(first..=lexer.line);
            }
        }
        lexer
    }

    fn step(&mut self, next: char) {
        match (next, self.peek(1)) {
            ('/', Some('/')) => self.line_comment(),
            ('/', Some('*')) => self.block_comment(),
            ('"', _) => self.string(),
            ('\'', _) => self.quote(),
            _ if is_word(next) => self.word(),
            _ => {
                if !next.is_whitespace() {
                    self.push(next.to_string());
                }
                self.bump();
            }
        }
    }

    fn line_comment(&mut self) {
        while self.peek(0).is_some_and(|next| next != '\n') {
            self.bump();
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        while let Some(next) = self.peek(0) {
            match (next, self.peek(1)) {
                ('/', Some('*')) => {
                    depth += 1;
                    self.bump();
                }
                ('*', Some('/')) => {
                    depth -= 1;
                    self.bump();
                }
                _ => {}
            }
            self.bump();
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        self.bump();
        while let Some(next) = self.bump() {
            match next {
                '\\' => drop(self.bump()),
                '"' => return,
                _ => {}
            }
        }
    }

    /// A string whose `r` was read already, and whose hashes come next.
    fn raw_string(&mut self, hashes: usize) {
        for _ in 0..=hashes {
            self.bump();
        }
        while let Some(next) = self.bump() {
            if next == '"' && (0..hashes).all(|ahead| self.peek(ahead) == Some('#')) {
                self.at += hashes;
                return;
            }
        }
    }

    /// A char literal or a lifetime: a lifetime has no quote after its first char.
    fn quote(&mut self) {
        if self.peek(1) == Some('\\') {
            self.at += 3;
            while self.bump().is_some_and(|next| next != '\'') {}
        } else if self.peek(2) == Some('\'') {
            self.at += 1;
            self.bump();
            self.at += 1;
        } else {
            self.bump();
            let name = self.read_word();
            self.push(format!("'{name}"));
        }
    }

    fn word(&mut self) {
        let word = self.read_word();
        let prefix = matches!(word.as_str(), "r" | "b" | "br" | "c" | "cr");
        let hashes = (0..).take_while(|ahead| self.peek(*ahead) == Some('#')).count();
        match self.peek(hashes) {
            Some('"') if prefix && word.contains('r') => self.raw_string(hashes),
            Some('"') if prefix && hashes == 0 => self.string(),
            Some('\'') if word == "b" && hashes == 0 => self.quote(),
            Some(next) if word == "r" && hashes == 1 && is_word(next) => {
                self.bump();
                self.word();
            }
            _ => self.push(word),
        }
    }

    fn read_word(&mut self) -> String {
        let mut text = String::new();
        while let Some(next) = self.peek(0).filter(|next| is_word(*next)) {
            text.push(next);
            self.bump();
        }
        text
    }

    fn push(&mut self, text: String) {
        self.tokens.push(Token { line: self.line, text });
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn bump(&mut self) -> Option<char> {
        let next = self.peek(0)?;
        self.at += 1;
        if next == '\n' {
            self.line += 1;
        }
        Some(next)
    }
}

fn is_word(next: char) -> bool {
    next.is_alphanumeric() || next == '_'
}

#[cfg(test)]
mod tests;
