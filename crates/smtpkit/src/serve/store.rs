//! The messages that `serve` keeps in memory: bounded in number and in octets, searched and awaited.
//!
//! What a message contains is read by `reading`, when it is first asked for.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::reading::{self, Heading};

mod filter;

pub(crate) use filter::Filter;

/// What a store keeps at most. The oldest messages are dropped first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) messages: usize,
    /// Contents and envelopes together.
    pub(crate) octets: usize,
}

/// The protocol by which a message was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Smtp,
    Lmtp,
}

impl Protocol {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Lmtp => "lmtp",
        }
    }
}

/// A mistake of the client, as the lints of the server report it.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) lint: String,
    pub(crate) what: String,
    pub(crate) remedy: String,
}

/// A message as it was received, before it has a number.
#[derive(Clone, Debug)]
pub(crate) struct NewMessage {
    pub(crate) received: SystemTime,
    pub(crate) protocol: Protocol,
    /// Which listener, and which of its connections, for the dialogue.
    pub(crate) listener: usize,
    pub(crate) connection: usize,
    /// Without angle brackets; empty for the null reverse-path.
    pub(crate) reverse_path: String,
    pub(crate) forward_paths: Vec<String>,
    /// The MAIL command as sent, without CRLF.
    pub(crate) mail: String,
    /// The RCPT commands as sent, without CRLF.
    pub(crate) rcpts: Vec<String>,
    /// The content as received, without added dots.
    pub(crate) octets: Bytes,
    /// The version of TLS, if the message was received under it.
    pub(crate) tls: Option<String>,
    /// The user that had logged in.
    pub(crate) user: Option<String>,
    pub(crate) findings: Vec<Finding>,
}

impl NewMessage {
    /// Returns the octets that keeping the message costs.
    fn cost(&self) -> usize {
        let lines = self.forward_paths.iter().chain(&self.rcpts).map(|line| line.len() + 24);
        let findings = self.findings.iter();
        size_of::<Stored>()
            + self.octets.len()
            + self.reverse_path.len()
            + self.mail.len()
            + lines.sum::<usize>()
            + findings.map(|it| it.lint.len() + it.what.len() + it.remedy.len() + 72).sum::<usize>()
    }
}

/// A message with its number.
#[derive(Debug)]
pub(crate) struct Stored {
    /// Counts from 1, and is never used again.
    pub(crate) id: u64,
    pub(crate) message: NewMessage,
    heading: OnceLock<Heading>,
    attachments: OnceLock<usize>,
}

impl Stored {
    /// Returns what a list shows of the header section.
    pub(crate) fn heading(&self) -> &Heading {
        self.heading.get_or_init(|| Heading::read(&self.message.octets))
    }

    /// Returns the number of attachments.
    pub(crate) fn attachments(&self) -> usize {
        *self.attachments.get_or_init(|| reading::count_attachments(&self.message.octets))
    }
}

/// What happened to a store. A message is named by its number, so that a slow subscriber keeps no
/// content in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Added(u64),
    Removed(Vec<u64>),
    Cleared,
}

/// The numbers of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) stored: usize,
    pub(crate) octets: usize,
    /// All messages that were added, those dropped and removed included.
    pub(crate) received: u64,
    /// Those dropped because of the limits.
    pub(crate) dropped: u64,
}

/// A part of the messages that fit a filter, the newest first.
#[derive(Debug)]
pub(crate) struct Page {
    /// How many fit, on all pages.
    pub(crate) total: usize,
    pub(crate) messages: Vec<Arc<Stored>>,
}

/// How a wait ended.
#[derive(Debug)]
pub(crate) enum Waited {
    /// As many messages fit as were waited for.
    Enough(Vec<Arc<Stored>>),
    /// The time is over; these fit.
    TimedOut(Vec<Arc<Stored>>),
}

/// How many changes a subscriber may lag.
const CHANGES: usize = 4096;

/// Keeps messages; its clones are the same store.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limits: Limits,
    kept: Mutex<Kept>,
    changes: broadcast::Sender<Change>,
}

#[derive(Debug, Default)]
struct Kept {
    /// By number.
    messages: VecDeque<Arc<Stored>>,
    counts: Counts,
}

impl Store {
    pub(crate) fn new(limits: Limits) -> Self {
        let (changes, _) = broadcast::channel(CHANGES);
        Self { shared: Arc::new(Shared { limits, kept: Mutex::default(), changes }) }
    }

    pub(crate) fn limits(&self) -> Limits {
        self.shared.limits
    }

    pub(crate) fn counts(&self) -> Counts {
        self.kept().counts
    }

    /// Adds a message, and drops the oldest ones as far as the limits require. A message that
    /// exceeds the limit of octets by itself is dropped at once, and no other for it.
    pub(crate) fn add(&self, message: NewMessage) -> Arc<Stored> {
        let limits = self.shared.limits;
        let cost = message.cost();
        let mut kept = self.kept();
        kept.counts.received += 1;
        let id = kept.counts.received;
        let stored = Arc::new(Stored {
            id,
            message,
            heading: OnceLock::new(),
            attachments: OnceLock::new(),
        });
        if cost > limits.octets || limits.messages == 0 {
            kept.counts.dropped += 1;
            return stored;
        }

        let mut dropped = Vec::new();
        while kept.counts.octets + cost > limits.octets || kept.messages.len() >= limits.messages {
            let Some(oldest) = kept.messages.pop_front() else { break };
            kept.counts.octets -= oldest.message.cost();
            dropped.push(oldest.id);
        }
        kept.counts.dropped += dropped.len() as u64;
        kept.counts.octets += cost;
        kept.messages.push_back(Arc::clone(&stored));
        kept.counts.stored = kept.messages.len();
        // Sent under the lock, so that changes come in the order in which they were made.
        if !dropped.is_empty() {
            self.send(Change::Removed(dropped));
        }
        self.send(Change::Added(id));
        stored
    }

