//! msmtpd, from Debian: it hands each message to a program, which stores it here.
use smtp_client::Security;

use super::{Problem, STORE, Site};
use crate::{
    install::Release,
    process::Launch,
    store::{Ends, Store},
    target::{Endpoints, Exception, Prepared, Rules, Target, smtp},
};

const EXCEPTIONS: &[Exception] = &[
    Exception {
        cases: &["NOOP", "RSET", "VRFY", "EXPN", "HELP", "an unknown verb", "EHLO again"],
        faults: &["closed the connection", "Connection reset", "500 Expected MAIL"],
        why: "between messages it knows MAIL and QUIT, and ends the session at any other command",
    },
    Exception {
        cases: &["1,100 recipients"],
        faults: &["554 Pipe command reported error"],
        why: "it cuts the command that has so many recipients short",
    },
];

pub(super) fn prepare(site: &Site) -> Result<Prepared, Problem> {
    let (installed, view) = site.packages(&["msmtp-mta"], Release::Stable, &[])?;
    let [port] = Site::ports()?;
    let mail = site.open_folder("mail")?;
    let agent = site.program("store", STORE)?;
    let words = [
        "/usr/bin/msmtpd".to_owned(),
        format!("--port={port}"),
        format!("--command={} {}", agent.display(), mail.display()),
    ];
    let endpoints = Endpoints { clear: smtp(port, Security::Plain), ..Endpoints::default() };
    Ok(Prepared {
        version: installed.version,
        launch: Launch::new(&site.folder, words).inside(view),
        targets: vec![Target {
            exceptions: EXCEPTIONS,
            rules: Rules { accepts_any: true, ..Rules::default() },
            ..Target::new("msmtpd", endpoints, Store::files(mail, Ends::Lf))
        }],
    })
}
