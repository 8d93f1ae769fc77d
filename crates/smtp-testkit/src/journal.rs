//! What is known of a server's connections so far; the server writes, and tests look on.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::lint::Finding;
use crate::message::Message;
use crate::report::{Conversation, Line, Report};

/// The report while it grows. A clone is the same journal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    report: Arc<Mutex<Report>>,
    news: Arc<Notify>,
}

impl Journal {
    /// Begins the page of one more connection.
    pub(crate) fn open(&self) -> Page {
        let connection = self.with(|report| {
            report.connections.push(Conversation::default());
            report.connections.len() - 1
        });
        Page { journal: self.clone(), connection }
    }

    /// Everything up to now.
    pub(crate) fn report(&self) -> Report {
        self.with(|report| report.clone())
    }

    /// Looks at the report each time that something changes, until `look` has seen enough.
    pub(crate) async fn until<T>(&self, look: impl Fn(&Report) -> Option<T>) -> T {
        loop {
            let changed = self.news.notified();
            if let Some(seen) = self.with(|report| look(report)) {
                return seen;
            }
            changed.await;
        }
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut Report) -> T) -> T {
        // A panic elsewhere leaves a report whole: it only ever grows by whole pieces.
        use_it(&mut self.report.lock().unwrap_or_else(PoisonError::into_inner))
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
        self.journal.with(|report| {
            let number = report.connections.iter().map(|page| page.messages.len()).sum();
            let page = &mut report.connections[self.connection];
            page.messages.push(Message { number, ..message });
        });
        self.journal.news.notify_waiters();
    }

    pub(crate) fn finding(&self, finding: Finding) {
        self.write(|page| page.findings.push(finding));
    }

    pub(crate) fn read<T>(&self, look: impl FnOnce(&Conversation) -> T) -> T {
        self.journal.with(|report| look(&report.connections[self.connection]))
    }

    pub(crate) fn write(&self, change: impl FnOnce(&mut Conversation)) {
        self.journal.with(|report| change(&mut report.connections[self.connection]));
    }
}
