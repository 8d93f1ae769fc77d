//! FUTURERELEASE: the limits for holding a message back (RFC 4865).
use smtp_codec::{MailParam, Param};
use smtp_error::{Field, Flaw, Invalid};

use crate::{Capability, capabilities::decimal};

/// How far in the future a message may be released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FutureRelease<'a> {
    max_interval: u32,
    max_date_time: &'a str,
}

impl<'a> FutureRelease<'a> {
    /// Returns the limits: the longest interval in seconds, and the latest date and time as RFC 3339
    /// has it, in UTC.
    ///
    /// # Errors
    /// The interval has more than nine digits, or the other argument is not a date and time that
    /// ends with `Z`.
    pub fn new(max_interval: u32, max_date_time: &'a str) -> Result<Self, Invalid> {
        if max_interval > MAX_SECONDS {
            let flaw = Flaw::OutOfRange { least: 0, most: MAX_SECONDS.into() };
            return Err(Invalid::new(Field::Capability, flaw));
        }
        let length = max_date_time.len();
        if length > MAX_DATE_TIME {
            let flaw = Flaw::TooLong { length, limit: MAX_DATE_TIME };
            return Err(Invalid::new(Field::Capability, flaw));
        }
        match is_utc(max_date_time) {
            true => Ok(Self { max_interval, max_date_time }),
            false => Err(Invalid::new(Field::Capability, Flaw::Syntax { offset: 0 })),
        }
    }

    /// Returns the longest time that HOLDFOR may ask for, in seconds.
    pub fn max_interval(self) -> u32 {
        self.max_interval
    }

    /// Returns the latest date and time that HOLDUNTIL may ask for.
    pub fn max_date_time(self) -> &'a str {
        self.max_date_time
    }

    /// Returns whether this date and time is later than the latest that the server accepts.
    ///
    /// A date and time with another offset than UTC is not compared, because that takes a calendar;
    /// the server checks it.
    pub(crate) fn is_before(self, date_time: &str) -> bool {
        let limit = self.max_date_time.as_bytes().get(..WHOLE_SECONDS);
        let asked = date_time.as_bytes().get(..WHOLE_SECONDS);
        is_utc(date_time)
            && asked.map(<[u8]>::to_ascii_uppercase) > limit.map(<[u8]>::to_ascii_uppercase)
    }

    /// Parses a line: it must have exactly two parameters, both valid.
    pub(crate) fn parse(line: Capability<'a>) -> Option<Self> {
        let mut params = line.params();
        let (interval, date_time) = (params.next()?, params.next()?);
        if params.next().is_some() {
            return None;
        }
        Self::new(seconds(interval)?, str::from_utf8(date_time).ok()?).ok()
    }
}

/// The largest number of nine digits.
pub(crate) const MAX_SECONDS: u32 = 999_999_999;

/// The most octets of a date and time: a bound on fractions of a second.
const MAX_DATE_TIME: usize = 40;

/// The length of a date and time in UTC up to its seconds, in octets. Texts of this length have the
/// order of the times.
const WHOLE_SECONDS: usize = 19;

/// Parses one to nine digits.
pub(crate) fn seconds(digits: &[u8]) -> Option<u32> {
    let number = Some(digits).filter(|digits| digits.len() <= 9).and_then(decimal)?;
    u32::try_from(number).ok()
}

/// Returns whether this is a date and time of HOLDUNTIL in UTC.
fn is_utc(text: &str) -> bool {
    let param = Param::new("HOLDUNTIL").and_then(|param| param.with(text));
    text.len() <= MAX_DATE_TIME
        && text.ends_with(['Z', 'z'])
        && param.and_then(MailParam::parse).is_ok_and(|param| {
            // Only the syntax is checked here.
            matches!(param, MailParam::HoldUntil(_))
        })
}
