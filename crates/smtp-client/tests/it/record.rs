//! A record of the octets on the wire and its meaning for a message. It is computed from the octets
//! alone, and the results of the client are compared with it.
use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use smtp_client::{Step, session::Dialect};
use smtp_testkit::Pipe;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a client handed to its transport and took from it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    pub(crate) written: Vec<u8>,
    pub(crate) heard: Vec<u8>,
    /// The number of octets that had been written when each octet was received.
    before: Vec<usize>,
}

impl Record {
    /// What was recorded after an earlier state of this record.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let (written, heard) = (earlier.written.len(), earlier.heard.len());
        let before = self.before[heard..].iter().map(|before| before - written);
        Self {
            written: self.written[written..].to_vec(),
            heard: self.heard[heard..].to_vec(),
            before: before.collect(),
        }
    }

    /// The whole replies, each with how much had been written when it began and when it ended.
    fn replies(&self) -> Vec<(u16, usize, usize)> {
        let (mut replies, mut began, mut at) = (Vec::new(), None, 0);
        for line in self.heard.split_inclusive(|&octet| octet == b'\n') {
            began = began.or(Some(self.before[at]));
            at += line.len();
            if line.ends_with(b"\n") && line.get(3) != Some(&b'-') {
                let code = str::from_utf8(&line[..3]).unwrap().parse().unwrap();
                replies.push((code, began.take().unwrap(), self.before[at - 1]));
            }
        }
        replies
    }

    /// The complete lines that were sent, each with its end.
    fn said(&self) -> Vec<(Said, usize)> {
        let mut said = Vec::new();
        let mut at = 0;
        while let Some(length) = find(&self.written[at..], b"\r\n") {
            let line = str::from_utf8(&self.written[at..at + length]).unwrap();
            let words: Vec<&str> = line.split(' ').collect();
            at += length + 2;
            let rest = &self.written[at..];
            match words[..] {
                ["BDAT", size, ref last @ ..] => {
                    let size: usize = size.parse().unwrap();
                    let what = if last == ["LAST"] { Said::End } else { Said::Chunk };
                    said.push((Said::Begin, at));
                    at += size.min(rest.len());
                    said.extend((size <= rest.len()).then_some((what, at)));
                }
                ["DATA"] => {
                    said.push((Said::Command(Step::Data), at));
                    // No text of these tests has a line that begins with a dot.
                    if rest.starts_with(b"Sub") {
                        said.push((Said::Begin, at));
                        let dot = find(rest, b"\r\n.");
                        at += dot.map_or(rest.len(), |dot| dot + 3);
                        said.extend(dot.map(|_| (Said::End, at)));
                        at += if self.written[at..].starts_with(b"\r\n") { 2 } else { 0 };
                    }
                }
                ["MAIL", ..] => said.push((Said::Command(Step::Mail), at)),
                ["RCPT", path, ..] => {
                    let number = path.trim_start_matches("TO:<r").split('@').next().unwrap();
                    said.push((Said::Rcpt(number.parse().unwrap()), at));
                }
                ["RSET"] => said.push((Said::Command(Step::Reset), at)),
                // One of the session commands, which come alone.
                _ => said.push((Said::Command(Step::Noop), at)),
            }
        }
        said
    }

    /// The step whose command was handed over in part.
    fn in_part(&self) -> Option<Step> {
        let last = self.written.split_inclusive(|&octet| octet == b'\n').next_back()?;
        Some(match last.get(..4)? {
            _ if last.ends_with(b"\n") => return None,
            b"MAIL" => Step::Mail,
            b"RCPT" => Step::Rcpt,
            b"DATA" => Step::Data,
            b"BDAT" => Step::Text,
            b"RSET" => Step::Reset,
            _ => return None,
        })
    }
}

fn find(octets: &[u8], what: &[u8]) -> Option<usize> {
    octets.windows(what.len()).position(|window| window == what)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Command(Step),
    Rcpt(usize),
    /// A chunk that is not the last.
    Chunk,
    /// The last octet that makes the text whole.
    End,
    /// What announces a text.
    Begin,
}

/// A pipe that is recorded.
pub(crate) struct Recorded {
    pipe: Pipe,
    record: Arc<Mutex<Record>>,
}

impl Recorded {
    /// The pipe, and the record of it. The record has one owner more while the client holds the
    /// pipe.
    pub(crate) fn new(pipe: Pipe) -> (Self, Arc<Mutex<Record>>) {
        let record = Arc::<Mutex<Record>>::default();
        (Self { pipe, record: Arc::clone(&record) }, record)
    }
}

impl AsyncRead for Recorded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.pipe).poll_read(cx, buffer);
        let mut record = self.record.lock().unwrap();
        record.heard.extend_from_slice(&buffer.filled()[before..]);
        let (heard, written) = (record.heard.len(), record.written.len());
        record.before.resize(heard, written);
        drop(record);
        read
    }
}

impl AsyncWrite for Recorded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.pipe).poll_write(cx, octets);
        if let Poll::Ready(Ok(taken)) = written {
            self.record.lock().unwrap().written.extend_from_slice(&octets[..taken]);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(cx)
    }
}

/// The meaning of a record for one operation.
#[derive(Debug)]
pub(crate) struct Reading {
    dialect: Dialect,
    slots: Vec<Slot>,
    /// The steps whose reply is pending, each with its recipient.
    pending: VecDeque<(Step, usize)>,
    /// How many of them come before the final reply, one for each recipient.
    each: usize,
    mid_text: bool,
    ended: bool,
    /// The step whose command is on its way.
    in_part: Option<Step>,
    /// A reply was none that the step may get, or came unasked.
    pub(crate) out_of_step: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Open,
    Taken,
    Settled(Step, u16),
}

