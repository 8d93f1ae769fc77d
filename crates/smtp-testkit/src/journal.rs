//! The journal of a server's connections, written by the server and read by tests.

mod entries;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::timeout;

pub(crate) use self::entries::Entries;
use crate::keep::Keep;
use crate::lint::Lint;
use crate::message::Message;
use crate::report::{Conversation, Line, Report, Speaker};

/// The growing report, and the clients that may still add to it. A clone is the same journal.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    entries: Arc<Mutex<Entries>>,
    news: Arc<Notify>,
}

/// Why no further message is to be expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    /// No connection is open, and none can be made.
    ForGood,
    /// All connections have ended, and no other was made within this time.
    Within(Duration),
}

impl Journal {
    pub(crate) fn new(keep: Keep) -> Self {
        Self { entries: Arc::new(Mutex::new(Entries::new(keep))), news: Arc::default() }
    }

    /// Begins the page of a new connection.
    pub(crate) fn open(&self) -> Page {
        let connection = self.change(Entries::open);
        Page { journal: self.clone(), connection }
    }

    /// Records that the server accepts no further connection.
    pub(crate) fn close(&self) {
        self.change(Entries::close);
    }

    /// The report up to now.
    pub(crate) fn report(&self) -> Report {
        self.with(|entries| entries.report())
    }

    /// The number of messages that have arrived.
    pub(crate) fn arrived(&self) -> usize {
        self.with(|entries| entries.arrived())
    }

    /// The number of connections that were made.
    pub(crate) fn made(&self) -> usize {
        self.with(|entries| entries.made())
    }

    /// The dialogue on a connection, counted from zero, if it is kept.
    pub(crate) fn conversation(&self, connection: usize) -> Option<Conversation> {
        self.with(|entries| entries.conversation(connection).cloned())
    }

    /// Calls `look` after each change until it returns a value.
    pub(crate) async fn until<T>(&self, look: impl Fn(&Entries) -> Option<T>) -> T {
        loop {
            let changed = self.news.notified();
            if let Some(seen) = self.with(|entries| look(entries)) {
                return seen;
            }
            changed.await;
        }
    }

    /// Waits until no client can send a message. A client that could connect again has `reconnect`
    /// for that; with `None`, the wait does not end while connections can be made.
    pub(crate) async fn until_gone(&self, reconnect: Option<Duration>) -> Gone {
        loop {
            // The number of connections shows one that was made and ended in between.
            let state = |entries: &Entries| Some((entries.gone(reconnect)?, entries.made()));
            let before = self.until(state).await;
            let (Gone::Within(time), _) = before else { return before.0 };
            let changed = |entries: &Entries| (state(entries) != Some(before)).then_some(());
            if timeout(time, self.until(changed)).await.is_ok() {
                continue;
            }
            // A connection made in time may still wait for the server to accept it.
            for _ in 0..YIELDS_BEFORE_GONE {
                yield_now().await;
            }
            if self.with(|entries| state(entries)) == Some(before) {
                return before.0;
            }
        }
    }

    /// Makes a change and wakes the tests that wait for one.
    fn change<T>(&self, change: impl FnOnce(&mut Entries) -> T) -> T {
        let changed = self.with(change);
        self.news.notify_waiters();
        changed
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut Entries) -> T) -> T {
        // A panic elsewhere cannot leave the report incomplete: each change adds one complete
        // element.
        use_it(&mut self.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How often the server's task is scheduled before a client counts as gone.
const YIELDS_BEFORE_GONE: usize = 8;

/// The page of one connection.
pub(crate) struct Page {
    journal: Journal,
    connection: usize,
}

impl Page {
    /// The number of the connection, counted from zero.
    pub(crate) fn connection(&self) -> usize {
        self.connection
    }

    /// Records a piece of the dialogue.
    pub(crate) fn line(&self, speaker: Speaker, octets: &[u8], elapsed: Duration) {
        self.scripted_line(speaker, octets, elapsed, None);
    }

    /// Records a piece of the dialogue, and the line of the script that is being played.
    pub(crate) fn scripted_line(
        &self,
        speaker: Speaker,
        octets: &[u8],
        elapsed: Duration,
        script_line: Option<usize>,
    ) {
        self.journal.with(|entries| {
            let kept = octets.len().min(entries.keep().line_octets);
            entries.line(
                self.connection,
                Line {
                    speaker,
                    octets: octets[..kept].to_vec(),
                    omitted: octets.len() - kept,
                    elapsed,
                    script_line,
                },
            );
        });
    }

    /// Returns the message with its number, its connection and the mistakes of the client.
    pub(crate) fn numbered(&self, message: Message) -> Message {
        self.journal.with(|entries| entries.numbered(self.connection, message))
    }

    /// Records a message, which tests may wait for.
    pub(crate) fn message(&self, message: Message) {
        self.journal.change(|entries| entries.message(self.connection, message));
    }

    /// Records a mistake in the last recorded piece of the dialogue.
    pub(crate) fn finding(&self, lint: Lint, what: String) {
        self.write(|page| page.mistake(lint, what));
    }

    pub(crate) fn read<T>(&self, look: impl FnOnce(&Conversation) -> T) -> T {
        self.journal.with(|entries| look(entries.page(self.connection)))
    }

    pub(crate) fn write(&self, change: impl FnOnce(&mut Conversation)) {
        self.journal.with(|entries| change(entries.page(self.connection)));
    }
}

impl Drop for Page {
    /// Records that the connection has ended.
    fn drop(&mut self) {
        self.journal.change(|entries| entries.end(self.connection));
    }
}
