//! Attributes of a client, which XCLIENT and XFORWARD carry.
use alloc::{borrow::ToOwned, string::String};
use core::{
    fmt,
    hash::{Hash, Hasher},
    iter,
};

use smtp_error::{Field, Flaw, Invalid};

use crate::{Param, Params, Xtext, param::Checked};

/// Attributes of a client, such as its name and address, in the form in which they are sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attributes<S = String>(Params<S>);

impl<S: AsRef<str>> PartialEq for Attributes<S> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<S: AsRef<str>> Eq for Attributes<S> {}

impl<S: AsRef<str>> Hash for Attributes<S> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

/// The value of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "the protocol has these three")]
pub enum Attribute<S = String> {
    /// The value is known.
    Known(Xtext<S>),
    /// The value is not known, and will not be.
    Unavailable,
    /// The value is not known at present.
    TemporarilyUnavailable,
}

impl Attributes {
    /// Adds an attribute: `NAME`, `ADDR`, `PORT`, `PROTO`, `HELO`, `LOGIN` and others, as the
    /// server lists them in its EHLO reply.
    ///
    /// # Errors
    /// Refuses a name that is not valid, and a name that is there already.
    pub fn with<S: AsRef<str>>(mut self, name: &str, value: Attribute<S>) -> Result<Self, Invalid> {
        let value = match value {
            Attribute::Known(xtext) => xtext.as_str().to_owned(),
            Attribute::Unavailable => UNAVAILABLE.to_owned(),
            Attribute::TemporarilyUnavailable => TEMPORARILY_UNAVAILABLE.to_owned(),
        };
        let attribute = Param::new(name.to_owned())?.with(value)?;
        self.0.add(attribute, Self::check)?;
        Ok(self)
    }

    /// Checks an attribute: its value has to be xtext.
    pub(crate) fn check(attribute: Param<&str>) -> Result<Checked, Invalid> {
        let (_, value) = attribute.into_parts();
        let value = value.ok_or_else(|| Invalid::new(Field::ParameterValue, Flaw::Empty))?;
        Ok(Checked { rows: 0, deviations: Xtext::new(value)?.deviations() })
    }
}

impl<'a> Attributes<&'a str> {
    /// Returns the attributes in these parameters, each of which was checked.
    pub(crate) fn from_params(params: Params<&'a str>) -> Self {
        Self(params)
    }

    fn parse(text: &'a str) -> Result<Self, (usize, Invalid)> {
        Params::parse(text, Attributes::check).map(|(params, _)| Self(params))
    }
}

impl<S: AsRef<str>> Attributes<S> {
    /// Returns the attributes as they were given; they are sent with one space between two.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Returns names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Attribute<&str>)> {
        self.0.iter().filter_map(|param| {
            let (name, value) = param.into_parts();
            let value = match value? {
                UNAVAILABLE => Attribute::Unavailable,
                TEMPORARILY_UNAVAILABLE => Attribute::TemporarilyUnavailable,
                text => Attribute::Known(Xtext::new(text).ok()?),
            };
            Some((name, value))
        })
    }

    /// Returns the attributes in groups, each as long as possible within `octets`. An attribute
    /// that is longer is a group by itself.
    pub fn groups(&self, octets: usize) -> impl Iterator<Item = Attributes<&str>> {
        let mut rest = self.as_str();
        iter::from_fn(move || {
            let is_space = |&octet: &u8| octet == b' ';
            // The octet after a group has to be a space, unless the group is the last.
            let end = match rest.as_bytes().get(..octets.saturating_add(1)) {
                None => rest.len(),
                Some(head) => head
                    .iter()
                    .rposition(is_space)
                    .or_else(|| rest.bytes().position(|octet| octet == b' '))
                    .unwrap_or(rest.len()),
            };
            let (group, tail) = rest.split_at(end);
            rest = tail.trim_start_matches(' ');
            Attributes::parse(group).ok().filter(|group| !group.as_str().is_empty())
        })
    }

    /// Returns the attributes as parameters.
    pub(crate) fn params(&self) -> &Params<S> {
        &self.0
    }

    /// Returns the same attributes, borrowed.
    pub fn borrowed(&self) -> Attributes<&str> {
        Attributes(self.0.borrowed())
    }

    /// Returns the same attributes, owned.
    pub fn owned(&self) -> Attributes {
        Attributes(self.0.owned())
    }
}

const UNAVAILABLE: &str = "[UNAVAILABLE]";
const TEMPORARILY_UNAVAILABLE: &str = "[TEMPUNAVAIL]";

impl<S: AsRef<str>> fmt::Display for Attributes<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn groups_are_as_long_as_they_can_be() {
        let attributes = Attributes::parse("A=1 BB=22 C=3 LONG=1234567890 D=4").unwrap();
        for (octets, groups) in [
            (0, &["A=1", "BB=22", "C=3", "LONG=1234567890", "D=4"][..]),
            (8, &["A=1", "BB=22", "C=3", "LONG=1234567890", "D=4"]),
            (9, &["A=1 BB=22", "C=3", "LONG=1234567890", "D=4"]),
            (13, &["A=1 BB=22 C=3", "LONG=1234567890", "D=4"]),
            (15, &["A=1 BB=22 C=3", "LONG=1234567890", "D=4"]),
            (19, &["A=1 BB=22 C=3", "LONG=1234567890 D=4"]),
            (33, &["A=1 BB=22 C=3 LONG=1234567890 D=4"]),
            (usize::MAX, &["A=1 BB=22 C=3 LONG=1234567890 D=4"]),
        ] {
            let cut: Vec<_> =
                attributes.groups(octets).map(|group| group.0.as_str().to_owned()).collect();
            assert_eq!(cut, groups, "{octets}");
        }
        assert_eq!(Attributes::<String>::default().groups(10).count(), 0);
    }
}
