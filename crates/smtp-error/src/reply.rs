//! Replies: a code and lines of text, kept octet for octet.
use alloc::{borrow::Cow, string::String};
use core::fmt;

use crate::{EnhancedCode, ReplyClass, ReplyCode};

mod octets;

use octets::Octets;

/// The reply of a server to a command: a code and one or more lines of text.
///
/// The text is kept as octets, because servers send Latin-1, GB2312 and other encodings. `Display`
/// and the views as `str` contain no control character but TAB, so that a hostile server cannot
/// forge a line in a log. Cloning shares a long text; a short one needs no allocation.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Reply {
    code: ReplyCode,
    /// The texts of all lines, separated by LF.
    text: Octets,
}

impl Reply {
    /// Returns a reply with this code; LF in `text` separates lines.
    pub fn new(code: ReplyCode, text: impl AsRef<[u8]>) -> Self {
        Self { code, text: text.as_ref().into() }
    }

    /// Returns the reply code.
    pub fn code(&self) -> ReplyCode {
        self.code
    }

    /// Returns whether the command succeeded (2yz).
    pub fn is_completion(&self) -> bool {
        self.code.class() == ReplyClass::Completion
    }

    /// Returns whether the same command may succeed later (4yz).
    pub fn is_transient(&self) -> bool {
        self.code.class() == ReplyClass::Transient
    }

    /// Returns whether the same command will fail again (5yz).
    pub fn is_permanent(&self) -> bool {
        self.code.class() == ReplyClass::Permanent
    }

    /// Returns the lines, at least one.
    pub fn lines(&self) -> impl Iterator<Item = ReplyLine<'_>> {
        self.text.split(|&octet| octet == b'\n').map(|octets| ReplyLine { code: self.code, octets })
    }

    /// Returns the first enhanced status code that any line begins with.
    ///
    /// Some servers put it in every line, others in the first or the last only;
    /// [`ReplyLine::enhanced`] returns that of one line.
    pub fn enhanced(&self) -> Option<EnhancedCode> {
        self.lines().find_map(|line| line.enhanced())
    }

    /// Returns the text of all lines as octets, separated by LF, nothing escaped.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }
}

impl fmt::Display for Reply {
    /// Writes the code and the text on one line; ` / ` separates the lines of the reply.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        for (number, line) in self.lines().enumerate() {
            let separator = if number == 0 { " " } else { " / " };
            if number > 0 || !line.octets.is_empty() {
                write!(f, "{separator}{}", printable(line.octets))?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply({self})")
    }
}

/// One line of a reply, without its code and line end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ReplyLine<'a> {
    code: ReplyCode,
    octets: &'a [u8],
}

impl<'a> ReplyLine<'a> {
    /// Returns the octets as received, including an enhanced status code, nothing escaped.
    pub fn as_bytes(self) -> &'a [u8] {
        self.octets
    }

    /// Returns the enhanced status code that this line begins with.
    pub fn enhanced(self) -> Option<EnhancedCode> {
        EnhancedCode::at_start_of(self.code, self.octets).map(|(code, _)| code)
    }

    /// Returns the whole line as text. Invalid UTF-8 becomes U+FFFD, and control characters except
    /// TAB are escaped.
    pub fn printable(self) -> Cow<'a, str> {
        printable(self.octets)
    }

    /// Returns the text after the enhanced status code, escaped as by
    /// [`printable`](Self::printable).
    pub fn text(self) -> Cow<'a, str> {
        let start = EnhancedCode::at_start_of(self.code, self.octets).map_or(0, |(_, end)| end);
        let text = &self.octets[start..];
        printable(if start > 0 { text.strip_prefix(b" ").unwrap_or(text) } else { text })
    }
}

impl fmt::Debug for ReplyLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplyLine({} {})", self.code, printable(self.octets))
    }
}

/// Returns the octets as text that is safe to display: valid Unicode without control characters.
pub(crate) fn printable(octets: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(octets);
    if !text.chars().any(must_escape) {
        return text;
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if must_escape(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// Returns whether a character is a control character, or reorders or breaks a displayed line.
pub(crate) fn must_escape(character: char) -> bool {
    (character.is_control() && character != '\t')
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::ToString, vec::Vec};

    use super::*;

    fn reply(code: u16, text: impl AsRef<[u8]>) -> Reply {
        Reply::new(ReplyCode::new(code).unwrap(), text)
    }

    #[test]
    fn lines_keep_their_own_enhanced_codes() {
        let reply = reply(550, "5.7.1 first\nsecond\n5.1.1 third");
        let codes: Vec<_> = reply.lines().map(|l| l.enhanced().map(|c| c.to_string())).collect();
        assert_eq!(codes, [Some("5.7.1".to_string()), None, Some("5.1.1".to_string())]);
        let texts: Vec<_> = reply.lines().map(|l| l.text().into_owned()).collect();
        assert_eq!(texts, ["first", "second", "third"]);
        assert_eq!(reply.to_string(), "550 5.7.1 first / second / 5.1.1 third");
    }

    #[test]
    fn an_empty_text_is_one_empty_line() {
        let reply = reply(250, "");
        assert_eq!(reply.lines().count(), 1);
        assert_eq!(reply.to_string(), "250");
    }

    #[test]
    fn displayed_text_has_no_control_characters() {
        let reply = reply(550, b"bad\0\x1b[2J\x07\r name \xe1 \xe2\x80\xae");
        for shown in
            [reply.to_string(), format!("{reply:?}"), reply.lines().next().unwrap().text().into()]
        {
            assert!(!shown.chars().any(must_escape), "{shown:?}");
            assert!(shown.contains("name \u{fffd}"));
        }
        assert!(reply.as_bytes().contains(&0x1b));
    }
}
