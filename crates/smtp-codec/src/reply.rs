//! Replies, decoded from octets and encoded into them (RFC 5321, 4.2).
use alloc::vec::Vec;

use nom::{
    IResult, Parser,
    branch::alt,
    bytes::complete::take,
    combinator::{eof, map_opt, value},
};
use smtp_error::{MalformedReply, Reply, ReplyClass, ReplyCode, ReplyFault};

use crate::{Deviations, Line, LineEnd, LineFramer, LineTooLong, grammar};

/// Decodes [`Reply`] values from a stream of octets, in pieces of any size.
///
/// The time is linear in the octets, also when they come one by one, and the memory is bounded by
/// the [`ReplyLimits`]. After an error the octets that follow have no meaning, because the end of
/// the malformed reply is unknown; every further call returns the same error.
#[derive(Clone, Debug)]
pub struct ReplyDecoder {
    framer: LineFramer,
    limits: ReplyLimits,
    tolerated: Deviations,
    /// Whether the code of the last line counts, if it refuses and the lines before it have others.
    greeting: bool,
    failed: Option<MalformedReply>,
    partial: PartialReply,
    /// The octets of the incomplete line so far, with those that the framer dropped.
    line_octets: usize,
    /// The beginning of the malformed line.
    malformed: Vec<u8>,
}

/// The lines of a reply that is not complete yet.
#[derive(Clone, Debug, Default)]
struct PartialReply {
    /// The code of the last of them.
    code: Option<ReplyCode>,
    lines: usize,
    /// Their texts, with LF between.
    text: Vec<u8>,
    /// The octets that they took on the wire.
    octets: usize,
    deviations: Deviations,
    /// The first change of the code. `before_change` has the lines before the last change, and
    /// `text_from` is where the text of those after it begins: an error shows each line with its
    /// own code.
    changed: Option<MalformedReply>,
    before_change: Vec<u8>,
    text_from: usize,
}

/// The most octets that [`ReplyDecoder::partial`] returns of the complete lines, and of the last.
const PARTIAL: usize = 512;

/// The limits of a reply. They count octets and lines as they are received, line ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplyLimits {
    /// The longest line, its end included: 4,096 by default, because large providers exceed the
    /// 512 of RFC 5321, 4.5.3.1.5.
    pub line: usize,
    /// The most lines in one reply: 512 by default.
    pub lines: usize,
    /// The longest reply: 65,536 by default.
    pub total: usize,
}

impl Default for ReplyLimits {
    fn default() -> Self {
        Self { line: 4096, lines: 512, total: 65_536 }
    }
}

/// A reply, and how it deviates.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DecodedReply {
    /// The reply.
    pub reply: Reply,
    /// How it deviates from the grammar.
    pub deviations: Deviations,
}

impl Default for ReplyDecoder {
    fn default() -> Self {
        Self::new(ReplyLimits::default(), Deviations::TOLERANT)
    }
}

impl ReplyDecoder {
    /// Creates a decoder with these limits that accepts the deviations in `tolerated`, and no
    /// others.
    pub fn new(limits: ReplyLimits, tolerated: Deviations) -> Self {
        Self {
            framer: LineFramer::new(limits.line),
            limits,
            tolerated,
            greeting: false,
            failed: None,
            partial: PartialReply::default(),
            line_octets: 0,
            malformed: Vec::new(),
        }
    }

    /// Returns the decoder for a greeting, whose lines may have different codes if the last
    /// refuses.
    ///
    /// Servers that decide in the middle of their greeting send `220-` lines and then `421 ` or
    /// `521 `. The reply has the code of the last line, which is the decision, and the text of all
    /// lines. Where the last line is not a refusal, a code that changes is an error as everywhere:
    /// such a reply is not an acceptance.
    #[must_use]
    pub fn greeting(self) -> Self {
        Self { greeting: true, ..self }
    }

