//! The forms of values that several parameters and commands share.
use smtp_error::Flaw;

/// The flaw of a value that its parameter cannot have.
pub(crate) const NO_VALUE: Flaw = Flaw::Syntax { offset: 0 };

/// Returns whether the text is `word`, which is in upper case. Nearly every peer sends upper case,
/// and an exact comparison takes less time.
pub(crate) fn is_word(text: impl AsRef<[u8]>, word: &str) -> bool {
    let (text, word) = (text.as_ref(), word.as_bytes());
    text == word || text.eq_ignore_ascii_case(word)
}

/// Returns the value if it has at most `limit` octets.
pub(crate) fn up_to(limit: usize, text: &str) -> Result<&str, Flaw> {
    match text.len() {
        length if length > limit => Err(Flaw::TooLong { length, limit }),
        _ => Ok(text),
    }
}

/// Returns the value if it consists of 1 to `limit` digits.
fn digits(limit: usize, text: &str) -> Result<&str, Flaw> {
    match text.bytes().all(|octet| octet.is_ascii_digit()) {
        true if !text.is_empty() => up_to(limit, text),
        _ => Err(NO_VALUE),
    }
}

/// Parses a time in seconds, of one to nine digits.
pub(crate) fn seconds(text: &str) -> Result<u32, Flaw> {
    digits(9, text)?.parse().map_err(|_| NO_VALUE)
}

/// Parses a size in octets, of one to twenty digits. A number above `u64::MAX` becomes `u64::MAX`,
/// so that a comparison with a limit gives the right result.
pub(crate) fn size(text: &str) -> Result<u64, Flaw> {
    let mut size = 0_u64;
    for octet in text.bytes() {
        if !octet.is_ascii_digit() {
            return Err(NO_VALUE);
        }
        size = size.saturating_mul(10).saturating_add(u64::from(octet - b'0'));
    }
    if text.is_empty() { Err(NO_VALUE) } else { up_to(20, text).map(|_| size) }
}

/// Returns the decimal digits of a number in ASCII.
pub(crate) fn decimal(mut number: u64) -> impl Iterator<Item = u8> {
    let mut unit = number.checked_ilog10().map_or(1, |digits| 10_u64.pow(digits));
    core::iter::from_fn(move || {
        let digit = number.checked_div(unit)?;
        number %= unit;
        unit /= 10;
        // The quotient is below 10.
        Some(b'0' + digit as u8)
    })
}

/// Returns the value if it is a date and time of RFC 3339, in form and range. Whether the month has
/// such a day is not checked.
pub(crate) fn date_time(text: &str) -> Result<&str, Flaw> {
    if is_date_time(text) { Ok(text) } else { Err(NO_VALUE) }
}

fn is_date_time(text: &str) -> bool {
    let Some((date_time, rest)) = text.split_at_checked(19) else { return false };
    let in_range = |from: usize, low: u32, high: u32| {
        let part = date_time.get(from..from + 2);
        let part = part.filter(|part| part.bytes().all(|octet| octet.is_ascii_digit()));
        part.and_then(|part| part.parse().ok()).is_some_and(|part| (low..=high).contains(&part))
    };
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    let marked = |&(at, mark): &(usize, u8)| date_time.as_bytes()[at].eq_ignore_ascii_case(&mark);
    marks.iter().all(marked)
        && in_range(0, 0, 99)
        && in_range(2, 0, 99)
        && in_range(5, 1, 12)
        && in_range(8, 1, 31)
        && in_range(11, 0, 23)
        && in_range(14, 0, 59)
        && in_range(17, 0, 60)
        && is_offset(match rest.strip_prefix('.') {
            Some(fraction) => {
                let end = fraction.find(|digit: char| !digit.is_ascii_digit());
                match end {
                    Some(end) if end > 0 => &fraction[end..],
                    _ => return false,
                }
            }
            None => rest,
        })
}

/// Returns whether the text is `Z` or an offset from UTC.
fn is_offset(text: &str) -> bool {
    let number = |digits: &[u8], high: u8| {
        digits.iter().all(u8::is_ascii_digit)
            && (digits[0] - b'0') * 10 + (digits[1] - b'0') <= high
    };
    match text.as_bytes() {
        [b'Z' | b'z'] => true,
        [b'+' | b'-', h1, h2, b':', m1, m2] => number(&[*h1, *h2], 23) && number(&[*m1, *m2], 59),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_checked_in_form_and_range() {
        for good in
            ["2026-11-23T09:30:00Z", "2026-11-23t09:30:60.25+01:30", "0000-01-01T00:00:00-23:59"]
        {
            assert!(is_date_time(good), "{good}");
        }
        for bad in [
            "",
            "2026-11-23",
            "2026-13-23T09:30:00Z",
            "2026-11-00T09:30:00Z",
            "2026-11-23T24:30:00Z",
            "2026-11-23T09:60:00Z",
            "2026-11-23 09:30:00Z",
            "2026-11-23T09:30:00",
            "2026-11-23T09:30:00.Z",
            "2026-11-23T09:30:00+24:00",
            "2026-11-23T09:30:00+1:00",
            "+026-11-23T09:30:00Z",
            "äää6-11-23T09:30:0",
        ] {
            assert!(!is_date_time(bad), "{bad}");
        }
    }
}
