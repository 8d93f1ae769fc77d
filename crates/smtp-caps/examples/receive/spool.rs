//! The folder that stores messages. A message is stored with its envelope, or not at all.
use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// A folder that one server writes to.
pub(crate) struct Spool {
    folder: PathBuf,
    next: AtomicU64,
}

/// An incomplete message. Dropping it removes its files.
pub(crate) struct Draft {
    folder: PathBuf,
    number: u64,
    text: BufWriter<File>,
}

impl Spool {
    /// Opens the spool in this folder, which is created if necessary. Stored messages stay.
    pub(crate) fn open(folder: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        let mut next = 1;
        for entry in fs::read_dir(&folder)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.split('.').next()?.parse().ok());
            next = next.max(number.map_or(0, |number: u64| number.saturating_add(1)));
        }
        Ok(Self { folder, next: AtomicU64::new(next) })
    }

    /// Begins a message.
    pub(crate) fn draft(&self) -> io::Result<Draft> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let text = create(&self.folder, &unfinished(number, "eml"))?;
        Ok(Draft { folder: self.folder.clone(), number, text: BufWriter::new(text) })
    }
}

impl Draft {
    /// Adds octets to the message.
    pub(crate) fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.text.write_all(octets)
    }

    /// Stores the message and returns the name of its file. Everything is on the disk then: the reply
    /// 250 takes over the responsibility for the message (RFC 5321, 6.1).
    pub(crate) fn keep(mut self, envelope: &str) -> io::Result<String> {
        self.text.flush()?;
        self.text.get_ref().sync_all()?;
        let mut file = create(&self.folder, &unfinished(self.number, "env"))?;
        file.write_all(envelope.as_bytes())?;
        file.sync_all()?;
        for kind in ["env", "eml"] {
            let from = self.folder.join(unfinished(self.number, kind));
            fs::rename(from, self.folder.join(finished(self.number, kind)))?;
        }
        // Other systems cannot sync a folder.
        #[cfg(unix)]
        File::open(&self.folder)?.sync_all()?;
        Ok(finished(self.number, "eml"))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        for kind in ["env", "eml"] {
            // The files of a stored message have other names.
            let _ = fs::remove_file(self.folder.join(unfinished(self.number, kind)));
        }
    }
}

fn create(folder: &Path, name: &str) -> io::Result<File> {
    File::options().write(true).create_new(true).open(folder.join(name))
}

fn finished(number: u64, kind: &str) -> String {
    format!("{number}.{kind}")
}

fn unfinished(number: u64, kind: &str) -> String {
    format!("{number}.{kind}.new")
}
