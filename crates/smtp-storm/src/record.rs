//! What the server has accepted: each message as often as it is there.
use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use crate::letter::{Post, named};

/// How often each message is there for each recipient.
#[derive(Debug, Default)]
pub(crate) struct Record {
    counts: HashMap<(u64, String), usize>,
    altered: HashMap<u64, Vec<String>>,
}

impl Record {
    /// Returns how often this recipient has this message.
    pub(crate) fn count(&self, number: u64, recipient: &str) -> usize {
        self.counts.get(&(number, recipient.to_owned())).copied().unwrap_or_default()
    }

    /// Returns how the contents that name this message differ from what was sent.
    pub(crate) fn altered(&self, number: u64) -> &[String] {
        self.altered.get(&number).map_or(&[], Vec::as_slice)
    }

    /// Returns the number of messages, counted for each recipient.
    pub(crate) fn len(&self) -> usize {
        self.counts.values().sum()
    }

    /// Adds a message, if it is one of this post.
    pub(crate) fn add(&mut self, post: &Post, recipients: &[String], content: &str) {
        let Some((seed, number, content)) = named(content) else { return };
        if seed != post.seed {
            return;
        }
        for recipient in recipients {
            *self.counts.entry((number, recipient.clone())).or_default() += 1;
        }
        let sent = post.letter(number).content;
        if content != sent {
            let same = content.bytes().zip(sent.bytes()).take_while(|(here, there)| here == there);
            let text = format!(
                "content altered: {} octets were sent and {} are there, the same up to octet {}",
                sent.len(),
                content.len(),
                same.count()
            );
            self.altered.entry(number).or_default().push(text);
        }
    }
}

/// The record that our own server writes.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    post: Post,
    record: Arc<Mutex<Record>>,
    later: Arc<AtomicUsize>,
}

impl Recorder {
    pub(crate) fn new(post: &Post) -> Self {
        Self { post: post.clone(), record: Arc::default(), later: Arc::default() }
    }

    pub(crate) fn add(&self, recipients: &[String], content: &[u8]) {
        let content = String::from_utf8_lossy(content);
        self.lock().add(&self.post, recipients, &content);
    }

    /// Counts recipients whose message was accepted after it had been refused for now.
    pub(crate) fn count_later(&self, recipients: usize) {
        self.later.fetch_add(recipients, Relaxed);
    }

    /// Returns how many there were.
    pub(crate) fn later(&self) -> usize {
        self.later.load(Relaxed)
    }

    /// Takes what was recorded.
    pub(crate) fn take(&self) -> Record {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the record of another server: every file below the folder is a message, and its field
/// Delivered-To names the recipient.
pub(crate) fn read(folder: &Path, post: &Post) -> io::Result<Record> {
    let mut record = Record::default();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            // A server moves files from one folder to another while they are read.
            let kind = match fs::symlink_metadata(&path) {
                Ok(kind) => kind,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                let text = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
                let recipient = text.lines().find_map(|line| line.strip_prefix("Delivered-To: "));
                let recipients: Vec<String> = recipient.map(str::to_owned).into_iter().collect();
                record.add(post, &recipients, &with_crlf(&text));
            }
        }
    }
    Ok(record)
}

/// Returns the text as it was sent: servers keep lines in the form of their system.
fn with_crlf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_altered_content_is_noticed() {
        let post = Post { seed: 1, domain: "example.test".to_owned() };
        let letter = post.letter(5);
        let mut record = Record::default();
        record.add(&post, &letter.recipients, &letter.content);
        assert!(record.altered(5).is_empty());
        assert_eq!(record.count(5, &letter.recipients[0]), 1);

        record.add(&post, &letter.recipients, &format!("{}MAIL FROM:<>\r\n", letter.content));
        assert_eq!(record.altered(5).len(), 1);
        assert_eq!(record.count(5, &letter.recipients[0]), 2);
    }

    #[test]
    fn other_messages_do_not_count() {
        let [one, other] = [1, 2].map(|seed| Post { seed, domain: "example.test".to_owned() });
        let mut record = Record::default();
        record.add(&one, &["a".to_owned()], &other.letter(1).content);
        record.add(&one, &["a".to_owned()], "Subject: another\r\n");
        assert_eq!(record.len(), 0);
    }
}
