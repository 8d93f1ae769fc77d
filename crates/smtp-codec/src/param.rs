//! MAIL and RCPT parameters (esmtp-param of RFC 5321, 4.1.2).
use alloc::string::String;
use core::fmt;

use smtp_error::{Field, Flaw, Invalid};

/// A parameter of MAIL or RCPT: a keyword, and a value if it has one.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Param {
    keyword: String,
    value: Option<String>,
}

impl Param {
    /// The parameter of this keyword, without a value.
    ///
    /// # Errors
    /// A keyword is a letter or digit, then letters, digits and hyphens.
    pub fn new(keyword: &str) -> Result<Self, Invalid> {
        let allowed =
            |(at, octet): (usize, u8)| octet.is_ascii_alphanumeric() || (at > 0 && octet == b'-');
        let flaw = match keyword.bytes().enumerate().position(|octet| !allowed(octet)) {
            _ if keyword.is_empty() => Flaw::Empty,
            Some(offset) => Flaw::Syntax { offset },
            None => return Ok(Self { keyword: keyword.into(), value: None }),
        };
        Err(Invalid::new(Field::ParameterKeyword, flaw))
    }

    /// The same parameter with this value.
    ///
    /// # Errors
    /// A value is not empty and holds printable characters other than space and `=`.
    pub fn with(mut self, value: &str) -> Result<Self, Invalid> {
        crate::grammar::check_characters(Field::ParameterValue, value)?;
        if let Some(offset) = value.find([' ', '=']) {
            return Err(Invalid::new(Field::ParameterValue, Flaw::Syntax { offset }));
        }
        self.value = Some(value.into());
        Ok(self)
    }

    /// The keyword.
    pub fn keyword(&self) -> &str {
        &self.keyword
    }

    /// The value.
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }
}

impl fmt::Display for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.keyword)?;
        match &self.value {
            Some(value) => write!(f, "={value}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Param({self})")
    }
}
