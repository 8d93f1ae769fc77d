//! Output: what is to be written, as slices that are not copied together.
use std::{collections::VecDeque, fmt, io::IoSlice};

use bytes::{Buf, Bytes};
use zeroize::Zeroize;

/// What a session wants written, in order: command lines, and slices of text.
#[derive(Default)]
pub struct Output {
    /// The command lines that are not written, and how many octets of them are.
    commands: Vec<u8>,
    written: usize,
    /// Whether one of them holds a secret.
    secret: bool,
    segments: VecDeque<Segment>,
    len: usize,
    handed: u64,
}

enum Segment {
    /// This number of octets of `commands`.
    Commands(usize),
    Text(Bytes),
}

/// How many octets may wait to be written before more content is asked for.
const CONTENT_AHEAD: usize = 256 * 1024;
/// How many octets may wait to be written before more commands are encoded.
const COMMANDS_AHEAD: usize = 64 * 1024;

impl Output {
    /// How many octets wait.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many slices wait.
    pub fn count(&self) -> usize {
        self.segments.len()
    }

    /// The first slice that waits; empty if nothing does.
    pub fn first(&self) -> &[u8] {
        self.waiting().next().unwrap_or_default()
    }

    /// Fills in as many of the slices that wait as there is room for, for one vectored write, and
    /// returns their number.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        for (slice, octets) in slices.iter_mut().zip(self.waiting()) {
            *slice = IoSlice::new(octets);
        }
        self.segments.len().min(slices.len())
    }

    /// Appends what waits first, at most `room` octets: for a write of many small slices at once.
    pub fn gather(&self, mut room: usize, out: &mut Vec<u8>) {
        for octets in self.waiting() {
            let taken = room.min(octets.len());
            out.extend_from_slice(&octets[..taken]);
            room -= taken;
            if room == 0 {
                break;
            }
        }
    }

    /// The slices that wait, in order.
    fn waiting(&self) -> impl Iterator<Item = &[u8]> {
        let mut commands = &self.commands[self.written..];
        self.segments.iter().map(move |segment| match segment {
            Segment::Text(text) => &text[..],
            Segment::Commands(length) => {
                let (these, rest) = commands.split_at(*length);
                commands = rest;
                these
            }
        })
    }

    /// How many octets have been handed to the transport since the session began.
    pub(super) fn handed(&self) -> u64 {
        self.handed
    }

    /// Where the next octet that is added will be, counted as [`handed`](Self::handed) is.
    pub(super) fn end(&self) -> u64 {
        self.handed + self.len as u64
    }

    /// Takes note that `octets` were handed to the transport.
    pub(super) fn advance(&mut self, octets: usize) {
        let mut octets = octets.min(self.len);
        self.handed += octets as u64;
        self.len -= octets;
        while octets > 0 {
            let Some(segment) = self.segments.front_mut() else { break };
            let left = match segment {
                Segment::Text(text) => {
                    let step = octets.min(text.len());
                    text.advance(step);
                    octets -= step;
                    text.len()
                }
                Segment::Commands(length) => {
                    let step = octets.min(*length);
                    *length -= step;
                    self.written += step;
                    octets -= step;
                    *length
                }
            };
            if left == 0 {
                self.segments.pop_front();
            }
        }
        // What is written is dropped before it is more than what waits, so that little is moved.
        if self.written >= self.commands.len() - self.written {
            self.drop_written();
        }
    }

    /// Takes note that the last `octets` were handed over to nothing. They are not to be written
    /// again: the session ends.
    pub(super) fn take_back(&mut self, octets: usize) {
        self.handed = self.handed.saturating_sub(octets as u64);
    }

    /// Returns whether more content may be added: memory stays bounded whatever its size.
    pub(super) fn has_room_for_content(&self) -> bool {
        self.len < CONTENT_AHEAD
    }

    /// Returns whether more commands may be added: memory stays bounded however many there are.
    pub(super) fn has_room_for_commands(&self) -> bool {
        self.len < COMMANDS_AHEAD
    }

    /// Adds a command line.
    pub(super) fn command<E>(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let before = self.commands.len();
        write(&mut self.commands)?;
        let length = self.commands.len() - before;
        self.len += length;
        match self.segments.back_mut() {
            Some(Segment::Commands(last)) => *last += length,
            _ => self.segments.push_back(Segment::Commands(length)),
        }
        Ok(())
    }

    /// What was added last holds a secret: it is overwritten once it is gone.
    pub(super) fn keep_secret(&mut self) {
        self.secret = true;
    }

    fn drop_written(&mut self) {
        if self.secret {
            self.commands[..self.written].zeroize();
            self.secret = self.written < self.commands.len();
        }
        self.commands.drain(..self.written);
        self.written = 0;
    }

    /// Adds a slice of text.
    pub(super) fn text(&mut self, slice: Bytes) {
        if !slice.is_empty() {
            self.len += slice.len();
            self.segments.push_back(Segment::Text(slice));
        }
    }

    /// Forgets what waits.
    pub(super) fn clear(&mut self) {
        self.written = self.commands.len();
        self.drop_written();
        self.segments.clear();
        self.len = 0;
    }
}

/// Without the octets, which may hold what no log may.
impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_all(output: &mut Output, step: usize) -> Vec<u8> {
        let mut written = Vec::new();
        while !output.is_empty() {
            let mut slices = [IoSlice::new(&[]); 3];
            let filled = output.slices(&mut slices);
            let whole: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect();
            assert!(whole.starts_with(output.first()));
            let mut gathered = Vec::new();
            output.gather(step, &mut gathered);
            assert!(whole.starts_with(&gathered) || gathered.starts_with(&whole));
            let step = step.min(whole.len());
            written.extend(&whole[..step]);
            output.advance(step);
        }
        written
    }

    #[test]
    fn commands_and_text_leave_in_order_however_they_are_cut() {
        for step in 1..20 {
            let mut output = Output::default();
            let line = |output: &mut Output, line: &str| {
                let write = |out: &mut Vec<u8>| {
                    out.extend_from_slice(line.as_bytes());
                    Ok::<_, ()>(())
                };
                output.command(write).unwrap();
            };
            line(&mut output, "DATA\r\n");
            output.text(Bytes::from_static(b"text"));
            output.text(Bytes::new());
            output.text(Bytes::from_static(b"."));
            line(&mut output, "MAIL\r\n");
            line(&mut output, "RCPT\r\n");
            assert_eq!(output.len(), 23);
            assert_eq!(write_all(&mut output, step), b"DATA\r\ntext.MAIL\r\nRCPT\r\n");
            assert_eq!((output.handed(), output.end()), (23, 23));
        }
    }

    #[test]
    fn what_is_written_is_not_kept() {
        let mut output = Output::default();
        let write = |out: &mut Vec<u8>| {
            out.extend_from_slice(&[b'x'; 100]);
            Ok::<_, ()>(())
        };
        output.command(write).unwrap();
        for _ in 0..100_000 {
            output.command(write).unwrap();
            // Something always waits.
            output.advance(100);
            assert!(output.len() == 100 && output.commands.capacity() <= 1000);
        }
    }
}