    /// Takes the next reply off the front of `input`. Returns `None` if it is not complete yet;
    /// then `input` is empty.
    pub fn decode(&mut self, input: &mut &[u8]) -> Result<Option<DecodedReply>, MalformedReply> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        let decoded = self.decode_lines(input);
        if let Err(failed) = decoded {
            self.failed = Some(failed);
        }
        decoded
    }

    /// Returns whether it holds no part of a reply.
    pub fn is_idle(&self) -> bool {
        self.partial.lines == 0 && !self.framer.is_partial() && self.failed.is_none()
    }

    /// Returns the octets of the incomplete reply, for an error to show: its last lines, at
    /// most 512 octets of them, and at most 512 octets of the line whose end has not come. After an
    /// error these are the malformed line and those before it. Line ends are given as CRLF.
    ///
    /// These octets are not a reply: the lines that are missing could have changed its meaning.
    pub fn partial(&self) -> Vec<u8> {
        let mut octets = self.partial.before_change.clone();
        self.partial.append_since_change(&mut octets);
        if octets.len() > PARTIAL {
            let cut = octets.len() - PARTIAL;
            let line = octets[cut - 1..].iter().position(|&octet| octet == b'\n');
            octets.drain(..line.map_or(cut, |line| cut + line));
        }
        match self.failed {
            Some(_) => octets.extend_from_slice(&self.malformed),
            None => keep(&mut octets, self.framer.partial()),
        }
        octets
    }

    fn decode_lines(&mut self, input: &mut &[u8]) -> Result<Option<DecodedReply>, MalformedReply> {
        loop {
            let number = self.partial.lines + 1;
            let before = input.len();
            let line = self.framer.next(input);
            self.line_octets += before - input.len();
            let room = self.limits.total.saturating_sub(self.partial.octets);
            // A line can exceed both limits. The smaller one is reported, so that the error does
            // not depend on the sizes of the pieces.
            if let Err(LineTooLong { limit }) = line
                && limit <= room
            {
                keep(&mut self.malformed, self.framer.partial());
                return Err(fault(ReplyFault::LineTooLong { limit }, number, limit));
            }
            if self.line_octets > room {
                match line {
                    Ok(Some(line)) => keep_line(&mut self.malformed, line.content),
                    _ => keep(&mut self.malformed, self.framer.partial()),
                }
                return Err(fault(ReplyFault::TooLong { limit: self.limits.total }, number, 0));
            }
            let Ok(Some(line)) = line else {
                return Ok(None);
            };
            self.partial.octets += core::mem::take(&mut self.line_octets);
            let parsed = if number > self.limits.lines {
                Err(fault(ReplyFault::TooManyLines { limit: self.limits.lines }, number, 0))
            } else {
                ReplyLine::parse(line, number)
                    .and_then(|parsed| parsed.tolerated(self.tolerated, number))
            };
            let parsed = parsed.inspect_err(|_| keep_line(&mut self.malformed, line.content))?;
            if parsed.last && self.partial.lines == 0 {
                // Most replies have one line, which needs no buffer.
                self.partial.octets = 0;
                let reply = Reply::new(parsed.code, parsed.text);
                return Ok(Some(DecodedReply { reply, deviations: parsed.deviations }));
            }
            if let Err(changed) = self.partial.push(&parsed, self.greeting) {
                keep_line(&mut self.malformed, line.content);
                return Err(changed);
            }
            if parsed.last {
                let PartialReply { text, deviations, .. } = &self.partial;
                let reply = Reply::new(parsed.code, text);
                let decoded = DecodedReply { reply, deviations: *deviations };
                self.partial.clear();
                return Ok(Some(decoded));
            }
        }
    }
}

