//! RCPT: one recipient, and what is asked for it (RFC 5321, 4.1.1.3).
use alloc::{string::String, vec::Vec};

use smtp_error::Invalid;

use crate::{ForwardPath, Mailbox, Param, mail};

/// The forward-path of one recipient and the parameters of its RCPT.
///
/// A forward-path, a mailbox or a string converts into one without parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rcpt {
    pub(crate) path: ForwardPath,
    pub(crate) params: Vec<Param>,
}

impl Rcpt {
    /// RCPT to this path, without parameters.
    pub fn new(path: ForwardPath) -> Self {
        Self { path, params: Vec::new() }
    }

    /// Adds a parameter.
    ///
    /// # Errors
    /// Refuses one that is there already.
    pub fn param(mut self, param: Param) -> Result<Self, Invalid> {
        mail::add(&mut self.params, param, &[])?;
        Ok(self)
    }

    /// The forward-path.
    pub fn path(&self) -> &ForwardPath {
        &self.path
    }

    /// The parameters, in order.
    pub fn params(&self) -> &[Param] {
        &self.params
    }
}

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
    type Error = Invalid;

    fn try_from(text: &str) -> Result<Self, Invalid> {
        Ok(Self::new(text.parse()?))
    }
}

impl TryFrom<&String> for Rcpt {
    type Error = Invalid;

    fn try_from(text: &String) -> Result<Self, Invalid> {
        text.as_str().try_into()
    }
}
