//! The I/O of a server with rules on one connection, which is recorded in the journal.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

use crate::inbox::{End, Inbox};
use crate::journal::Page;
use crate::lint::Lint;
use crate::mismatch::{Divergence, MismatchKind};
use crate::pace::Pace;
use crate::report::Speaker;
use crate::rule::Admission;
use crate::script::Event;
use crate::stream::{Socket, Stream};
use crate::tls::TlsSettings;
use crate::watchdog::{Expired, Watchdog};

/// How often the server yields before a reply; see the player.
const YIELDS_BEFORE_REPLY: usize = 8;

/// Why a session has ended.
pub(super) enum SessionEnd {
    /// The connection has ended, as it may.
    Closed,
    /// The client has sent more than the server takes at a time.
    TooMuch,
    /// The client did not act before the watchdog expired.
    TimedOut(Divergence),
}

/// The stream to a client, until one side ends the connection.
pub(super) struct ClientIo {
    /// `None` during a handshake, and after the end.
    stream: Option<Stream>,
    pub(super) inbox: Inbox,
    pub(super) page: Page,
    pub(super) watchdog: Watchdog,
    accepted: Instant,
    /// The setting of `[split]` or `[dribble]` for the next reply.
    pace: Option<Pace>,
    /// What the server waits for, for the text of a mismatch.
    pub(super) awaited: &'static str,
    /// The most octets that are read of one line or text.
    input_limit: usize,
    /// Held while the connection counts as open; dropped before the client can notice the end.
    pub(super) admission: Option<Admission>,
}

impl ClientIo {
    pub(super) fn new(
        socket: Box<dyn Socket>,
        page: Page,
        watchdog: Watchdog,
        input_limit: usize,
    ) -> Self {
        Self {
            stream: Some(Stream::Clear(socket)),
            inbox: Inbox::default(),
            page,
            watchdog,
            accepted: Instant::now(),
            pace: None,
            awaited: "a command",
            input_limit,
            admission: None,
        }
    }

    pub(super) fn stream(&mut self) -> Result<&mut Stream, SessionEnd> {
        self.stream.as_mut().ok_or(SessionEnd::Closed)
    }

    /// Waits for octets until the watchdog expires.
    pub(super) async fn fill(&mut self) -> Result<(), SessionEnd> {
        self.within_limit(self.inbox.octets().len())?;
        let stream = self.stream.as_mut().ok_or(SessionEnd::Closed)?;
        let filled = self.watchdog.watch(self.inbox.fill(stream)).await;
        filled.map_err(|expired| self.timed_out(&expired))
    }

    /// Ends the session if this number of octets is more than the server takes at a time.
    pub(super) fn within_limit(&self, octets: usize) -> Result<(), SessionEnd> {
        (octets <= self.input_limit).then_some(()).ok_or(SessionEnd::TooMuch)
    }

    /// Lets the client run, and reads what it has sent before the reply.
    pub(super) async fn look_ahead(&mut self) -> Result<(), SessionEnd> {
        for _ in 0..YIELDS_BEFORE_REPLY {
            yield_now().await;
        }
        if self.inbox.octets().is_empty() && self.inbox.end().is_none() {
            let stream = self.stream.as_mut().ok_or(SessionEnd::Closed)?;
            self.inbox.fill_now(stream).await;
        }
        Ok(())
    }

    /// Consumes and records octets of the client.
    pub(super) fn take(&mut self, length: usize) -> Bytes {
        let octets = self.inbox.take(length);
        self.record(Speaker::Client, &octets);
        octets
    }

    /// Writes a reply, and records each line.
    pub(super) async fn send(&mut self, octets: &[u8]) -> Result<(), SessionEnd> {
        if announces_close(octets) {
            // A client that has read this reply may connect again at once.
            self.admission = None;
        }
        let pace = self.pace.take().unwrap_or_else(|| Pace::at_once(octets));
        let awaited = std::mem::replace(&mut self.awaited, "the client to read the reply");
        for (index, piece) in octets.chunks(pace.octets).enumerate() {
            if index > 0 && !pace.every.is_zero() {
                sleep(pace.every).await;
            }
            let stream = self.stream.as_mut().ok_or(SessionEnd::Closed)?;
            let written = self.watchdog.watch(async {
                let stream = stream.duplex();
                stream.write_all(piece).await?;
                stream.flush().await
            });
            // If the client has closed, the next read shows it.
            let _ = written.await.map_err(|expired| self.timed_out(&expired))?;
            if pace.octets < octets.len() {
                yield_now().await;
            }
        }
        self.awaited = awaited;
        for line in octets.split_inclusive(|&octet| octet == b'\n') {
            self.record(Speaker::Server, line);
        }
        Ok(())
    }

