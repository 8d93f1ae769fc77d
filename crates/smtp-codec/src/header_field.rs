//! Header fields of mail data that is in memory (RFC 5322, 2.2).
use smtp_error::HeaderDefect;

/// A header field: its name, and all of its lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderField<'a> {
    lines: &'a [u8],
    /// The length of the name, and the offset of the value.
    name: usize,
    value: usize,
}

impl<'a> HeaderField<'a> {
    /// Returns the fields of the header section, which ends before the first empty line, in order.
    /// A line that is neither a field nor the continuation of one is a field with an empty name, so
    /// that the lines of all fields make the header section.
    ///
    /// ```
    /// use smtp_codec::HeaderField;
    ///
    /// let mut fields = HeaderField::all(b"To: a@example.org,\r\n b@example.org\r\n\r\nBody\r\n");
    /// let to = fields.next().unwrap();
    /// assert_eq!(to.name(), b"To");
    /// assert_eq!(to.value(), b" a@example.org,\r\n b@example.org\r\n");
    /// assert_eq!(fields.next(), None);
    /// ```
    pub fn all(mail_data: &'a [u8]) -> impl Iterator<Item = Self> {
        let mut rest = mail_data;
        core::iter::from_fn(move || {
            if matches!(rest, [] | [b'\n', ..] | [b'\r', b'\n', ..]) {
                return None;
            }
            let mut end = end_of_line(rest, 0);
            while matches!(rest.get(end), Some(b' ' | b'\t')) {
                end = end_of_line(rest, end);
            }
            let (lines, after) = rest.split_at(end);
            rest = after;
            Some(Self::of_lines(lines))
        })
    }

    fn of_lines(lines: &'a [u8]) -> Self {
        match name_and_colon(lines) {
            Some((name, colon)) => Self { lines, name, value: colon + 1 },
            None => Self { lines, name: 0, value: 0 },
        }
    }

    /// Returns the name, which may be empty.
    pub fn name(self) -> &'a [u8] {
        &self.lines[..self.name]
    }

    /// Returns what follows the colon, with the line end of each line.
    pub fn value(self) -> &'a [u8] {
        &self.lines[self.value..]
    }

    /// Returns all of the field, with the line end of each line.
    pub fn lines(self) -> &'a [u8] {
        self.lines
    }

    /// Returns whether it is Bcc or Resent-Bcc.
    pub fn is_bcc(self) -> bool {
        bcc(self.name()).is_some()
    }
}

/// Returns the offset after the line that `at` is in.
fn end_of_line(octets: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', &octets[at..]).map_or(octets.len(), |lf| at + lf + 1)
}

/// Returns the length of the name that a line begins with, and the offset of the colon. Blanks may
/// stand between them in old messages (RFC 5322, 4.5.8).
fn name_and_colon(line: &[u8]) -> Option<(usize, usize)> {
    let name = line.iter().position(|octet| !is_name(*octet))?;
    let blanks = line[name..].iter().position(|octet| !matches!(octet, b' ' | b'\t'))?;
    (name > 0 && line[name + blanks] == b':').then_some((name, name + blanks))
}

/// Returns whether it is an octet of the name of a field.
pub(crate) fn is_name(octet: u8) -> bool {
    octet.is_ascii_graphic() && octet != b':'
}

/// Returns the defect that a field of this name is, if it has a value.
pub(crate) fn bcc(name: &[u8]) -> Option<HeaderDefect> {
    match name {
        name if name.eq_ignore_ascii_case(b"Bcc") => Some(HeaderDefect::Bcc),
        name if name.eq_ignore_ascii_case(b"Resent-Bcc") => Some(HeaderDefect::ResentBcc),
        _ => None,
    }
}

