//! The arguments of a command line, read from left to right.
use smtp_error::Invalid;

use super::{Command, CommandFault};
use crate::{Deviations, Host, Mailbox, path};

/// A fault, and its offset in the line.
pub(super) type Fault = (CommandFault, usize);

/// The part of a line that is not decoded yet.
pub(super) struct Rest<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    pub(super) seen: Deviations,
}

/// The content of a path after its source route.
pub(super) struct Path<'a> {
    pub(super) text: &'a str,
    /// Where it begins.
    pub(super) start: usize,
    /// Whether there was a source route.
    pub(super) is_routed: bool,
}

impl<'a> Rest<'a> {
    /// Skips leading spaces, of which there should be one, and returns the rest of the line.
    pub(super) fn remaining(&mut self) -> &'a str {
        let spaces = self.skip_spaces();
        let trimmed = &self.text[self.at..];
        if spaces > 0 && trimmed.is_empty() {
            self.seen |= Deviations::TRAILING_SPACE;
        } else if spaces > 1 {
            self.seen |= Deviations::EXTRA_SPACE;
        }
        trimmed
    }

    /// Returns the command if nothing follows.
    pub(super) fn end(&mut self, command: Command<'a>) -> Result<Command<'a>, Fault> {
        match self.remaining() {
            "" => Ok(command),
            _ => Err((CommandFault::UnexpectedArgument, self.at)),
        }
    }

    /// Reads the next word, and returns its offset too.
    pub(super) fn next_word(&mut self) -> Result<(&'a str, usize), Fault> {
        let rest = self.remaining();
        let start = self.at;
        let end = memchr::memchr(b' ', rest.as_bytes()).unwrap_or(rest.len());
        if end == 0 {
            return Err((CommandFault::MissingArgument, start));
        }
        self.at += end;
        Ok((&rest[..end], start))
    }

    /// Reads the next word with `parse`.
    pub(super) fn word<T>(
        &mut self,
        parse: impl FnOnce(&'a str) -> Result<T, Invalid>,
    ) -> Result<T, Fault> {
        let (word, start) = self.next_word()?;
        parse(word).map_err(|invalid| (CommandFault::Argument(invalid), start))
    }

    /// Reads the next word with `parse`, if there is one. Nothing may follow it.
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

    /// Returns whether the rest of the line is this word, and not empty.
    pub(super) fn flag(&mut self, expected: &str) -> Result<bool, Fault> {
        match self.line_end() {
            "" => Ok(false),
            word if word.eq_ignore_ascii_case(expected) => Ok(true),
            _ => Err((CommandFault::UnexpectedArgument, self.at)),
        }
    }

    /// Returns the rest of the line without leading and trailing spaces.
    pub(super) fn line_end(&mut self) -> &'a str {
        let rest = self.remaining();
        if !rest.ends_with(' ') {
            return rest;
        }
        self.seen |= Deviations::TRAILING_SPACE;
        rest.trim_end_matches(' ')
    }

    /// Reads `FROM:` or `TO:`.
    pub(super) fn path_word<const N: usize>(&mut self, word: &[u8; N]) -> Result<(), Fault> {
        let rest = self.remaining();
        let same = |given: &[u8; N]| given.iter().zip(word).all(|(a, b)| a.eq_ignore_ascii_case(b));
        match rest.as_bytes().first_chunk() {
            Some(given) if same(given) => self.at += N,
            _ if rest.is_empty() => return Err((CommandFault::MissingArgument, self.at)),
            _ => return Err((CommandFault::Syntax, self.at)),
        }
        if self.skip_spaces() > 0 {
            self.seen |= Deviations::SPACE_AFTER_COLON;
        }
        Ok(())
    }

    /// Reads a path in angle brackets, and drops its source route.
    pub(super) fn path(&mut self) -> Result<Path<'a>, Fault> {
        let rest = &self.text[self.at..];
        let Some(inner) = rest.strip_prefix('<') else {
            self.seen |= Deviations::NO_BRACKETS;
            let (text, start) = self.next_word()?;
            return Ok(Path { text, start, is_routed: false });
        };
        let opened = self.at;
        let mut start = opened + 1;
        let mut inner = inner;
        let is_routed = inner.starts_with('@');
        if is_routed {
            let (route, mailbox) = inner.split_once(':').ok_or((CommandFault::Syntax, start))?;
            self.seen |= source_route(route).ok_or((CommandFault::Syntax, start))?;
            start += route.len() + 1;
            inner = mailbox;
            if inner.starts_with('>') {
                return Err((CommandFault::Syntax, start));
            }
        }
        // A quoted local-part may hold a bracket, and so may an address literal.
        let local = if inner.starts_with('"') { path::local_part(inner).unwrap_or(0) } else { 0 };
        let unclosed = (CommandFault::Syntax, self.text.len());
        let octets = inner.as_bytes();
        let bracket =
            |from: usize| memchr::memchr(b'>', &octets[from..]).map(|at| from + at).ok_or(unclosed);
        let mut end = bracket(local)?;
        if let Some(literal) = memchr::memchr(b'[', &octets[local..end])
            && let Some(length) = memchr::memchr(b']', &octets[local + literal..])
        {
            end = bracket(local + literal + length)?;
        }
        self.at = start + end + 1;
        // The mailbox alone has to be within the limit, whatever is tolerated.
        if is_routed && self.at - opened > Mailbox::MAX_PATH {
            self.seen |= Deviations::LONG_PATH;
        }
        Ok(Path { text: &inner[..end], start, is_routed })
    }

    /// Skips spaces, and returns how many there were.
    fn skip_spaces(&mut self) -> usize {
        let rest = &self.text.as_bytes()[self.at..];
        let spaces = rest.iter().take_while(|&&octet| octet == b' ').count();
        self.at += spaces;
        spaces
    }
}

/// Returns how a path with this source route deviates (RFC 5321, 4.1.2: A-d-l); `None` if the route
/// is not valid.
fn source_route(route: &str) -> Option<Deviations> {
    let mut seen = Deviations::SOURCE_ROUTE;
    for hop in route.split(',') {
        if let Host::Literal(_) = Host::new(hop.strip_prefix('@')?).ok()? {
            seen |= Deviations::LOOSE_ROUTE;
        }
    }
    Some(seen)
}
