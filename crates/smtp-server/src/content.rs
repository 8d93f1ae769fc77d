//! Mail data on the way in: after DATA or in chunks, checked while it flows (RFC 5321, 4.1.1.4;
//! RFC 3030).
use smtp_codec::{BareLineEnds, FlawScanner, TextFlaws, Unstuffed, Unstuffer};
use smtp_error::{Reply, ReplyCode};

use crate::{Abandoned, BareOctets, Refuse};

/// The mail data of a message that is on its way, or of a chunk that only has to be skipped.
///
/// Mail data that is refused is read to its end all the same: in SMTP there is no other way to find
/// the next command.
#[derive(Debug)]
pub(crate) struct Content {
    framing: Framing,
    bare: BareOctets,
    size: u64,
    limit: u64,
    refusal: Option<Refuse>,
    dropped: u64,
    most_dropped: u64,
    /// The flaws of a message in chunks, once it has ended.
    found: Option<TextFlaws>,
}

#[derive(Debug)]
enum Framing {
    /// After DATA.
    Text(Box<Unstuffer>),
    /// In chunks.
    Chunks {
        left: u64,
        last: bool,
        /// `None` for binary mail data, in which every octet is allowed.
        scanner: Option<FlawScanner>,
    },
}

/// The next piece of mail data.
#[derive(Debug)]
pub(crate) enum Piece<'a> {
    /// Octets for the handler.
    Octets(&'a [u8]),
    /// The message is refused from here on: nothing more is given out.
    Refused(Abandoned),
    /// More input is needed.
    Starved,
    /// A chunk has ended, and another one will come.
    EndOfChunk,
    /// The mail data has ended.
    End,
    /// The client goes on with a refused message for too long.
    Endless,
}

impl Content {
    /// Expects mail data after DATA.
    pub(crate) fn text(bare: BareOctets, limit: u64, most_dropped: u64) -> Self {
        let line_ends = match bare {
            BareOctets::Normalize => BareLineEnds::Normalize,
            BareOctets::Refuse | BareOctets::Keep => BareLineEnds::Keep,
        };
        let framing = Framing::Text(Box::new(Unstuffer::new(line_ends)));
        Self { framing, bare, size: 0, limit, refusal: None, dropped: 0, most_dropped, found: None }
    }

    /// Expects mail data in chunks.
    pub(crate) fn chunks(binary: bool, bare: BareOctets, limit: u64, most_dropped: u64) -> Self {
        let scanner = (!binary).then(FlawScanner::new);
        let framing = Framing::Chunks { left: 0, last: false, scanner };
        Self { framing, bare, size: 0, limit, refusal: None, dropped: 0, most_dropped, found: None }
    }

    /// Refuses the mail data. The first refusal stands.
    pub(crate) fn refuse(&mut self, refusal: Refuse) {
        self.refusal.get_or_insert(refusal);
    }

    /// Expects a chunk of this size. Returns why the message is refused, if it would become too large.
    pub(crate) fn announce(&mut self, size: u64, is_last: bool) -> Option<Abandoned> {
        if let Framing::Chunks { left, last, .. } = &mut self.framing {
            (*left, *last) = (size, is_last);
        }
        let too_large = self.refusal.is_none() && self.size.saturating_add(size) > self.limit;
        too_large.then(|| self.abandon(Abandoned::TooLarge { limit: self.limit }))
    }

    /// Returns the refusal, if there is one.
    pub(crate) fn refusal(&self) -> Option<&Refuse> {
        self.refusal.as_ref()
    }

    /// Returns the size so far, in octets.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Returns the flaws that are tolerated.
    pub(crate) fn flaws(&self) -> TextFlaws {
        match &self.framing {
            Framing::Text(unstuffer) => unstuffer.flaws(),
            Framing::Chunks { scanner, .. } => {
                let so_far = || scanner.as_ref().map(FlawScanner::flaws);
                self.found.or_else(so_far).unwrap_or_default()
            }
        }
    }

    /// Takes the next piece off the front of `input`.
    pub(crate) fn next<'a>(&mut self, input: &mut &'a [u8]) -> Piece<'a> {
        loop {
            if self.dropped > self.most_dropped {
                return Piece::Endless;
            }
            let octets = match &mut self.framing {
                Framing::Text(unstuffer) => match unstuffer.next(input) {
                    None => return Piece::Starved,
                    Some(Unstuffed::End) => return self.end(),
                    Some(Unstuffed::Text(octets)) => octets,
                },
                Framing::Chunks { left: 0, .. } => return self.end(),
                Framing::Chunks { .. } if input.is_empty() => return Piece::Starved,
                Framing::Chunks { left, scanner, .. } => {
                    let count = usize::try_from(*left).map_or(input.len(), |n| n.min(input.len()));
                    let (octets, rest) = input.split_at(count);
                    (*input, *left) = (rest, *left - count as u64);
                    if let Some(scanner) = scanner {
                        scanner.scan(octets);
                    }
                    octets
                }
            };
            if self.refusal.is_some() {
                self.dropped += octets.len() as u64;
                continue;
            }
            self.size += octets.len() as u64;
            return match self.objection(self.flaws()) {
                Some(why) => {
                    self.dropped = self.size.saturating_sub(self.limit);
                    Piece::Refused(self.abandon(why))
                }
                None => Piece::Octets(octets),
            };
        }
    }

    fn end(&mut self) -> Piece<'static> {
        if let Framing::Chunks { last, scanner, .. } = &mut self.framing {
            if !*last {
                return Piece::EndOfChunk;
            }
            // A CR at the end of the mail data is bare.
            self.found = self.found.or_else(|| scanner.take().map(FlawScanner::end));
        }
        match self.objection(self.flaws()).filter(|_| self.refusal.is_none()) {
            Some(why) => Piece::Refused(self.abandon(why)),
            None => Piece::End,
        }
    }

    fn objection(&self, flaws: TextFlaws) -> Option<Abandoned> {
        if self.size > self.limit {
            return Some(Abandoned::TooLarge { limit: self.limit });
        }
        (self.bare == BareOctets::Refuse && !flaws.is_empty()).then_some(Abandoned::Flawed(flaws))
    }

    fn abandon(&mut self, why: Abandoned) -> Abandoned {
        let (code, text) = match why {
            Abandoned::Flawed(flaws) => (ReplyCode::TRANSACTION_FAILED, describe(flaws)),
            _ => (ReplyCode::STORAGE_EXCEEDED, "5.3.4 Message too large".to_owned()),
        };
        self.refusal = Some(Refuse::of(Reply::new(code, text)));
        why
    }
}

/// Describes the first flaw.
fn describe(flaws: TextFlaws) -> String {
    let found = [(flaws.bare_lf, "bare LF"), (flaws.bare_cr, "bare CR"), (flaws.nul, "NUL")];
    let first = found.iter().filter_map(|(offset, what)| Some((offset.as_ref()?, what))).min();
    match first {
        Some((offset, what)) => {
            format!("5.6.0 The message has a {what} (octet {offset}); lines end with CRLF")
        }
        None => "5.6.0 Lines end with CRLF".to_owned(),
    }
}