impl PartialReply {
    /// Adds the next line.
    ///
    /// # Errors
    /// Refuses a line whose code differs from that of the lines before it, unless `may_change` is
    /// set and the last line refuses.
    #[inline]
    fn push(&mut self, line: &ReplyLine<'_>, may_change: bool) -> Result<(), MalformedReply> {
        let number = self.lines + 1;
        let first = *self.code.get_or_insert(line.code);
        if first != line.code {
            let kind = ReplyFault::CodeChanged { first, then: line.code };
            self.changed.get_or_insert_with(|| fault(kind, number, 0));
        }
        if let Some(changed) = self.changed
            && (!may_change || (line.last && !is_refusal(line.code)))
        {
            return Err(changed);
        }
        if first != line.code {
            let mut before = core::mem::take(&mut self.before_change);
            self.append_since_change(&mut before);
            self.before_change = before;
            self.text_from = self.text.len() + 1;
            self.code = Some(line.code);
        }
        if self.lines > 0 {
            self.text.push(b'\n');
        }
        self.text.extend_from_slice(line.text);
        self.deviations |= line.deviations;
        self.lines = number;
        Ok(())
    }

    /// Appends the lines since the code changed, or all lines if it did not.
    fn append_since_change(&self, out: &mut Vec<u8>) {
        let Some(code) = self.code else { return };
        for line in self.text[self.text_from..].split(|&octet| octet == b'\n') {
            out.extend_from_slice(&digits(code));
            out.push(b'-');
            out.extend_from_slice(line);
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Removes the lines. The buffer of their text is kept for the next reply.
    fn clear(&mut self) {
        let mut text = core::mem::take(&mut self.text);
        text.clear();
        *self = Self { text, ..Self::default() };
    }
}

/// One line of a reply.
struct ReplyLine<'a> {
    code: ReplyCode,
    last: bool,
    text: &'a [u8],
    /// Where the text begins in the line.
    text_at: usize,
    deviations: Deviations,
}

impl<'a> ReplyLine<'a> {
    fn parse(line: Line<'a>, number: usize) -> Result<Self, MalformedReply> {
        let at = |rest: &[u8]| line.content.len() - rest.len();
        let (rest, code) =
            reply_code(line.content).map_err(|_| fault(ReplyFault::Code, number, 0))?;
        let (text, separator) =
            separator(rest).map_err(|_| fault(ReplyFault::Separator, number, at(rest)))?;
        let (mut deviations, end) = match line.end {
            LineEnd::CrLf => (Deviations::empty(), 2),
            LineEnd::Lf => (Deviations::BARE_LF, 1),
            LineEnd::CrCrLf => (Deviations::EXTRA_CR, 3),
        };
        deviations.set(Deviations::TAB_SEPARATOR, separator == Separator::Tab);
        deviations.set(Deviations::EMPTY_TEXT, separator == Separator::Space && text.is_empty());
        deviations.set(Deviations::LONG_LINE, line.content.len() + end > 512);
        deviations.set(Deviations::SECOND_DIGIT, matches!(line.content, [_, b'6'..=b'9', ..]));
        if !grammar::is_printable(text) {
            deviations.set(Deviations::BARE_CR, text.contains(&b'\r'));
            deviations.set(Deviations::CONTROL, text.iter().any(is_control));
            deviations.set(Deviations::NON_ASCII, !text.is_ascii());
        }
        let last = separator != Separator::Hyphen;
        Ok(Self { code, last, text, text_at: at(text), deviations })
    }

    /// Returns the line, or the fault of its first deviation outside of `tolerated`.
    #[inline]
    fn tolerated(self, tolerated: Deviations, number: usize) -> Result<Self, MalformedReply> {
        match (self.deviations - tolerated).iter().next() {
            None => Ok(self),
            Some(refused) => Err(self.fault(refused, number)),
        }
    }

