//! The argument of VRFY, EXPN, HELP and NOOP: a String of RFC 5321, 4.1.2.
use alloc::{
    borrow::{Cow, ToOwned},
    string::String,
};
use smtp_error::{Field, Invalid};

use crate::{Mailbox, grammar};

/// An argument in the form in which it is sent.
///
/// From a `&str` it becomes an atom if it can be one, else a quoted string; so a mailbox given as
/// text is quoted. From a [`Mailbox`] it becomes the [canonical](Mailbox::canonical) form of the
/// mailbox without quotes, which servers that look up mailboxes expect. A decoder that tolerates
/// [`LOOSE_ARGUMENT`](crate::Deviations::LOOSE_ARGUMENT) accepts other text too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Argument<S = String> {
    wire: S,
}

impl Argument {
    /// Returns the argument with this content.
    ///
    /// # Errors
    /// Refuses the empty string and control characters.
    pub fn new(content: &str) -> Result<Self, Invalid> {
        grammar::check_characters(Field::Argument, content)?;
        if content.bytes().all(grammar::is_atext) {
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
}

impl<'a> Argument<&'a str> {
    /// Returns the argument with this form, and whether the grammar allows it: an atom, a quoted
    /// string, or a mailbox. Control characters are always refused.
    pub(crate) fn parse(wire: &'a str) -> Result<(Self, bool), Invalid> {
        grammar::check_characters(Field::Argument, wire)?;
        let is_string = wire.bytes().all(grammar::is_atext)
            || grammar::quoted_string(wire) == Ok(wire.len())
            || Mailbox::new(wire).is_ok();
        Ok((Self { wire }, is_string))
    }
}

impl<S: AsRef<str>> Argument<S> {
    /// Returns the argument as it is sent.
    pub fn as_str(&self) -> &str {
        self.wire.as_ref()
    }

    /// Returns the content, without quotes and backslashes.
    pub fn content(&self) -> Cow<'_, str> {
        let wire = self.as_str();
        let inner = wire.strip_prefix('"').and_then(|wire| wire.strip_suffix('"'));
        match inner {
            Some(inner) if inner.contains('\\') => {
                let mut escaped = false;
                let kept = |character: &char| {
                    escaped = *character == '\\' && !escaped;
                    !escaped
                };
                Cow::Owned(inner.chars().filter(kept).collect())
            }
            inner => Cow::Borrowed(inner.unwrap_or(wire)),
        }
    }

    /// Returns whether it can be sent to a server without SMTPUTF8.
    pub fn is_ascii(&self) -> bool {
        self.as_str().is_ascii()
    }

    /// Returns the same argument, borrowed.
    pub fn borrowed(&self) -> Argument<&str> {
        Argument { wire: self.as_str() }
    }

    /// Returns the same argument, owned.
    pub fn owned(&self) -> Argument {
        Argument { wire: self.as_str().to_owned() }
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

impl<S: AsRef<str>> From<&Mailbox<S>> for Argument {
    fn from(mailbox: &Mailbox<S>) -> Self {
        Self { wire: mailbox.owned().canonical().as_str().into() }
    }
}
