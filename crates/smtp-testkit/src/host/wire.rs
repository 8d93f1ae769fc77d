//! The connection of a server with rules: what goes over it, and what is noted of that.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

use crate::inbox::{End, Inbox};
use crate::journal::Page;
use crate::lint::{Finding, Lint};
use crate::mismatch::{Departure, MismatchKind};
use crate::pace::Pace;
use crate::report::{Line, Speaker};
use crate::rule::Admission;
use crate::script::Event;
use crate::stream::{Socket, Stream};
use crate::tls::Terms;
use crate::watchdog::{Exhausted, Watchdog};

/// How often a client that can run gets its turn before a reply; see the player.
const TURNS_BEFORE_REPLY: usize = 8;

/// Why a session is over.
pub(super) enum Over {
    /// The connection has ended, as it may.
    Ended,
    /// The client let the watchdog wait in vain.
    Stuck(Departure),
}

/// A connection, until one side ends it.
pub(super) struct Wire {
    /// Absent only while a handshake takes it.
    stream: Option<Stream>,
    pub(super) inbox: Inbox,
    pub(super) page: Page,
    pub(super) watchdog: Watchdog,
    accepted: Instant,
    /// What `[split]` or `[dribble]` asked for.
    pace: Option<Pace>,
    /// What the client is to do next, in words.
    pub(super) due: &'static str,
    /// Held while the connection counts as open; given up before the client can notice the end.
    pub(super) admission: Option<Admission>,
}

impl Wire {
    pub(super) fn new(socket: Box<dyn Socket>, page: Page, watchdog: Watchdog) -> Self {
        Self {
            stream: Some(Stream::Clear(socket)),
            inbox: Inbox::default(),
            page,
            watchdog,
            accepted: Instant::now(),
            pace: None,
            due: "a command",
            admission: None,
        }
    }

    pub(super) fn stream(&mut self) -> Result<&mut Stream, Over> {
        self.stream.as_mut().ok_or(Over::Ended)
    }

    /// Waits for octets, as long as the watchdog allows.
    pub(super) async fn fill(&mut self) -> Result<(), Over> {
        let stream = self.stream.as_mut().ok_or(Over::Ended)?;
        let filled = self.watchdog.watch(self.inbox.fill(stream)).await;
        filled.map_err(|exhausted| self.stuck(&exhausted))
    }

    /// Lets a client run that does not wait for the reply, and reads what it has sent by now.
    pub(super) async fn look_ahead(&mut self) -> Result<(), Over> {
        for _ in 0..TURNS_BEFORE_REPLY {
            yield_now().await;
        }
        if self.inbox.octets().is_empty() && self.inbox.end().is_none() {
            let stream = self.stream.as_mut().ok_or(Over::Ended)?;
            self.inbox.fill_now(stream).await;
        }
        Ok(())
    }

    /// Takes octets of the client, and notes them.
    pub(super) fn take(&mut self, length: usize) -> Bytes {
        let octets = self.inbox.take(length);
        self.note(Speaker::Client, &octets);
        octets
    }

    /// Writes a reply, and notes it line by line.
    pub(super) async fn say(&mut self, octets: &[u8]) -> Result<(), Over> {
        if is_farewell(octets) {
            // A client that has read it may connect again at once.
            self.admission = None;
        }
        let pace = self.pace.take().unwrap_or_else(|| Pace::at_once(octets));
        let due = std::mem::replace(&mut self.due, "the client to read its reply");
        for (index, piece) in octets.chunks(pace.octets).enumerate() {
            if index > 0 && !pace.every.is_zero() {
                sleep(pace.every).await;
            }
            let stream = self.stream.as_mut().ok_or(Over::Ended)?;
            let written = self.watchdog.watch(async {
                let stream = stream.duplex();
                stream.write_all(piece).await?;
                stream.flush().await
            });
            // A client that has gone is noticed by the next read.
            let _ = written.await.map_err(|exhausted| self.stuck(&exhausted))?;
            if pace.octets < octets.len() {
                yield_now().await;
            }
        }
        self.due = due;
        for line in octets.split_inclusive(|&octet| octet == b'\n') {
            self.note(Speaker::Server, line);
        }
        Ok(())
    }

    /// Does what an answer says, but for its reply lines.
    pub(super) async fn act(&mut self, event: &Event) -> Result<(), Over> {
        match event {
            Event::Raw(octets) => self.say(octets).await,
            Event::Split(_) | Event::Dribble { .. } => {
                self.pace = Pace::of(event);
                Ok(())
            }
            Event::Delay(time) => {
                sleep(*time).await;
                Ok(())
            }
            Event::HalfClose => {
                let stream = self.stream.as_mut().ok_or(Over::Ended)?;
                let closed = self.watchdog.watch(stream.duplex().shutdown()).await;
                let _ = closed.map_err(|exhausted| self.stuck(&exhausted))?;
                self.happened("the server writes no more");
                Ok(())
            }
            Event::Close | Event::TlsAbort => self.close("the server closed").await,
            Event::Abort => {
                self.leave()?.abort();
                self.happened("the server closed without a word");
                Err(Over::Ended)
            }
            Event::Reset => {
                self.leave()?.reset();
                self.happened("the server reset the connection");
                Err(Over::Ended)
            }
            Event::Stall => self.stall().await,
            _ => Ok(()),
        }
    }

