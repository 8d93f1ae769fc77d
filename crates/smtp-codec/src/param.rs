//! MAIL and RCPT parameters as they stand on the wire (esmtp-param of RFC 5321, 4.1.2).
use alloc::{borrow::ToOwned, string::String};
use core::fmt::{self, Write};

use smtp_error::{Field, Flaw, Invalid};

use crate::grammar;

/// A parameter of MAIL or RCPT: a keyword, and a value if it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Param<S = String> {
    keyword: S,
    value: Option<S>,
}

impl<S: AsRef<str>> Param<S> {
    /// The parameter of this keyword, without a value.
    ///
    /// # Errors
    /// A keyword is a letter or digit, then letters, digits and hyphens.
    pub fn new(keyword: S) -> Result<Self, Invalid> {
        let octets = keyword.as_ref().bytes().enumerate();
        let wrong =
            |(at, octet): (usize, u8)| !octet.is_ascii_alphanumeric() && (at == 0 || octet != b'-');
        let flaw = match octets.into_iter().position(wrong) {
            _ if keyword.as_ref().is_empty() => Flaw::Empty,
            Some(offset) => Flaw::Syntax { offset },
            None => return Ok(Self { keyword, value: None }),
        };
        Err(Invalid::new(Field::ParameterKeyword, flaw))
    }

    /// The same parameter with this value.
    ///
    /// # Errors
    /// A value is not empty and holds printable characters other than space and `=`.
    pub fn with(mut self, value: S) -> Result<Self, Invalid> {
        grammar::check_characters(Field::ParameterValue, value.as_ref())?;
        if let Some(offset) = value.as_ref().find([' ', '=']) {
            return Err(Invalid::new(Field::ParameterValue, Flaw::Syntax { offset }));
        }
        self.value = Some(value);
        Ok(self)
    }

    /// The keyword.
    pub fn keyword(&self) -> &str {
        self.keyword.as_ref()
    }

    /// The value.
    pub fn value(&self) -> Option<&str> {
        self.value.as_ref().map(AsRef::as_ref)
    }

    /// The same parameter, owned.
    pub fn owned(&self) -> Param {
        Param { keyword: self.keyword().to_owned(), value: self.value().map(ToOwned::to_owned) }
    }
}

impl<'a> Param<&'a str> {
    /// The parameter that is given as `keyword` or `keyword=value`. The error is the offset too.
    pub(crate) fn parse(text: &'a str) -> Result<Self, (usize, Invalid)> {
        let (keyword, value) = match text.split_once('=') {
            Some((keyword, value)) => (keyword, Some(value)),
            None => (text, None),
        };
        let param = Param::new(keyword).map_err(|invalid| (0, invalid))?;
        match value {
            Some(value) => param.with(value).map_err(|invalid| (keyword.len() + 1, invalid)),
            None => Ok(param),
        }
    }

    pub(crate) fn into_parts(self) -> (&'a str, Option<&'a str>) {
        (self.keyword, self.value)
    }
}

impl<S: AsRef<str>> fmt::Display for Param<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.keyword())?;
        match self.value() {
            Some(value) => write!(f, "={value}"),
            None => Ok(()),
        }
    }
}

/// The parameters of one MAIL or RCPT, in the form and order in which they are sent.
///
/// They are kept as text: nothing is lost of those that nobody knows, and none costs an allocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Params<S = String>(S);

/// The most parameters that one command may have; more are made up to waste time.
const MAX_PARAMS: usize = 64;

impl<S: AsRef<str>> Params<S> {
    /// The parameters as they are sent.
    pub fn as_str(&self) -> &str {
        self.0.as_ref()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.as_str().is_empty()
    }

    /// The parameters, in order.
    pub fn iter(&self) -> impl Iterator<Item = Param<&str>> {
        words(self.as_str()).map(|word| match word.split_once('=') {
            Some((keyword, value)) => Param { keyword, value: Some(value) },
            None => Param { keyword: word, value: None },
        })
    }

    /// The parameter of this keyword, in upper or lower case.
    pub fn find(&self, keyword: &str) -> Option<Param<&str>> {
        self.iter().find(|param| param.keyword.eq_ignore_ascii_case(keyword))
    }

    /// The same parameters, borrowed.
    pub fn borrowed(&self) -> Params<&str> {
        Params(self.as_str())
    }

    /// The same parameters, owned.
    pub fn owned(&self) -> Params {
        Params(self.as_str().to_owned())
    }
}

impl Params {
    /// Adds a parameter, which is checked in the form that it is sent in, whatever it was made of.
    pub(crate) fn add(
        &mut self,
        param: impl fmt::Display,
        check: impl FnOnce(Param<&str>) -> Result<(), Invalid>,
    ) -> Result<(), Invalid> {
        let mut added = String::new();
        // A `String` takes everything.
        write!(added, "{param}").unwrap_or(());
        let param = Param::parse(&added).map_err(|(_, invalid)| invalid)?;
        check(param)?;
        let same = |other: Param<&str>| excludes(other.keyword, param.keyword);
        if self.iter().count() >= MAX_PARAMS || self.iter().any(same) {
            return Err(Invalid::new(Field::ParameterKeyword, Flaw::Repeated));
        }
        if !self.0.is_empty() {
            self.0.push(' ');
        }
        self.0.push_str(&added);
        Ok(())
    }

    /// Takes a parameter out.
    pub(crate) fn remove(&mut self, keyword: &str) {
        let kept = |word: &&str| {
            !word.split('=').next().is_some_and(|known| known.eq_ignore_ascii_case(keyword))
        };
        if self.find(keyword).is_some() {
            let mut left = String::with_capacity(self.0.len());
            for word in words(&self.0).filter(kept) {
                left.push_str(if left.is_empty() { "" } else { " " });
                left.push_str(word);
            }
            self.0 = left;
        }
    }
}

impl<'a> Params<&'a str> {
    /// The parameters that `text` holds. Each is given to `check`; the error is the offset too.
    pub(crate) fn parse(
        text: &'a str,
        check: impl Fn(Param<&'a str>) -> Result<(), Invalid>,
    ) -> Result<Self, (usize, Invalid)> {
        let params = Params(text);
        for (number, word) in words(text).enumerate() {
            let at = word.as_ptr() as usize - text.as_ptr() as usize;
            let shifted = |(offset, invalid)| (at + offset, invalid);
            let param = Param::parse(word).map_err(shifted)?;
            check(param).map_err(|invalid| (at, invalid))?;
            let before = params.iter().take(number);
            let same = |other: Param<&str>| excludes(other.keyword, param.keyword);
            if number >= MAX_PARAMS || before.into_iter().any(same) {
                return Err((at, Invalid::new(Field::ParameterKeyword, Flaw::Repeated)));
            }
        }
        Ok(params)
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(' ').filter(|word| !word.is_empty())
}

/// Whether two parameters cannot stand together: those of one keyword, and the two ways of saying
/// when a message is released (RFC 4865).
fn excludes(one: &str, other: &str) -> bool {
    let released =
        |word: &str| ["HOLDFOR", "HOLDUNTIL"].iter().any(|hold| word.eq_ignore_ascii_case(hold));
    one.eq_ignore_ascii_case(other) || (released(one) && released(other))
}
