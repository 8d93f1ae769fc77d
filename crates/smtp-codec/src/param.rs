//! MAIL and RCPT parameters in the form in which they are sent (esmtp-param of RFC 5321, 4.1.2).
use alloc::{borrow::ToOwned, string::String};
use core::{
    fmt::{self, Write},
    hash::{Hash, Hasher},
    iter,
};

use smtp_error::{Field, Flaw, Invalid};

use crate::{Deviations, grammar, value};

pub(crate) mod table;

/// A parameter of MAIL or RCPT: a keyword, and a value if it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Param<S = String> {
    keyword: S,
    value: Option<S>,
}

impl<S: AsRef<str>> Param<S> {
    /// Returns the parameter of this keyword, without a value.
    ///
    /// # Errors
    /// A keyword is a letter or digit, then letters, digits and hyphens.
    pub fn new(keyword: S) -> Result<Self, Invalid> {
        let octets = keyword.as_ref().as_bytes();
        let flaw = match octets.iter().position(|&octet| !grammar::is_let_dig_hyp(octet)) {
            _ if octets.is_empty() => Flaw::Empty,
            _ if octets[0] == b'-' => Flaw::Syntax { offset: 0 },
            Some(offset) => Flaw::Syntax { offset },
            None => return Ok(Self { keyword, value: None }),
        };
        Err(Invalid::new(Field::ParameterKeyword, flaw))
    }

    /// Returns the parameter with this value.
    ///
    /// # Errors
    /// A value is not empty and holds printable characters other than space and `=`.
    pub fn with(mut self, value: S) -> Result<Self, Invalid> {
        grammar::check_characters(Field::ParameterValue, value.as_ref())?;
        if let Some(offset) = memchr::memchr2(b' ', b'=', value.as_ref().as_bytes()) {
            return Err(Invalid::new(Field::ParameterValue, Flaw::Syntax { offset }));
        }
        self.value = Some(value);
        Ok(self)
    }

    /// Returns the keyword.
    pub fn keyword(&self) -> &str {
        self.keyword.as_ref()
    }

    /// Returns the value.
    pub fn value(&self) -> Option<&str> {
        self.value.as_ref().map(AsRef::as_ref)
    }

    /// Returns the same parameter, owned.
    pub fn owned(&self) -> Param {
        Param { keyword: self.keyword().to_owned(), value: self.value().map(ToOwned::to_owned) }
    }
}

impl<'a> Param<&'a str> {
    /// Returns the parameter, `keyword` or `keyword=value`, that this text begins with. The error
    /// comes with its offset.
    #[inline]
    fn first(text: &'a str) -> Result<Self, (usize, Invalid)> {
        match Self::plain(text) {
            Some(param) => Ok(param),
            None => {
                let end = memchr::memchr(b' ', text.as_bytes()).unwrap_or(text.len());
                Self::whole(&text[..end])
            }
        }
    }

    /// Returns the parameter that is all of this text.
    fn whole(text: &'a str) -> Result<Self, (usize, Invalid)> {
        let Param { keyword, value } = Self::split(text);
        let param = Param::new(keyword).map_err(|invalid| (0, invalid))?;
        match value {
            Some(value) => param.with(value).map_err(|invalid| (keyword.len() + 1, invalid)),
            None => Ok(param),
        }
    }

    /// Takes a parameter that is well formed and in ASCII off the front, as nearly all are. It
    /// reads each octet once.
    #[inline]
    fn plain(text: &'a str) -> Option<Self> {
        let octets = text.as_bytes();
        let end = grammar::run(octets, grammar::is_let_dig_hyp);
        let (keyword, rest) = text.split_at(end);
        let value = match rest.as_bytes() {
            _ if matches!(keyword.as_bytes(), [] | [b'-', ..]) => return None,
            [] | [b' ', ..] => None,
            [b'=', value @ ..] => match grammar::run(value, grammar::is_value) {
                0 => return None,
                length if matches!(value.get(length), None | Some(b' ')) => Some(&rest[1..=length]),
                _ => return None,
            },
            _ => return None,
        };
        Some(Self { keyword, value })
    }

