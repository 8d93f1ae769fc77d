//! The server: the octets that it sends, the octets written to it, and their order.
use std::io::IoSlice;

use smtp_fuzz::Cuts;
use smtp_session::{ActiveOperation, Operation};

use super::dialogue::Heard;

/// A server that sends the rest of the input in pieces.
pub struct Peer<'a> {
    said: &'a [u8],
    lengths: Box<dyn Iterator<Item = usize> + 'a>,
    /// Whether the client reads while it has something to write.
    early: bool,
    /// The number of octets of `said` that were read.
    pub heard: usize,
    /// The octets written to the server.
    pub written: Vec<u8>,
    /// The number of octets that were written when each octet was read.
    before: Vec<usize>,
}

impl<'a> Peer<'a> {
    pub fn new(said: &'a [u8], cuts: Cuts<'a>, early: bool) -> Self {
        Self {
            said,
            lengths: Box::new(cuts.lengths()),
            early,
            heard: 0,
            written: Vec::new(),
            before: Vec::new(),
        }
    }

    /// What was transferred after the given numbers of octets had been written and read.
    pub fn passed(&self, written: usize, heard: usize) -> Passed<'_> {
        let before: Vec<usize> =
            self.before[heard..].iter().map(|before| before - written).collect();
        let (replies, length) = replies(&self.said[heard..self.heard], &before);
        let rest = &self.said[heard + length..self.heard];
        let rest = !rest.is_empty() && !rest.starts_with(b"421");
        Passed { written: &self.written[written..], replies, rest }
    }

    /// The next length of a piece.
    pub fn length(&mut self) -> usize {
        self.lengths.next().unwrap_or(usize::MAX)
    }

    /// Takes some of what waits to be written.
    pub fn write<C: Operation>(&mut self, run: &mut ActiveOperation<'_, C>) {
        let mut slices = [IoSlice::new(&[]); 4];
        let filled = run.output().slices(&mut slices);
        let waiting: Vec<u8> =
            slices[..filled].iter().flat_map(|slice| slice.iter().copied()).collect();
        assert!(!waiting.is_empty() && waiting.starts_with(run.output().first()));
        let length = self.length().clamp(1, waiting.len());
        self.written.extend_from_slice(&waiting[..length]);
        run.wrote(length);
        if self.early && self.heard < self.said.len() {
            self.read(run);
        }
    }

    /// Says the next piece, or closes the connection when everything was said.
    pub fn read<C: Operation>(&mut self, run: &mut ActiveOperation<'_, C>) {
        if self.heard == self.said.len() {
            return run.closed();
        }
        let rest = &self.said[self.heard..];
        let length = self.length().min(rest.len());
        self.heard += length;
        self.before.resize(self.heard, self.written.len());
        run.receive(&rest[..length]);
    }
}

/// The octets transferred in both directions.
pub struct Passed<'p> {
    pub written: &'p [u8],
    /// The complete replies, up to the first line that does not belong to one.
    pub replies: Vec<Heard>,
    /// Whether more octets followed them.
    pub rest: bool,
}

/// The complete replies, and the end of the last of them.
fn replies(heard: &[u8], before: &[usize]) -> (Vec<Heard>, usize) {
    let (mut replies, mut at, mut whole) = (Vec::new(), 0, 0);
    let mut open: Option<Heard> = None;
    let lines = heard.split_inclusive(|&octet| octet == b'\n');
    for line in lines.filter(|line| line.ends_with(b"\n")) {
        let digits = line.get(..3).and_then(|digits| str::from_utf8(digits).ok());
        let code = digits.and_then(|digits| digits.parse::<u16>().ok());
        let Some(code) = code.filter(|code| (200..600).contains(code)) else { break };
        let new = || {
            let began = before[at];
            Heard { code, began, over: 0, too_many: false, of_an_address: false }
        };
        let mut reply = open.take().unwrap_or_else(new);
        at += line.len();
        if reply.code != code {
            break;
        }
        reply.over = before[at - 1];
        reply.too_many |= code == 452 || line.windows(4).any(|window| window == b".5.3");
        reply.of_an_address |= line.windows(3).any(|window| window == b".1.");
        let end = line.iter().rposition(|octet| !matches!(octet, b'\r' | b'\n'));
        match line.get(3..=end.unwrap_or(0)).and_then(|rest| rest.first()) {
            Some(b'-') => open = Some(reply),
            Some(b' ') | None => {
                replies.push(reply);
                whole = at;
            }
            Some(_) => break,
        }
    }
    (replies, whole)
}
