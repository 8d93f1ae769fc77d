//! Un-stuffing: where a text behind DATA ends, and what it was before (RFC 5321, 4.5.2).
use memchr::memmem::Finder;

use crate::line_end;

/// Undoes dot-stuffing in octets that come cut anywhere.
///
/// Only CRLF, dot, CRLF ends a text, where the first CRLF may be the one of the DATA line. Nothing
/// else ever does: neither a bare LF nor a bare CR beside the dot, whatever the policy. They are
/// reported, and the text is read to its true end, so that nothing of it is taken for commands.
#[derive(Clone, Debug)]
pub struct Unstuffer {
    state: State,
    bare: BareLineEnds,
    flaws: TextFlaws,
    offset: u64,
    /// What has to be given out before more is read.
    pending: &'static [u8],
    /// Finds the lines that begin with a dot.
    finder: Finder<'static>,
}

/// What becomes of a bare CR or LF in a text. Refuse the text afterwards if it has
/// [`TextFlaws`]: that is the safe answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "it stays or it becomes CRLF")]
pub enum BareLineEnds {
    /// It stays as it is, and is reported.
    #[default]
    Keep,
    /// It becomes CRLF, and is reported. Where the text ends is decided before.
    Normalize,
}

/// What a text has that no text may hold: where each first stands, in octets from its beginning,
/// stuffed, and how many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TextFlaws {
    /// A CR without LF.
    pub bare_cr: Option<u64>,
    /// A LF without CR.
    pub bare_lf: Option<u64>,
    /// A NUL.
    pub nul: Option<u64>,
    /// How many of these there are in all.
    pub count: u64,
}

/// A piece of a text, or its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a text goes on or ends")]
pub enum Unstuffed<'a> {
    /// Octets of the text.
    Text(&'a [u8]),
    /// The text has ended; what is left of the input comes behind it.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// At the beginning of a line.
    LineStart,
    /// Behind a dot at the beginning of a line.
    Dot,
    /// Behind such a dot and a CR.
    DotCr,
    /// Inside a line.
    Line,
    /// Behind a CR inside a line.
    Cr,
    Ended,
}

impl TextFlaws {
    fn note(&mut self, kind: fn(&mut Self) -> &mut Option<u64>, offset: u64) {
        kind(self).get_or_insert(offset);
        self.count += 1;
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Unstuffer {
    /// An un-stuffer at the beginning of a text.
    pub fn new(bare: BareLineEnds) -> Self {
        let flaws = TextFlaws::default();
        let finder = Finder::new(b"\n.");
        Self { state: State::LineStart, bare, flaws, offset: 0, pending: &[], finder }
    }

    /// What the text has so far that no text may hold.
    pub fn flaws(&self) -> TextFlaws {
        self.flaws
    }

    /// Takes the next piece off the front of `input`; `None` if `input` is used up, or if the end
    /// was given out before.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Option<Unstuffed<'a>> {
        loop {
            if !self.pending.is_empty() {
                return Some(Unstuffed::Text(core::mem::take(&mut self.pending)));
            }
            let &octet = input.first()?;
            match (self.state, octet) {
                (State::Ended, _) => return None,
                (State::LineStart, b'.') => self.skip(input, State::Dot),
                (State::Dot, b'\r') => self.skip(input, State::DotCr),
                (State::DotCr, b'\n') => {
                    self.skip(input, State::Ended);
                    return Some(Unstuffed::End);
                }
                (State::DotCr, _) => {
                    // The CR was no line end; it is text.
                    self.bare_cr(self.offset - 1);
                    self.state = State::Line;
                    self.pending = if self.normalizes() { b"\r\n" } else { b"\r" };
                }
                (State::Cr, b'\n') => {
                    let (line_feed, rest) = input.split_at(1);
                    *input = rest;
                    self.offset += 1;
                    self.state = State::LineStart;
                    // The CR was given out already, unless it might have had to be changed.
                    return Some(Unstuffed::Text(if self.normalizes() {
                        b"\r\n"
                    } else {
                        line_feed
                    }));
                }
                (State::Cr, _) => {
                    self.bare_cr(self.offset - 1);
                    self.state = State::Line;
                    self.pending = if self.normalizes() { b"\r\n" } else { &[] };
                }
                (State::LineStart | State::Dot | State::Line, _) => {
                    if let Some(piece) = self.line(input) {
                        return Some(Unstuffed::Text(piece));
                    }
                }
            }
        }
    }

    /// The longest piece that goes out as it is; `None` if that is nothing.
    fn line<'a>(&mut self, input: &mut &'a [u8]) -> Option<&'a [u8]> {
        if !self.flaws.is_empty() {
            // It may have many flaws, and each would be found twice.
            return self.flawed(input);
        }
        let dot = self.finder.find(input).map(|line_feed| line_feed + 1);
        let (piece, rest) = input.split_at(dot.unwrap_or(input.len()));
        if !line_end::are_whole(piece) {
            return self.flawed(input);
        }
        self.state = if piece.ends_with(b"\n") { State::LineStart } else { State::Line };
        self.offset += piece.len() as u64;
        *input = rest;
        Some(piece)
    }

    /// The same for a piece that has, or may have, a bare CR, a bare LF or a NUL.
    fn flawed<'a>(&mut self, input: &mut &'a [u8]) -> Option<&'a [u8]> {
        let octets = *input;
        self.state = State::Line;
        let mut end = octets.len();
        let mut used = octets.len();
        for at in memchr::memchr3_iter(b'\r', b'\n', 0, octets) {
            let offset = self.offset + at as u64;
            match (octets[at], octets.get(at + 1)) {
                (0, _) => self.flaws.note(|flaws| &mut flaws.nul, offset),
                (b'\n', _) if at > 0 && octets[at - 1] == b'\r' => {
                    // CR LF: stop in front of a dot, which may end the text.
                    if matches!(octets.get(at + 1), None | Some(b'.')) {
                        self.state = State::LineStart;
                        (end, used) = (at + 1, at + 1);
                        break;
                    }
                }
                (b'\n', _) => {
                    self.flaws.note(|flaws| &mut flaws.bare_lf, offset);
                    if self.normalizes() {
                        self.pending = b"\r\n";
                        (end, used) = (at, at + 1);
                        break;
                    }
                }
                (_, Some(b'\n')) => {}
                (_, Some(_)) => {
                    self.bare_cr(offset);
                    if self.normalizes() {
                        self.pending = b"\r\n";
                        (end, used) = (at, at + 1);
                        break;
                    }
                }
                (_, None) => {
                    // What follows decides what this CR is.
                    self.state = State::Cr;
                    end = if self.normalizes() { at } else { at + 1 };
                }
            }
        }
        self.offset += used as u64;
        *input = &octets[used..];
        (end > 0).then_some(&octets[..end])
    }

    fn skip(&mut self, input: &mut &[u8], state: State) {
        *input = &input[1..];
        self.offset += 1;
        self.state = state;
    }

    fn bare_cr(&mut self, offset: u64) {
        self.flaws.note(|flaws| &mut flaws.bare_cr, offset);
    }

    fn normalizes(&self) -> bool {
        self.bare == BareLineEnds::Normalize
    }
}
