//! LIMITS: limits on transactions and recipients (RFC 9422).
use core::fmt;

use smtp_error::{Field, Flaw, Invalid};

use crate::{Capability, capabilities::decimal};

/// A limit that these crates know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// MAILMAX: mail transactions in one session.
    Mail,
    /// RCPTMAX: recipients of one mail transaction.
    Rcpt,
    /// RCPTDOMAINMAX: different domains of recipients in one session.
    RcptDomain,
}

impl Limit {
    const ALL: [Self; 3] = [Self::Mail, Self::Rcpt, Self::RcptDomain];

    /// Returns the name of the limit.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mail => "MAILMAX",
            Self::Rcpt => "RCPTMAX",
            Self::RcptDomain => "RCPTDOMAINMAX",
        }
    }
}

/// The limits that a server states. They may be lower than the minimums that RFC 5321, 4.5.3.1
/// requires of every server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Limits([Option<u32>; Limit::ALL.len()]);

impl Limits {
    /// The largest number that a limit can have.
    pub const MAX: u32 = 999_999;

    /// Returns the same limits with `limit` set to `number`.
    ///
    /// # Errors
    /// The number is not from 1 to [`MAX`](Self::MAX).
    pub fn set(mut self, limit: Limit, number: u32) -> Result<Self, Invalid> {
        if !(1..=Self::MAX).contains(&number) {
            let flaw = Flaw::OutOfRange { least: 1, most: Self::MAX.into() };
            return Err(Invalid::new(Field::Capability, flaw));
        }
        self.0[limit as usize] = Some(number);
        Ok(self)
    }

    /// Returns how many mail transactions one session may have; `None` if no limit is stated.
    pub fn mail_max(self) -> Option<u32> {
        self.0[Limit::Mail as usize]
    }

    /// Returns how many recipients one mail transaction may have; `None` if no limit is stated.
    pub fn rcpt_max(self) -> Option<u32> {
        self.0[Limit::Rcpt as usize]
    }

    /// Returns how many different domains the recipients of one session may have; `None` if no limit
    /// is stated.
    pub fn rcpt_domain_max(self) -> Option<u32> {
        self.0[Limit::RcptDomain as usize]
    }

    /// Parses the limits of a line.
    ///
    /// A parameter that violates the grammar makes the whole line invalid; a value that is not valid
    /// affects its limit only. If a limit occurs twice, the lower value applies.
    pub(crate) fn parse(line: Capability<'_>) -> Self {
        let mut limits = Self::default();
        if !line.params().all(|param| split(param).is_some()) {
            return limits;
        }
        for (limit, number) in line.params().filter_map(known) {
            let stated = &mut limits.0[limit as usize];
            *stated = number.into_iter().chain(*stated).min();
        }
        limits
    }
}

impl fmt::Display for Limits {
    /// Writes the limits as the parameters of the keyword, a space before each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for limit in Limit::ALL {
            if let Some(number) = self.0[limit as usize] {
                write!(f, " {}={number}", limit.name())?;
            }
        }
        Ok(())
    }
}

/// Returns whether this is a valid limit, or an unknown one.
pub(crate) fn is_valid(param: &[u8]) -> bool {
    split(param).is_some() && known(param).is_none_or(|(_, number)| number.is_some())
}

/// Returns the limit if it is a known one, and its number if that is valid.
fn known(param: &[u8]) -> Option<(Limit, Option<u32>)> {
    let (name, value) = split(param)?;
    let named = |limit: &Limit| limit.name().as_bytes().eq_ignore_ascii_case(name);
    let limit = Limit::ALL.into_iter().find(named)?;
    Some((limit, value.and_then(number)))
}

/// Splits a limit into its name and its value; `None` if it violates the grammar.
fn split(param: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let end = param.iter().position(|&octet| octet == b'=');
    let (name, value) = param.split_at(end.unwrap_or(param.len()));
    let in_name = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    let valid = !name.is_empty() && name.iter().all(in_name);
    let value = match value {
        [] => None,
        [_] => return None,
        [_, value @ ..] => Some(value),
    };
    let in_value = |octet: &u8| matches!(octet, b'!'..=b':' | b'<'..=b'~');
    (valid && value.is_none_or(|value| value.iter().all(in_value))).then_some((name, value))
}

/// Parses one to six digits without a leading zero.
fn number(digits: &[u8]) -> Option<u32> {
    let valid = digits.len() <= 6 && !digits.starts_with(b"0");
    let number = Some(digits).filter(|_| valid).and_then(decimal)?;
    u32::try_from(number).ok()
}