/// Returns the defect of the header section of this mail data. It looks at the first octet of most
/// lines only, because every message that is sent passes here.
pub(crate) fn defect(mail_data: &[u8]) -> Option<HeaderDefect> {
    let mut at = 0;
    loop {
        match mail_data.get(at..).unwrap_or_default() {
            [] | [b'\n', ..] | [b'\r', b'\n', ..] => break,
            rest @ [b'B' | b'b' | b'R' | b'r', ..] => {
                if let Some(field) = HeaderField::all(rest).next()
                    && let Some(defect) = bcc(field.name())
                    && !field.value().trim_ascii().is_empty()
                {
                    return Some(defect);
                }
            }
            _ => {}
        }
        at = end_of_line(mail_data, at);
    }
    name_and_colon(mail_data).is_none().then_some(HeaderDefect::Missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HeaderScanner;

    /// The defect is the same in the whole mail data and in pieces of every size.
    #[track_caller]
    fn check(mail_data: &str, expected: Option<HeaderDefect>) {
        let octets = mail_data.as_bytes();
        assert_eq!(defect(octets), expected, "{mail_data:?}");
        for size in 1..=octets.len() {
            let mut scanner = HeaderScanner::new();
            octets.chunks(size).for_each(|piece| scanner.scan(piece));
            scanner.end();
            assert_eq!(scanner.header_defect(), expected, "{mail_data:?} in pieces of {size}");
        }
    }

    #[test]
    fn bcc_with_a_value_is_a_defect() {
        for (mail_data, expected) in [
            ("To: a@example.org\r\nBcc: b@example.org\r\n\r\n", HeaderDefect::Bcc),
            ("bCC:b@example.org\r\n\r\nHello.\r\n", HeaderDefect::Bcc),
            ("Bcc \t: b@example.org\r\n\r\n", HeaderDefect::Bcc),
            ("To: a@example.org\r\nBcc:\r\n b@example.org\r\n\r\n", HeaderDefect::Bcc),
            ("To: a@example.org\nBcc: b@example.org\n\nHello.\n", HeaderDefect::Bcc),
            ("Resent-Bcc: b@example.org\r\nBcc: c@example.org\r\n", HeaderDefect::ResentBcc),
            ("To: a@example.org\r\nRESENT-BCC: x", HeaderDefect::ResentBcc),
        ] {
            check(mail_data, Some(expected));
        }
    }

    #[test]
    fn mail_data_whose_first_line_is_no_field_has_no_header_section() {
        for mail_data in [
            "Hello.\r\n",
            "Hello.",
            "\r\nHello.\r\n",
            "Dear Bob: hello\r\n",
            " To: a\r\n",
            ": a\r\n",
            "caf\u{e9}: a",
        ] {
            check(mail_data, Some(HeaderDefect::Missing));
        }
        assert_eq!(defect(b""), Some(HeaderDefect::Missing));
        let mut empty = HeaderScanner::new();
        empty.end();
        assert_eq!(empty.header_defect(), Some(HeaderDefect::Missing));
    }

    #[test]
    fn what_only_resembles_a_defect_is_none() {
        for mail_data in [
            "To: a@example.org\r\nBcc:\r\n\r\nHello.\r\n",
            "Bcc: \t\r\n \r\nTo: a@example.org\r\n",
            "Subject: a\r\n Bcc: b@example.org\r\n\r\n",
            "Subject: a\r\n\r\nBcc: b@example.org\r\n",
            "Subject: a\r\nBcc-Note: b\r\nXBcc: c\r\nBcc d: e\r\n\r\n",
            "Subject: a\r\n\r\n",
            "Subject:",
        ] {
            check(mail_data, None);
        }
    }

    #[test]
    fn the_lines_of_all_fields_are_the_header_section() {
        let mail_data = b"a: 1\r\n 2\r\nno field\r\nb : 3\r\n\r\nc: 4\r\n";
        let fields: alloc::vec::Vec<_> = HeaderField::all(mail_data).collect();
        let names: alloc::vec::Vec<_> = fields.iter().map(|field| field.name()).collect();
        assert_eq!(names, [&b"a"[..], b"", b"b"]);
        assert_eq!(fields[2].value(), b" 3\r\n");
        let lines = fields.iter().flat_map(|field| field.lines()).copied();
        assert!(lines.eq(*b"a: 1\r\n 2\r\nno field\r\nb : 3\r\n"));
    }
}
