//! Mailboxes, reverse-paths and forward-paths (RFC 5321, 4.1.2).
use alloc::{borrow::ToOwned, format, string::String};
use core::{fmt, str::FromStr};

use smtp_error::{Field, Flaw, Invalid};

use crate::{Deviations, domain, grammar, idna};

/// A mailbox: a local-part of at most 64 octets, `@`, and a host of at most 255.
///
/// It cannot hold a CR, a LF, a NUL or any other control character, and the path it makes is at
/// most 256 octets long. A quoted local-part stays quoted as it was given.
///
/// Characters outside ASCII are allowed. In the local-part they need SMTPUTF8 (RFC 6531); in a
/// domain they do not, see [`canonical`](Self::canonical).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mailbox<S = String> {
    text: S,
    /// The offset of the `@` between local-part and host.
    at: usize,
}

impl Mailbox {
    /// The longest local-part, in octets.
    pub const MAX_LOCAL_PART: usize = 64;
    /// The longest path, in octets, angle brackets included.
    pub const MAX_PATH: usize = 256;
}

impl<S: AsRef<str>> Mailbox<S> {
    /// Returns the mailbox of this text.
    ///
    /// # Errors
    /// Refuses text that is not a mailbox.
    pub fn new(text: S) -> Result<Self, Invalid> {
        Self::tolerating(text, Deviations::empty())
    }

    /// Returns the mailbox of this text, which may have the `tolerated` deviations: for mailboxes
    /// that exist although the grammar does not have them. Only those of [`Deviations::MAILBOX`]
    /// have a meaning here.
    ///
    /// ```
    /// use smtp_codec::{Deviations, Mailbox};
    ///
    /// let text = "some..one@mail_1.example";
    /// assert!(Mailbox::new(text).is_err());
    /// let mailbox = Mailbox::tolerating(text, Deviations::MAILBOX)?;
    /// assert_eq!(mailbox.deviations(), Deviations::LOOSE_DOTS | Deviations::UNDERSCORE);
    /// # Ok::<(), smtp_error::Invalid>(())
    /// ```
    ///
    /// # Errors
    /// Refuses text that is not a mailbox, and a deviation that is not tolerated.
    pub fn tolerating(text: S, tolerated: Deviations) -> Result<Self, Invalid> {
        Self::parse(text, tolerated).map(|(mailbox, _)| mailbox)
    }

    /// Parses the text, and returns how the mailbox deviates too.
    fn parse(text: S, tolerated: Deviations) -> Result<(Self, Deviations), Invalid> {
        let (at, seen) = check(text.as_ref(), tolerated)?;
        Ok((Self { text, at }, seen))
    }

    /// Returns how the mailbox deviates from the grammar.
    pub fn deviations(&self) -> Deviations {
        check(self.as_str(), Deviations::MAILBOX).map_or(Deviations::MAILBOX, |(_, seen)| seen)
    }

    /// Returns the mailbox as it was given.
    pub fn as_str(&self) -> &str {
        self.text.as_ref()
    }

    /// Returns the part before the `@`, quotes included.
    pub fn local_part(&self) -> &str {
        &self.as_str()[..self.at]
    }

    /// Returns the part after the `@`: a domain or an address literal.
    pub fn host(&self) -> &str {
        &self.as_str()[self.at + 1..]
    }

    /// Returns whether all of it is ASCII.
    pub fn is_ascii(&self) -> bool {
        self.as_str().is_ascii()
    }

    /// Returns whether only a server that offers SMTPUTF8 can be sent it: the local-part is not
    /// ASCII. An internationalized domain alone has a form in ASCII.
    pub fn needs_smtputf8(&self) -> bool {
        !self.local_part().is_ascii()
    }

    /// Returns the same mailbox, borrowed.
    pub fn borrowed(&self) -> Mailbox<&str> {
        Mailbox { text: self.as_str(), at: self.at }
    }

    /// Returns the same mailbox, owned.
    pub fn owned(&self) -> Mailbox {
        Mailbox { text: self.as_str().to_owned(), at: self.at }
    }
}

impl Mailbox {
    /// Returns the mailbox in the form in which a client sends it, which differs in the domain, if
    /// that is outside ASCII. With a local-part in ASCII the domain has A-labels, and no SMTPUTF8
    /// is needed: `a@bücher.example` becomes `a@xn--bcher-kva.example`. With another local-part it
    /// has U-labels, which are in lower case and composed (RFC 6531, 3.3; RFC 5891, 4.4).
    #[must_use]
    pub fn canonical(self) -> Self {
        match canonical(&self.text, self.at) {
            Some(text) => Self { text, at: self.at },
            None => self,
        }
    }
}

