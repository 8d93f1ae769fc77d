//! The MIME structure of a content: its parts, and their decoded octets and text.
//!
//! A part that is a message is one part; what is in it is not looked at.

use std::borrow::Cow;

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;

use super::fields::{self, Field, Parameters};

/// More parts are not looked at.
const MOST: usize = 1_000;
/// More octets of a text are not decoded.
const LONGEST_TEXT: usize = 4 << 20;
/// A multipart nested deeper is one part.
const DEEPEST: usize = 32;

/// A part that is no multipart.
#[derive(Debug)]
pub(super) struct Part<'a> {
    body: &'a [u8],
    kind: Option<Parameters>,
    disposition: Option<Parameters>,
    encoding: Encoding,
    content_id: Option<String>,
    in_alternative: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Identity,
    Base64,
    QuotedPrintable,
}

/// What a part is for the reader of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Text,
    Html,
    Attachment,
}

/// Returns the parts in the order in which they are sent.
pub(super) fn parts(content: &[u8]) -> Vec<Part<'_>> {
    let mut found = Vec::new();
    collect(content, Place { depth: 0, in_alternative: false }, &mut found);
    found
}

#[derive(Clone, Copy)]
struct Place {
    depth: usize,
    in_alternative: bool,
}

fn collect<'a>(entity: &'a [u8], place: Place, found: &mut Vec<Part<'a>>) {
    if found.len() >= MOST {
        return;
    }
    let (fields, body) = fields::split(entity);
    let mut part = Part::new(body, place.in_alternative);
    // The first of several fields with one name counts.
    for field in fields.take(MOST) {
        part.read(&field);
    }
    let boundary = part.kind.as_ref().filter(|kind| kind.main == "multipart");
    let boundary = boundary.and_then(|kind| kind.boundary.as_deref());
    if let Some(boundary) = boundary.filter(|it| !it.is_empty() && place.depth < DEEPEST) {
        let is_alternative = part.kind.as_ref().is_some_and(|kind| kind.sub == "alternative");
        let inner = Place {
            depth: place.depth + 1,
            in_alternative: place.in_alternative || is_alternative,
        };
        let before = found.len();
        for entity in Entities::new(body, boundary.as_bytes()) {
            collect(entity, inner, found);
        }
        if found.len() > before {
            return;
        }
    }
    found.push(part);
}

impl<'a> Part<'a> {
    fn new(body: &'a [u8], in_alternative: bool) -> Self {
        Self {
            body,
            kind: None,
            disposition: None,
            encoding: Encoding::Identity,
            content_id: None,
            in_alternative,
        }
    }

    fn read(&mut self, field: &Field<'a>) {
        if field.is("Content-Type") && self.kind.is_none() {
            self.kind = field.parameters();
        } else if field.is("Content-Disposition") && self.disposition.is_none() {
            self.disposition = field.parameters();
        } else if field.is("Content-Transfer-Encoding") {
            let name = field.raw();
            if name.eq_ignore_ascii_case("base64") {
                self.encoding = Encoding::Base64;
            } else if name.eq_ignore_ascii_case("quoted-printable") {
                self.encoding = Encoding::QuotedPrintable;
            }
        } else if field.is("Content-ID") && self.content_id.is_none() {
            let id = field.raw();
            let id = id.strip_prefix('<').and_then(|id| id.strip_suffix('>')).unwrap_or(&id);
            self.content_id = Some(id.to_owned());
        }
    }

    pub(super) fn role(&self) -> Role {
        let is_attachment = self.disposition.as_ref().is_some_and(|it| it.main == "attachment");
        let has_name = self.declared_name().is_some();
        match &self.kind {
            _ if is_attachment => Role::Attachment,
            None if has_name => Role::Attachment,
            None => Role::Text,
            Some(kind) if kind.main == "text" => match kind.sub.as_str() {
                "html" if self.in_alternative || !has_name => Role::Html,
                "plain" if !has_name => Role::Text,
                _ => Role::Attachment,
            },
            // A multipart without parts; what there is, is shown.
            Some(kind) if kind.main == "multipart" && !has_name => Role::Text,
            Some(_) => Role::Attachment,
        }
    }

    /// Returns the type, as `main/sub`; only letters, digits and a few marks.
    pub(super) fn media_type(&self) -> String {
        let is_token = |text: &str| {
            let allowed = |octet: u8| octet.is_ascii_alphanumeric() || b"-+._".contains(&octet);
            (1..=64).contains(&text.len()) && text.bytes().all(allowed)
        };
        match &self.kind {
            None => "text/plain".to_owned(),
            Some(kind) if is_token(&kind.main) && is_token(&kind.sub) => {
                format!("{}/{}", kind.main, kind.sub)
            }
            Some(_) => "application/octet-stream".to_owned(),
        }
    }

