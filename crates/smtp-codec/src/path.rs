//! Mailboxes, reverse-paths and forward-paths (RFC 5321, 4.1.2).
use alloc::{borrow::ToOwned, string::String};
use core::{fmt, str::FromStr};

use smtp_error::{Field, Flaw, Invalid};

use crate::{domain, grammar};

/// A mailbox: a local-part of at most 64 octets, `@`, and a host of at most 255.
///
/// It cannot hold a CR, a LF, a NUL or any other control character, and the path it makes is at
/// most 256 octets long. A quoted local-part stays quoted as it was given. Characters outside
/// ASCII are allowed and need SMTPUTF8 (RFC 6531).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mailbox<S = String> {
    text: S,
    /// Where the `@` stands that parts local-part and host.
    at: usize,
}

impl Mailbox {
    /// The longest local-part, in octets.
    pub const MAX_LOCAL_PART: usize = 64;
    /// The longest path, in octets, angle brackets included.
    pub const MAX_PATH: usize = 256;
}

impl<S: AsRef<str>> Mailbox<S> {
    /// The mailbox of this text.
    ///
    /// # Errors
    /// Refuses what is no mailbox.
    pub fn new(text: S) -> Result<Self, Invalid> {
        Ok(Self { at: check(text.as_ref())?, text })
    }

    /// The mailbox as it was given.
    pub fn as_str(&self) -> &str {
        self.text.as_ref()
    }

    /// The part before the `@`, quotes included.
    pub fn local_part(&self) -> &str {
        &self.as_str()[..self.at]
    }

    /// The part behind the `@`: a domain or an address literal.
    pub fn host(&self) -> &str {
        &self.as_str()[self.at + 1..]
    }

    /// Whether it can be sent to a server without SMTPUTF8.
    pub fn is_ascii(&self) -> bool {
        self.as_str().is_ascii()
    }

    /// The same mailbox, borrowed.
    pub fn borrowed(&self) -> Mailbox<&str> {
        Mailbox { text: self.as_str(), at: self.at }
    }

    /// The same mailbox, owned.
    pub fn owned(&self) -> Mailbox {
        Mailbox { text: self.as_str().to_owned(), at: self.at }
    }
}

/// Where the `@` of this mailbox stands.
fn check(text: &str) -> Result<usize, Invalid> {
    grammar::check_characters(Field::Mailbox, text)?;
    let local = local_part(text);
    let syntax = |offset| Invalid::new(Field::Mailbox, Flaw::Syntax { offset });
    let at = local.map_err(syntax)?;
    if text.as_bytes().get(at) != Some(&b'@') {
        return Err(syntax(at));
    }
    grammar::check_length(Field::LocalPart, at, Mailbox::MAX_LOCAL_PART)?;
    domain::check_host(&text[at + 1..], at + 1)?;
    grammar::check_length(Field::Mailbox, text.len(), Mailbox::MAX_PATH - 2)?;
    Ok(at)
}

/// The length of the local-part that `text` begins with; the error is the offset that breaks it.
pub(crate) fn local_part(text: &str) -> Result<usize, usize> {
    match text.starts_with('"') {
        true => grammar::quoted_string(text),
        false => grammar::dot_string(text),
    }
}

impl FromStr for Mailbox {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::new(text.into())
    }
}

impl TryFrom<&str> for Mailbox {
    type Error = Invalid;

    fn try_from(text: &str) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl<S: AsRef<str>> fmt::Display for Mailbox<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl<S: fmt::Debug> fmt::Debug for Mailbox<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mailbox").field(&self.text).finish()
    }
}

/// Who a message comes from: a mailbox, or nobody (`<>`) if no failure may be reported back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "the grammar has these two")]
pub enum ReversePath<S = String> {
    /// `<>`.
    Null,
    /// A mailbox.
    Mailbox(Mailbox<S>),
}

impl<S: AsRef<str>> ReversePath<S> {
    /// The path of this text, without angle brackets: the empty text is the null path.
    ///
    /// # Errors
    /// Refuses what is no mailbox.
    pub fn new(text: S) -> Result<Self, Invalid> {
        if text.as_ref().is_empty() {
            return Ok(Self::Null);
        }
        let mailbox = Mailbox::new(text).map_err(|invalid| invalid.in_field(Field::ReversePath))?;
        Ok(Self::Mailbox(mailbox))
    }

    /// The path as it is sent, without the angle brackets.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Null => "",
            Self::Mailbox(mailbox) => mailbox.as_str(),
        }
    }

    /// The same path, borrowed.
    pub fn borrowed(&self) -> ReversePath<&str> {
        match self {
            Self::Null => ReversePath::Null,
            Self::Mailbox(mailbox) => ReversePath::Mailbox(mailbox.borrowed()),
        }
    }

    /// The same path, owned.
    pub fn owned(&self) -> ReversePath {
        match self {
            Self::Null => ReversePath::Null,
            Self::Mailbox(mailbox) => ReversePath::Mailbox(mailbox.owned()),
        }
    }
}

impl FromStr for ReversePath {
    type Err = Invalid;

    /// The empty string and `<>` are the null path.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::new(if text == "<>" { String::new() } else { text.into() })
    }
}

impl From<Mailbox> for ReversePath {
    fn from(mailbox: Mailbox) -> Self {
        Self::Mailbox(mailbox)
    }
}

impl<S: AsRef<str>> fmt::Display for ReversePath<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.as_str())
    }
}

/// Who a message goes to: a mailbox, or the server's postmaster, who needs no domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "the grammar has these two")]
pub enum ForwardPath<S = String> {
    /// `<Postmaster>`.
    Postmaster,
    /// A mailbox.
    Mailbox(Mailbox<S>),
}

impl<S: AsRef<str>> ForwardPath<S> {
    /// The path of this text, without angle brackets.
    ///
    /// # Errors
    /// Refuses what is neither a mailbox nor the postmaster.
    pub fn new(text: S) -> Result<Self, Invalid> {
        if text.as_ref().eq_ignore_ascii_case("postmaster") {
            return Ok(Self::Postmaster);
        }
        let mailbox = Mailbox::new(text).map_err(|invalid| invalid.in_field(Field::ForwardPath))?;
        Ok(Self::Mailbox(mailbox))
    }

    /// The path as it is sent, without the angle brackets.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Postmaster => "Postmaster",
            Self::Mailbox(mailbox) => mailbox.as_str(),
        }
    }

    /// The same path, borrowed.
    pub fn borrowed(&self) -> ForwardPath<&str> {
        match self {
            Self::Postmaster => ForwardPath::Postmaster,
            Self::Mailbox(mailbox) => ForwardPath::Mailbox(mailbox.borrowed()),
        }
    }

    /// The same path, owned.
    pub fn owned(&self) -> ForwardPath {
        match self {
            Self::Postmaster => ForwardPath::Postmaster,
            Self::Mailbox(mailbox) => ForwardPath::Mailbox(mailbox.owned()),
        }
    }
}

impl FromStr for ForwardPath {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::new(text.into())
    }
}

impl From<Mailbox> for ForwardPath {
    fn from(mailbox: Mailbox) -> Self {
        Self::Mailbox(mailbox)
    }
}

impl<S: AsRef<str>> fmt::Display for ForwardPath<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.as_str())
    }
}
