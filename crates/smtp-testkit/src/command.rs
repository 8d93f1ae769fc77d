//! Parses one command line of a client by the grammar of RFC 5321, 4.1. It shares no code with a
//! client or another server.

mod lenient;
mod path;

use std::fmt;

/// A command that a client sent.
///
/// ```
/// use smtp_testkit::Command;
///
/// let mail = Command::read(b"MAIL FROM:<a@example.org> SIZE=5\r\n").unwrap();
/// assert_eq!(mail.verb(), "MAIL");
/// assert_eq!(mail.path(), Some("a@example.org"));
/// assert_eq!(mail.param("size"), Some("5"));
/// assert!(Command::read(b"MAIL FROM:a@example.org\r\n").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    line: String,
    verb: String,
    argument: String,
    path: Option<String>,
    params: Vec<(String, Option<String>)>,
}

/// Why a line is not a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// It does not end in CRLF, or it contains another CR or LF.
    #[error("a line must end in CRLF and have no other CR or LF")]
    LineEnd,
    /// It is neither ASCII nor UTF-8, or it contains a control character.
    #[error("a command must have printable characters only")]
    Characters,
    /// It does not begin with a verb.
    #[error("a command must begin with a verb of letters and digits")]
    Verb,
    /// `FROM:<...>` or `TO:<...>` is missing, or the path is malformed.
    #[error("`MAIL FROM:` and `RCPT TO:` must be followed by an address in angle brackets")]
    Path,
    /// The octets after the path are not a list of parameters.
    #[error("parameters must be `NAME` or `NAME=value`, with one space before each, none twice")]
    Params,
    /// The verb lacks its argument, or has too many.
    #[error("this command does not take this argument")]
    Argument,
}

impl Command {
    /// Parses a line with its CRLF.
    pub fn read(line: &[u8]) -> Result<Self, Malformed> {
        let text = text(line)?;
        if text.chars().any(char::is_control) {
            return Err(Malformed::Characters);
        }
        Self::parse(text, Grammar::Strict)
    }

    /// Parses a line with its CRLF that [`read`](Self::read) refuses, as lenient servers do.
    pub(crate) fn read_leniently(line: &[u8]) -> Result<Self, Malformed> {
        let text = text(line)?;
        if text.chars().any(|char| char.is_control() && char != '\t') {
            return Err(Malformed::Characters);
        }
        Self::parse_leniently(text)
    }

    /// Parses a line without its CRLF, leniently if the strict grammar refuses it.
    pub(crate) fn of_line(line: &str) -> Option<Self> {
        Self::parse(line, Grammar::Strict).or_else(|_| Self::parse_leniently(line)).ok()
    }

    fn parse_leniently(text: &str) -> Result<Self, Malformed> {
        let (verb, argument) = lenient::rewrite(text).ok_or(Malformed::Path)?;
        let command = Self::parse(&format!("{verb} {argument}"), Grammar::Lenient)?;
        Ok(Self { line: text.to_owned(), ..command })
    }

    fn parse(text: &str, grammar: Grammar) -> Result<Self, Malformed> {
        let line = text.to_owned();
        // Spaces at the end have no meaning (RFC 5321, 4.1.1).
        let text = text.trim_end_matches(' ');
        let (verb, argument) = text.split_once(' ').unwrap_or((text, ""));
        let word = |verb: &str| verb.bytes().all(|octet| octet.is_ascii_alphanumeric());
        if verb.is_empty() || !word(verb) {
            return Err(Malformed::Verb);
        }
        let command = Self {
            line,
            verb: verb.to_ascii_uppercase(),
            argument: argument.to_owned(),
            path: None,
            params: Vec::new(),
        };
        command.complete(grammar)
    }

    /// Parses the argument as the verb requires.
    fn complete(self, grammar: Grammar) -> Result<Self, Malformed> {
        let argument = self.argument.as_str();
        match self.verb.as_str() {
            "MAIL" => self.addressed("FROM:", grammar),
            "RCPT" => self.addressed("TO:", grammar),
            "DATA" | "RSET" | "QUIT" | "STARTTLS" if !argument.is_empty() => {
                Err(Malformed::Argument)
            }
            // The name after EHLO may be any word, because many machines have host names that are
            // not domains.
            "EHLO" | "HELO" | "LHLO" if argument.is_empty() => Err(Malformed::Argument),
            "EHLO" | "HELO" | "LHLO" if argument.contains(' ') && grammar == Grammar::Strict => {
                Err(Malformed::Argument)
            }
            "VRFY" | "EXPN" if argument.is_empty() => Err(Malformed::Argument),
            "AUTH" if argument.is_empty() || argument.split(' ').count() > 2 => {
                Err(Malformed::Argument)
            }
            "BDAT" if self.chunk().is_none() => Err(Malformed::Argument),
            _ => Ok(self),
        }
    }

