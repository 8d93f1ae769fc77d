//! Undoing dot-stuffing: finds where the mail data after DATA ends, and restores it (RFC 5321,
//! 4.5.2).
use memchr::memmem::Finder;

use crate::{TextFlaws, line_end};

/// Undoes dot-stuffing in a stream of octets, in pieces of any size.
///
/// Only CRLF, dot, CRLF ends the mail data, where the first CRLF may be that of the DATA line. A
/// bare LF or a bare CR next to the dot never does, for any [`BareLineEnds`]: a server that accepts
/// one there takes part of a message for commands (SMTP smuggling). Bare line ends are reported,
/// and the mail data is read to its true end.
#[derive(Clone, Debug)]
pub struct Unstuffer {
    state: State,
    bare: BareLineEnds,
    flaws: TextFlaws,
    offset: u64,
    /// Octets to return before more input is read: the CRLF, or the CR, that replaces what was
    /// read.
    pending: &'static [u8],
    /// Finds the lines that begin with a dot. Kept, because making one costs as much as a short
    /// search.
    finder: Finder<'static>,
}

/// The treatment of a bare CR or LF in mail data. Whichever is chosen, the safe reply to mail data
/// with [`TextFlaws`] is a refusal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "a bare line end is kept or becomes CRLF")]
pub enum BareLineEnds {
    /// Keeps it and reports it.
    #[default]
    Keep,
    /// Replaces it with CRLF and reports it. The end of the mail data is found before that.
    Normalize,
}

/// A piece of mail data, or its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "mail data goes on or ends")]
pub enum Unstuffed<'a> {
    /// Octets of the mail data.
    Text(&'a [u8]),
    /// The mail data has ended. What is left of the input follows it.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// At the beginning of a line.
    LineStart,
    /// After a dot at the beginning of a line.
    Dot,
    /// After such a dot and a CR.
    DotCr,
    /// Inside a line.
    Line,
    /// After a CR that is the last octet of the input: the next octet decides whether it is bare.
    Cr,
    Ended,
}

impl Unstuffer {
    /// Creates an un-stuffer at the beginning of mail data.
    pub fn new(bare: BareLineEnds) -> Self {
        let flaws = TextFlaws::default();
        let finder = Finder::new(b"\n.");
        Self { state: State::LineStart, bare, flaws, offset: 0, pending: &[], finder }
    }

    /// Returns the flaws found so far.
    pub fn flaws(&self) -> TextFlaws {
        self.flaws
    }

    /// Takes the next piece off the front of `input`. Returns `None` if `input` is empty, or after
    /// [`Unstuffed::End`].
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
                    // Only CRLF after the dot ends the mail data, so this CR is content. The dot
                    // before it was stuffed, and stays removed.
                    self.bare_cr(self.offset - 1);
                    self.state = State::Line;
                    self.pending = if self.normalizes() { b"\r\n" } else { b"\r" };
                }
                (State::Cr, b'\n') => {
                    let (line_feed, rest) = input.split_at(1);
                    *input = rest;
                    self.offset += 1;
                    self.state = State::LineStart;
                    // With `Keep` the CR was returned with the piece before. With `Normalize` it
                    // was held back, because a bare CR would have become CRLF.
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

    /// Takes the longest piece that can be returned unchanged; `None` if that is empty.
    fn line<'a>(&mut self, input: &mut &'a [u8]) -> Option<&'a [u8]> {
        if !self.flaws.is_empty() {
            // Mail data with one flaw may have many. `are_whole` would find each of them, and
            // `flawed` would find it again.
            return self.flawed(input);
        }
        // A stuffed dot, or the end, can only follow an LF. All before it needs no change.
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

    /// Takes a piece that has, or may have, a bare CR, a bare LF or a NUL.
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
                    // A CRLF. Stop before a dot, which may be stuffed or end the mail data; and at
                    // the end of the input, because the next one may begin with a dot.
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
                    // The next octet decides whether this CR is bare.
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