    /// Performs an event of an answer other than a reply line.
    pub(super) async fn perform_event(&mut self, event: &Event) -> Result<(), SessionEnd> {
        match event {
            Event::Raw(octets) => self.send(octets).await,
            Event::Split(_) | Event::Dribble { .. } => {
                self.pace = Pace::of(event);
                Ok(())
            }
            Event::Delay(time) => {
                sleep(*time).await;
                Ok(())
            }
            Event::HalfClose => {
                let stream = self.stream.as_mut().ok_or(SessionEnd::Closed)?;
                let closed = self.watchdog.watch(stream.duplex().shutdown()).await;
                let _ = closed.map_err(|expired| self.timed_out(&expired))?;
                self.record_event("the server closed its writing half");
                Ok(())
            }
            Event::Close | Event::TlsAbort => self.close("the server closed").await,
            Event::Abort => {
                self.leave()?.abort();
                self.record_event("the server aborted the connection");
                Err(SessionEnd::Closed)
            }
            Event::Reset => {
                self.leave()?.reset();
                self.record_event("the server reset the connection");
                Err(SessionEnd::Closed)
            }
            Event::Stall => self.stall().await,
            _ => Ok(()),
        }
    }

    /// Takes the stream for the end of the connection.
    fn leave(&mut self) -> Result<Stream, SessionEnd> {
        self.admission = None;
        self.stream.take().ok_or(SessionEnd::Closed)
    }

    pub(super) async fn close(&mut self, happened: &str) -> Result<(), SessionEnd> {
        let stream = self.leave()?;
        let closed = self.watchdog.watch(stream.close()).await;
        closed.map_err(|expired| self.timed_out(&expired))?;
        self.record_event(happened);
        Err(SessionEnd::Closed)
    }

    /// Neither reads nor writes until the client has closed.
    async fn stall(&mut self) -> Result<(), SessionEnd> {
        let stream = self.stream.take().ok_or(SessionEnd::Closed)?;
        let gone = self.watchdog.watch(stream.gone()).await;
        gone.map_err(|expired| self.timed_out(&expired))?;
        self.record_event("the client closed");
        Err(SessionEnd::Closed)
    }

    /// Makes a TLS handshake; its failure ends the session.
    pub(super) async fn encrypt(&mut self, tls_settings: &TlsSettings) -> Result<(), SessionEnd> {
        self.awaited = "a TLS handshake";
        let stream = self.stream.take().ok_or(SessionEnd::Closed)?;
        let config = match tls_settings.config() {
            Ok(config) => config,
            Err(error) => return self.failed_handshake(&error.to_string()),
        };
        let encrypted = self.watchdog.watch(stream.encrypt(config)).await;
        match encrypted.map_err(|expired| self.timed_out(&expired))? {
            Ok(stream) => {
                self.page.write(|page| stream.describe(page));
                self.stream = Some(stream);
                self.record_event("TLS handshake");
                Ok(())
            }
            Err(error) => self.failed_handshake(&error.to_string()),
        }
    }

    fn failed_handshake(&self, why: &str) -> Result<(), SessionEnd> {
        self.record_event(&format!("the TLS handshake failed: {why}"));
        Err(SessionEnd::Closed)
    }

    fn record(&self, speaker: Speaker, octets: &[u8]) {
        self.record_at(speaker, octets, self.accepted.elapsed());
    }

    fn record_at(&self, speaker: Speaker, octets: &[u8], elapsed: Duration) {
        self.page.line(speaker, octets, elapsed);
    }

    pub(super) fn record_event(&self, what: &str) {
        self.record(Speaker::Stage, what.as_bytes());
    }

    /// Records a mistake in the last recorded piece of the dialogue.
    pub(super) fn record_finding(&self, lint: Lint, what: String) {
        self.page.finding(lint, what);
    }

    /// Records how the client ended its side.
    pub(super) fn record_end(&mut self) {
        let end = self.inbox.end();
        let rest = self.inbox.octets().len();
        if rest > 0 {
            self.take(rest);
        }
        self.page.write(|page| page.closed(end == Some(End::Closed)));
        self.record_event(match end {
            Some(End::Closed) => "the client closed",
            Some(End::Cut) => "the client closed without close_notify",
            _ => "the connection failed",
        });
    }

    /// Makes the error for a client that did not act in time.
    pub(super) fn timed_out(&mut self, expired: &Expired) -> SessionEnd {
        let received = self.inbox.octets().to_vec();
        let only = match received.len() {
            0 => "received nothing",
            1 => "received only the last octet below",
            _ => "received only the last octets below",
        };
        let reason = format!("the server waited for {}, and {only}; {expired}", self.awaited);
        let end = self.inbox.end();
        if !received.is_empty() {
            // The octets arrived before the wait, but their time is unknown.
            let before = self.page.read(|page| page.dialogue.last().map(|line| line.elapsed));
            let octets = self.inbox.take(received.len());
            self.record_at(Speaker::Client, &octets, before.unwrap_or_default());
        }
        self.record_event("the watchdog expired");
        let divergence = Divergence::without_octets(MismatchKind::Unfinished);
        SessionEnd::TimedOut(Divergence { received, end, reason: Some(reason), ..divergence })
    }
}

/// Returns whether a reply announces that the server closes the connection (RFC 5321, 4.2.2).
fn announces_close(octets: &[u8]) -> bool {
    let mut lines = octets.split(|&octet| octet == b'\n');
    lines.any(|line| line.starts_with(b"221 ") || line.starts_with(b"421 "))
}

/// How long the server waits for a silent client after the test has asked for the result.
pub(super) const GRACE: Duration = Duration::from_millis(200);
