//! Twisted Mail, from PyPI: a library, with a handler that stores what it gets.
use std::time::Duration;

use smtp_client::Security;

use super::{Problem, Site};
use crate::{
    process::Launch,
    store::{Ends, Kind, Store},
    target::{ACCOUNTS, Endpoints, Prepared, Target, smtp},
};

const VERSION: &str = "26.10.0";

pub(super) fn prepare(site: &Site) -> Result<Prepared, Problem> {
    let installed = site.cache.python("twisted[tls]", VERSION)?;
    let program = site.write("server.py", include_str!("twisted.py"))?;
    let users = ACCOUNTS.map(|(user, password)| format!("{user}\t{password}\n"));
    site.write("users", &users.concat())?;
    let mail = site.make("mail")?;
    let [clear, tls, idle] = [(); 3].map(|()| Site::port());
    let (clear, tls, idle) = (clear?, tls?, idle?);
    let words = [
        installed.root.join("bin/python").display().to_string(),
        program.display().to_string(),
        site.folder.display().to_string(),
        site.certs.chain.display().to_string(),
        site.certs.key.display().to_string(),
        clear.to_string(),
        tls.to_string(),
        idle.to_string(),
    ];
    let endpoints = Endpoints {
        clear: smtp(clear, Security::Plain),
        starttls: smtp(clear, Security::StartTls),
        tls: smtp(tls, Security::Tls),
        login: smtp(tls, Security::Tls),
        idle: smtp(idle, Security::Plain).map(|server| (server, Duration::from_secs(2))),
        ..Endpoints::default()
    };
    Ok(Prepared {
        version: installed.version,
        launch: Launch::new(&site.folder, words),
        targets: vec![Target::new(
            "twisted",
            endpoints,
            Store::new(mail, Kind::Files { ends: Ends::Crlf }),
        )],
    })
}
