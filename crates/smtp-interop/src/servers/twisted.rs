//! Twisted Mail, from PyPI: a library, with a handler that stores what it gets.
use std::time::Duration;

use super::{Problem, Site};
use crate::{
    store::{Ends, Store},
    target::{Endpoints, Prepared, Target},
};

const VERSION: &str = "26.10.0";

pub(super) fn prepare(site: &Site) -> Result<Prepared, Problem> {
    let installed = site.cache.python("twisted[tls]", VERSION, &[])?;
    let [clear, tls, idle] = Site::ports()?;
    let program = site.write("server.py", include_str!("twisted.py"))?;
    let launch =
        site.serve([&installed.root.join("bin/python"), &program], &[&clear, &tls, &idle])?;
    let endpoints = Endpoints::smtp(clear, tls).idle_after(idle, Duration::from_secs(2));
    let store = Store::files(site.make("mail")?, Ends::Crlf);
    Ok(Prepared {
        version: installed.version,
        launch,
        targets: vec![Target::new("twisted", endpoints, store)],
    })
}
