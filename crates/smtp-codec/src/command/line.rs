//! A command line behind its verb, word by word.
use smtp_error::Invalid;

use super::{Command, CommandFault};
use crate::{Deviations, domain, path};

/// What is wrong, and where.
pub(super) type Fault = (CommandFault, usize);

/// The part of a line that is not decoded yet.
pub(super) struct Rest<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    pub(super) seen: Deviations,
}

impl<'a> Rest<'a> {
    /// The rest of the line behind its leading spaces, of which there ought to be one.
    pub(super) fn remaining(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let trimmed = rest.trim_start_matches(' ');
        let spaces = rest.len() - trimmed.len();
        if trimmed.is_empty() {
            self.seen.set(
                Deviations::TRAILING_SPACE,
                self.seen.contains(Deviations::TRAILING_SPACE) || spaces > 0,
            );
        } else if spaces > 1 {
            self.seen |= Deviations::EXTRA_SPACE;
        }
        self.at += spaces;
        trimmed
    }

    /// Nothing may follow.
    pub(super) fn end(&mut self, command: Command<'a>) -> Result<Command<'a>, Fault> {
        match self.remaining() {
            "" => Ok(command),
            _ => Err((CommandFault::UnexpectedArgument, self.at)),
        }
    }

    /// The next word.
    pub(super) fn next_word(&mut self) -> Result<(&'a str, usize), Fault> {
        let rest = self.remaining();
        let start = self.at;
        let word = rest.split(' ').next().unwrap_or_default();
        if word.is_empty() {
            return Err((CommandFault::MissingArgument, start));
        }
        self.at += word.len();
        Ok((word, start))
    }

    /// The next word, as whatever it has to be.
    pub(super) fn word<T>(
        &mut self,
        parse: impl FnOnce(&'a str) -> Result<T, Invalid>,
    ) -> Result<T, Fault> {
        let (word, start) = self.next_word()?;
        parse(word).map_err(|invalid| (CommandFault::Argument(invalid), start))
    }

    /// The next word, if there is one, and nothing behind it.
    pub(super) fn optional<T>(
        &mut self,
        parse: impl FnOnce(&'a str) -> Result<T, Invalid>,
    ) -> Result<Option<T>, Fault> {
        if self.remaining().is_empty() {
            return Ok(None);
        }
        let word = self.word(parse)?;
        self.end(Command::Noop(None))?;
        Ok(Some(word))
    }

    /// Whether this word ends the line.
    pub(super) fn flag(&mut self, expected: &str) -> Result<bool, Fault> {
        let rest = self.remaining();
        let given = rest.trim_end_matches(' ');
        if given.len() < rest.len() {
            self.seen |= Deviations::TRAILING_SPACE;
        }
        match given {
            "" => Ok(false),
            word if word.eq_ignore_ascii_case(expected) => Ok(true),
            _ => Err((CommandFault::UnexpectedArgument, self.at)),
        }
    }

    /// Everything up to the end, without trailing spaces.
    pub(super) fn line_end(&mut self) -> &'a str {
        let rest = self.remaining();
        let given = rest.trim_end_matches(' ');
        if given.len() < rest.len() {
            self.seen |= Deviations::TRAILING_SPACE;
        }
        given
    }

    /// `FROM:` or `TO:`.
    pub(super) fn path_word(&mut self, word: &str) -> Result<(), Fault> {
        let rest = self.remaining();
        match rest.get(..word.len()) {
            Some(given) if given.eq_ignore_ascii_case(word) => self.at += word.len(),
            _ if rest.is_empty() => return Err((CommandFault::MissingArgument, self.at)),
            _ => return Err((CommandFault::Syntax, self.at)),
        }
        let rest = &self.text[self.at..];
        let spaces = rest.len() - rest.trim_start_matches(' ').len();
        if spaces > 0 {
            self.seen |= Deviations::SPACE_AFTER_COLON;
        }
        self.at += spaces;
        Ok(())
    }

    /// What stands between the angle brackets, without a source route, and where.
    pub(super) fn path(&mut self) -> Result<(&'a str, usize), Fault> {
        let rest = &self.text[self.at..];
        let Some(inner) = rest.strip_prefix('<') else {
            self.seen |= Deviations::NO_BRACKETS;
            return self.next_word();
        };
        let mut start = self.at + 1;
        let mut inner = inner;
        if inner.starts_with('@') {
            let (route, mailbox) = inner.split_once(':').ok_or((CommandFault::Syntax, start))?;
            let is_route = route.split(',').all(|hop| {
                hop.strip_prefix('@').is_some_and(|hop| domain::check_host(hop, 0).is_ok())
            });
            if !is_route {
                return Err((CommandFault::Syntax, start));
            }
            self.seen |= Deviations::SOURCE_ROUTE;
            start += route.len() + 1;
            inner = mailbox;
            if inner.starts_with('>') {
                return Err((CommandFault::Syntax, start));
            }
        }
        // A quoted local-part may hold a bracket, and so may an address literal.
        let local = if inner.starts_with('"') { path::local_part(inner).unwrap_or(0) } else { 0 };
        let unclosed = (CommandFault::Syntax, self.text.len());
        let bracket = |from: usize| inner[from..].find('>').map(|at| from + at).ok_or(unclosed);
        let mut end = bracket(local)?;
        if let Some(literal) = inner[local..end].find('[')
            && let Some(length) = inner[local + literal..].find(']')
        {
            end = bracket(local + literal + length)?;
        }
        self.at = start + end + 1;
        Ok((&inner[..end], start))
    }
}