    /// Returns the name as the sender gave it, which may be anything.
    pub(super) fn declared_name(&self) -> Option<&str> {
        self.disposition
            .as_ref()
            .and_then(|it| it.name.as_deref())
            .or_else(|| self.kind.as_ref().and_then(|it| it.name.as_deref()))
    }

    pub(super) fn content_id(&self) -> Option<&str> {
        self.content_id.as_deref()
    }

    /// Returns the decoded octets; those that were sent, if they cannot be decoded.
    pub(super) fn octets(&self) -> Cow<'a, [u8]> {
        let decoded = match self.encoding {
            Encoding::Identity => None,
            Encoding::Base64 => base64_decode(self.body),
            Encoding::QuotedPrintable => quoted_printable_decode(self.body),
        };
        decoded.map_or(Cow::Borrowed(self.body), Cow::Owned)
    }

    /// Returns the decoded text. Without a charset it is UTF-8 if it can be, otherwise windows-1252.
    pub(super) fn text(&self) -> String {
        let octets = self.octets();
        let octets = beginning(&octets);
        let charset = self.kind.as_ref().and_then(|kind| kind.charset.as_deref());
        let charset = charset.map(str::trim).filter(|name| !name.is_empty());
        let is_unicode = |name: &str| {
            name.eq_ignore_ascii_case("utf-8") || name.eq_ignore_ascii_case("us-ascii")
        };
        if charset.is_none_or(is_unicode)
            && let Ok(text) = std::str::from_utf8(octets)
        {
            return text.to_owned();
        }
        let decoder = charset.filter(|name| !name.eq_ignore_ascii_case("us-ascii"));
        let decoder = charset_decoder(decoder.unwrap_or("windows-1252").as_bytes());
        decoder
            .map_or_else(|| String::from_utf8_lossy(octets).into_owned(), |decode| decode(octets))
    }
}

/// Returns what is decoded of a text, without a part of a character of UTF-8 at the end.
fn beginning(octets: &[u8]) -> &[u8] {
    let is_inside = |at: usize| octets.get(at).is_some_and(|octet| octet & 0xc0 == 0x80);
    let end = (LONGEST_TEXT - 3..=LONGEST_TEXT).rev().find(|&end| !is_inside(end));
    octets.get(..end.unwrap_or(LONGEST_TEXT)).unwrap_or(octets)
}

/// The entities between the boundaries of a multipart.
struct Entities<'a, 'b> {
    /// Begins after a boundary.
    rest: Option<&'a [u8]>,
    boundary: &'b [u8],
}

impl<'a, 'b> Entities<'a, 'b> {
    fn new(body: &'a [u8], boundary: &'b [u8]) -> Self {
        let mut entities = Self { rest: Some(body), boundary };
        // What precedes the first boundary is no part.
        if entities.find().is_none_or(|(_, is_last)| is_last) {
            entities.rest = None;
        }
        entities
    }

    /// Goes to after the next boundary; returns what precedes it, and whether it is the last.
    fn find(&mut self) -> Option<(&'a [u8], bool)> {
        let all = self.rest?;
        let mut at = 0;
        while at < all.len() {
            let line = fields::line(&all[at..]);
            if let Some(end) =
                line.strip_prefix(b"--").and_then(|it| it.strip_prefix(self.boundary))
            {
                let end = end.trim_ascii_end();
                if end.is_empty() || end == b"--" {
                    self.rest = Some(&all[at + line.len()..]);
                    return Some((without_line_end(&all[..at]), end == b"--"));
                }
            }
            at += line.len();
        }
        None
    }
}

impl<'a> Iterator for Entities<'a, '_> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        match self.find() {
            Some((entity, is_last)) => {
                if is_last {
                    self.rest = None;
                }
                Some(entity)
            }
            // The last boundary is missing.
            None => self.rest.take().filter(|rest| !rest.trim_ascii().is_empty()),
        }
    }
}

