//! Mailboxes, reverse-paths and forward-paths (RFC 5321, 4.1.2).
use alloc::string::String;
use core::{fmt, str::FromStr};

use smtp_error::{Field, Flaw, Invalid};

use crate::{domain::Host, grammar};

/// A mailbox: a local-part of at most 64 octets, `@`, and a host of at most 255.
///
/// It cannot hold a CR, a LF, a NUL or any other control character, and the path it makes is at
/// most 256 octets long. A quoted local-part stays quoted as it was given. Characters outside
/// ASCII are allowed and need SMTPUTF8 (RFC 6531).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Mailbox {
    text: String,
    /// Where the `@` stands that parts local-part and host.
    at: usize,
}

impl Mailbox {
    /// The longest local-part, in octets.
    pub const MAX_LOCAL_PART: usize = 64;
    /// The longest path, in octets, angle brackets included.
    pub const MAX_PATH: usize = 256;

    /// The mailbox as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The part before the `@`, quotes included.
    pub fn local_part(&self) -> &str {
        &self.text[..self.at]
    }

    /// The part behind the `@`: a domain or an address literal.
    pub fn host(&self) -> &str {
        &self.text[self.at + 1..]
    }

    /// Whether it can be sent to a server without SMTPUTF8.
    pub fn is_ascii(&self) -> bool {
        self.text.is_ascii()
    }

    /// Where the `@` of this mailbox stands.
    fn parse(text: &str) -> Result<usize, Invalid> {
        grammar::check_characters(Field::Mailbox, text)?;
        let local = match text.starts_with('"') {
            true => grammar::quoted_string(text),
            false => grammar::dot_string(text),
        };
        let syntax = |offset| Invalid::new(Field::Mailbox, Flaw::Syntax { offset });
        let at = local.map_err(syntax)?;
        if text.as_bytes().get(at) != Some(&b'@') {
            return Err(syntax(at));
        }
        grammar::check_length(Field::LocalPart, at, Self::MAX_LOCAL_PART)?;
        Host::check(&text[at + 1..], at + 1)?;
        grammar::check_length(Field::Mailbox, text.len(), Self::MAX_PATH - 2)?;
        Ok(at)
    }
}

impl FromStr for Mailbox {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Ok(Self { at: Self::parse(text)?, text: text.into() })
    }
}

impl TryFrom<&str> for Mailbox {
    type Error = Invalid;

    fn try_from(text: &str) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mailbox({})", self.text)
    }
}

/// Who a message comes from: a mailbox, or nobody (`<>`) if no failure may be reported back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "the grammar has these two")]
pub enum ReversePath {
    /// `<>`.
    Null,
    /// A mailbox.
    Mailbox(Mailbox),
}

impl ReversePath {
    /// The path as it is sent, without the angle brackets.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Null => "",
            Self::Mailbox(mailbox) => mailbox.as_str(),
        }
    }
}

impl FromStr for ReversePath {
    type Err = Invalid;

    /// The empty string and `<>` are the null path.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "" | "<>" => Ok(Self::Null),
            text => text
                .parse()
                .map(Self::Mailbox)
                .map_err(|invalid: Invalid| invalid.in_field(Field::ReversePath)),
        }
    }
}

impl From<Mailbox> for ReversePath {
    fn from(mailbox: Mailbox) -> Self {
        Self::Mailbox(mailbox)
    }
}

impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.as_str())
    }
}

/// Who a message goes to: a mailbox, or the server's postmaster, who needs no domain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "the grammar has these two")]
pub enum ForwardPath {
    /// `<Postmaster>`.
    Postmaster,
    /// A mailbox.
    Mailbox(Mailbox),
}

impl ForwardPath {
    /// The path as it is sent, without the angle brackets.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Postmaster => "Postmaster",
            Self::Mailbox(mailbox) => mailbox.as_str(),
        }
    }
}

impl FromStr for ForwardPath {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.eq_ignore_ascii_case("postmaster") {
            return Ok(Self::Postmaster);
        }
        text.parse()
            .map(Self::Mailbox)
            .map_err(|invalid: Invalid| invalid.in_field(Field::ForwardPath))
    }
}

impl From<Mailbox> for ForwardPath {
    fn from(mailbox: Mailbox) -> Self {
        Self::Mailbox(mailbox)
    }
}

impl fmt::Display for ForwardPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.as_str())
    }
}
