//! The journal of a server's connections, written by the server and read by tests.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::lint::Finding;
use crate::message::Message;
use crate::report::{Conversation, Line, Report};

/// The growing report, and the clients that may still add to it. A clone is the same journal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    entries: Arc<Mutex<Entries>>,
    news: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Entries {
    report: Report,
    /// The number of open connections.
    open: usize,
    /// Whether the server has stopped accepting connections.
    closed: bool,
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
    /// Begins the page of a new connection.
    pub(crate) fn open(&self) -> Page {
        let connection = self.change(|entries| {
            entries.open += 1;
            entries.report.connections.push(Conversation::default());
            entries.report.connections.len() - 1
        });
        Page { journal: self.clone(), connection }
    }

    /// Records that the server accepts no further connection.
    pub(crate) fn close(&self) {
        self.change(|entries| entries.closed = true);
    }

    /// The report up to now.
    pub(crate) fn report(&self) -> Report {
        self.with(|entries| entries.report.clone())
    }

    /// Calls `look` with the report after each change until it returns a value.
    pub(crate) async fn until<T>(&self, look: impl Fn(&Report) -> Option<T>) -> T {
        self.until_entries(move |entries| look(&entries.report)).await
    }

    /// Waits until no client can send a message. A client that could connect again has `reconnect`
    /// for that; with `None`, the wait does not end while connections can be made.
    pub(crate) async fn until_gone(&self, reconnect: Option<Duration>) -> Gone {
        loop {
            // The number of connections shows one that was made and ended in between.
            let state = |entries: &Entries| {
                Some((entries.gone(reconnect)?, entries.report.connections.len()))
            };
            let before = self.until_entries(state).await;
            let (Gone::Within(time), _) = before else { return before.0 };
            let changed = |entries: &Entries| (state(entries) != Some(before)).then_some(());
            if timeout(time, self.until_entries(changed)).await.is_ok() {
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

    async fn until_entries<T>(&self, look: impl Fn(&Entries) -> Option<T>) -> T {
        loop {
            let changed = self.news.notified();
            if let Some(seen) = self.with(|entries| look(entries)) {
                return seen;
            }
            changed.await;
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

impl Entries {
    fn gone(&self, reconnect: Option<Duration>) -> Option<Gone> {
        match (self.open, self.closed) {
            (0, true) => Some(Gone::ForGood),
            (0, false) if !self.report.connections.is_empty() => reconnect.map(Gone::Within),
            _ => None,
        }
    }
}

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

    pub(crate) fn line(&self, line: Line) {
        self.write(|page| page.dialogue.push(line));
    }

    /// Records a message, which tests may wait for.
    pub(crate) fn message(&self, message: Message) {
        self.journal.change(|entries| {
            let connections = &mut entries.report.connections;
            let number = connections.iter().map(|page| page.messages.len()).sum();
            connections[self.connection].messages.push(Message { number, ..message });
        });
    }

    pub(crate) fn finding(&self, finding: Finding) {
        self.write(|page| page.findings.push(finding));
    }

    pub(crate) fn read<T>(&self, look: impl FnOnce(&Conversation) -> T) -> T {
        self.journal.with(|entries| look(&entries.report.connections[self.connection]))
    }

    pub(crate) fn write(&self, change: impl FnOnce(&mut Conversation)) {
        self.journal.with(|entries| change(&mut entries.report.connections[self.connection]));
    }
}

impl Drop for Page {
    /// Records that the connection has ended.
    fn drop(&mut self) {
        self.journal.change(|entries| entries.open -= 1);
    }
}