    /// Returns whether a message exceeds the limit of octets by itself. A store that keeps no messages
    /// at all is not too small.
    pub(crate) fn is_too_small_for(&self, message: &NewMessage) -> bool {
        let Limits { messages, octets } = self.shared.limits;
        messages > 0 && message.cost() > octets
    }

    pub(crate) fn get(&self, id: u64) -> Option<Arc<Stored>> {
        let kept = self.kept();
        let at = kept.position(id).ok()?;
        kept.messages.get(at).cloned()
    }

    /// Returns the newest messages that fit, at most `limit`, of those with a number below `before`.
    pub(crate) fn list(&self, filter: &Filter, limit: usize, before: Option<u64>) -> Page {
        let all = self.snapshot();
        if filter.is_empty() {
            let end = before.map_or(all.len(), |id| all.partition_point(|it| it.id < id));
            let messages = all[..end].iter().rev().take(limit).cloned().collect();
            return Page { total: all.len(), messages };
        }
        let mut page = Page { total: 0, messages: Vec::new() };
        for stored in all.iter().rev().filter(|stored| filter.fits(stored)) {
            page.total += 1;
            if page.messages.len() < limit && before.is_none_or(|id| stored.id < id) {
                page.messages.push(Arc::clone(stored));
            }
        }
        page
    }

    /// Removes one message; returns whether it was there.
    pub(crate) fn remove(&self, id: u64) -> bool {
        self.remove_all(&[id]) == 1
    }

    /// Removes the messages that fit; returns how many.
    pub(crate) fn remove_fitting(&self, filter: &Filter) -> usize {
        if filter.is_empty() {
            return self.clear();
        }
        let fitting = self.snapshot().into_iter().filter(|stored| filter.fits(stored));
        self.remove_all(&fitting.map(|stored| stored.id).collect::<Vec<_>>())
    }

    /// Removes all messages; returns how many.
    pub(crate) fn clear(&self) -> usize {
        let mut kept = self.kept();
        let removed = kept.messages.len();
        kept.messages.clear();
        kept.counts.stored = 0;
        kept.counts.octets = 0;
        self.send(Change::Cleared);
        removed
    }

    /// Returns the changes from now on.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.shared.changes.subscribe()
    }

    /// Waits until at least `count` messages fit, at most for this time. The messages come the
    /// newest first.
    pub(crate) async fn wait(&self, filter: &Filter, count: usize, timeout: Duration) -> Waited {
        // Before the first look, so that no message is missed.
        let mut changes = self.subscribe();
        let end = Instant::now().checked_add(timeout);
        let mut fitting = self.all_fitting(filter).await;
        while fitting.len() < count {
            let change = match end {
                Some(end) => match tokio::time::timeout_at(end, changes.recv()).await {
                    Ok(change) => change,
                    Err(_elapsed) => return Waited::TimedOut(fitting),
                },
                None => changes.recv().await,
            };
            match change {
                Ok(Change::Added(id)) => {
                    let newest = fitting.first().map_or(0, |stored| stored.id);
                    // The first look may have seen it already.
                    if let Some(stored) =
                        self.get(id).filter(|it| it.id > newest && filter.fits(it))
                    {
                        fitting.insert(0, stored);
                    }
                }
                Ok(Change::Removed(ids)) => fitting.retain(|stored| !ids.contains(&stored.id)),
                Ok(Change::Cleared) => fitting.clear(),
                Err(_lagged) => fitting = self.all_fitting(filter).await,
            }
        }
        Waited::Enough(fitting)
    }

    /// On a thread of its own, because a search may take long.
    async fn all_fitting(&self, filter: &Filter) -> Vec<Arc<Stored>> {
        let (store, filter) = (self.clone(), filter.clone());
        let look = move || store.list(&filter, usize::MAX, None).messages;
        tokio::task::spawn_blocking(look).await.unwrap_or_default()
    }

    fn remove_all(&self, ids: &[u64]) -> usize {
        let mut kept = self.kept();
        let mut removed = Vec::new();
        for &id in ids {
            let Ok(at) = kept.position(id) else { continue };
            if let Some(stored) = kept.messages.remove(at) {
                kept.counts.octets -= stored.message.cost();
                removed.push(id);
            }
        }
        kept.counts.stored = kept.messages.len();
        let count = removed.len();
        if count > 0 {
            self.send(Change::Removed(removed));
        }
        count
    }

    fn snapshot(&self) -> Vec<Arc<Stored>> {
        self.kept().messages.iter().cloned().collect()
    }

    fn send(&self, change: Change) {
        // Without a subscriber there is nothing to do.
        let _ = self.shared.changes.send(change);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // No code between the changes of `Kept` can panic.
        self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn position(&self, id: u64) -> Result<usize, usize> {
        self.messages.binary_search_by_key(&id, |stored| stored.id)
    }
}

#[cfg(test)]
mod tests;
