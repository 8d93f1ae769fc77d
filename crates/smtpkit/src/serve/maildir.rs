//! A maildir for the received messages: each is a file in `new` before its reply is written.
//!
//! The file has the content as it was received, after the fields Return-Path and Delivered-To, which
//! have the envelope.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
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
            make_folder(&folder.join(name))?;
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
        self.deliver_and_sync(message, sync_folder)
    }

    fn deliver_and_sync(
        &self,
        message: &Message,
        sync_folder: impl Fn(&Path) -> io::Result<()>,
    ) -> io::Result<()> {
        let name = self.next_name();
        let draft = self.folder.join("tmp").join(&name);
        let new = self.folder.join("new");
        let delivered = new.join(&name);
        // The error is what the client is told, not that a file stays.
        self.write(&draft, message)
            .and_then(|()| fs::rename(&draft, &delivered))
            .inspect_err(|_| drop(fs::remove_file(&draft)))?;
        // The client sends a message again that is refused, so it must not be there.
        sync_folder(&new).inspect_err(|_| drop(fs::remove_file(&delivered)))
    }

    fn write(&self, draft: &Path, message: &Message) -> io::Result<()> {
        let mut file = private_file().write(true).create_new(true).open(draft)?;
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

/// Makes a folder that only its owner can use, unless it is there.
fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    builder.mode(0o700);
    builder.recursive(true).create(folder)
}

/// Makes files that only their owner can read.
fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    options.mode(0o600);
    options
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maildir(name: &str) -> (PathBuf, Maildir) {
        let folder = std::env::temp_dir().join(format!("smtpkit-{}-{name}", process::id()));
        let maildir = Maildir::open(&folder.join("mail")).unwrap();
        (folder, maildir)
    }

    #[test]
    fn a_message_that_is_refused_is_not_in_the_maildir() {
        let (folder, maildir) = maildir("refused");
        let fails = |_: &Path| Err(io::Error::other("the disk failed"));
        maildir.deliver_and_sync(&Message::default(), fails).unwrap_err();
        for name in ["tmp", "new"] {
            assert_eq!(fs::read_dir(folder.join("mail").join(name)).unwrap().count(), 0, "{name}");
        }
        maildir.deliver(&Message::default()).unwrap();
        assert_eq!(fs::read_dir(folder.join("mail/new")).unwrap().count(), 1);
        fs::remove_dir_all(folder).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn others_cannot_read_the_messages() {
        use std::os::unix::fs::PermissionsExt;

        let (folder, maildir) = maildir("private");
        maildir.deliver(&Message::default()).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        for name in ["", "tmp", "new", "cur"] {
            assert_eq!(mode(&folder.join("mail").join(name)), 0o700, "{name}");
        }
        let message = fs::read_dir(folder.join("mail/new")).unwrap().next().unwrap().unwrap();
        assert_eq!(mode(&message.path()), 0o600);
        fs::remove_dir_all(folder).unwrap();
    }
}
