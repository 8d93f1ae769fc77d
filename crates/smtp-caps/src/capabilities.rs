//! Capabilities, read from the reply to EHLO or LHLO (RFC 5321, 4.1.1.1).

use smtp_codec::Command;
use smtp_error::{Extension, Reply};

use crate::{Channel, Limits};

/// The capabilities that a server offers. Unknown keywords and malformed lines are kept as received.
///
/// The first line of the reply is the server's name and greeting, never a keyword. A malformed line
/// has no effect on other lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    pub(crate) reply: Option<Reply>,
    /// The reply with the lines that the caller changed, if the caller changed any.
    pub(crate) edited: Option<Reply>,
    pub(crate) offered: Offered,
    pub(crate) channel: Channel,
    stated: Stated,
}

/// The values that every plan needs, parsed once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stated {
    size: Option<u64>,
    limits: Limits,
}

/// A set of extensions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offered(u64);

const _: () = assert!(Extension::ALL.len() <= 64, "an extension is a bit of `Offered`");

impl Offered {
    fn bit(extension: Extension) -> u64 {
        1 << (extension as u32)
    }

    pub(crate) fn remove(&mut self, extension: Extension) {
        self.0 &= !Self::bit(extension);
    }

    pub(crate) fn add(&mut self, extension: Extension) {
        self.0 |= Self::bit(extension);
    }
}

impl Capabilities {
    /// Returns no capabilities: those of a server that supports HELO only.
    pub fn none() -> Self {
        Self::default()
    }

    /// Returns the capabilities in this reply to EHLO or LHLO, received over
    /// [`Channel::CLEAR`] until [`with_channel`](Self::with_channel) sets another channel.
    pub fn from_reply(reply: Reply) -> Self {
        let (offered, stated) = read(lines(&reply));
        let channel = Channel::default();
        Self { reply: Some(reply), edited: None, offered, channel, stated }
    }

    /// Parses the values again, after a change of the lines.
    pub(crate) fn restate(&mut self) {
        self.stated = read(self.iter()).1;
    }

    /// Returns the reply that the capabilities are from, if they are from a reply.
    pub fn reply(&self) -> Option<&Reply> {
        self.reply.as_ref()
    }

    /// Returns whether the server offers this extension. That alone does not mean that a client may
    /// use it: see [`require`](Self::require).
    pub fn has(&self, extension: Extension) -> bool {
        self.offered.0 & Offered::bit(extension) != 0
    }

    /// Returns the same capabilities without this extension, as if the server did not offer it. Its
    /// line stays readable.
    #[must_use]
    pub fn without(mut self, extension: Extension) -> Self {
        self.offered.remove(extension);
        self
    }

    /// Returns every line after the first, in order.
    pub fn iter(&self) -> impl Iterator<Item = Capability<'_>> {
        let reply = self.edited.as_ref().or(self.reply.as_ref());
        reply.into_iter().flat_map(lines)
    }

    /// Returns the first line with this keyword, in upper or lower case.
    pub fn find(&self, keyword: &str) -> Option<Capability<'_>> {
        self.iter().find(|one| one.keyword().eq_ignore_ascii_case(keyword.as_bytes()))
    }

    /// Returns the size of the largest message that the server accepts, in octets; `None` if the
    /// server states no limit (RFC 1870).
    ///
    /// If there are several SIZE lines, the smallest limit applies. 0 and numbers that do not fit
    /// into a `u64` are not limits.
    pub fn size_limit(&self) -> Option<u64> {
        self.stated.size.filter(|_| self.has(Extension::Size))
    }

    /// Returns the limits that the server states (RFC 9422). If there are several LIMITS lines, the
    /// last one applies.
    pub fn limits(&self) -> Limits {
        if self.has(Extension::Limits) { self.stated.limits } else { Limits::default() }
    }

    /// Returns the SASL mechanisms in the AUTH lines, in order and without duplicates (RFC 4954).
    ///
    /// Postfix and others can send a line `AUTH=PLAIN` in addition to `AUTH PLAIN`, for clients of
    /// the time before the RFC; both forms are read.
    pub fn mechanisms(&self) -> impl Iterator<Item = &[u8]> {
        let all = || self.lines(Extension::Auth).flat_map(Capability::params);
        all().enumerate().filter_map(move |(place, name)| {
            let first = all().position(|other| other.eq_ignore_ascii_case(name));
            (first == Some(place)).then_some(name)
        })
    }

    /// Returns the longest MAIL line that this server accepts, in octets including CRLF: 512 octets
    /// plus the increments of the extensions that it offers.
    pub fn mail_line_limit(&self) -> usize {
        self.line_limit(MAIL_INCREMENTS)
    }

    /// Returns the longest RCPT line that this server accepts, in octets including CRLF: 512 octets
    /// plus the increments of the extensions that it offers.
    pub fn rcpt_line_limit(&self) -> usize {
        self.line_limit(RCPT_INCREMENTS)
    }

    fn line_limit(&self, increments: &[(Extension, usize)]) -> usize {
        let offered = increments.iter().filter(|(extension, _)| self.has(*extension));
        Command::MAX_LINE + offered.map(|(_, octets)| octets).sum::<usize>()
    }

    /// Returns all lines of this extension; none if it is masked.
    pub(crate) fn lines(&self, extension: Extension) -> impl Iterator<Item = Capability<'_>> {
        let lines = self.iter().filter(move |one| one.extension() == Some(extension));
        lines.filter(move |_| self.has(extension))
    }
}