impl Reading {
    /// Reads the record of a message to so many recipients. `continued` says whether those that
    /// are too many are tried again.
    pub(crate) fn of(
        record: &Record,
        dialect: Dialect,
        recipients: usize,
        continued: bool,
    ) -> Self {
        let slots = vec![Slot::Open; recipients];
        let pending = VecDeque::new();
        let mut reading = Self {
            dialect,
            slots,
            pending,
            each: 0,
            mid_text: false,
            ended: false,
            in_part: record.in_part(),
            out_of_step: false,
        };
        let said = record.said();
        let mut said = said.iter().peekable();
        for (code, began, over) in record.replies() {
            while let Some((what, _)) = said.next_if(|(_, end)| *end <= began) {
                reading.say(*what);
            }
            // With LMTP, the recipient of a reply that crossed the end of the text is unknown.
            let crossed = |(what, end): &&(Said, usize)| *what == Said::End && *end <= over;
            let crossed = dialect == Dialect::Lmtp && said.peek().is_some_and(crossed);
            reading.hear(code, continued, crossed);
            if reading.out_of_step {
                break;
            }
        }
        said.for_each(|(what, _)| reading.say(*what));
        reading
    }

    /// The step that the client waits for.
    pub(crate) fn step(&self) -> Option<Step> {
        let text = self.mid_text.then_some(Step::Text);
        self.pending.front().map(|(step, _)| *step).or(text).or(self.in_part)
    }

    /// Whether the message may have been accepted for a recipient: its end was handed over, and a
    /// final reply is missing.
    pub(crate) fn in_doubt(&self) -> bool {
        self.ended && self.verdicts().contains(&None)
    }

    /// Whether the verdict of every recipient is known.
    pub(crate) fn is_settled(&self) -> bool {
        !self.verdicts().contains(&None)
    }

    /// The verdicts so far.
    pub(crate) fn verdicts(&self) -> Vec<Option<(Step, u16)>> {
        let verdict = |slot: &Slot| match slot {
            Slot::Settled(step, code) => Some((*step, *code)),
            Slot::Open | Slot::Taken => None,
        };
        self.slots.iter().map(verdict).collect()
    }

    fn say(&mut self, what: Said) {
        match what {
            Said::Command(step) => self.pending.push_back((step, 0)),
            Said::Rcpt(recipient) => self.pending.push_back((Step::Rcpt, recipient)),
            Said::Begin => self.mid_text = true,
            Said::Chunk => {
                self.mid_text = true;
                self.pending.push_back((Step::Text, 0));
            }
            Said::End => {
                (self.mid_text, self.ended) = (true, true);
                match self.dialect {
                    Dialect::Smtp => self.pending.push_back((Step::EndOfText, 0)),
                    Dialect::Lmtp => self.pending.extend(self.taken()),
                }
            }
        }
    }

    /// The pending replies of each accepted recipient.
    fn taken(&self) -> Vec<(Step, usize)> {
        let taken = self.slots.iter().enumerate().filter(|(_, slot)| **slot == Slot::Taken);
        taken.map(|(recipient, _)| (Step::EndOfText, recipient)).collect()
    }

    fn hear(&mut self, code: u16, continued: bool, crossed: bool) {
        let refused = code >= 400;
        let Some((step, recipient)) = self.pending.pop_front() else {
            match refused && self.mid_text && !crossed {
                true => self.settle(Step::Text, code, |_| true),
                false => self.out_of_step = true,
            }
            return;
        };
        match step {
            Step::Rcpt if refused => self.settle(step, code, |at| at == recipient),
            Step::Rcpt if (250..=252).contains(&code) => self.take(recipient),
            Step::EndOfText if code == 353 => {
                let each = self.taken();
                self.each = each.len();
                self.pending.push_front((step, 0));
                each.into_iter().rev().for_each(|one| self.pending.push_front(one));
            }
            Step::EndOfText if refused || code / 100 == 2 => {
                self.hear_end(recipient, code, continued);
            }
            Step::Mail | Step::Data | Step::Text if refused => self.settle(step, code, |_| true),
            Step::Mail | Step::Text | Step::Reset if code == 250 => {}
            Step::Data if code == 354 => self.mid_text = true,
            Step::Noop => {}
            _ => {
                self.pending.push_front((step, recipient));
                self.out_of_step = true;
            }
        }
    }

    fn hear_end(&mut self, recipient: usize, code: u16, continued: bool) {
        if self.each > 0 {
            self.each -= 1;
            if code >= 400 {
                self.settle(Step::EndOfText, code, |at| at == recipient);
            }
            return;
        }
        let taken: Vec<usize> = self.taken().into_iter().map(|(_, at)| at).collect();
        let smtp = self.dialect == Dialect::Smtp;
        self.settle(Step::EndOfText, code, |at| {
            if smtp { taken.contains(&at) } else { at == recipient }
        });
        if self.pending.is_empty() {
            (self.mid_text, self.ended) = (false, false);
            if continued && !taken.is_empty() {
                let too_many = |slot: &&mut Slot| **slot == Slot::Settled(Step::Rcpt, 452);
                self.slots.iter_mut().filter(too_many).for_each(|slot| *slot = Slot::Open);
            }
        }
    }

    fn take(&mut self, recipient: usize) {
        if self.slots[recipient] == Slot::Open {
            self.slots[recipient] = Slot::Taken;
        }
    }

    fn settle(&mut self, step: Step, code: u16, whom: impl Fn(usize) -> bool) {
        for (at, slot) in self.slots.iter_mut().enumerate() {
            if whom(at) && !matches!(slot, Slot::Settled(..)) {
                *slot = Slot::Settled(step, code);
            }
        }
    }
}