    fn addressed(self, keyword: &str, grammar: Grammar) -> Result<Self, Malformed> {
        let head = self.argument.get(..keyword.len()).ok_or(Malformed::Path)?;
        if !head.eq_ignore_ascii_case(keyword) {
            return Err(Malformed::Path);
        }
        let (found, rest) = path::split(&self.argument[keyword.len()..]).ok_or(Malformed::Path)?;
        let fits = match (self.verb.as_str(), grammar) {
            ("MAIL", _) if found.is_empty() => true,
            (_, Grammar::Lenient) => path::is_understood(found),
            ("MAIL", Grammar::Strict) => path::is_mailbox(found),
            _ => found.eq_ignore_ascii_case("postmaster") || path::is_mailbox(found),
        };
        if !fits {
            return Err(Malformed::Path);
        }
        let params = params(rest).ok_or(Malformed::Params)?;
        Ok(Self { path: Some(found.to_owned()), params, ..self })
    }

    /// The line as received, without its CRLF.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// The verb, in upper case.
    pub fn verb(&self) -> &str {
        &self.verb
    }

    /// The argument of the verb, in the form of the grammar even if the server tolerated bad
    /// syntax.
    pub fn argument(&self) -> &str {
        &self.argument
    }

    /// The address of MAIL or RCPT, without angle brackets and source route.
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// The parameters of MAIL or RCPT, as received.
    pub fn params(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.params.iter().map(|(name, value)| (name.as_str(), value.as_deref()))
    }

    /// The value of a parameter; empty for one without a value.
    pub fn param(&self, name: &str) -> Option<&str> {
        let (_, value) = self.params().find(|(found, _)| found.eq_ignore_ascii_case(name))?;
        Some(value.unwrap_or_default())
    }

    /// For BDAT, the number of octets that follow and whether this is the last chunk.
    pub fn chunk(&self) -> Option<(usize, bool)> {
        let (octets, last) = match self.argument.split_once(' ') {
            Some((octets, word)) if word.eq_ignore_ascii_case("LAST") => (octets, true),
            Some(_) => return None,
            None => (self.argument.as_str(), false),
        };
        let digits = !octets.is_empty() && octets.bytes().all(|octet| octet.is_ascii_digit());
        (self.verb == "BDAT" && digits).then(|| Some((octets.parse().ok()?, last)))?
    }
}

/// How strictly a line is parsed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Grammar {
    /// The grammar of RFC 5321.
    Strict,
    /// The line was rewritten to the grammar, but the address may deviate from it as servers
    /// tolerate.
    Lenient,
}

/// The line as text, without its CRLF.
fn text(line: &[u8]) -> Result<&str, Malformed> {
    let line = line.strip_suffix(b"\r\n").ok_or(Malformed::LineEnd)?;
    if line.iter().any(|octet| matches!(octet, b'\r' | b'\n')) {
        return Err(Malformed::LineEnd);
    }
    std::str::from_utf8(line).map_err(|_| Malformed::Characters)
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

/// Parses ` NAME=value NAME`; no name may occur twice.
fn params(text: &str) -> Option<Vec<(String, Option<String>)>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let mut params: Vec<(String, Option<String>)> = Vec::new();
    for written in text.strip_prefix(' ')?.split(' ') {
        let (name, value) = match written.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (written, None),
        };
        let mut octets = name.bytes();
        let begins = octets.next().is_some_and(|octet| octet.is_ascii_alphanumeric());
        let goes_on = octets.all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
        let known = params.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
        let bad_value = value.is_some_and(|value| value.is_empty() || value.contains('='));
        if !(begins && goes_on) || known || bad_value {
            return None;
        }
        params.push((name.to_owned(), value.map(str::to_owned)));
    }
    Some(params)
}

#[cfg(test)]
mod tests;