/// Returns the form in which this mailbox, whose `@` is at `at`, is sent, if that differs.
fn canonical(text: &str, at: usize) -> Option<String> {
    let (local, host) = (&text[..at], &text[at + 1..]);
    if host.is_ascii() {
        return None;
    }
    #[cfg(feature = "std")]
    if !local.is_ascii() {
        return Some(format!("{local}@{}", idna::to_u_labels(host)));
    }
    Some(format!("{local}@{}", idna::to_ascii(host)))
}

/// Checks a mailbox. Returns the offset of its `@`, and how it deviates.
fn check(text: &str, tolerated: Deviations) -> Result<(usize, Deviations), Invalid> {
    check_grammar(text, tolerated).map_err(|invalid| in_words(text, invalid))
}

/// Names the flaw of a mailbox where the grammar knows only its place.
#[cold]
fn in_words(text: &str, invalid: Invalid) -> Invalid {
    let flaw = match invalid.flaw {
        Flaw::Empty if invalid.field == Field::Domain => Flaw::NoDomain,
        Flaw::Syntax { .. } | Flaw::Unexpected { .. }
            if text.ends_with('>') && text.contains('<') =>
        {
            Flaw::Bracketed
        }
        Flaw::Syntax { .. } if !text.contains('@') => Flaw::NoAt,
        Flaw::Syntax { offset: 0 } if text.starts_with('@') => Flaw::NoLocalPart,
        Flaw::Syntax { offset } => match text.get(offset..).and_then(|rest| rest.chars().next()) {
            Some(character) => Flaw::Unexpected { character, offset },
            // The @ is part of the quoted local-part.
            None if grammar::quoted_string(text).is_ok() => Flaw::NoAt,
            None => Flaw::OpenQuote,
        },
        flaw => flaw,
    };
    Invalid::new(invalid.field, flaw)
}

/// Attributes a flaw of the mailbox to its path. What is too long stays the part that is.
#[cold]
fn of_path(invalid: Invalid, path: Field) -> Invalid {
    match (invalid.flaw, invalid.field) {
        (Flaw::TooLong { .. }, Field::LocalPart | Field::Domain) => invalid,
        _ => invalid.in_field(path),
    }
}

fn check_grammar(text: &str, tolerated: Deviations) -> Result<(usize, Deviations), Invalid> {
    let is_ascii = grammar::is_printable(text.as_bytes()) && !text.is_empty();
    if !is_ascii {
        grammar::check_characters(Field::Mailbox, text)?;
    }
    let mut seen = Deviations::empty();
    let end_of = |end| match text.as_bytes().get(end) {
        Some(b'@') => Ok(end),
        _ => Err(end),
    };
    let at = match local_part(text).and_then(end_of) {
        Err(offset) if tolerated.contains(Deviations::LOOSE_DOTS) => {
            seen |= Deviations::LOOSE_DOTS;
            let end = grammar::loose_dot_string(text);
            if end == 0 { Err(offset) } else { end_of(end) }
        }
        at => at,
    };
    let at = at.map_err(|offset| Invalid::new(Field::Mailbox, Flaw::Syntax { offset }))?;
    match grammar::check_length(Field::LocalPart, at, Mailbox::MAX_LOCAL_PART) {
        Err(_) if tolerated.contains(Deviations::LONG_LOCAL_PART) => {
            seen |= Deviations::LONG_LOCAL_PART;
        }
        checked => checked?,
    }
    seen |= domain::check_host(&text[at + 1..], at + 1, tolerated)?;
    // The form that is sent may be the longer one.
    let sent = if is_ascii { None } else { canonical(text, at) };
    let sent = sent.map_or(0, |sent| sent.len());
    grammar::check_length(Field::Mailbox, text.len().max(sent), Mailbox::MAX_PATH - 2)?;
    Ok((at, seen))
}

/// Returns the length of the local-part that `text` begins with, or the offset of the octet that is
/// wrong.
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

/// The reverse-path of a message: a mailbox, or null (`<>`) if no failure may be reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "the grammar has these two")]
pub enum ReversePath<S = String> {
    /// `<>`.
    Null,
    /// A mailbox.
    Mailbox(Mailbox<S>),
}

impl<S: AsRef<str>> ReversePath<S> {
    /// Returns the path of this text, without angle brackets: the empty text is the null path.
    ///
    /// # Errors
    /// Refuses text that is not a mailbox.
    pub fn new(text: S) -> Result<Self, Invalid> {
        Self::tolerating(text, Deviations::empty())
    }