/// Returns the lines after the first.
fn lines(reply: &Reply) -> impl Iterator<Item = Capability<'_>> {
    let mut rest = Capability::split_line(reply.as_bytes()).1;
    core::iter::from_fn(move || {
        let (line, next) = Capability::split_line(rest?);
        rest = next;
        Some(line)
    })
}

/// Returns the extensions that the lines name, and the values that they state.
///
/// The values do not depend on masks, which the getters apply, so that masking an extension and
/// offering it again needs no parsing.
fn read<'a>(lines: impl Iterator<Item = Capability<'a>>) -> (Offered, Stated) {
    let mut offered = Offered::default();
    let mut stated = Stated::default();
    for line in lines {
        let Some(extension) = line.extension() else { continue };
        offered.add(extension);
        match extension {
            // A message within the smallest of several limits is within each of them. 0 means that
            // the server has no fixed limit.
            Extension::Size => {
                let limit = line.params().next().and_then(decimal).filter(|&limit| limit > 0);
                stated.size = match (stated.size, limit) {
                    (Some(least), Some(limit)) => Some(least.min(limit)),
                    (least, limit) => least.or(limit),
                };
            }
            Extension::Limits => stated.limits = Limits::parse(line),
            _ => {}
        }
    }
    (offered, stated)
}

/// What each extension adds to the length of the MAIL line, in octets. RFC 5321, 4.5.3.1.4 allows
/// 512 octets without extensions, and each extension states its own increment. RFC 3461 states none
/// for DSN; RFC 3885 states the length that its parameters take.
const MAIL_INCREMENTS: &[(Extension, usize)] = &[
    (Extension::Size, 26),
    (Extension::BinaryMime, 16),
    (Extension::Checkpoint, 88),
    (Extension::DeliverBy, 17),
    (Extension::Dsn, 107),
    (Extension::NoSoliciting, 1007),
    (Extension::Mtrk, 40),
    (Extension::Auth, 500),
    (Extension::FutureRelease, 34),
    (Extension::SmtpUtf8, 10),
    (Extension::MtPriority, 15),
    (Extension::RequireTls, 11),
];

/// What each extension adds to the length of the RCPT line, in octets.
const RCPT_INCREMENTS: &[(Extension, usize)] = &[(Extension::Dsn, 507), (Extension::Rrvs, 33)];

/// One line of the reply: a keyword and its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability<'a> {
    line: &'a [u8],
    keyword_len: usize,
}

impl<'a> Capability<'a> {
    pub(crate) fn new(line: &'a [u8]) -> Self {
        Self::split_line(line).0
    }

    /// Splits the first line off `text`. Returns the lines after it, unless it is the last.
    ///
    /// One pass finds the end of the keyword and the end of the line: most lines are a keyword and
    /// nothing else.
    fn split_line(text: &'a [u8]) -> (Self, Option<&'a [u8]>) {
        let keyword = text.iter().position(|octet| matches!(octet, b' ' | b'\t' | b'=' | b'\n'));
        let keyword_len = keyword.unwrap_or(text.len());
        let params = text[keyword_len..].iter().position(|&octet| octet == b'\n');
        match params.map(|length| keyword_len + length) {
            Some(end) => (Self { line: &text[..end], keyword_len }, Some(&text[end + 1..])),
            None => (Self { line: text, keyword_len }, None),
        }
    }

    /// Returns the line as received.
    pub fn as_bytes(self) -> &'a [u8] {
        self.line
    }

    /// Returns the keyword as received: the octets before the first space, TAB or `=`.
    ///
    /// `=` ends a keyword because of the form `AUTH=PLAIN`, and TAB because servers send it in
    /// place of a space.
    pub fn keyword(self) -> &'a [u8] {
        &self.line[..self.keyword_len]
    }

    /// Returns the parameters as received: the words after the keyword, separated by spaces and TABs.
    pub fn params(self) -> impl Iterator<Item = &'a [u8]> {
        let rest = self.line.get(self.keyword_len + 1..).unwrap_or_default();
        let params = rest.split(|octet| matches!(octet, b' ' | b'\t'));
        params.filter(|param| !param.is_empty())
    }

    /// Returns the extension of the keyword, if it is a known one.
    pub fn extension(self) -> Option<Extension> {
        Extension::from_keyword(self.keyword())
    }
}

/// Parses a decimal number; `None` if it is malformed or does not fit.
pub(crate) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}
