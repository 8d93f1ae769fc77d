//! MAIL: the sender, and what is asked for the message as a whole (RFC 5321, 4.1.1.2).
use alloc::vec::Vec;

use smtp_error::{Field, Flaw, Invalid};

use crate::{Mailbox, Param, ReversePath};

/// The reverse-path of a message and the parameters of MAIL.
///
/// A reverse-path, a mailbox or a string converts into one without parameters. SIZE, BODY and
/// SMTPUTF8 that are not given are derived from the text when the message is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    pub(crate) path: ReversePath,
    pub(crate) size: Option<u64>,
    pub(crate) body: Option<Body>,
    pub(crate) smtputf8: bool,
    pub(crate) params: Vec<Param>,
}

/// What the text of a message is made of: the BODY parameter (RFC 6152).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Body {
    /// Lines of ASCII.
    SevenBit,
    /// Lines of octets.
    EightBitMime,
}

impl Body {
    /// The value of the parameter.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SevenBit => "7BIT",
            Self::EightBitMime => "8BITMIME",
        }
    }
}

impl Mail {
    /// MAIL from this path, without parameters.
    pub fn new(path: ReversePath) -> Self {
        Self { path, size: None, body: None, smtputf8: false, params: Vec::new() }
    }

    /// Declares the size of the text, in octets (RFC 1870).
    #[must_use]
    pub fn size(mut self, octets: u64) -> Self {
        self.size = Some(octets);
        self
    }

    /// Declares what the text is made of (RFC 6152).
    #[must_use]
    pub fn body(mut self, body: Body) -> Self {
        self.body = Some(body);
        self
    }

    /// Declares that addresses or headers hold UTF-8 (RFC 6531).
    #[must_use]
    pub fn smtputf8(mut self) -> Self {
        self.smtputf8 = true;
        self
    }

    /// Adds a parameter that has no method of its own.
    ///
    /// # Errors
    /// Refuses one that is there already, or that has a method.
    pub fn param(mut self, param: Param) -> Result<Self, Invalid> {
        let own = ["SIZE", "BODY", "SMTPUTF8"];
        add(&mut self.params, param, &own)?;
        Ok(self)
    }

    /// The reverse-path.
    pub fn path(&self) -> &ReversePath {
        &self.path
    }

    /// The declared size, in octets.
    pub fn declared_size(&self) -> Option<u64> {
        self.size
    }

    /// What the text was declared to be made of.
    pub fn declared_body(&self) -> Option<Body> {
        self.body
    }

    /// Whether UTF-8 was declared.
    pub fn is_smtputf8(&self) -> bool {
        self.smtputf8
    }

    /// The parameters that have no method of their own, in order.
    pub fn params(&self) -> &[Param] {
        &self.params
    }
}

/// Adds a parameter whose keyword is neither there nor one of `own`.
pub(crate) fn add(params: &mut Vec<Param>, param: Param, own: &[&str]) -> Result<(), Invalid> {
    let known = params.iter().map(Param::keyword).chain(own.iter().copied());
    if known.into_iter().any(|keyword| keyword.eq_ignore_ascii_case(param.keyword())) {
        return Err(Invalid::new(Field::ParameterKeyword, Flaw::Repeated));
    }
    params.push(param);
    Ok(())
}

impl From<ReversePath> for Mail {
    fn from(path: ReversePath) -> Self {
        Self::new(path)
    }
}

impl From<Mailbox> for Mail {
    fn from(mailbox: Mailbox) -> Self {
        Self::new(mailbox.into())
    }
}

impl TryFrom<&str> for Mail {
    type Error = Invalid;

    fn try_from(text: &str) -> Result<Self, Invalid> {
        Ok(Self::new(text.parse()?))
    }
}
