//! Where a server puts what it delivers, and how that is read.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The header field that every message begins with; what servers put before it is theirs.
pub(crate) const MARK: &str = "X-Interop: ";

/// A folder that a server delivers to.
pub(crate) struct Store {
    pub(crate) folder: PathBuf,
    pub(crate) kind: Kind,
}

/// The form of a store.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// Folders that are Maildirs.
    Maildirs { recipient: Recipient, ends: Ends },
    /// Files `NAME.eml`, each with a file `NAME.to` that lists the recipients.
    Files { ends: Ends },
}

/// What tells the recipient of a message in a Maildir.
#[derive(Clone, Copy)]
pub(crate) enum Recipient {
    /// This header field, which the server adds.
    Field(&'static str),
    /// The name of the Maildir.
    Folder,
}

/// The line ends of stored messages.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    Crlf,
    Lf,
}

/// A message that was delivered to one recipient.
#[derive(Debug)]
pub(crate) struct Copy {
    pub(crate) recipient: String,
    /// The value of the header field that it was marked with; empty if there is none.
    pub(crate) id: String,
    /// From that header field on, with CRLF line ends.
    pub(crate) octets: Vec<u8>,
}

impl Store {
    pub(crate) fn new(folder: impl Into<PathBuf>, kind: Kind) -> Self {
        Self { folder: folder.into(), kind }
    }

    /// A folder where a message is a file `NAME.eml`, with `NAME.to` for the recipients.
    pub(crate) fn files(folder: impl Into<PathBuf>, ends: Ends) -> Self {
        Self::new(folder, Kind::Files { ends })
    }

    /// Reads and removes what was delivered.
    ///
    /// # Errors
    /// A file cannot be read or removed.
    pub(crate) fn take(&self) -> io::Result<Vec<Copy>> {
        let mut copies = Vec::new();
        match self.kind {
            Kind::Files { ends } => {
                for path in entries(&self.folder)? {
                    if path.extension().is_some_and(|extension| extension == "eml") {
                        let recipients = path.with_extension("to");
                        let message = split(&fs::read(&path)?, ends);
                        for recipient in fs::read_to_string(&recipients)?.lines() {
                            copies.push(message.copy_to(recipient));
                        }
                        fs::remove_file(&path)?;
                        fs::remove_file(&recipients)?;
                    }
                }
            }
            Kind::Maildirs { recipient, ends } => {
                for folder in entries(&self.folder)? {
                    for path in entries(&folder.join("new"))? {
                        let message = split(&fs::read(&path)?, ends);
                        copies.push(match recipient {
                            Recipient::Field(name) => message.copy_to(&message.field(name)),
                            Recipient::Folder => message.copy_to(&name_of(&folder)),
                        });
                        fs::remove_file(&path)?;
                    }
                }
            }
        }
        Ok(copies)
    }
}

fn name_of(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What is in a folder; nothing if it is not there.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

/// A delivered file: what the server has put before the message, and the message.
struct Delivered {
    before: Vec<u8>,
    octets: Vec<u8>,
}

fn split(file: &[u8], ends: Ends) -> Delivered {
    let file = if ends == Ends::Lf { with_crlf(file) } else { file.to_vec() };
    let mark = MARK.as_bytes();
    let mut at = 0;
    for line in file.split_inclusive(|&octet| octet == b'\n') {
        if line.starts_with(mark) {
            let (before, octets) = file.split_at(at);
            return Delivered { before: before.to_vec(), octets: octets.to_vec() };
        }
        at += line.len();
    }
    Delivered { before: Vec::new(), octets: file }
}

/// Returns LF as CRLF. A CR that is there already stays, and shows as a difference.
fn with_crlf(octets: &[u8]) -> Vec<u8> {
    let mut converted = Vec::with_capacity(octets.len() + octets.len() / 32);
    for line in octets.split_inclusive(|&octet| octet == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(line) => {
                converted.extend_from_slice(line);
                converted.extend_from_slice(b"\r\n");
            }
            None => converted.extend_from_slice(line),
        }
    }
    converted
}

impl Delivered {
    fn copy_to(&self, recipient: &str) -> Copy {
        let first = self.octets.split(|&octet| octet == b'\r').next().unwrap_or_default();
        let id = first.strip_prefix(MARK.as_bytes()).unwrap_or_default();
        Copy {
            recipient: recipient.trim().trim_matches(['<', '>']).to_lowercase(),
            id: String::from_utf8_lossy(id).into_owned(),
            octets: self.octets.clone(),
        }
    }

    /// Returns the value of a header field that the server has added, or an empty text.
    fn field(&self, name: &str) -> String {
        let before = String::from_utf8_lossy(&self.before);
        let value = before.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.unwrap_or_default().trim().to_owned()
    }
}
