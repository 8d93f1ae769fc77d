//! Octets in double quotes, as in `[raw "..."]` and in reports.

use std::fmt;

/// Shows octets between double quotes, with everything escaped that is not printable ASCII.
pub(crate) struct Escaped<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", Unquoted(self.0))
    }
}

/// The same as `Display`.
impl fmt::Debug for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Shows octets escaped, without quotes around them.
pub(crate) struct Unquoted<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Unquoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &octet in self.0 {
            match octet {
                b'\r' => f.write_str("\\r")?,
                b'\n' => f.write_str("\\n")?,
                b'\t' => f.write_str("\\t")?,
                b'\0' => f.write_str("\\0")?,
                b'\\' => f.write_str("\\\\")?,
                b'"' => f.write_str("\\\"")?,
                b' '..=b'~' => write!(f, "{}", char::from(octet))?,
                _ => write!(f, "\\x{octet:02X}")?,
            }
        }
        Ok(())
    }
}

/// Reverses [`Unquoted`]; the error is the invalid escape.
pub(crate) fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(char) = rest.next() {
        if char != '\\' {
            octets.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let octet = match rest.next() {
            Some('r') => b'\r',
            Some('n') => b'\n',
            Some('t') => b'\t',
            Some('0') => b'\0',
            Some('\\') => b'\\',
            Some('"') => b'"',
            Some('x') => {
                let digits: String = rest.by_ref().take(2).collect();
                match digits.chars().all(|digit| digit.is_ascii_hexdigit()) && digits.len() == 2 {
                    true => u8::from_str_radix(&digits, 16).map_err(|_| format!("\\x{digits}"))?,
                    false => return Err(format!("\\x{digits}")),
                }
            }
            Some(other) => return Err(format!("\\{other}")),
            None => return Err("\\".to_owned()),
        };
        octets.push(octet);
    }
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_can_be_unescaped_again() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(unescape(&Unquoted(&all).to_string()), Ok(all));
    }

    #[test]
    fn an_invalid_escape_is_returned() {
        assert_eq!(unescape("a\\q"), Err("\\q".to_owned()));
        assert_eq!(unescape("a\\"), Err("\\".to_owned()));
        assert_eq!(unescape("\\x1"), Err("\\x1".to_owned()));
        assert_eq!(unescape("\\x+1"), Err("\\x+1".to_owned()));
    }

    #[test]
    fn escaped_octets_are_quoted() {
        assert_eq!(Escaped(b"say \"\xFF\"\r\n").to_string(), r#""say \"\xFF\"\r\n""#);
    }
}
