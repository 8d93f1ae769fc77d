//! The example `maildir` of this project's own server.
use std::fs;

use smtp_client::Security;

use super::{Problem, Site};
use crate::{
    certs::HOST,
    process::Launch,
    store::{Ends, Kind, Recipient, Store},
    target::{Endpoints, Prepared, SIZE_LIMIT, Target, lmtp, lmtp_socket, mailboxes, smtp},
};

pub(super) fn prepare(site: &Site) -> Result<Prepared, Problem> {
    let program = site.maildir.clone().ok_or("the option --maildir names no program")?;
    let [clear, tls, local] = [(); 3].map(|()| Site::port());
    let (clear, tls, local) = (clear?, tls?, local?);
    let mail = site.make("mail")?;
    for mailbox in mailboxes() {
        fs::create_dir_all(mail.join(mailbox))?;
    }
    let socket = site.folder.join("lmtp.sock");
    let path = |path: &std::path::Path| path.display().to_string();
    let words = [
        path(&program),
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
    let over_smtp = Endpoints {
        clear: smtp(clear, Security::Plain),
        starttls: smtp(clear, Security::StartTls),
        tls: smtp(tls, Security::Tls),
        ..Endpoints::default()
    };
    let over_lmtp = Endpoints {
        clear: lmtp(local, Security::Plain),
        unix: lmtp_socket(socket),
        ..Endpoints::default()
    };
    let store =
        || Store::new(&mail, Kind::Maildirs { recipient: Recipient::Folder, ends: Ends::Crlf });
    Ok(Prepared {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        launch: Launch::new(&site.folder, words),
        targets: vec![
            Target::new("maildir", over_smtp, store()),
            Target::new("maildir-lmtp", over_lmtp, store()),
        ],
    })
}
