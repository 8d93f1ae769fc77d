//! Maildir folders: a message is on the disk, under its name, before it counts as delivered.
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use smtp_codec::ForwardPath;
use tokio::{fs::File, io::AsyncWriteExt, task::spawn_blocking};

/// The folders below one folder.
pub(crate) struct Maildirs {
    root: PathBuf,
    incoming: PathBuf,
    count: AtomicU64,
}

/// A message that is being written. It goes away if it is not delivered.
pub(crate) struct Draft {
    file: File,
    path: PathBuf,
    id: String,
}

impl Maildirs {
    /// Opens the folders, and removes what a former process did not complete.
    pub(crate) fn open(root: PathBuf) -> io::Result<Self> {
        let incoming = root.join(".incoming");
        fs::create_dir_all(&incoming)?;
        for left in fs::read_dir(&incoming)? {
            fs::remove_file(left?.path())?;
        }
        Ok(Self { root, incoming, count: AtomicU64::new(0) })
    }

    /// Returns the folder of a mailbox, if that exists.
    pub(crate) fn find(&self, path: &ForwardPath) -> Option<PathBuf> {
        let (local_part, host) = match path {
            ForwardPath::Mailbox(mailbox) => (mailbox.local_part(), mailbox.host()),
            _ => ("postmaster", ""),
        };
        let (user, detail) = local_part.split_once('+').unwrap_or((local_part, ""));
        // No name may lead out of its folder.
        let is_name =
            |name: &str| !name.starts_with('.') && !name.contains(['/', '\\', ':', '\0', '"']);
        if !is_name(user) || !is_name(host) || !is_name(detail) || user.is_empty() {
            return None;
        }
        let name = if host.is_empty() { user.into() } else { format!("{user}@{host}") };
        // Letters beyond ASCII stay: different ones would become the same.
        let mailbox = self.root.join(name.to_ascii_lowercase());
        let folder = mailbox.join(format!(".{detail}"));
        let has_folder = !detail.is_empty() && folder.is_dir();
        let exists = mailbox.is_dir();
        exists.then_some(if has_folder { folder } else { mailbox })
    }

    /// Begins a message.
    pub(crate) async fn draft(&self) -> io::Result<Draft> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let (seconds, micros) = (now.as_secs(), now.subsec_micros());
        let id = format!("{seconds}.M{micros}P{}Q{count}", std::process::id());
        let path = self.incoming.join(&id);
        let file = File::options().write(true).create_new(true).open(&path).await?;
        Ok(Draft { file, path, id })
    }
}

impl Draft {
    /// Returns the name of the message.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Returns the file, to write to it.
    pub(crate) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Puts the message into each folder, in this order. If one fails and it is all or none, it is in
    /// none. A folder that is `None` is gone.
    pub(crate) async fn deliver(
        mut self,
        folders: Vec<Option<PathBuf>>,
        all_or_none: bool,
    ) -> io::Result<Vec<io::Result<()>>> {
        self.file.flush().await?;
        self.file.sync_all().await?;
        let delivered = spawn_blocking(move || {
            let mut delivered: Vec<_> = folders.iter().map(|folder| self.put(folder)).collect();
            if all_or_none && delivered.iter().any(Result::is_err) {
                for (folder, delivered) in folders.iter().zip(&mut delivered) {
                    if let (Some(folder), Ok(())) = (folder, &delivered) {
                        match fs::remove_file(folder.join("new").join(&self.id)) {
                            // The same mailbox was named twice, or its reader has moved the message.
                            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                            removed => removed?,
                        }
                        *delivered = Err(io::Error::other("another recipient failed"));
                    }
                }
            }
            Ok(delivered)
        });
        delivered.await.map_err(io::Error::other)?
    }

    /// Gives the file a name in this folder, which is on the disk then. The file is complete before,
    /// so that no reader sees a part of it.
    fn put(&self, folder: &Option<PathBuf>) -> io::Result<()> {
        let folder = folder.as_ref().ok_or(io::ErrorKind::NotFound)?;
        for part in ["tmp", "cur", "new"] {
            fs::create_dir_all(folder.join(part))?;
        }
        let new = folder.join("new");
        let name = new.join(&self.id);
        match fs::hard_link(&self.path, &name) {
            // The same mailbox was named twice.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            linked => linked?,
        }
        // The client is told to send it again: it must not be here twice.
        sync_folder(&new).inspect_err(|_| drop(fs::remove_file(&name)))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // It may be gone already; what is left is removed at the next start.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
