//! RCPT: the forward-path of one recipient, and parameters (RFC 5321, 4.1.1.3).
use alloc::string::String;
use core::fmt;

use smtp_error::{Invalid, InvalidAddress};

use crate::{ForwardPath, Mailbox, Params, RcptParam};

/// The forward-path of one recipient and the parameters of its RCPT.
///
/// A forward-path, a mailbox or a string converts into one without parameters.
#[derive(Clone, Copy, Debug)]
pub struct Rcpt<S = String> {
    path: ForwardPath<S>,
    params: Params<S>,
}

impl Rcpt {
    /// Returns RCPT to this path, without parameters.
    pub fn new(path: ForwardPath) -> Self {
        Self { path, params: Params::default() }
    }

    /// Returns RCPT with the path in the form in which a client sends it, as
    /// [`Mailbox::canonical`] has it.
    #[must_use]
    pub fn canonical(self) -> Self {
        Self { path: self.path.canonical(), ..self }
    }

    /// Adds a parameter.
    ///
    /// # Errors
    /// Refuses a value that the parameter cannot have, and a parameter that is there already.
    pub fn with(self, param: RcptParam) -> Result<Self, Invalid> {
        self.param(param)
    }

    /// Adds a parameter in the form that it is sent in: a [`Param`](crate::Param), or text such as
    /// `X-OWN=1`.
    ///
    /// # Errors
    /// Refuses a value that the parameter cannot have, and a parameter that is there already.
    pub fn param(mut self, param: impl fmt::Display) -> Result<Self, Invalid> {
        self.params.add(param, RcptParam::check)?;
        Ok(self)
    }
}

impl<S: AsRef<str>> Rcpt<S> {
    /// Returns the forward-path.
    pub fn path(&self) -> &ForwardPath<S> {
        &self.path
    }

    /// Returns the parameters in the form in which they are sent.
    pub fn raw_params(&self) -> &Params<S> {
        &self.params
    }

    /// Returns the parameters, in order.
    pub fn params(&self) -> impl Iterator<Item = RcptParam<&str>> {
        // They were checked when they were added.
        self.params.iter().filter_map(|param| RcptParam::parse(param).ok())
    }

    /// Returns the same RCPT, borrowed.
    pub fn borrowed(&self) -> Rcpt<&str> {
        Rcpt { path: self.path.borrowed(), params: self.params.borrowed() }
    }

    /// Returns the same RCPT, owned.
    pub fn owned(&self) -> Rcpt {
        Rcpt { path: self.path.owned(), params: self.params.owned() }
    }
}

impl<'a> Rcpt<&'a str> {
    pub(crate) fn from_parts(path: ForwardPath<&'a str>, params: Params<&'a str>) -> Self {
        Self { path, params }
    }
}

impl<S: AsRef<str> + PartialEq> PartialEq for Rcpt<S> {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path && self.params == other.params
    }
}

impl<S: AsRef<str> + Eq> Eq for Rcpt<S> {}

impl From<ForwardPath> for Rcpt {
    fn from(path: ForwardPath) -> Self {
        Self::new(path)
    }
}

impl From<Mailbox> for Rcpt {
    fn from(mailbox: Mailbox) -> Self {
        Self::new(mailbox.into())
    }
}

impl TryFrom<&str> for Rcpt {
    type Error = InvalidAddress;

    fn try_from(text: &str) -> Result<Self, InvalidAddress> {
        text.parse().map(Self::new).map_err(|why| InvalidAddress::new(text, why))
    }
}

impl TryFrom<&String> for Rcpt {
    type Error = InvalidAddress;

    fn try_from(text: &String) -> Result<Self, InvalidAddress> {
        text.as_str().try_into()
    }
}

impl TryFrom<String> for Rcpt {
    type Error = InvalidAddress;

    fn try_from(text: String) -> Result<Self, InvalidAddress> {
        text.as_str().try_into()
    }
}
