//! The servers: how each is fetched, configured and started, and what is known of it.

mod aiosmtpd;
mod chasquid;
mod courier;
mod dovecot;
mod exim;
mod haraka;
mod maildev;
mod maildir;
mod mailin;
mod msmtpd;
mod node;
mod opensmtpd;
mod postfix;
mod qpsmtpd;
mod relay;
mod sendmail;
mod slimta;
mod submission;
mod twisted;

use std::{
    error::Error,
    ffi::OsString,
    fmt,
    fs::{self, Permissions},
    io,
    net::TcpListener,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
};

use crate::{
    certs::Certs,
    install::{Cache, Installed, Release},
    process::Launch,
    target::{ACCOUNTS, Prepared, SIZE_LIMIT, TOKEN},
    view::View,
};

/// Why a server cannot be run.
pub(crate) type Problem = Box<dyn Error + Send + Sync>;

/// A server that is known here.
pub(crate) struct Recipe {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) prepare: fn(&Site) -> Result<Prepared, Problem>,
}

/// Every server, the most used first.
pub(crate) const RECIPES: &[Recipe] = &[
    Recipe { name: "postfix", about: "from Debian", prepare: postfix::prepare },
    Recipe { name: "exim", about: "from Debian", prepare: exim::prepare },
    Recipe { name: "dovecot", about: "from Debian, LMTP", prepare: dovecot::prepare },
    Recipe { name: "aiosmtpd", about: "Python, SMTP and LMTP", prepare: aiosmtpd::prepare },
    Recipe {
        name: "opensmtpd",
        about: "from the backports of Debian",
        prepare: opensmtpd::prepare,
    },
    Recipe { name: "sendmail", about: "from the backports of Debian", prepare: sendmail::prepare },
    Recipe { name: "haraka", about: "from npm", prepare: haraka::prepare },
    Recipe { name: "smtp-server", about: "nodemailer's, SMTP and LMTP", prepare: node::prepare },
    Recipe { name: "chasquid", about: "from Debian", prepare: chasquid::prepare },
    Recipe { name: "qpsmtpd", about: "from Debian", prepare: qpsmtpd::prepare },
    Recipe { name: "twisted", about: "Twisted Mail, Python", prepare: twisted::prepare },
    Recipe { name: "slimta", about: "python-slimta, Python", prepare: slimta::prepare },
    Recipe { name: "maildev", about: "from npm", prepare: maildev::prepare },
    Recipe { name: "courier", about: "from Debian", prepare: courier::prepare },
    Recipe { name: "mailin", about: "from crates.io", prepare: mailin::prepare },
    Recipe { name: "msmtpd", about: "from Debian", prepare: msmtpd::prepare },
    Recipe { name: "maildir", about: "an example of this project", prepare: maildir::prepare },
    Recipe {
        name: "dovecot-submission",
        about: "from Debian, before `maildir`",
        prepare: submission::prepare,
    },
    Recipe {
        name: "relay",
        about: "an example of this project, before `maildir`",
        prepare: relay::prepare,
    },
];

/// What a server may use.
pub(crate) struct Site {
    /// A folder of its own, which is removed after the run.
    pub(crate) folder: PathBuf,
    pub(crate) certs: Certs,
    pub(crate) cache: Arc<Cache>,
    /// The folder of the examples of `smtp-server`.
    pub(crate) examples: Option<PathBuf>,
}

impl Site {
    /// Returns so many free ports.
    pub(crate) fn ports<const N: usize>() -> io::Result<[u16; N]> {
        let mut ports = [0; N];
        for port in &mut ports {
            *port = Self::port()?;
        }
        Ok(ports)
    }

    /// Returns a free port. The ports are below those that the system gives to clients.
    fn port() -> io::Result<u16> {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let start = std::process::id() as u16 % 8000;
        for _ in 0..8000 {
            let port = 20_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 8000;
            if TcpListener::bind(("127.0.0.1", port)).is_ok() {
                return Ok(port);
            }
        }
        Err(io::Error::other("no free port"))
    }

    /// Returns an example of `smtp-server`.
    pub(crate) fn example(&self, name: &str) -> Result<PathBuf, Problem> {
        let folder = self.examples.as_ref().ok_or("the option --examples names no folder")?;
        Ok(folder.join(name))
    }

    /// Fetches packages of Debian, and makes a view in which they are installed and these accounts
    /// exist.
    pub(crate) fn packages(
        &self,
        packages: &[&str],
        from: Release,
        accounts: &[(&str, u32)],
    ) -> Result<(Installed, View), Problem> {
        let installed = self.cache.debian(packages, from)?;
        let view = View::new(&installed.root, &self.make("state")?, accounts)?;
        Ok((installed, view))
    }

    /// Starts a program of this project that serves with a library of others. Its arguments are its
    /// folder, the certificate chain, the key, the largest message, and what is its own. The folder
    /// has the names and passwords in the file `users`, and the access token in `token`.
    pub(crate) fn serve(
        &self,
        command: [&Path; 2],
        own: &[&dyn fmt::Display],
    ) -> Result<Launch, Problem> {
        let users = ACCOUNTS.map(|(user, password)| format!("{user}\t{password}\n"));
        self.write("users", &users.concat())?;
        self.write("token", TOKEN)?;
        let files = [&*self.folder, &self.certs.chain, &self.certs.key];
        let mut words: Vec<OsString> =
            command.into_iter().chain(files).map(|path| path.as_os_str().to_owned()).collect();
        words.push(SIZE_LIMIT.to_string().into());
        words.extend(own.iter().map(|word| word.to_string().into()));
        Ok(Launch::new(&self.folder, words))
    }

    /// Makes a folder in that of the server.
    pub(crate) fn make(&self, name: &str) -> io::Result<PathBuf> {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Writes a program into the folder of the server.
    pub(crate) fn program(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.write(name, text)?;
        fs::set_permissions(&path, Permissions::from_mode(0o755))?;
        Ok(path)
    }

    /// Makes a folder in which every user can store messages.
    pub(crate) fn open_folder(&self, name: &str) -> io::Result<PathBuf> {
        let folder = self.make(name)?;
        fs::set_permissions(&folder, Permissions::from_mode(0o1777))?;
        Ok(folder)
    }

    /// Writes a file into the folder of the server.
    pub(crate) fn write(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.folder.join(name);
        fs::write(&path, text)?;
        Ok(path)
    }
}

/// Stores a message for those servers that hand it to a program.
const STORE: &str = include_str!("servers/store.sh");

/// Gives a folder and what is in it to a user.
fn give(folder: &Path, user: u32) -> io::Result<()> {
    chown(folder, Some(user), Some(user))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            give(&entry.path(), user)?;
        } else {
            chown(entry.path(), Some(user), Some(user))?;
        }
    }
    Ok(())
}
