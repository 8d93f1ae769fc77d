//! The example `maildir` of this project's own server, as a server to test and as the next one of
//! those that pass mail on.
use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use smtp_client::Security;

use super::{Problem, Site};
use crate::{
    certs::HOST,
    process::Launch,
    store::{Ends, Kind, Recipient, Store},
    target::{Endpoints, Prepared, SIZE_LIMIT, Target, lmtp, lmtp_socket, mailboxes},
};

/// How many octets a server may add to a message that it passes on.
const ADDED: usize = 64 << 10;

pub(super) fn prepare(site: &Site) -> Result<Prepared, Problem> {
    let [clear, tls, local] = Site::ports()?;
    let mail = mail(site)?;
    let socket = site.folder.join("lmtp.sock");
    let path = |path: &Path| path.display().to_string();
    let words = [
        path(&site.example("maildir")?),
        "--listen".to_owned(),
        format!("127.0.0.1:{clear}"),
        "--tls".to_owned(),
        format!("127.0.0.1:{tls}"),
        "--lmtp".to_owned(),
        format!("127.0.0.1:{local}"),
        "--lmtp".to_owned(),
        format!("unix:{}", path(&socket)),
        "--cert".to_owned(),
        path(&site.certs.chain),
        path(&site.certs.key),
        "--host".to_owned(),
        HOST.to_owned(),
        "--size".to_owned(),
        SIZE_LIMIT.to_string(),
        path(&mail),
    ];
    let over_smtp = Endpoints { login: None, ..Endpoints::smtp(clear, tls) };
    let over_lmtp = Endpoints {
        clear: lmtp(local, Security::Plain),
        unix: lmtp_socket(socket),
        ..Endpoints::default()
    };
    Ok(Prepared {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        launch: Launch::new(&site.folder, words),
        targets: vec![
            Target::new("maildir", over_smtp, store(mail.clone())),
            Target::new("maildir-lmtp", over_lmtp, store(mail)),
        ],
    })
}

/// The server that another passes its mail on to.
pub(super) struct Next {
    pub(super) port: u16,
    pub(super) store: Store,
    script: PathBuf,
}

impl Next {
    pub(super) fn new(site: &Site) -> Result<Self, Problem> {
        let [port] = Site::ports()?;
        let mail = mail(site)?;
        let program = site.example("maildir")?;
        // No folder here has a quotation mark in its name.
        let script = format!(
            "#!/bin/sh\nexec '{}' --listen 127.0.0.1:{port} --size {} --host next.interop.test '{}'\n",
            program.display(),
            SIZE_LIMIT + ADDED,
            mail.display(),
        );
        let script = site.program("next", &script)?;
        Ok(Self { port, store: store(mail), script })
    }

    /// Returns the command that starts this server and then another.
    pub(super) fn then(&self, words: impl IntoIterator<Item = String>) -> Vec<OsString> {
        let both = ["sh", "-c", r#""$0" & exec "$@""#].map(OsString::from);
        let words = words.into_iter().map(OsString::from);
        both.into_iter().chain([self.script.clone().into()]).chain(words).collect()
    }
}

/// Makes a folder with every mailbox.
fn mail(site: &Site) -> io::Result<PathBuf> {
    let mail = site.make("mail")?;
    for mailbox in mailboxes() {
        fs::create_dir_all(mail.join(mailbox))?;
    }
    Ok(mail)
}

fn store(mail: PathBuf) -> Store {
    Store::new(mail, Kind::Maildirs { recipient: Recipient::Folder, ends: Ends::Crlf })
}
