//! What `serve` prints while it runs: a record for each message.
//!
//! A thread of its own writes, so that a program that started `serve` and does not read the output
//! cannot stop the listeners.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Duration;

use serde::Serialize;

use super::store::{Counts, Stored};
use crate::layout::printable;
use crate::output::{DIM, Output, Record, WARNING};

/// The records that wait for the output. Further ones are counted.
const WAITING: usize = 1_000;
/// How long the end of the program waits for the output.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// Where the listeners report what they receive. A clone is the same journal.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    entries: SyncSender<Entry>,
    output: Output,
    lost: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Entry {
    Received(Box<MessageRecord>),
    NotStored(io::Error),
    /// The last entry; the sender is dropped when everything was written.
    End(Counts, Sender<()>),
}

impl Journal {
    /// Begins to write.
    pub(crate) fn begin(output: Output) -> Self {
        let (entries, to_write) = sync_channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let counted = lost.clone();
        thread::spawn(move || write(&to_write, &counted, output));
        Self { entries, output, lost }
    }

    /// A message was received.
    pub(crate) fn received(&self, stored: &Stored) {
        // Without the content, which the store may drop meanwhile.
        self.push(Entry::Received(Box::new(MessageRecord::new(stored, self.output))));
    }

    /// A message could not be written to the maildir.
    pub(crate) fn not_stored(&self, error: io::Error) {
        self.push(Entry::NotStored(error));
    }

    fn push(&self, entry: Entry) {
        if self.entries.try_send(entry).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes what was received in all, unless the output is not read.
    pub(crate) fn end(&self, counts: Counts) {
        let (written, all) = channel();
        self.push(Entry::End(counts, written));
        // The sender is dropped when everything was written; otherwise the program ends without.
        let _ = all.recv_timeout(END_TIMEOUT);
    }
}

fn write(entries: &Receiver<Entry>, lost: &AtomicU64, output: Output) {
    while let Ok(entry) = entries.recv() {
        let missing = lost.swap(0, Ordering::Relaxed);
        if missing > 0 {
            output.warn(format_args!(
                "{missing} messages are not listed here, because the output was not read in time"
            ));
        }
        match entry {
            Entry::Received(record) => output.show(&*record),
            Entry::NotStored(error) => {
                output.warn(format_args!("a message was refused: the maildir: {error}"));
            }
            Entry::End(counts, written) => {
                output.show(&TotalRecord::new(counts));
                drop(written);
            }
        }
    }
}

/// A received message.
#[derive(Debug, Serialize)]
struct MessageRecord {
    id: u64,
    protocol: &'static str,
    reverse_path: String,
    forward_paths: Vec<String>,
    subject: String,
    size: usize,
    tls: Option<String>,
    user: Option<String>,
    findings: Vec<FindingRecord>,
    #[serde(skip)]
    with_findings: bool,
}

/// A mistake of the client.
#[derive(Debug, Serialize)]
struct FindingRecord {
    lint: String,
    what: String,
    remedy: String,
}

impl MessageRecord {
    fn new(stored: &Stored, output: Output) -> Self {
        let message = &stored.message;
        let findings = message.findings.iter();
        Self {
            id: stored.id,
            protocol: message.protocol.name(),
            reverse_path: message.reverse_path.clone(),
            forward_paths: message.forward_paths.clone(),
            subject: stored.heading().subject.clone(),
            size: message.octets.len(),
            tls: message.tls.clone(),
            user: message.user.clone(),
            findings: findings
                .map(|it| FindingRecord {
                    lint: it.lint.clone(),
                    what: it.what.clone(),
                    remedy: it.remedy.clone(),
                })
                .collect(),
            with_findings: output.is_verbose(),
        }
    }
}

impl Record for MessageRecord {
    const TYPE: &'static str = "message";
}

impl fmt::Display for MessageRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>4}  <{}> to ", self.id, printable(&self.reverse_path))?;
        for (index, path) in self.forward_paths.iter().take(3).enumerate() {
            write!(f, "{}<{}>", if index > 0 { ", " } else { "" }, printable(path))?;
        }
        if self.forward_paths.len() > 3 {
            write!(f, " and {} more", self.forward_paths.len() - 3)?;
        }
        write!(f, ": {}  {DIM}{} octets{DIM:#}", printable(&self.subject), self.size)?;
        match (self.findings.len(), self.with_findings) {
            (0, _) => Ok(()),
            (1, false) => write!(f, "  {WARNING}1 mistake{WARNING:#}"),
            (count, false) => write!(f, "  {WARNING}{count} mistakes{WARNING:#}"),
            (_, true) => self.findings.iter().try_for_each(|finding| {
                let FindingRecord { lint, what, remedy } = finding;
                let what = printable(what);
                write!(f, "\n      {WARNING}{lint}{WARNING:#}: {what}\n      fix: {remedy}")
            }),
        }
    }
}

/// What was received in all.
#[derive(Serialize)]
struct TotalRecord {
    received: u64,
    stored: usize,
    dropped: u64,
}

impl TotalRecord {
    fn new(counts: Counts) -> Self {
        Self { received: counts.received, stored: counts.stored, dropped: counts.dropped }
    }
}

impl Record for TotalRecord {
    const TYPE: &'static str = "received";
}

impl fmt::Display for TotalRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.received {
            1 => f.write_str("1 message received")?,
            count => write!(f, "{count} messages received")?,
        }
        match self.dropped {
            0 => Ok(()),
            1 => f.write_str("; 1 was dropped for the limits"),
            dropped => write!(f, "; {dropped} were dropped for the limits"),
        }
    }
}
