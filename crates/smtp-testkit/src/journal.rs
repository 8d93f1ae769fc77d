//! What is known of a server's connections so far; the server writes, and tests look on.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::lint::Finding;
use crate::message::Message;
use crate::report::{Conversation, Line, Report};

/// The report while it grows, and which clients may still add to it. A clone is the same journal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    entries: Arc<Mutex<Entries>>,
    news: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Entries {
    report: Report,
    /// How many connections are open.
    open: usize,
    /// No further connection is accepted.
    closed: bool,
}

/// Why no message can come any more, or none is to be expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    /// No connection is open, and none can be made.
    ForGood,
    /// Every connection has ended, and no other was made within this time.
    Within(Duration),
}

impl Journal {
    /// Begins the page of one more connection.
    pub(crate) fn open(&self) -> Page {
        let connection = self.change(|entries| {
            entries.open += 1;
            entries.report.connections.push(Conversation::default());
            entries.report.connections.len() - 1
        });
        Page { journal: self.clone(), connection }
    }

    /// Notes that no further connection is accepted.
    pub(crate) fn close(&self) {
        self.change(|entries| entries.closed = true);
    }

    /// Everything up to now.
    pub(crate) fn report(&self) -> Report {
        self.with(|entries| entries.report.clone())
    }

    /// Looks at the report each time that something changes, until `look` has seen enough.
    pub(crate) async fn until<T>(&self, look: impl Fn(&Report) -> Option<T>) -> T {
        self.until_entries(move |entries| look(&entries.report)).await
    }

    /// Waits until no client is left that could send a message: one that could connect again is
    /// given `reconnect` for it, or as long as it takes.
    pub(crate) async fn until_gone(&self, reconnect: Option<Duration>) -> Gone {
        loop {
            // With the number of connections, one that has come and gone since is noticed, too.
            let state = |entries: &Entries| {
                Some((entries.gone(reconnect)?, entries.report.connections.len()))
            };
            let before = self.until_entries(state).await;
            let (Gone::Within(time), _) = before else { return before.0 };
            let changed = |entries: &Entries| (state(entries) != Some(before)).then_some(());
            if timeout(time, self.until_entries(changed)).await.is_ok() {
                continue;
            }
            // A connection that was made in time may wait for the server to accept it.
            for _ in 0..TURNS_FOR_ACCEPTING {
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

    /// Makes a change that tests may wait for.
    fn change<T>(&self, change: impl FnOnce(&mut Entries) -> T) -> T {
        let changed = self.with(change);
        self.news.notify_waiters();
        changed
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut Entries) -> T) -> T {
        // A panic elsewhere leaves a report whole: it only ever grows by whole pieces.
        use_it(&mut self.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How often the server's task runs before a client counts as gone.
const TURNS_FOR_ACCEPTING: usize = 8;

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
    /// The connection, counted from zero.
    pub(crate) fn connection(&self) -> usize {
        self.connection
    }

    pub(crate) fn line(&self, line: Line) {
        self.write(|page| page.dialogue.push(line));
    }

    /// Notes a message, which from now on can be waited for.
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
    /// The connection has ended.
    fn drop(&mut self) {
        self.journal.change(|entries| entries.open -= 1);
    }
}
