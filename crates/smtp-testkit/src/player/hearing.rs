//! What the script expects of the client, held against what arrives.

use super::Player;
use crate::host::judge;
use crate::inbox::End;
use crate::lint::Finding;
use crate::matching::{Matching, position};
use crate::message::{END_OF_TEXT, Message};
use crate::mismatch::{Departure, MismatchKind};
use crate::report::Speaker;
use crate::script::Event;
use crate::stream::Stream;

impl Player<'_> {
    /// Takes one line and holds it against `expected`.
    pub(super) async fn hear_line(
        &mut self,
        stream: &mut Stream,
        expected: &[u8],
        matching: Matching,
    ) -> Result<(), Departure> {
        let length = loop {
            match self.inbox.line() {
                Some(length) => break length,
                None => self.hear_more(stream).await?,
            }
        };
        let line = &self.inbox.octets()[..length];
        if !matching.accepts(expected, line) {
            return Err(self.departure(MismatchKind::WrongLine));
        }
        if matching == Matching::Group && !self.arrived_as_group(length) {
            return Err(self.departure(MismatchKind::SeveralSegments));
        }
        let line = self.inbox.take(length);
        self.transaction.line(&line);
        self.record(Speaker::Client, &line);
        Ok(())
    }

    /// Whether the first `length` octets are in one segment, and in that of the `C|` line before
    /// them, if there is one.
    fn arrived_as_group(&self, length: usize) -> bool {
        let before = self.cursor.checked_sub(1).map(|index| &self.script.entries()[index].event);
        let begins = !matches!(before, Some(Event::Client { matching: Matching::Group, .. }));
        self.inbox.in_one_segment(length) && (begins || self.inbox.continues_segment())
    }

    /// Takes a message text.
    pub(super) async fn hear_text(&mut self, stream: &mut Stream) -> Result<(), Departure> {
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
            // The end may have begun to arrive.
            searched = octets.len().saturating_sub(END_OF_TEXT.len() - 1);
            self.hear_more(stream).await?;
        };
        let sent = self.inbox.take(length);
        self.record(Speaker::Client, &sent);
        let message = self.transaction.text(&sent);
        self.take_message(message);
        Ok(())
    }

    /// Takes a chunk of so many octets.
    pub(super) async fn hear_chunk(
        &mut self,
        stream: &mut Stream,
        octets: usize,
    ) -> Result<(), Departure> {
        while self.inbox.octets().len() < octets {
            self.hear_more(stream).await?;
        }
        let chunk = self.inbox.take(octets);
        self.record(Speaker::Client, &chunk);
        if let Some(message) = self.transaction.chunk(&chunk) {
            self.take_message(message);
        }
        Ok(())
    }

    /// Notes a message whose text was recorded last, and what is wrong with that.
    fn take_message(&self, message: Message) {
        let at = self.page.read(|page| page.dialogue.len().saturating_sub(1));
        for (lint, what) in judge::text(&message) {
            self.page.finding(Finding { lint, at, what });
        }
        self.page.message(message);
    }

    /// Waits for the client to end its side; `otherwise` says what octets are instead.
    pub(super) async fn hear_close(
        &mut self,
        stream: &mut Stream,
        otherwise: MismatchKind,
    ) -> Result<(), Departure> {
        while self.inbox.end().is_none() && self.inbox.octets().is_empty() {
            let filled = self.watchdog.watch(self.inbox.fill(stream)).await;
            filled.map_err(|exhausted| self.unfinished(&exhausted))?;
        }
        if !self.inbox.octets().is_empty() {
            return Err(self.departure(otherwise));
        }
        let close_notify = self.inbox.end() == Some(End::Closed);
        self.page.write(|page| page.closed(close_notify));
        self.note_end();
        Ok(())
    }

    async fn hear_more(&mut self, stream: &mut Stream) -> Result<(), Departure> {
        if self.inbox.end().is_some() {
            return Err(self.departure(MismatchKind::ClosedEarly));
        }
        let filled = self.watchdog.watch(self.inbox.fill(stream)).await;
        filled.map_err(|exhausted| self.unfinished(&exhausted))
    }
}
