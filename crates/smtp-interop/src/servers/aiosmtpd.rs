//! aiosmtpd, from PyPI: a library, with a handler that stores what it gets.
use std::time::Duration;

use smtp_client::Security;

use super::{Problem, Site};
use crate::{
    store::{Ends, Store},
    target::{Endpoints, Exception, Prepared, Target, lmtp, lmtp_socket, smtp},
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
    let installed = site.cache.python("aiosmtpd", VERSION, &[])?;
    let [clear, tls, idle, local] = Site::ports()?;
    let socket = site.folder.join("lmtp.sock");
    let program = site.write("server.py", include_str!("aiosmtpd.py"))?;
    let launch = site.serve(
        [&installed.root.join("bin/python"), &program],
        &[&clear, &tls, &idle, &local, &socket.display()],
    )?;
    let over_smtp = Endpoints {
        login: smtp(clear, Security::StartTls),
        ..Endpoints::smtp(clear, tls).idle_after(idle, Duration::from_secs(2))
    };
    let over_lmtp = Endpoints {
        clear: lmtp(local, Security::Plain),
        unix: lmtp_socket(socket),
        ..Endpoints::default()
    };
    let store = |name| Ok::<_, Problem>(Store::files(site.make(name)?, Ends::Crlf));
    let first =
        Target { exceptions: OVER_SMTP, ..Target::new("aiosmtpd", over_smtp, store("smtp")?) };
    let second =
        Target { exceptions: OVER_LMTP, ..Target::new("aiosmtpd-lmtp", over_lmtp, store("lmtp")?) };
    Ok(Prepared { version: installed.version, launch, targets: vec![first, second] })
}
