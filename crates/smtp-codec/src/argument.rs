//! The argument of VRFY, EXPN, HELP and NOOP: a String of RFC 5321, 4.1.2.
use alloc::string::String;
use core::fmt;

use smtp_error::{Field, Invalid};

use crate::{Mailbox, grammar};

/// An argument in the form in which it is sent.
///
/// Made from a `&str` it is an atom, or a quoted string if it is no atom: that is the grammar's
/// rule, so a mailbox given as text is quoted too. Made from a [`Mailbox`] it is the mailbox as it
/// is, which servers that look mailboxes up understand better.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Argument {
    wire: String,
}

impl Argument {
    /// The argument of this content.
    ///
    /// # Errors
    /// Refuses the empty string and control characters.
    pub fn new(content: &str) -> Result<Self, Invalid> {
        grammar::check_characters(Field::Argument, content)?;
        if content.chars().all(grammar::is_atext) {
            return Ok(Self { wire: content.into() });
        }
        let mut wire = String::with_capacity(content.len() + 2);
        wire.push('"');
        for character in content.chars() {
            if matches!(character, '"' | '\\') {
                wire.push('\\');
            }
            wire.push(character);
        }
        wire.push('"');
        Ok(Self { wire })
    }

    /// The argument as it is sent.
    pub fn as_str(&self) -> &str {
        &self.wire
    }

    /// Whether it can be sent to a server without SMTPUTF8.
    pub fn is_ascii(&self) -> bool {
        self.wire.is_ascii()
    }
}

impl TryFrom<&str> for Argument {
    type Error = Invalid;

    fn try_from(content: &str) -> Result<Self, Invalid> {
        Self::new(content)
    }
}

impl TryFrom<&String> for Argument {
    type Error = Invalid;

    fn try_from(content: &String) -> Result<Self, Invalid> {
        Self::new(content)
    }
}

impl From<&Mailbox> for Argument {
    fn from(mailbox: &Mailbox) -> Self {
        Self { wire: mailbox.as_str().into() }
    }
}

impl fmt::Debug for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Argument({})", self.wire)
    }
}
