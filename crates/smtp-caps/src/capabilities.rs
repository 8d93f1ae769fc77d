//! Capabilities: what the reply to EHLO or LHLO offers (RFC 5321, 4.1.1.1).

use smtp_codec::Command;
use smtp_error::{Extension, Reply};

use crate::{Channel, Limits};

/// What a server offers, as it said it: unknown keywords and odd lines are kept as they came.
///
/// The first line of the reply is the server's name and greeting, never a keyword. A line that is
/// no capability at all harms no other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    pub(crate) reply: Option<Reply>,
    /// The reply with the lines that were put in by hand, if there are any.
    pub(crate) edited: Option<Reply>,
    pub(crate) offered: Offered,
    pub(crate) channel: Channel,
    stated: Stated,
}

/// What is asked for each message, read once.
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
    /// What a server offers that knows HELO only: nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// What this reply to EHLO or LHLO offers, learned in clear unless it is said to be
    /// [learned](Self::learned) otherwise.
    pub fn from_reply(reply: Reply) -> Self {
        let (offered, stated) = read(lines(&reply));
        let channel = Channel::default();
        Self { reply: Some(reply), edited: None, offered, channel, stated }
    }

    /// Reads the lines anew, which were changed by hand.
    pub(crate) fn restate(&mut self) {
        self.stated = read(self.iter()).1;
    }

    /// The reply they came in, if there was one.
    pub fn reply(&self) -> Option<&Reply> {
        self.reply.as_ref()
    }

    /// Whether this extension is offered. Some that are offered must not be used all the same:
    /// [`require`](Self::require) knows.
    pub fn has(&self, extension: Extension) -> bool {
        self.offered.0 & Offered::bit(extension) != 0
    }

    /// The same capabilities without this extension, as if the server did not offer it. The line
    /// that offers it stays readable.
    #[must_use]
    pub fn without(mut self, extension: Extension) -> Self {
        self.offered.remove(extension);
        self
    }

    /// Every line behind the first, in order.
    pub fn iter(&self) -> impl Iterator<Item = Capability<'_>> {
        let reply = self.edited.as_ref().or(self.reply.as_ref());
        reply.into_iter().flat_map(lines)
    }

    /// The first line with this keyword, in upper or lower case.
    pub fn find(&self, keyword: &str) -> Option<Capability<'_>> {
        self.iter().find(|one| one.keyword().eq_ignore_ascii_case(keyword.as_bytes()))
    }

    /// The largest message that the server takes, in octets; `None` if it states no limit
    /// (RFC 1870). Of several lines the smallest limit counts; a number that is too large for an
    /// `u64` is no limit.
    pub fn size_limit(&self) -> Option<u64> {
        self.stated.size.filter(|_| self.has(Extension::Size))
    }

    /// The limits that the server states. Of several lines the last counts (RFC 9422).
    pub fn limits(&self) -> Limits {
        if self.has(Extension::Limits) { self.stated.limits } else { Limits::default() }
    }

    /// The SASL mechanisms that AUTH lines name, in order, each once. Some servers name them in a
    /// line `AUTH=` for the sake of old clients; both forms count (RFC 4954).
    pub fn mechanisms(&self) -> impl Iterator<Item = &[u8]> {
        let all = || self.lines(Extension::Auth).flat_map(Capability::params);
        all().enumerate().filter_map(move |(place, name)| {
            let first = all().position(|other| other.eq_ignore_ascii_case(name));
            (first == Some(place)).then_some(name)
        })
    }

    /// The longest MAIL line that this server accepts, in octets with CRLF: 512 and what the
    /// extensions that it offers add.
    pub fn mail_line_limit(&self) -> usize {
        self.line_limit(MAIL_INCREMENTS)
    }

    /// The longest RCPT line that this server accepts, in octets with CRLF: 512 and what the
    /// extensions that it offers add.
    pub fn rcpt_line_limit(&self) -> usize {
        self.line_limit(RCPT_INCREMENTS)
    }

    fn line_limit(&self, increments: &[(Extension, usize)]) -> usize {
        let offered = increments.iter().filter(|(extension, _)| self.has(*extension));
        Command::MAX_LINE + offered.map(|(_, octets)| octets).sum::<usize>()
    }

    /// All lines of this extension, unless it is masked.
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

/// What the lines state, and which extensions they name. What is masked is left out when it is
/// asked for.
fn read<'a>(lines: impl Iterator<Item = Capability<'a>>) -> (Offered, Stated) {
    let mut offered = Offered::default();
    let mut stated = Stated::default();
    for line in lines {
        let Some(extension) = line.extension() else { continue };
        offered.add(extension);
        match extension {
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

/// What each extension adds to the MAIL line. RFC 3461 gives no figure for DSN; RFC 3885 states
/// the one that its parameters take.
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

/// What each extension adds to the RCPT line.
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

    /// The line as it came.
    pub fn as_bytes(self) -> &'a [u8] {
        self.line
    }

    /// The keyword as it came: what stands before the first space, TAB or `=`.
    pub fn keyword(self) -> &'a [u8] {
        &self.line[..self.keyword_len]
    }

    /// The parameters as they came: what follows, parted by spaces and TABs.
    pub fn params(self) -> impl Iterator<Item = &'a [u8]> {
        let rest = self.line.get(self.keyword_len + 1..).unwrap_or_default();
        let params = rest.split(|octet| matches!(octet, b' ' | b'\t'));
        params.filter(|param| !param.is_empty())
    }

    /// The extension that the keyword names, if it is one that has a name.
    pub fn extension(self) -> Option<Extension> {
        Extension::from_keyword(self.keyword())
    }
}

/// A decimal number; `None` if it is none, or too large.
pub(crate) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}
