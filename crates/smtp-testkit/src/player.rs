//! Plays one script on one connection.

mod receiving;
mod sending;

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::inbox::{End, Inbox};
use crate::journal::Page;
use crate::message::Transaction;
use crate::mismatch::{Divergence, MismatchKind};
use crate::pace::Pace;
use crate::report::Speaker;
use crate::script::{Event, Script};
use crate::stream::{Socket, Stream};
use crate::tls::TlsSettings;
use crate::watchdog::{Expired, Watchdog};

/// A script, and the position of a connection in it.
pub(crate) struct Player<'a> {
    script: &'a Script,
    tls_settings: Option<&'a TlsSettings>,
    watchdog: &'a mut Watchdog,
    accepted: Instant,
    /// The index of the current entry.
    cursor: usize,
    inbox: Inbox,
    transaction: Transaction,
    page: Page,
    /// The setting of `[split]` or `[dribble]` for the next reply.
    pace: Option<Pace>,
    end_recorded: bool,
}

impl<'a> Player<'a> {
    pub(crate) fn new(
        script: &'a Script,
        tls_settings: Option<&'a TlsSettings>,
        watchdog: &'a mut Watchdog,
        page: Page,
    ) -> Self {
        Self {
            script,
            tls_settings,
            watchdog,
            accepted: Instant::now(),
            cursor: 0,
            inbox: Inbox::default(),
            transaction: Transaction::default(),
            page,
            pace: None,
            end_recorded: false,
        }
    }

    /// Plays until the script ends or the client deviates from it, then closes the connection.
    pub(crate) async fn play(mut self, socket: Box<dyn Socket>) -> Result<(), Divergence> {
        let outcome = self.perform(Stream::Clear(socket)).await;
        if outcome.is_err() {
            self.record_rest();
        }
        outcome
    }

    async fn perform(&mut self, mut stream: Stream) -> Result<(), Divergence> {
        while let Some(entry) = self.script.entries().get(self.cursor) {
            match &entry.event {
                Event::Client { octets, matching } => {
                    self.receive_line(&mut stream, octets, *matching).await?;
                }
                Event::Text => self.receive_text(&mut stream).await?,
                Event::Chunk(octets) => self.receive_chunk(&mut stream, *octets).await?,
                Event::ExpectClose => {
                    self.receive_close(&mut stream, MismatchKind::InsteadOfClose).await?;
                }
                Event::Server(_) => self.send_block(&mut stream).await?,
                Event::Raw(octets) => self.send_raw(&mut stream, octets).await?,
                event @ (Event::Split(_) | Event::Dribble { .. }) => self.pace = Pace::of(event),
                Event::Delay(time) => sleep(*time).await,
                Event::Tls | Event::StartTls => stream = self.encrypt(stream).await?,
                Event::HalfClose => self.half_close(&mut stream).await?,
                Event::Close | Event::TlsAbort => return self.close(stream).await,
                Event::Abort => {
                    stream.abort();
                    self.record_event("the server aborted the connection");
                    return Ok(());
                }
                Event::Reset => {
                    stream.reset();
                    self.record_event("the server reset the connection");
                    return Ok(());
                }
                Event::Stall => return self.stall(stream).await,
                // The parser accepts it in answers only.
                Event::Usual => {}
            }
            self.cursor += 1;
        }
        self.receive_close(&mut stream, MismatchKind::AfterTheEnd).await?;
        self.close(stream).await
    }

    async fn encrypt(&mut self, stream: Stream) -> Result<Stream, Divergence> {
        if !self.inbox.octets().is_empty() {
            return Err(self.divergence(MismatchKind::SentAhead));
        }
        let tls_settings = self.tls_settings.ok_or(rustls::Error::NoCertificatesPresented);
        let config = tls_settings
            .and_then(TlsSettings::config)
            .map_err(|error| self.divergence(MismatchKind::Handshake).because(&error))?;
        let encrypted = self.watchdog.watch(stream.encrypt(config)).await;
        match encrypted {
            Ok(Ok(stream)) => {
                self.page.write(|page| stream.describe(page));
                self.record_event("TLS handshake");
                Ok(stream)
            }
            Ok(Err(error)) => Err(self.divergence(MismatchKind::Handshake).because(&error)),
            Err(expired) => Err(self.unfinished(&expired)),
        }
    }

    async fn stall(&mut self, stream: Stream) -> Result<(), Divergence> {
        let gone = self.watchdog.watch(stream.gone()).await;
        gone.map_err(|expired| self.unfinished(&expired))?;
        self.record_event("the client closed");
        Ok(())
    }

    fn divergence(&self, kind: MismatchKind) -> Divergence {
        Divergence {
            kind,
            entry: self.cursor,
            received: self.inbox.octets().to_vec(),
            end: self.inbox.end(),
            reason: None,
        }
    }

    fn unfinished(&self, expired: &Expired) -> Divergence {
        self.divergence(MismatchKind::Unfinished).because(expired)
    }

    fn record(&self, speaker: Speaker, octets: &[u8]) {
        self.record_at(speaker, octets, self.accepted.elapsed());
    }

    fn record_at(&self, speaker: Speaker, octets: &[u8], elapsed: Duration) {
        let script_line = self.script.entries().get(self.cursor).map(|entry| entry.line);
        self.page.scripted_line(speaker, octets, elapsed, script_line);
    }

    fn record_event(&self, happened: &str) {
        self.record(Speaker::Stage, happened.as_bytes());
    }

    /// Records the octets that the script did not consume, for the mismatch to show.
    fn record_rest(&mut self) {
        // They may have arrived long before the wait for more octets ended.
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
        self.record_end();
    }

    /// Records, once, how the client ended its side.
    fn record_end(&mut self) {
        if std::mem::replace(&mut self.end_recorded, self.inbox.end().is_some()) {
            return;
        }
        match self.inbox.end() {
            Some(End::Closed) => self.record_event("the client closed"),
            Some(End::Cut) => self.record_event("the client closed without close_notify"),
            Some(End::Failed) => self.record_event("the connection failed"),
            None => {}
        }
    }
}
