//! The spool: messages, and their envelopes, each in the folder of its state.
//!
//! An envelope is moved before anything is done that cannot be undone, so that a process that dies
//! leaves no message that looks unsent and may have arrived.
use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use smtp_codec::{Command, Deviations, Mail, Rcpt};
use smtp_server::Envelope;

/// What is to be done with an envelope.
#[derive(Clone, Copy, Debug)]
pub(crate) enum State {
    /// It waits to be sent.
    Queued,
    /// It is being sent.
    Active,
    /// It was refused for good.
    Refused,
    /// It may have been accepted. A person decides.
    InDoubt,
}

/// The folder of the spool.
#[derive(Clone)]
pub(crate) struct Spool {
    root: PathBuf,
}

/// Recipients of a message, and how often they were tried.
pub(crate) struct Entry {
    pub(crate) envelope: Envelope,
    pub(crate) attempts: u32,
}

impl State {
    const ALL: [Self; 4] = [Self::Queued, Self::Active, Self::Refused, Self::InDoubt];

    fn folder(self) -> &'static str {
        match self {
            Self::Queued => "queue",
            Self::Active => "active",
            Self::Refused => "refused",
            Self::InDoubt => "doubt",
        }
    }
}

impl Spool {
    /// Opens the spool. Envelopes that a former process was sending become doubtful: their names are
    /// returned. What a former process had not accepted yet is removed: messages without an envelope,
    /// and envelopes without a message.
    pub(crate) fn open(root: PathBuf) -> io::Result<(Self, Vec<String>)> {
        let spool = Self { root };
        for folder in State::ALL.map(State::folder).into_iter().chain(["message", "tmp"]) {
            fs::create_dir_all(spool.root.join(folder))?;
        }
        for left in fs::read_dir(spool.root.join("tmp"))? {
            fs::remove_file(left?.path())?;
        }
        let doubtful = spool.names(State::Active)?;
        for id in &doubtful {
            let entry = spool.load(id, State::Active)?;
            spool.store(id, State::InDoubt, &entry)?;
            spool.remove(id, State::Active)?;
        }
        let mut known = HashSet::new();
        for state in State::ALL {
            for id in spool.names(state)? {
                if spool.message(&id).exists() {
                    known.insert(id);
                } else {
                    fs::remove_file(spool.root.join(state.folder()).join(id))?;
                }
            }
        }
        for left in fs::read_dir(spool.root.join("message"))? {
            let left = left?;
            if !known.contains(&*left.file_name().to_string_lossy()) {
                fs::remove_file(left.path())?;
            }
        }
        Ok((spool, doubtful))
    }

    /// Returns the names of all envelopes in this state.
    pub(crate) fn names(&self, state: State) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(self.root.join(state.folder()))?;
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    /// Returns a new name.
    pub(crate) fn new_id(&self) -> String {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        format!("{:x}{:05x}-{:x}-{count:x}", now.as_secs(), now.subsec_micros(), std::process::id())
    }

    /// Returns the path of a message.
    pub(crate) fn message(&self, id: &str) -> PathBuf {
        self.root.join("message").join(id)
    }

    /// Stores recipients of a message. They are on the disk then.
    pub(crate) fn store(&self, id: &str, state: State, entry: &Entry) -> io::Result<()> {
        let mut lines =
            format!("{}\n{}\n", entry.attempts, Command::Mail(entry.envelope.mail().borrowed()));
        for rcpt in entry.envelope.rcpts() {
            lines.push_str(&format!("{}\n", Command::Rcpt(rcpt.borrowed())));
        }
        let draft = self.root.join("tmp").join(id);
        fs::write(&draft, lines)?;
        fs::File::open(&draft)?.sync_all()?;
        let folder = self.root.join(state.folder());
        fs::rename(draft, folder.join(id))?;
        sync_folder(&folder)
    }

    /// Moves an envelope to another state.
    pub(crate) fn change(&self, id: &str, from: State, to: State) -> io::Result<()> {
        let (from, to) = (self.root.join(from.folder()), self.root.join(to.folder()));
        fs::rename(from.join(id), to.join(id))?;
        sync_folder(&to)
    }

    /// Loads recipients of a message.
    pub(crate) fn load(&self, id: &str, state: State) -> io::Result<Entry> {
        let text = fs::read_to_string(self.root.join(state.folder()).join(id))?;
        parse(&text).ok_or_else(|| io::Error::other(format!("{id} is not an envelope")))
    }

    /// Removes an envelope, and the message if no other envelope needs it.
    pub(crate) fn remove(&self, id: &str, state: State) -> io::Result<()> {
        fs::remove_file(self.root.join(state.folder()).join(id))?;
        let is_needed = |state: State| self.root.join(state.folder()).join(id).exists();
        match State::ALL.into_iter().any(is_needed) {
            true => Ok(()),
            false => fs::remove_file(self.message(id)),
        }
    }
}

fn parse(text: &str) -> Option<Entry> {
    let mut lines = text.lines();
    let attempts = lines.next()?.parse().ok()?;
    let mail = match Command::decode(lines.next()?.as_bytes(), Deviations::all()).ok()?.command {
        Command::Mail(mail) => mail.owned(),
        _ => return None,
    };
    let rcpt = |line: &str| match Command::decode(line.as_bytes(), Deviations::all()).ok()?.command
    {
        Command::Rcpt(rcpt) => Some(rcpt.owned()),
        _ => None,
    };
    let rcpts: Vec<Rcpt> = lines.map(rcpt).collect::<Option<_>>()?;
    let envelope = Envelope::new::<Mail, Rcpt>(mail, rcpts).ok()?;
    Some(Entry { envelope, attempts })
}

/// Puts the names in a folder on the disk.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { fs::File::open(folder)?.sync_all() } else { Ok(()) }
}