    /// Splits a parameter without checking its parts.
    fn split(text: &'a str) -> Self {
        match memchr::memchr(b'=', text.as_bytes()) {
            Some(at) => Self { keyword: &text[..at], value: Some(&text[at + 1..]) },
            None => Self { keyword: text, value: None },
        }
    }

    /// Returns how many octets it takes on the wire.
    fn wire_length(self) -> usize {
        self.keyword.len() + self.value.map_or(0, |value| "=".len() + value.len())
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
/// They are kept as text, so that unknown parameters stay as they came and none costs an
/// allocation. Several spaces between two parameters count as one, and one is sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Params<S = String>(S);

/// The most parameters in one command. The check for repeated parameters takes time in proportion
/// to the square of their number.
const MAX_PARAMS: usize = 64;

/// Refuses another parameter after `number` of them.
fn check_count(number: usize) -> Result<(), Invalid> {
    if number >= MAX_PARAMS {
        let flaw = Flaw::TooManyParameters { limit: MAX_PARAMS };
        return Err(Invalid::new(Field::ParameterKeyword, flaw));
    }
    Ok(())
}

impl<S: AsRef<str>> Params<S> {
    /// Returns the parameters as they were given. They are sent with one space between two.
    pub fn as_str(&self) -> &str {
        self.0.as_ref()
    }

    /// Returns the words that are sent, with a space between two.
    pub(crate) fn words(&self) -> impl Iterator<Item = &str> {
        words(self.as_str()).map(|(_, word)| word)
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.as_str().is_empty()
    }

    /// Returns the parameters, in order.
    pub fn iter(&self) -> impl Iterator<Item = Param<&str>> {
        words(self.as_str()).map(|(_, word)| Param::split(word))
    }

    /// Returns the parameter of this keyword, in upper or lower case.
    pub fn find(&self, keyword: &str) -> Option<Param<&str>> {
        let same = |word: &str| match word.as_bytes().split_at_checked(keyword.len()) {
            Some((start, [] | [b'=', ..])) => start.eq_ignore_ascii_case(keyword.as_bytes()),
            _ => false,
        };
        words(self.as_str()).find(|(_, word)| same(word)).map(|(_, word)| Param::split(word))
    }

    /// Returns the same parameters, borrowed.
    pub fn borrowed(&self) -> Params<&str> {
        Params(self.as_str())
    }

    /// Returns the same parameters, owned.
    pub fn owned(&self) -> Params {
        Params(self.as_str().to_owned())
    }
}

impl Params {
    /// Adds a parameter, which is checked in the form in which it is sent.
    pub(crate) fn add(
        &mut self,
        param: impl fmt::Display,
        check: impl Fn(Param<&str>) -> Result<Checked, Invalid>,
    ) -> Result<(), Invalid> {
        let before = self.0.len();
        let start = self.push(param);
        let outcome = self.check_added(before, start, check);
        if outcome.is_err() {
            self.0.truncate(before);
        }
        outcome
    }

    /// Adds a parameter that is well formed and not there yet. Returns where it begins.
    pub(crate) fn push(&mut self, param: impl fmt::Display) -> usize {
        let start = self.begin();
        // Writing to a `String` cannot fail.
        write!(self.0, "{param}").unwrap_or(());
        start
    }

    /// Adds a parameter whose value is a number. SIZE goes with every message, and `core::fmt`
    /// would take 200 instructions more.
    pub(crate) fn push_number(&mut self, keyword: &str, number: u64) {
        self.begin();
        self.0.push_str(keyword);
        self.0.push('=');
        self.0.extend(value::decimal(number).map(char::from));
    }

    /// Makes room for a parameter. Returns where it will begin.
    fn begin(&mut self) -> usize {
        if self.0.is_empty() {
            // Enough for SIZE, BODY and SMTPUTF8, so that most messages take one allocation.
            self.0.reserve(40);
        } else {
            self.0.push(' ');
        }
        self.0.len()
    }

    /// Checks the text from `start` on as a parameter in addition to those up to `before`.
    fn check_added(
        &self,
        before: usize,
        start: usize,
        check: impl Fn(Param<&str>) -> Result<Checked, Invalid>,
    ) -> Result<(), Invalid> {
        let param = Param::whole(&self.0[start..]).map_err(|(_, invalid)| invalid)?;
        let checked = check(param)?;
        let others = Params(&self.0[..before]);
        let rows = |other| check(other).map_or(0, |checked| checked.rows);
        let taken = others.iter().fold(0, |taken, other| taken | rows(other));
        check_count(others.iter().count())?;
        others.exclude(taken, param, checked.rows)
    }

    /// Removes a parameter.
    pub(crate) fn remove(&mut self, keyword: &str) {
        let kept = |word: &str| !Param::split(word).keyword.eq_ignore_ascii_case(keyword);
        if self.find(keyword).is_some() {
            let mut left = String::with_capacity(self.0.len());
            for (_, word) in words(&self.0).filter(|(_, word)| kept(word)) {
                left.push_str(if left.is_empty() { "" } else { " " });
                left.push_str(word);
            }
            self.0 = left;
        }
    }
}

impl<'a> Params<&'a str> {
    /// Returns the parameters that `text` holds, and how they deviate. Each is given to `check`;
    /// the error comes with its offset.
    pub(crate) fn parse(
        text: &'a str,
        check: impl Fn(Param<&'a str>) -> Result<Checked, Invalid>,
    ) -> Result<(Self, Deviations), (usize, Invalid)> {
        let mut seen = Deviations::empty();
        let mut taken = 0;
        let mut number = 0;
        let mut at = 0;
        while at < text.len() {
            if text.as_bytes()[at] == b' ' {
                seen |= Deviations::EXTRA_SPACE;
                at += 1;
                continue;
            }
            let shifted = |(offset, invalid)| (at + offset, invalid);
            let param = Param::first(&text[at..]).map_err(shifted)?;
            let Checked { rows, deviations } = check(param).map_err(|invalid| (at, invalid))?;
            let added =
                check_count(number).and_then(|()| Params(&text[..at]).exclude(taken, param, rows));
            added.map_err(|invalid| (at, invalid))?;
            seen |= deviations;
            taken |= rows;
            number += 1;
            at += param.wire_length() + 1;
        }
        Ok((Params(text), seen))
    }

    /// Refuses `param`, which has `rows`, if these parameters, which have the rows `taken`, exclude
    /// it. If it has none, its keyword is compared with theirs.
    #[inline]
    fn exclude(self, taken: u64, param: Param<&str>, rows: u64) -> Result<(), Invalid> {
        if taken & rows != 0 || (rows == 0 && self.find(param.keyword).is_some()) {
            return Err(Invalid::new(Field::ParameterKeyword, Flaw::Repeated));
        }
        Ok(())
    }
}

/// The result of the check of a parameter.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Checked {
    /// Its row in the table of its verb, and the rows that it excludes, as bits; 0 if it has none.
    pub(crate) rows: u64,
    /// How its value deviates from the grammar.
    pub(crate) deviations: Deviations,
}

impl<S: AsRef<str>> PartialEq for Params<S> {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str() || self.words().eq(other.words())
    }
}

impl<S: AsRef<str>> Eq for Params<S> {}

impl<S: AsRef<str>> Hash for Params<S> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.words().for_each(|word| word.hash(state));
    }
}

impl<S: AsRef<str>> fmt::Display for Params<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.words().enumerate().try_for_each(|(number, word)| {
            f.write_str(if number == 0 { "" } else { " " })?;
            f.write_str(word)
        })
    }
}

/// Returns the words between the spaces, and where they begin.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    iter::from_fn(move || {
        loop {
            let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
            let start = at;
            let end = memchr::memchr(b' ', rest.as_bytes()).unwrap_or(rest.len());
            at += end + 1;
            if end > 0 {
                return Some((start, &rest[..end]));
            }
        }
    })
}
