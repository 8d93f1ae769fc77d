//! mailin-embedded, from crates.io: a library, with a handler that stores what it gets.
use smtp_client::Security;

use super::{Problem, Site};
use crate::{
    store::{Ends, Store},
    target::{Endpoints, Exception, Prepared, Target, smtp},
};

const VERSION: &str = "0.8.3";

const EXCEPTIONS: &[Exception] = &[
    Exception {
        cases: &["EHLO after AUTH"],
        faults: &["refused at MAIL: 503"],
        why: "it forgets the login at EHLO",
    },
    Exception {
        cases: &["AUTH="],
        faults: &["refused at MAIL: 500"],
        why: "it offers AUTH and refuses the parameter that belongs to it",
    },
];

pub(super) fn prepare(site: &Site) -> Result<Prepared, Problem> {
    let program = include_str!("mailin.program");
    let installed = site.cache.cargo("mailin-embedded", VERSION, program)?;
    let [clear, login] = Site::ports()?;
    let launch = site.serve(
        ["env".as_ref(), &installed.root.join("target/release/server")],
        &[&clear, &login],
    )?;
    // It has no port inside TLS.
    let endpoints = Endpoints {
        tls: None,
        login: smtp(login, Security::StartTls),
        ..Endpoints::smtp(clear, clear)
    };
    let store = Store::files(site.make("mail")?, Ends::Crlf);
    Ok(Prepared {
        version: installed.version,
        launch,
        targets: vec![Target { exceptions: EXCEPTIONS, ..Target::new("mailin", endpoints, store) }],
    })
}
