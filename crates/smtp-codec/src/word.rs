//! Words: arguments without a space.
use alloc::{borrow::ToOwned, string::String};
use core::fmt;

use smtp_error::{Field, Flaw, Invalid};

use crate::grammar;

/// Printable characters without a space: the node of ETRN, the domains of ATRN, the URI of BURL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Word<S = String>(S);

impl<S: AsRef<str>> Word<S> {
    /// Returns the word of this text.
    ///
    /// # Errors
    /// Refuses an empty text, spaces and control characters.
    pub fn new(text: S) -> Result<Self, Invalid> {
        grammar::check_characters(Field::Argument, text.as_ref())?;
        match text.as_ref().find(' ') {
            Some(offset) => Err(Invalid::new(Field::Argument, Flaw::Syntax { offset })),
            None => Ok(Self(text)),
        }
    }

    /// Returns the word.
    pub fn as_str(&self) -> &str {
        self.0.as_ref()
    }

    /// Returns the same word, borrowed.
    pub fn borrowed(&self) -> Word<&str> {
        Word(self.as_str())
    }

    /// Returns the same word, owned.
    pub fn owned(&self) -> Word {
        Word(self.as_str().to_owned())
    }
}

impl<S: AsRef<str>> fmt::Display for Word<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
