//! nodemailer's smtp-server, from npm: a library, with a handler that stores what it gets.
use std::time::Duration;

use smtp_client::Security;

use super::{Problem, Site};
use crate::{
    store::{Ends, Store},
    target::{Endpoints, Prepared, Target, lmtp, lmtp_socket},
};

const VERSION: &str = "3.21.6";

pub(super) fn prepare(site: &Site) -> Result<Prepared, Problem> {
    let installed = site.cache.npm("smtp-server", VERSION)?;
    let [clear, tls, idle, local] = Site::ports()?;
    let socket = site.folder.join("lmtp.sock");
    let modules = installed.root.join("node_modules");
    let program = site.write("server.js", include_str!("node.js"))?;
    let launch = site.serve(
        ["node".as_ref(), &program],
        &[&modules.display(), &clear, &tls, &idle, &local, &socket.display()],
    )?;
    let over_smtp = Endpoints::smtp(clear, tls).idle_after(idle, Duration::from_secs(2));
    let over_lmtp = Endpoints {
        clear: lmtp(local, Security::Plain),
        starttls: lmtp(local, Security::StartTls),
        unix: lmtp_socket(socket),
        ..Endpoints::default()
    };
    let store = |name| Ok::<_, Problem>(Store::files(site.make(name)?, Ends::Crlf));
    Ok(Prepared {
        version: installed.version,
        launch,
        targets: vec![
            Target::new("smtp-server", over_smtp, store("smtp")?),
            Target::new("smtp-server-lmtp", over_lmtp, store("lmtp")?),
        ],
    })
}
