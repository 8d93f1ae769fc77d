//! aiosmtpd, from PyPI: a library, with a handler that stores what it gets.
use std::time::Duration;

use smtp_client::Security;

use super::{Problem, Site};
use crate::{
    process::Launch,
    store::{Ends, Kind, Store},
    target::{
        ACCOUNTS, Endpoints, Exception, Prepared, SIZE_LIMIT, Target, lmtp, lmtp_socket, smtp,
    },
};

const VERSION: &str = "1.4.6";

const OVER_SMTP: &[Exception] = &[Exception {
    cases: &["AUTH="],
    faults: &["refused at MAIL: 555"],
    why: "it offers AUTH and refuses the parameter that belongs to it",
}];

const OVER_LMTP: &[Exception] = &[Exception {
    cases: &["50 recipients", "1,100 recipients", "every other recipient", "one refused, withheld"],
    faults: &["(in doubt)"],
    why: "it replies once to a text for many recipients, and the others stay in doubt",
}];

pub(super) fn prepare(site: &Site) -> Result<Prepared, Problem> {
    let installed = site.cache.python("aiosmtpd", VERSION)?;
    let program = site.write("server.py", include_str!("aiosmtpd.py"))?;
    let users = ACCOUNTS.map(|(user, password)| format!("{user}\t{password}\n"));
    site.write("users", &users.concat())?;
    let [clear, tls, idle, local] = [(); 4].map(|()| Site::port());
    let (clear, tls, idle, local) = (clear?, tls?, idle?, local?);
    let socket = site.folder.join("lmtp.sock");
    let words = [
        installed.root.join("bin/python").display().to_string(),
        program.display().to_string(),
        site.folder.display().to_string(),
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
        login: smtp(clear, Security::StartTls),
        idle: smtp(idle, Security::Plain).map(|server| (server, Duration::from_secs(2))),
        ..Endpoints::default()
    };
    let over_lmtp = Endpoints {
        clear: lmtp(local, Security::Plain),
        unix: lmtp_socket(socket),
        ..Endpoints::default()
    };
    let first = Target {
        exceptions: OVER_SMTP,
        ..Target::new(
            "aiosmtpd",
            over_smtp,
            Store::new(site.make("smtp")?, Kind::Files { ends: Ends::Crlf }),
        )
    };
    let second = Target {
        exceptions: OVER_LMTP,
        ..Target::new(
            "aiosmtpd-lmtp",
            over_lmtp,
            Store::new(site.make("lmtp")?, Kind::Files { ends: Ends::Crlf }),
        )
    };
    Ok(Prepared {
        version: installed.version,
        launch: Launch::new(&site.folder, words),
        targets: vec![first, second],
    })
}
