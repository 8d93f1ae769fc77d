//! Plays one script on one connection.

mod hearing;
mod speaking;

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::inbox::{End, Inbox};
use crate::journal::Page;
use crate::message::Transaction;
use crate::mismatch::{Departure, MismatchKind};
use crate::pace::Pace;
use crate::report::{Line, Speaker};
use crate::script::{Event, Script};
use crate::stream::{Socket, Stream};
use crate::tls::Terms;
use crate::watchdog::{Exhausted, Watchdog};

/// A script, and how far a connection has come in it.
pub(crate) struct Player<'a> {
    script: &'a Script,
    terms: Option<&'a Terms>,
    watchdog: &'a mut Watchdog,
    accepted: Instant,
    /// The entry being played.
    cursor: usize,
    inbox: Inbox,
    transaction: Transaction,
    page: Page,
    /// What `[split]` or `[dribble]` asked for.
    pace: Option<Pace>,
    end_noted: bool,
}

impl<'a> Player<'a> {
    pub(crate) fn new(
        script: &'a Script,
        terms: Option<&'a Terms>,
        watchdog: &'a mut Watchdog,
        page: Page,
    ) -> Self {
        Self {
            script,
            terms,
            watchdog,
            accepted: Instant::now(),
            cursor: 0,
            inbox: Inbox::default(),
            transaction: Transaction::default(),
            page,
            pace: None,
            end_noted: false,
        }
    }

    /// Plays until the script has ended or the client departs from it; then the connection is
    /// closed.
    pub(crate) async fn play(mut self, socket: Box<dyn Socket>) -> Result<(), Departure> {
        let outcome = self.perform(Stream::Clear(socket)).await;
        if outcome.is_err() {
            self.record_the_rest();
        }
        outcome
    }

    async fn perform(&mut self, mut stream: Stream) -> Result<(), Departure> {
        while let Some(entry) = self.script.entries().get(self.cursor) {
            match &entry.event {
                Event::Client { octets, matching } => {
                    self.hear_line(&mut stream, octets, *matching).await?;
                }
                Event::Text => self.hear_text(&mut stream).await?,
                Event::Chunk(octets) => self.hear_chunk(&mut stream, *octets).await?,
                Event::ExpectClose => {
                    self.hear_close(&mut stream, MismatchKind::InsteadOfClose).await?;
                }
                Event::Server(_) => self.say_block(&mut stream).await?,
                Event::Raw(octets) => self.say_raw(&mut stream, octets).await?,
                event @ (Event::Split(_) | Event::Dribble { .. }) => self.pace = Pace::of(event),
                Event::Delay(time) => sleep(*time).await,
                Event::Tls | Event::StartTls => stream = self.encrypt(stream).await?,
                Event::HalfClose => self.half_close(&mut stream).await?,
                Event::Close | Event::TlsAbort => return self.close(stream).await,
                Event::Abort => {
                    stream.abort();
                    self.note("the server closed without a word");
                    return Ok(());
                }
                Event::Reset => {
                    stream.reset();
                    self.note("the server reset the connection");
                    return Ok(());
                }
                Event::Stall => return self.stall(stream).await,
                // Only an answer has it, and no script does.
                Event::Usual => {}
            }
            self.cursor += 1;
        }
        self.hear_close(&mut stream, MismatchKind::AfterTheEnd).await?;
        self.close(stream).await
    }

    async fn encrypt(&mut self, stream: Stream) -> Result<Stream, Departure> {
        if !self.inbox.octets().is_empty() {
            return Err(self.departure(MismatchKind::SentAhead));
        }
        let terms = self.terms.ok_or(rustls::Error::NoCertificatesPresented);
        let config = terms
            .and_then(Terms::config)
            .map_err(|error| self.departure(MismatchKind::Handshake).because(&error))?;
        let encrypted = self.watchdog.watch(stream.encrypt(config)).await;
        match encrypted {
            Ok(Ok(stream)) => {
                self.page.write(|page| stream.describe(page));
                self.note("TLS handshake");
                Ok(stream)
            }
            Ok(Err(error)) => Err(self.departure(MismatchKind::Handshake).because(&error)),
            Err(exhausted) => Err(self.unfinished(&exhausted)),
        }
    }

    async fn stall(&mut self, stream: Stream) -> Result<(), Departure> {
        let gone = self.watchdog.watch(stream.gone()).await;
        gone.map_err(|exhausted| self.unfinished(&exhausted))?;
        self.note("the client closed");
        Ok(())
    }

    fn departure(&self, kind: MismatchKind) -> Departure {
        Departure {
            kind,
            entry: self.cursor,
            received: self.inbox.octets().to_vec(),
            end: self.inbox.end(),
            reason: None,
        }
    }

    fn unfinished(&self, exhausted: &Exhausted) -> Departure {
        self.departure(MismatchKind::Unfinished).because(exhausted)
    }

    fn record(&self, speaker: Speaker, octets: &[u8]) {
        self.record_at(speaker, octets, self.accepted.elapsed());
    }

    fn record_at(&self, speaker: Speaker, octets: &[u8], elapsed: Duration) {
        let script_line = self.script.entries().get(self.cursor).map(|entry| entry.line);
        self.page.line(Line { speaker, octets: octets.to_vec(), elapsed, script_line });
    }

    fn note(&self, happened: &str) {
        self.record(Speaker::Stage, happened.as_bytes());
    }

    /// Records what the client sent that the script did not come to, for the mismatch to show.
    fn record_the_rest(&mut self) {
        // It may have come long before the wait for more of it ended.
        let before = self.page.read(|page| page.dialogue.last().map(|line| line.elapsed));
        let before = before.unwrap_or_default();
        while let Some(length) = self.inbox.line() {
            let line = self.inbox.take(length);
            self.record_at(Speaker::Client, &line, before);
        }
        let rest = self.inbox.take(self.inbox.octets().len());
        if !rest.is_empty() {
            self.record_at(Speaker::Client, &rest, before);
        }
        self.note_end();
    }

    /// Notes, once, how the client ended its side.
    fn note_end(&mut self) {
        if std::mem::replace(&mut self.end_noted, self.inbox.end().is_some()) {
            return;
        }
        match self.inbox.end() {
            Some(End::Closed) => self.note("the client closed"),
            Some(End::Cut) => self.note("the client closed without close_notify"),
            Some(End::Broken) => self.note("the connection broke"),
            None => {}
        }
    }
}
