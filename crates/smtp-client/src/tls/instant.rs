//! Instants: the times of certificates, displayed as dates.
use std::fmt;

use rustls::pki_types::UnixTime;

/// A time in seconds since 1970-01-01 00:00:00 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instant(u64);

/// The duration between two instants, displayed in the largest unit of which it has at least two.
pub(super) struct Span(u64);

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

impl Instant {
    /// Returns the duration from an earlier instant to this one.
    pub(super) fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }

    /// Returns year, month and day in the Gregorian calendar.
    fn date(self) -> (u64, u64, u64) {
        // Days since 0000-03-01, so that a leap day is the last of its year.
        let days = self.0 / DAY + 719_468;
        let (era, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        (year + era * 400 + next, month, day)
    }
}

impl From<UnixTime> for Instant {
    fn from(time: UnixTime) -> Self {
        Self(time.as_secs())
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        let time = self.0 % DAY;
        let (hour, minute, second) = (time / HOUR, time % HOUR / MINUTE, time % MINUTE);
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(DAY, "days"), (HOUR, "hours"), (MINUTE, "minutes")];
        match units.into_iter().find(|(unit, _)| self.0 >= 2 * unit) {
            Some((unit, name)) => write!(f, "{} {name}", self.0 / unit),
            None => write!(f, "{} seconds", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_displayed_as_dates() {
        for (seconds, date) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (951_868_800, "2000-03-01 00:00:00 UTC"),
            (1_709_164_800, "2024-02-29 00:00:00 UTC"),
            (1_735_689_599, "2024-12-31 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
            (253_402_300_799, "9999-12-31 23:59:59 UTC"),
        ] {
            assert_eq!(Instant(seconds).to_string(), date);
        }
    }

    #[test]
    fn spans_are_displayed_in_one_unit() {
        for (seconds, span) in [
            (0, "0 seconds"),
            (119, "119 seconds"),
            (120, "2 minutes"),
            (2 * HOUR, "2 hours"),
            (2 * DAY - 1, "47 hours"),
            (40 * DAY + 1, "40 days"),
        ] {
            assert_eq!(Span(seconds).to_string(), span);
        }
    }
}
