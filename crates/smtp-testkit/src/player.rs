//! Plays one script on one connection.

mod hearing;
mod speaking;

use tokio::time::{Instant, sleep};

use crate::certificate::Identity;
use crate::inbox::{End, Inbox};
use crate::message::Transaction;
use crate::mismatch::{Departure, MismatchKind};
use crate::report::{Conversation, Line, Speaker, TlsFacts};
use crate::script::{Event, Script};
use crate::stream::{Socket, Stream};
use crate::tls::server_config;
use crate::watchdog::{Exhausted, Watchdog};

/// A script, and how far a connection has come in it.
pub(crate) struct Player<'a> {
    script: &'a Script,
    identity: Option<&'a Identity>,
    watchdog: &'a mut Watchdog,
    accepted: Instant,
    /// The entry being played.
    cursor: usize,
    inbox: Inbox,
    transaction: Transaction,
    conversation: Conversation,
    /// The size of the writes that `[split]` asked for.
    split: Option<usize>,
    end_noted: bool,
}

/// How it went.
pub(crate) struct Performance {
    pub(crate) conversation: Conversation,
    pub(crate) outcome: Result<(), Departure>,
}

impl<'a> Player<'a> {
    pub(crate) fn new(
        script: &'a Script,
        identity: Option<&'a Identity>,
        watchdog: &'a mut Watchdog,
    ) -> Self {
        Self {
            script,
            identity,
            watchdog,
            accepted: Instant::now(),
            cursor: 0,
            inbox: Inbox::default(),
            transaction: Transaction::default(),
            conversation: Conversation::default(),
            split: None,
            end_noted: false,
        }
    }

    /// Plays until the script has ended or the client departs from it; then the connection is
    /// closed.
    pub(crate) async fn play(mut self, socket: Box<dyn Socket>) -> Performance {
        let outcome = self.perform(Stream::Clear(socket)).await;
        if outcome.is_err() {
            self.record_the_rest();
        }
        Performance { conversation: self.conversation, outcome }
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
                Event::Split(octets) => self.split = Some(*octets),
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
        let identity = self.identity.ok_or(rustls::Error::NoCertificatesPresented);
        let config = identity
            .and_then(server_config)
            .map_err(|error| self.departure(MismatchKind::Handshake).because(&error))?;
        let encrypted = self.watchdog.watch(stream.encrypt(config)).await;
        match encrypted {
            Ok(Ok(stream)) => {
                self.conversation.tls = Some(TlsFacts::default());
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

    fn record(&mut self, speaker: Speaker, octets: &[u8]) {
        let script_line = self.script.entries().get(self.cursor).map(|entry| entry.line);
        self.conversation.dialogue.push(Line {
            speaker,
            octets: octets.to_vec(),
            elapsed: self.accepted.elapsed(),
            script_line,
        });
    }

    fn note(&mut self, happened: &str) {
        self.record(Speaker::Stage, happened.as_bytes());
    }

    /// Records what the client sent that the script did not come to, for the mismatch to show.
    fn record_the_rest(&mut self) {
        while let Some(length) = self.inbox.line() {
            let line = self.inbox.take(length);
            self.record(Speaker::Client, &line);
        }
        let rest = self.inbox.take(self.inbox.octets().len());
        if !rest.is_empty() {
            self.record(Speaker::Client, &rest);
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