/// The line end before a boundary belongs to the boundary (RFC 2046, 5.1.1).
fn without_line_end(octets: &[u8]) -> &[u8] {
    let octets = octets.strip_suffix(b"\n").unwrap_or(octets);
    octets.strip_suffix(b"\r").unwrap_or(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content: &str, expected: &[(Role, &str, &str)]) {
        let parts = parts(content.as_bytes());
        let found: Vec<_> =
            parts.iter().map(|part| (part.role(), part.media_type(), part.text())).collect();
        let found: Vec<_> =
            found.iter().map(|(role, kind, text)| (*role, &**kind, &**text)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn one_part() {
        check("A: b\r\n\r\nhello\r\n", &[(Role::Text, "text/plain", "hello\r\n")]);
        check("Content-Type: text/html\r\n\r\n<p>", &[(Role::Html, "text/html", "<p>")]);
        check(
            "Content-Type: <script>\r\n\r\nx",
            &[(Role::Attachment, "application/octet-stream", "x")],
        );
        check("", &[(Role::Text, "text/plain", "")]);
    }

    #[test]
    fn parts_of_a_multipart() {
        check(
            "Content-Type: multipart/mixed; boundary=\"a b\"\r\n\r\npreamble\r\n--a b\r\n\r\none\r\n\
             --a b  \r\nContent-Type: multipart/alternative; boundary=ab\r\n\r\n\
             --ab\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\
             Content-Transfer-Encoding: quoted-printable\r\n\r\n=E4=\r\n\r\n\
             --ab\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nPHA+\r\n--ab--\r\n\
             \r\n--a b\r\nContent-Type: image/png; name=x.png\r\n\r\n\x01\r\n\r\n--a b--\r\nepilogue",
            &[
                (Role::Text, "text/plain", "one"),
                (Role::Text, "text/plain", "ä"),
                (Role::Html, "text/html", "<p>"),
                (Role::Attachment, "image/png", "\x01\r\n"),
            ],
        );
    }

    #[test]
    fn broken_structures() {
        // No last boundary, none at all, no parameter, and one that is never used.
        let head = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
        let text = |text| (Role::Text, "text/plain", text);
        check(&format!("{head}--b\r\n\r\none\r\n--b\r\n\r\ntwo"), &[text("one"), text("two")]);
        check(&format!("{head}none"), &[(Role::Text, "multipart/mixed", "none")]);
        check(&format!("{head}--b--\r\nx"), &[(Role::Text, "multipart/mixed", "--b--\r\nx")]);
        check(
            "Content-Type: multipart/mixed\r\n\r\n--b",
            &[(Role::Text, "multipart/mixed", "--b")],
        );
        // A boundary is a whole line.
        check(&format!("{head}--b\r\n\r\none\r\n--bc\r\n--b--"), &[text("one\r\n--bc")]);
    }

    #[test]
    fn what_cannot_be_decoded_is_shown_as_sent() {
        check(
            "Content-Transfer-Encoding: base64\r\n\r\n%%%%",
            &[(Role::Text, "text/plain", "%%%%")],
        );
        check(
            "Content-Transfer-Encoding: quoted-printable\r\n\r\n=ZZ",
            &[(Role::Text, "text/plain", "=ZZ")],
        );
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let content = format!("\r\nx{}", "ä".repeat(LONGEST_TEXT));
        let text = parts(content.as_bytes())[0].text();
        assert_eq!(text.len(), LONGEST_TEXT - 1);
        assert!(text.ends_with('ä'));
    }

    #[test]
    fn charsets_of_several_octets() {
        let text = |charset: &str, octets: &[u8]| {
            let head = format!("Content-Type: text/plain; charset={charset}\r\n\r\n");
            parts(&[head.as_bytes(), octets].concat())[0].text()
        };
        assert_eq!(text("shift_jis", b"\x83n\x83\x8D\x81[\x83\x8F\x81["), "ハローワー");
        assert_eq!(text("gb2312", b"\xc4\xe3\xba\xc3"), "你好");
        assert_eq!(text("euc-kr", b"\xbe\xc8"), "안");
        assert_eq!(text("utf-16le", b"h\0i\0"), "hi");
    }

    #[test]
    fn octets_without_a_charset_are_utf_8_or_windows_1252() {
        let text = |octets: &[u8]| parts(octets)[0].text();
        assert_eq!(text(b"\r\n\xc3\xa4"), "ä");
        assert_eq!(text(b"\r\n\xe4\x80"), "ä€");
        assert_eq!(text(b"Content-Type: text/plain; charset=us-ascii\r\n\r\n\xe4"), "ä");
        assert_eq!(text(b"Content-Type: text/plain; charset=unknown\r\n\r\n\xe4"), "\u{fffd}");
        assert_eq!(text(b"Content-Type: text/plain; charset=utf-8\r\n\r\n\xe4"), "\u{fffd}");
    }
}
