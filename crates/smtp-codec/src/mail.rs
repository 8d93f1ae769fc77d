//! MAIL: the reverse-path of a message, and parameters (RFC 5321, 4.1.1.2).
use alloc::string::String;
use core::fmt;

use smtp_error::{Invalid, InvalidAddress};

use crate::{Body, MailParam, Mailbox, Params, ReversePath};

/// The reverse-path of a message and the parameters of MAIL.
///
/// A reverse-path, a mailbox or a string converts into one without parameters. SIZE, BODY and
/// SMTPUTF8 that are not given are derived from the content when a client sends the message.
#[derive(Clone, Copy, Debug)]
pub struct Mail<S = String> {
    path: ReversePath<S>,
    params: Params<S>,
}

impl Mail {
    /// Returns MAIL from this path, without parameters.
    pub fn new(path: ReversePath) -> Self {
        Self { path, params: Params::default() }
    }

    /// Returns MAIL with the path in the form in which a client sends it, as
    /// [`Mailbox::canonical`] has it.
    #[must_use]
    pub fn canonical(self) -> Self {
        Self { path: self.path.canonical(), ..self }
    }

    /// Declares the size of the content, in octets, in place of a size declared before (RFC 1870).
    #[must_use]
    pub fn size(mut self, octets: u64) -> Self {
        self.params.remove("SIZE");
        self.params.push_number("SIZE", octets);
        self
    }

    /// Declares the kind of content, in place of a kind declared before (RFC 6152).
    #[must_use]
    pub fn body(self, body: Body) -> Self {
        self.replace(MailParam::Body(body))
    }

    /// Declares that addresses or headers hold UTF-8 (RFC 6531).
    #[must_use]
    pub fn smtputf8(self) -> Self {
        self.replace(MailParam::SmtpUtf8)
    }

    /// Adds a parameter.
    ///
    /// # Errors
    /// Refuses a value that the parameter cannot have, and a parameter that is there already.
    pub fn with(self, param: MailParam) -> Result<Self, Invalid> {
        self.param(param)
    }

    /// Adds a parameter in the form that it is sent in: a [`Param`](crate::Param), or text such as
    /// `X-OWN=1`.
    ///
    /// # Errors
    /// Refuses a value that the parameter cannot have, and a parameter that is there already.
    pub fn param(mut self, param: impl fmt::Display) -> Result<Self, Invalid> {
        self.params.add(param, MailParam::check)?;
        Ok(self)
    }

    /// Adds a parameter in place of one with its keyword. All parameters that it is called with are
    /// valid.
    fn replace(mut self, param: MailParam) -> Self {
        self.params.remove(param.keyword());
        self.params.push(param);
        self
    }
}

impl<S: AsRef<str>> Mail<S> {
    /// Returns the reverse-path.
    pub fn path(&self) -> &ReversePath<S> {
        &self.path
    }

    /// Returns the parameters in the form in which they are sent.
    pub fn raw_params(&self) -> &Params<S> {
        &self.params
    }

    /// Returns the parameters, in order.
    pub fn params(&self) -> impl Iterator<Item = MailParam<&str>> {
        // They were checked when they were added.
        self.params.iter().filter_map(|param| MailParam::parse(param).ok())
    }

    /// Returns the declared size, in octets.
    pub fn declared_size(&self) -> Option<u64> {
        match self.parsed("SIZE")? {
            MailParam::Size(size) => Some(size),
            _ => None,
        }
    }

    /// Returns the declared kind of content.
    pub fn declared_body(&self) -> Option<Body> {
        match self.parsed("BODY")? {
            MailParam::Body(body) => Some(body),
            _ => None,
        }
    }

    /// Parses the parameter with this keyword only.
    fn parsed(&self, keyword: &str) -> Option<MailParam<&str>> {
        MailParam::parse(self.params.find(keyword)?).ok()
    }

    /// Returns whether SMTPUTF8 was declared.
    pub fn is_smtputf8(&self) -> bool {
        self.params.find("SMTPUTF8").is_some()
    }

    /// Returns the same MAIL, borrowed.
    pub fn borrowed(&self) -> Mail<&str> {
        Mail { path: self.path.borrowed(), params: self.params.borrowed() }
    }

    /// Returns the same MAIL, owned.
    pub fn owned(&self) -> Mail {
        Mail { path: self.path.owned(), params: self.params.owned() }
    }
}

impl<'a> Mail<&'a str> {
    pub(crate) fn from_parts(path: ReversePath<&'a str>, params: Params<&'a str>) -> Self {
        Self { path, params }
    }
}

impl<S: AsRef<str> + PartialEq> PartialEq for Mail<S> {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path && self.params == other.params
    }
}

impl<S: AsRef<str> + Eq> Eq for Mail<S> {}

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
    type Error = InvalidAddress;

    fn try_from(text: &str) -> Result<Self, InvalidAddress> {
        text.parse().map(Self::new).map_err(|why| InvalidAddress::new(text, why))
    }
}

impl TryFrom<&String> for Mail {
    type Error = InvalidAddress;

    fn try_from(text: &String) -> Result<Self, InvalidAddress> {
        text.as_str().try_into()
    }
}

impl TryFrom<String> for Mail {
    type Error = InvalidAddress;

    fn try_from(text: String) -> Result<Self, InvalidAddress> {
        text.as_str().try_into()
    }
}
