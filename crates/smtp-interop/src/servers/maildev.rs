//! maildev, from npm: the program as a library, to learn the recipients of each message.
use super::{Problem, Site};
use crate::{
    store::{Ends, Store},
    target::{Endpoints, Prepared, Rules, Target, smtp},
};
use smtp_client::Security;

const VERSION: &str = "3.0.0";

pub(super) fn prepare(site: &Site) -> Result<Prepared, Problem> {
    let installed = site.cache.npm("maildev", VERSION)?;
    let [clear, tls] = Site::ports()?;
    let modules = installed.root.join("node_modules");
    let program = site.write("server.mjs", include_str!("maildev.mjs"))?;
    let launch = site.serve(["node".as_ref(), &program], &[&modules.display(), &clear, &tls])?;
    let endpoints = Endpoints {
        clear: smtp(clear, Security::Plain),
        tls: smtp(tls, Security::Tls),
        ..Endpoints::default()
    };
    let store = Store::files(site.make("mail")?, Ends::Crlf);
    Ok(Prepared {
        version: installed.version,
        launch,
        targets: vec![Target {
            rules: Rules { accepts_any: true, ..Rules::default() },
            ..Target::new("maildev", endpoints, store)
        }],
    })
}
