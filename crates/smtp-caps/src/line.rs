//! Legal capability lines: a keyword and its parameters.
use alloc::vec::Vec;

use smtp_error::{Field, Flaw, Invalid, Reply, ReplyCode};

use crate::{Capabilities, Capability, form};

/// The longest text of a reply line, in octets: without the code, the separator and CRLF (RFC 5321,
/// 4.5.3.1.5).
pub(crate) const MAX: usize = 512 - 4 - 2;

/// Parses a line, and refuses one that a server must not send.
pub(crate) fn legal(text: &str) -> Result<Capability<'_>, Invalid> {
    let invalid = |flaw| Err(Invalid::new(Field::Capability, flaw));
    if text.is_empty() {
        return invalid(Flaw::Empty);
    }
    if let Some(offset) = text.find(|character: char| !character.is_ascii()) {
        return invalid(Flaw::NonAscii { offset });
    }
    if let Some(offset) = text.find(|character: char| character.is_ascii_control()) {
        let character = char::from(text.as_bytes()[offset]);
        return invalid(Flaw::Control { character, offset });
    }
    if text.len() > MAX {
        return invalid(Flaw::TooLong { length: text.len(), limit: MAX });
    }
    let (keyword, params) = text.split_once(' ').unwrap_or((text, ""));
    if !form::is_keyword(keyword.as_bytes()) {
        return invalid(Flaw::Syntax { offset: 0 });
    }
    let even = text.len() == keyword.len() || params.split(' ').all(|param| !param.is_empty());
    let line = Capability::new(text.as_bytes());
    match form::check(line) {
        Ok(()) if even => Ok(line),
        _ => invalid(Flaw::Syntax { offset: keyword.len() }),
    }
}

impl Capabilities {
    /// Returns the same capabilities with this line, as if the server had sent it in place of its
    /// lines with the same keyword: `SIZE 1000`, `STARTTLS`. An extension that was masked is offered
    /// again; [`reply`](Self::reply) does not change.
    ///
    /// # Errors
    /// The line is not one that a server may send.
    pub fn with_line(mut self, line: &str) -> Result<Self, Invalid> {
        let added = legal(line)?;
        let mut pending = Some(added);
        let mut lines = Vec::new();
        for line in self.iter() {
            match line.is_same(added) {
                true => lines.extend(pending.take()),
                false => lines.push(line),
            }
        }
        lines.extend(pending);
        self.edited = Some(self.edit(&lines));
        if let Some(extension) = added.extension() {
            self.offered.add(extension);
        }
        self.restate();
        Ok(self)
    }

    /// Returns the reply with these lines after its first, in place of its own.
    pub(crate) fn edit(&self, lines: &[Capability<'_>]) -> Reply {
        let first = self.reply.as_ref().and_then(|reply| reply.lines().next());
        let mut text = first.map_or_else(Vec::new, |line| line.as_bytes().to_vec());
        for line in lines {
            text.push(b'\n');
            text.extend_from_slice(line.as_bytes());
        }
        let code = self.reply.as_ref().map_or(ReplyCode::OK, Reply::code);
        Reply::new(code, text)
    }
}
