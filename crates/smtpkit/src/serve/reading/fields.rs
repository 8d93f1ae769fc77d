//! The header section: its fields as they are, and their decoded text.

use std::borrow::Cow;

use mail_parser::HeaderValue;
use mail_parser::parsers::MessageStream;

/// A longer field is not decoded.
const LONGEST: usize = 8 * 1024;

/// One header field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field<'a> {
    name: &'a [u8],
    /// What follows the colon, with the line ends of folding and the final one.
    value: &'a [u8],
}

impl<'a> Field<'a> {
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    pub(super) fn name(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.name)
    }

    pub(super) fn len(&self) -> usize {
        self.name.len() + self.value.len() + 1
    }

    /// Returns the value as it is, without the final line end and the spaces around it.
    pub(super) fn raw(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.value.trim_ascii())
    }

    /// Returns the value unfolded, with encoded words decoded.
    pub(super) fn text(&self) -> Cow<'a, str> {
        let Some(line) = self.line() else { return self.raw() };
        match MessageStream::new(&line).parse_unstructured() {
            HeaderValue::Text(text) => Cow::Owned(text.into_owned()),
            _ => Cow::Borrowed(""),
        }
    }

    /// Returns the addresses of a field that has some.
    pub(super) fn addresses(&self) -> Vec<String> {
        let Some(line) = self.line() else { return Vec::new() };
        match MessageStream::new(&line).parse_address() {
            HeaderValue::Address(list) => {
                list.iter().filter_map(|it| Some(it.address()?.to_owned())).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Returns the value with its parameters, of Content-Type or Content-Disposition.
    pub(super) fn parameters(&self) -> Option<Parameters> {
        let line = self.line()?;
        let value = MessageStream::new(&line).parse_content_type();
        let value = value.as_content_type()?;
        let parameter = |name| value.attribute(name).map(str::to_owned);
        Some(Parameters {
            main: value.ctype().trim().to_ascii_lowercase(),
            sub: value.subtype().unwrap_or_default().trim().to_ascii_lowercase(),
            boundary: parameter("boundary"),
            charset: parameter("charset"),
            name: parameter("filename").or_else(|| parameter("name")),
        })
    }

    /// Returns the value with one line end after it, which the parser needs, if it is not too long.
    fn line(&self) -> Option<Vec<u8>> {
        (self.value.len() <= LONGEST).then(|| [self.value.trim_ascii(), b"\r\n"].concat())
    }
}

/// `main/sub; boundary=...; charset=...; name=...`, or a disposition.
#[derive(Debug)]
pub(super) struct Parameters {
    pub(super) main: String,
    pub(super) sub: String,
    pub(super) boundary: Option<String>,
    pub(super) charset: Option<String>,
    pub(super) name: Option<String>,
}

/// Returns the fields of an entity, and its body. The header section ends with an empty line, or
/// with the first line that is neither a field nor the continuation of one.
pub(super) fn split(entity: &[u8]) -> (Fields<'_>, &[u8]) {
    let mut at = 0;
    let mut has_field = false;
    while at < entity.len() {
        let line = line(&entity[at..]);
        if line.trim_ascii_end().is_empty() && !is_continuation(line, has_field) {
            return (Fields { rest: &entity[..at] }, &entity[at + line.len()..]);
        }
        if !is_continuation(line, has_field) {
            if name_length(line).is_none() {
                break;
            }
            has_field = true;
        }
        at += line.len();
    }
    (Fields { rest: &entity[..at] }, &entity[at..])
}

/// The fields of a header section.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        let mut end = line(self.rest).len();
        while is_continuation(line(&self.rest[end..]), true) {
            end += line(&self.rest[end..]).len();
        }
        let (field, rest) = self.rest.split_at(end);
        self.rest = rest;
        let length = name_length(field)?;
        Some(Field { name: field[..length].trim_ascii_end(), value: &field[length + 1..] })
    }
}

/// Returns the first line, with its end.
pub(super) fn line(octets: &[u8]) -> &[u8] {
    let end = octets.iter().position(|&octet| octet == b'\n');
    &octets[..end.map_or(octets.len(), |at| at + 1)]
}

/// A line of only spaces belongs to a field too if it is not the empty line.
fn is_continuation(line: &[u8], has_field: bool) -> bool {
    has_field && matches!(line.first(), Some(b' ' | b'\t'))
}

/// Returns the octets before the colon, if the line begins with a name.
fn name_length(line: &[u8]) -> Option<usize> {
    let colon = line.iter().take(1_000).position(|&octet| octet == b':')?;
    let name = line[..colon].trim_ascii_end();
    (!name.is_empty() && name.iter().all(u8::is_ascii_graphic)).then_some(colon)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content: &str, expected: &[(&str, &str)], body: &str) {
        let (fields, rest) = split(content.as_bytes());
        let fields: Vec<_> =
            fields.map(|it| (it.name().into_owned(), it.text().into_owned())).collect();
        let fields: Vec<_> = fields.iter().map(|(name, text)| (&**name, &**text)).collect();
        assert_eq!(fields, expected);
        assert_eq!(rest, body.as_bytes());
    }

    #[test]
    fn header_sections() {
        check("A: b\r\nC: d\r\n e\r\n\r\nbody", &[("A", "b"), ("C", "d e")], "body");
        check("A: b\nC : d\n\nbody", &[("A", "b"), ("C", "d")], "body");
        check("A: =?utf-8?b?w6Q=?= =?utf-8?q?=C3=B6?= x\r\n\r\n", &[("A", "äö x")], "");
        check("A:\r\n\r\n", &[("A", "")], "");
        check("A: b", &[("A", "b")], "");
        check("", &[], "");
        check("\r\nA: b\r\n", &[], "A: b\r\n");
        // Text without a header section, and a line that is not a field.
        check("Dear Bob,\r\n\r\nhello", &[], "Dear Bob,\r\n\r\nhello");
        check("A: b\r\nno field\r\nC: d", &[("A", "b")], "no field\r\nC: d");
        check(" A: b\r\n", &[], " A: b\r\n");
    }
}
