//! The other side: what it says, what was written to it, and in which order.
use std::io::IoSlice;

use smtp_client::session::{Conversation, Run};
use smtp_fuzz::Cuts;

/// A server that says what the input has, in pieces.
pub struct Peer<'a> {
    said: &'a [u8],
    lengths: Box<dyn Iterator<Item = usize> + 'a>,
    /// Whether it is heard while there is something to write.
    early: bool,
    /// How much of `said` was heard.
    pub heard: usize,
    /// What was written to it.
    pub written: Vec<u8>,
    /// How much had been heard when each octet was written.
    heard_before: Vec<usize>,
    /// Where the dot that ends the last text is among what was written, or will be.
    pub dot: Option<usize>,
}

impl<'a> Peer<'a> {
    pub fn new(said: &'a [u8], cuts: Cuts<'a>, early: bool) -> Self {
        Self {
            said,
            lengths: Box::new(cuts.lengths()),
            early,
            heard: 0,
            written: Vec::new(),
            heard_before: Vec::new(),
            dot: None,
        }
    }

    /// What was heard from `start` until the octet at `place` was written.
    pub fn heard_before(&self, start: usize, place: usize) -> &'a [u8] {
        &self.said[start..self.heard_before[place]]
    }

    /// What was heard from `start` on.
    pub fn heard_since(&self, start: usize) -> &'a [u8] {
        &self.said[start..self.heard]
    }

    /// The next length of a piece.
    pub fn length(&mut self) -> usize {
        self.lengths.next().unwrap_or(usize::MAX)
    }

    /// Takes some of what waits to be written.
    pub fn write<C: Conversation>(&mut self, run: &mut Run<'_, C>) {
        let mut slices = [IoSlice::new(&[]); 4];
        let filled = run.output().slices(&mut slices);
        let waiting: Vec<u8> =
            slices[..filled].iter().flat_map(|slice| slice.iter().copied()).collect();
        assert!(!waiting.is_empty() && waiting.starts_with(run.output().first()));
        let length = self.length().clamp(1, waiting.len());
        self.written.extend_from_slice(&waiting[..length]);
        self.heard_before.resize(self.written.len(), self.heard);
        run.wrote(length);
        if self.early && self.heard < self.said.len() {
            self.read(run);
        }
    }

    /// Says the next piece, or closes the connection when everything was said.
    pub fn read<C: Conversation>(&mut self, run: &mut Run<'_, C>) {
        if self.heard == self.said.len() {
            return run.closed();
        }
        let rest = &self.said[self.heard..];
        let length = self.length().min(rest.len());
        self.heard += length;
        run.receive(&rest[..length]);
    }

    /// The end of the text is the last that waits.
    pub fn note_end(&mut self, waiting: usize) {
        self.dot = Some(self.written.len() + waiting - b".\r\n".len());
    }
}
