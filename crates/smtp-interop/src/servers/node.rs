//! nodemailer's smtp-server, from npm: a library, with a handler that stores what it gets.
use std::time::Duration;

use smtp_client::Security;

use super::{Problem, Site};
use crate::{
    process::Launch,
    store::{Ends, Kind, Store},
    target::{ACCOUNTS, Endpoints, Prepared, SIZE_LIMIT, Target, lmtp, lmtp_socket, smtp},
};

const VERSION: &str = "3.21.6";

pub(super) fn prepare(site: &Site) -> Result<Prepared, Problem> {
    let installed = site.cache.npm("smtp-server", VERSION)?;
    let program = site.write("server.js", include_str!("node.js"))?;
    let users = ACCOUNTS.map(|(user, password)| format!("{user}\t{password}\n"));
    site.write("users", &users.concat())?;
    let [clear, tls, idle, local] = [(); 4].map(|()| Site::port());
    let (clear, tls, idle, local) = (clear?, tls?, idle?, local?);
    let socket = site.folder.join("lmtp.sock");
    let words = [
        "node".to_owned(),
        program.display().to_string(),
        site.folder.display().to_string(),
        installed.root.join("node_modules").display().to_string(),
        site.certs.chain.display().to_string(),
        site.certs.key.display().to_string(),
        SIZE_LIMIT.to_string(),
        clear.to_string(),
        tls.to_string(),
        idle.to_string(),
        local.to_string(),
        socket.display().to_string(),
    ];
    let over_smtp = Endpoints {
        clear: smtp(clear, Security::Plain),
        starttls: smtp(clear, Security::StartTls),
        tls: smtp(tls, Security::Tls),
        login: smtp(tls, Security::Tls),
        idle: smtp(idle, Security::Plain).map(|server| (server, Duration::from_secs(2))),
        ..Endpoints::default()
    };
    let over_lmtp = Endpoints {
        clear: lmtp(local, Security::Plain),
        starttls: lmtp(local, Security::StartTls),
        unix: lmtp_socket(socket),
        ..Endpoints::default()
    };
    let store =
        |name| Ok::<_, Problem>(Store::new(site.make(name)?, Kind::Files { ends: Ends::Crlf }));
    Ok(Prepared {
        version: installed.version,
        launch: Launch::new(&site.folder, words),
        targets: vec![
            Target::new("smtp-server", over_smtp, store("smtp")?),
            Target::new("smtp-server-lmtp", over_lmtp, store("lmtp")?),
        ],
    })
}