    /// The stream, on which nothing more is served.
    fn leave(&mut self) -> Result<Stream, Over> {
        self.admission = None;
        self.stream.take().ok_or(Over::Ended)
    }

    pub(super) async fn close(&mut self, happened: &str) -> Result<(), Over> {
        let stream = self.leave()?;
        let closed = self.watchdog.watch(stream.close()).await;
        closed.map_err(|exhausted| self.stuck(&exhausted))?;
        self.happened(happened);
        Err(Over::Ended)
    }

    /// Neither reads nor writes until the client has gone.
    async fn stall(&mut self) -> Result<(), Over> {
        let stream = self.stream.take().ok_or(Over::Ended)?;
        let gone = self.watchdog.watch(stream.gone()).await;
        gone.map_err(|exhausted| self.stuck(&exhausted))?;
        self.happened("the client closed");
        Err(Over::Ended)
    }

    /// A TLS handshake now; a client that fails it has ended the session.
    pub(super) async fn encrypt(&mut self, terms: &Terms) -> Result<(), Over> {
        self.due = "a TLS handshake";
        let stream = self.stream.take().ok_or(Over::Ended)?;
        let config = match terms.config() {
            Ok(config) => config,
            Err(error) => return self.broken_handshake(&error.to_string()),
        };
        let encrypted = self.watchdog.watch(stream.encrypt(config)).await;
        match encrypted.map_err(|exhausted| self.stuck(&exhausted))? {
            Ok(stream) => {
                self.page.write(|page| stream.describe(page));
                self.stream = Some(stream);
                self.happened("TLS handshake");
                Ok(())
            }
            Err(error) => self.broken_handshake(&error.to_string()),
        }
    }

    fn broken_handshake(&self, why: &str) -> Result<(), Over> {
        self.happened(&format!("the TLS handshake failed: {why}"));
        Err(Over::Ended)
    }

    fn note(&self, speaker: Speaker, octets: &[u8]) {
        self.note_at(speaker, octets, self.accepted.elapsed());
    }

    fn note_at(&self, speaker: Speaker, octets: &[u8], elapsed: Duration) {
        self.page.line(Line { speaker, octets: octets.to_vec(), elapsed, script_line: None });
    }

    pub(super) fn happened(&self, what: &str) {
        self.note(Speaker::Stage, what.as_bytes());
    }

    /// Notes a mistake at the piece of the dialogue that was noted last.
    pub(super) fn blame(&self, lint: Lint, what: String) {
        let at = self.page.read(|page| page.dialogue.len().saturating_sub(1));
        self.page.finding(Finding { lint, at, what });
    }

    /// Notes how the client ended its side.
    pub(super) fn ended(&mut self) {
        let end = self.inbox.end();
        let rest = self.inbox.octets().len();
        if rest > 0 {
            self.take(rest);
        }
        self.page.write(|page| page.closed(end == Some(End::Closed)));
        self.happened(match end {
            Some(End::Closed) => "the client closed",
            Some(End::Cut) => "the client closed without close_notify",
            _ => "the connection broke",
        });
    }

    /// The client did not do in time what it was to do.
    pub(super) fn stuck(&mut self, exhausted: &Exhausted) -> Over {
        let received = self.inbox.octets().to_vec();
        let came = match received.len() {
            0 => "nothing came",
            1 => "the last octet below is not the whole of it",
            _ => "the last octets below are not the whole of it",
        };
        let reason = format!("the server waited for {}, and {came}; {exhausted}", self.due);
        let end = self.inbox.end();
        if !received.is_empty() {
            // They came before the wait, so that they have no time of their own.
            let before = self.page.read(|page| page.dialogue.last().map(|line| line.elapsed));
            let octets = self.inbox.take(received.len());
            self.note_at(Speaker::Client, &octets, before.unwrap_or_default());
        }
        self.happened("the watchdog gave up");
        let departure = Departure::without_octets(MismatchKind::Unfinished);
        Over::Stuck(Departure { received, end, reason: Some(reason), ..departure })
    }
}

/// Whether a reply says that the server closes the connection (RFC 5321, 4.2.2).
fn is_farewell(octets: &[u8]) -> bool {
    let mut lines = octets.split(|&octet| octet == b'\n');
    lines.any(|line| line.starts_with(b"221 ") || line.starts_with(b"421 "))
}

/// How long a client that says nothing is kept once the verdict is asked for.
pub(super) const GRACE: Duration = Duration::from_millis(200);
