//! What a journal keeps, and what it drops first.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::Gone;
use crate::keep::Keep;
use crate::message::Message;
use crate::report::{Conversation, Line, Report};

/// The dialogues and messages that are kept, and the numbers of all.
#[derive(Debug)]
pub(crate) struct Entries {
    keep: Keep,
    /// By the number of the connection. That of an open connection is always here.
    pages: BTreeMap<usize, Conversation>,
    /// The connections that have ended and whose dialogue is kept, in the order of their ends, with
    /// the sizes of the dialogues.
    ended: VecDeque<(usize, usize)>,
    /// The sum of these sizes.
    dialogue_octets: usize,
    /// The connections and the sizes of the messages that are kept, in the order of their arrival.
    messages: VecDeque<(usize, usize)>,
    /// The sum of these sizes.
    octets: usize,
    /// The number of connections that were made.
    made: usize,
    /// The number of messages that have arrived.
    arrived: usize,
    /// The number of open connections.
    open: usize,
    /// Whether the server has stopped accepting connections.
    closed: bool,
}

impl Entries {
    pub(super) fn new(keep: Keep) -> Self {
        Self {
            keep,
            pages: BTreeMap::new(),
            ended: VecDeque::new(),
            dialogue_octets: 0,
            messages: VecDeque::new(),
            octets: 0,
            made: 0,
            arrived: 0,
            open: 0,
            closed: false,
        }
    }

    pub(super) fn keep(&self) -> Keep {
        self.keep
    }

    /// The number of connections that were made.
    pub(crate) fn made(&self) -> usize {
        self.made
    }

    /// The number of messages that have arrived, kept or not.
    pub(crate) fn arrived(&self) -> usize {
        self.arrived
    }

    /// The messages that are kept, in the order in which they arrived.
    pub(crate) fn messages(&self) -> Vec<&Message> {
        let all = self.pages.values().flat_map(|page| &page.messages);
        let mut messages: Vec<&Message> = all.collect();
        messages.sort_by_key(|message| message.number);
        messages
    }

    pub(super) fn report(&self) -> Report {
        Report { connections: self.pages.values().cloned().collect() }
    }

    pub(super) fn conversation(&self, connection: usize) -> Option<&Conversation> {
        self.pages.get(&connection)
    }

    pub(super) fn gone(&self, reconnect: Option<Duration>) -> Option<Gone> {
        match (self.open, self.closed) {
            (0, true) => Some(Gone::ForGood),
            (0, false) if self.made > 0 => reconnect.map(Gone::Within),
            _ => None,
        }
    }

    /// Begins a connection, and returns its number.
    pub(super) fn open(&mut self) -> usize {
        let connection = self.made;
        self.made += 1;
        self.open += 1;
        self.page(connection);
        connection
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    pub(super) fn page(&mut self, connection: usize) -> &mut Conversation {
        let new = || Conversation { number: connection, ..Conversation::default() };
        self.pages.entry(connection).or_insert_with(new)
    }

    pub(super) fn line(&mut self, connection: usize, line: Line) {
        let most = self.keep.lines;
        let page = self.page(connection);
        if page.dialogue.len() >= most {
            // One at a time would move all others each time.
            page.forget(page.dialogue.len() - most / 2);
        }
        match most {
            0 => page.omitted += 1,
            _ => page.dialogue.push(line),
        }
    }

    pub(super) fn numbered(&mut self, connection: usize, message: Message) -> Message {
        let number = self.arrived;
        let page = self.page(connection);
        let findings = page.findings[page.reported..].to_vec();
        Message { number, connection, findings, ..message }
    }

    pub(super) fn message(&mut self, connection: usize, message: Message) {
        let message = self.numbered(connection, message);
        self.arrived += 1;
        let page = self.page(connection);
        page.reported = page.findings.len();
        let size = message.sent().len() + message.text().len();
        if self.keep.messages > 0 && size <= self.keep.octets {
            self.page(connection).messages.push(message);
            self.messages.push_back((connection, size));
            self.octets += size;
        }
        while self.messages.len() > self.keep.messages || self.octets > self.keep.octets {
            let Some((connection, size)) = self.messages.pop_front() else { return };
            self.octets -= size;
            self.page(connection).messages.remove(0);
            self.drop_if_empty(connection);
        }
    }

    /// Ends a connection, and drops the dialogues that are too many.
    pub(super) fn end(&mut self, connection: usize) {
        self.open -= 1;
        let page = self.page(connection);
        page.ended = true;
        let size = page.dialogue.iter().map(|line| size_of::<Line>() + line.octets.len()).sum();
        self.dialogue_octets += size;
        self.ended.push_back((connection, size));
        let Keep { connections, dialogue_octets, .. } = self.keep;
        while self.ended.len() > connections || self.dialogue_octets > dialogue_octets {
            let Some((oldest, size)) = self.ended.pop_front() else { return };
            self.dialogue_octets -= size;
            // Without lines, the whole page may have been dropped with its last message.
            let Some(page) = self.pages.get_mut(&oldest) else { continue };
            page.forget(page.dialogue.len());
            self.drop_if_empty(oldest);
        }
    }

    /// Drops a connection that has ended and of which nothing is kept.
    fn drop_if_empty(&mut self, connection: usize) {
        let empty = |page: &Conversation| {
            page.ended && page.messages.is_empty() && page.dialogue.is_empty()
        };
        if self.pages.get(&connection).is_some_and(empty) {
            self.pages.remove(&connection);
        }
    }
}
