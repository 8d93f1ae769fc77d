//! A maildir for the received messages: each is a file in `new` before its reply is written.
//!
//! The file has the content as it was received, after the fields Return-Path and Delivered-To, which
//! have the envelope.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use smtp_testkit::Message;

/// A folder with the folders `tmp`, `new` and `cur`.
#[derive(Debug)]
pub(crate) struct Maildir {
    folder: PathBuf,
    /// In the names of files, where neither colon nor slash may be.
    host: String,
    delivered: AtomicU64,
}

impl Maildir {
    /// Opens a maildir, and makes its folders unless they are there.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        for name in ["tmp", "new", "cur"] {
            fs::create_dir_all(folder.join(name))?;
        }
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = match host.trim() {
            "" => "localhost".to_owned(),
            host => host.replace('/', "\\057").replace(':', "\\072"),
        };
        Ok(Self { folder: folder.to_owned(), host, delivered: AtomicU64::new(0) })
    }

    /// Writes a message to a file in `new`, on the disk when this returns. Until then the file is in
    /// `tmp`, so that no program reads half a message.
    pub(crate) fn deliver(&self, message: &Message) -> io::Result<()> {
        let name = self.next_name();
        let draft = self.folder.join("tmp").join(&name);
        let delivered = self.write(&draft, message).and_then(|()| {
            let new = self.folder.join("new");
            fs::rename(&draft, new.join(&name))?;
            sync_folder(&new)
        });
        // The error is what the client is told, not that the draft stays.
        delivered.inspect_err(|_| drop(fs::remove_file(&draft)))
    }

    fn write(&self, draft: &Path, message: &Message) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).open(draft)?;
        let mut fields = format!("Return-Path: <{}>\r\n", message.sender().unwrap_or_default());
        for recipient in message.recipients() {
            fields.push_str(&format!("Delivered-To: {recipient}\r\n"));
        }
        file.write_all(fields.as_bytes())?;
        file.write_all(message.text())?;
        file.sync_all()
    }

    fn next_name(&self) -> String {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let number = self.delivered.fetch_add(1, Ordering::Relaxed);
        let (seconds, micros) = (now.as_secs(), now.subsec_micros());
        format!("{seconds}.M{micros}P{}Q{number}.{}", process::id(), self.host)
    }
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