    /// Returns the path of this text, whose mailbox may have the `tolerated` deviations, see
    /// [`Mailbox::tolerating`].
    ///
    /// # Errors
    /// Refuses text that is not a mailbox, and a deviation that is not tolerated.
    pub fn tolerating(text: S, tolerated: Deviations) -> Result<Self, Invalid> {
        Self::parse(text, tolerated).map(|(path, _)| path)
    }

    /// Parses the text, and returns how the mailbox deviates too.
    pub(crate) fn parse(text: S, tolerated: Deviations) -> Result<(Self, Deviations), Invalid> {
        if text.as_ref().is_empty() {
            return Ok((Self::Null, Deviations::empty()));
        }
        match Mailbox::parse(text, tolerated) {
            Ok((mailbox, seen)) => Ok((Self::Mailbox(mailbox), seen)),
            Err(invalid) => Err(of_path(invalid, Field::ReversePath)),
        }
    }

    /// Returns the path as it is sent, without the angle brackets.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Null => "",
            Self::Mailbox(mailbox) => mailbox.as_str(),
        }
    }

    /// Returns the same path, borrowed.
    pub fn borrowed(&self) -> ReversePath<&str> {
        match self {
            Self::Null => ReversePath::Null,
            Self::Mailbox(mailbox) => ReversePath::Mailbox(mailbox.borrowed()),
        }
    }

    /// Returns the same path, owned.
    pub fn owned(&self) -> ReversePath {
        match self {
            Self::Null => ReversePath::Null,
            Self::Mailbox(mailbox) => ReversePath::Mailbox(mailbox.owned()),
        }
    }
}

impl ReversePath {
    /// Returns the path in the form in which a client sends it, as [`Mailbox::canonical`] has it.
    #[must_use]
    pub fn canonical(self) -> Self {
        match self {
            Self::Null => Self::Null,
            Self::Mailbox(mailbox) => Self::Mailbox(mailbox.canonical()),
        }
    }
}

impl FromStr for ReversePath {
    type Err = Invalid;

    /// Returns the empty string and `<>` are the null path.
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

/// The forward-path of a recipient: a mailbox, or the server's postmaster without a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "the grammar has these two")]
pub enum ForwardPath<S = String> {
    /// `<Postmaster>`.
    Postmaster,
    /// A mailbox.
    Mailbox(Mailbox<S>),
}

impl<S: AsRef<str>> ForwardPath<S> {
    /// Returns the path of this text, without angle brackets.
    ///
    /// # Errors
    /// Refuses text that is neither a mailbox nor the postmaster.
    pub fn new(text: S) -> Result<Self, Invalid> {
        Self::tolerating(text, Deviations::empty())
    }

    /// Returns the path of this text, whose mailbox may have the `tolerated` deviations, see
    /// [`Mailbox::tolerating`].
    ///
    /// # Errors
    /// Refuses text that is neither a mailbox nor the postmaster, and a deviation that is not
    /// tolerated.
    pub fn tolerating(text: S, tolerated: Deviations) -> Result<Self, Invalid> {
        Self::parse(text, tolerated).map(|(path, _)| path)
    }

    /// Parses the text, and returns how the mailbox deviates too.
    pub(crate) fn parse(text: S, tolerated: Deviations) -> Result<(Self, Deviations), Invalid> {
        if text.as_ref().eq_ignore_ascii_case("postmaster") {
            return Ok((Self::Postmaster, Deviations::empty()));
        }
        match Mailbox::parse(text, tolerated) {
            Ok((mailbox, seen)) => Ok((Self::Mailbox(mailbox), seen)),
            Err(invalid) => Err(of_path(invalid, Field::ForwardPath)),
        }
    }

    /// Returns the path as it is sent, without the angle brackets.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Postmaster => "Postmaster",
            Self::Mailbox(mailbox) => mailbox.as_str(),
        }
    }

    /// Returns the same path, borrowed.
    pub fn borrowed(&self) -> ForwardPath<&str> {
        match self {
            Self::Postmaster => ForwardPath::Postmaster,
            Self::Mailbox(mailbox) => ForwardPath::Mailbox(mailbox.borrowed()),
        }
    }

    /// Returns the same path, owned.
    pub fn owned(&self) -> ForwardPath {
        match self {
            Self::Postmaster => ForwardPath::Postmaster,
            Self::Mailbox(mailbox) => ForwardPath::Mailbox(mailbox.owned()),
        }
    }
}

impl ForwardPath {
    /// Returns the path in the form in which a client sends it, as [`Mailbox::canonical`] has it.
    #[must_use]
    pub fn canonical(self) -> Self {
        match self {
            Self::Postmaster => Self::Postmaster,
            Self::Mailbox(mailbox) => Self::Mailbox(mailbox.canonical()),
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