    /// Returns the fault of a deviation that is not tolerated.
    fn fault(&self, refused: Deviations, number: usize) -> MalformedReply {
        let find = |wanted: &dyn Fn(&u8) -> bool| {
            self.text_at + self.text.iter().position(wanted).unwrap_or(self.text.len())
        };
        let (kind, offset) = match refused {
            Deviations::BARE_LF => (ReplyFault::BareLf, find(&|_| false)),
            Deviations::EXTRA_CR => (ReplyFault::BareCr, find(&|_| false)),
            Deviations::BARE_CR => (ReplyFault::BareCr, find(&|&octet| octet == b'\r')),
            Deviations::CONTROL => (ReplyFault::Control, find(&is_control)),
            Deviations::NON_ASCII => (ReplyFault::NonAscii, find(&|octet| !octet.is_ascii())),
            Deviations::LONG_LINE => (ReplyFault::LineTooLong { limit: 512 }, 512),
            Deviations::SECOND_DIGIT => (ReplyFault::SecondDigit, 1),
            _ => (ReplyFault::Separator, 3),
        };
        fault(kind, number, offset)
    }
}

/// Keeps the beginning of a line for [`ReplyDecoder::partial`].
fn keep(kept: &mut Vec<u8>, line: &[u8]) {
    kept.extend_from_slice(&line[..line.len().min(PARTIAL)]);
}

/// Keeps the beginning of a line whose end has come. The line end is added, so that the octets
/// after it are not shown as a part of this line, and a challenge among them is recognized.
fn keep_line(kept: &mut Vec<u8>, content: &[u8]) {
    keep(kept, content);
    kept.extend_from_slice(b"\r\n");
}

fn is_refusal(code: ReplyCode) -> bool {
    matches!(code.class(), ReplyClass::Transient | ReplyClass::Permanent)
}

fn digits(code: ReplyCode) -> [u8; 3] {
    [100, 10, 1].map(|place| b'0' + u8::try_from(code.get() / place % 10).unwrap_or(0))
}

fn fault(fault: ReplyFault, line: usize, offset: usize) -> MalformedReply {
    MalformedReply::new(fault, line, offset)
}

/// Returns whether it is a control other than CR, which has its own deviation, and TAB, which is
/// allowed.
fn is_control(octet: &u8) -> bool {
    octet.is_ascii_control() && !matches!(octet, b'\t' | b'\r')
}

/// The octet between the code and the text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Separator {
    Hyphen,
    Space,
    Tab,
    End,
}

/// Parses three digits, 200 to 599.
fn reply_code(input: &[u8]) -> IResult<&[u8], ReplyCode> {
    map_opt(take(3_usize), |digits: &[u8]| match *digits {
        [a @ b'2'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
            let digit = |octet: u8| u16::from(octet - b'0');
            ReplyCode::new(digit(a) * 100 + digit(b) * 10 + digit(c))
        }
        _ => None,
    })
    .parse(input)
}

fn separator(input: &[u8]) -> IResult<&[u8], Separator> {
    let mark = map_opt(take(1_usize), |mark: &[u8]| match mark {
        b" " => Some(Separator::Space),
        b"-" => Some(Separator::Hyphen),
        b"\t" => Some(Separator::Tab),
        _ => None,
    });
    alt((mark, value(Separator::End, eof))).parse(input)
}

/// Appends a reply in the form in which it is sent.
///
/// Control characters other than TAB, which no reply may hold (RFC 5321, 4.2), are written as `?`,
/// so that no text can end a line. Octets outside ASCII are kept, because RFC 6531 allows UTF-8.
pub fn encode_reply(reply: &Reply, out: &mut Vec<u8>) {
    let digits = digits(reply.code());
    let mut lines = reply.lines().peekable();
    while let Some(line) = lines.next() {
        out.extend_from_slice(&digits);
        out.push(if lines.peek().is_some() { b'-' } else { b' ' });
        out.extend(line.as_bytes().iter().map(|&octet| match octet {
            b'\t' | b' '..=b'~' | 0x80.. => octet,
            _ => b'?',
        }));
        out.extend_from_slice(b"\r\n");
    }
}
