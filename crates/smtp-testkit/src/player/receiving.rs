//! Compares what the client sends with the script.

use super::Player;
use crate::host::judge;
use crate::inbox::End;
use crate::matching::{Matching, position};
use crate::message::{END_OF_TEXT, Message};
use crate::mismatch::{Divergence, MismatchKind};
use crate::report::Speaker;
use crate::script::Event;
use crate::stream::Stream;

impl Player<'_> {
    /// Receives one line and compares it with `expected`.
    pub(super) async fn receive_line(
        &mut self,
        stream: &mut Stream,
        expected: &[u8],
        matching: Matching,
    ) -> Result<(), Divergence> {
        let length = loop {
            match self.inbox.line() {
                Some(length) => break length,
                None => self.receive_more(stream).await?,
            }
        };
        let line = &self.inbox.octets()[..length];
        if !matching.accepts(expected, line) {
            return Err(self.divergence(MismatchKind::WrongLine));
        }
        if matching == Matching::Group && !self.arrived_as_group(length) {
            return Err(self.divergence(MismatchKind::SeveralSegments));
        }
        let line = self.inbox.take(length);
        self.transaction.line(&line);
        self.record(Speaker::Client, &line);
        Ok(())
    }

    /// Returns whether the first `length` octets are in one segment, and in the same segment as the
    /// `C|` line before them, if there is one.
    fn arrived_as_group(&self, length: usize) -> bool {
        let before = self.cursor.checked_sub(1).map(|index| &self.script.entries()[index].event);
        let begins = !matches!(before, Some(Event::Client { matching: Matching::Group, .. }));
        self.inbox.in_one_segment(length) && (begins || self.inbox.continues_segment())
    }

    /// Receives a message text.
    pub(super) async fn receive_text(&mut self, stream: &mut Stream) -> Result<(), Divergence> {
        let alone = &END_OF_TEXT[b"\r\n".len()..];
        let mut searched = 0;
        let length = loop {
            let octets = self.inbox.octets();
            if octets.starts_with(alone) {
                break alone.len();
            }
            if let Some(at) = position(&octets[searched..], END_OF_TEXT) {
                break searched + at + END_OF_TEXT.len();
            }
            // The end may have arrived in part.
            searched = octets.len().saturating_sub(END_OF_TEXT.len() - 1);
            self.receive_more(stream).await?;
        };
        let sent = self.inbox.take(length);
        self.record(Speaker::Client, &sent);
        let message = self.transaction.text(&sent);
        self.take_message(message);
        Ok(())
    }

    /// Receives a chunk of this many octets.
    pub(super) async fn receive_chunk(
        &mut self,
        stream: &mut Stream,
        octets: usize,
    ) -> Result<(), Divergence> {
        while self.inbox.octets().len() < octets {
            self.receive_more(stream).await?;
        }
        let chunk = self.inbox.take(octets);
        self.record(Speaker::Client, &chunk);
        if let Some(message) = self.transaction.chunk(&chunk) {
            self.take_message(message);
        }
        Ok(())
    }

    /// Records a message whose text was recorded last, and the mistakes in it.
    fn take_message(&self, message: Message) {
        for (lint, what) in judge::text(&message) {
            self.page.finding(lint, what);
        }
        self.page.message(message);
    }

    /// Waits for the client to end its side; `otherwise` is the kind of mismatch if it sends octets
    /// instead.
    pub(super) async fn receive_close(
        &mut self,
        stream: &mut Stream,
        otherwise: MismatchKind,
    ) -> Result<(), Divergence> {
        while self.inbox.end().is_none() && self.inbox.octets().is_empty() {
            let filled = self.watchdog.watch(self.inbox.fill(stream)).await;
            filled.map_err(|expired| self.unfinished(&expired))?;
        }
        if !self.inbox.octets().is_empty() {
            return Err(self.divergence(otherwise));
        }
        let close_notify = self.inbox.end() == Some(End::Closed);
        self.page.write(|page| page.closed(close_notify));
        self.record_end();
        Ok(())
    }

    async fn receive_more(&mut self, stream: &mut Stream) -> Result<(), Divergence> {
        if self.inbox.end().is_some() {
            return Err(self.divergence(MismatchKind::ClosedEarly));
        }
        let filled = self.watchdog.watch(self.inbox.fill(stream)).await;
        filled.map_err(|expired| self.unfinished(&expired))
    }
}
