//! python-slimta, from PyPI: a library, with a validator that stores what it gets.
use std::time::Duration;

use super::{Problem, Site};
use crate::{
    store::{Ends, Store},
    target::{Endpoints, Exception, Prepared, Target},
};

/// It finds its own parts with `pkg_resources`, which later versions of setuptools do not have, and
/// which earlier ones cannot find these names with.
const NEEDED: &[&str] = &["setuptools==80.9.0", "zope.event", "zope.interface"];

const VERSION: &str = "5.0.5";

const EXCEPTIONS: &[Exception] = &[Exception {
    cases: &["over-size, undeclared"],
    faults: &["500 5.5.2"],
    why: "it stops reading where a text becomes too large, and takes the rest for commands",
}];

pub(super) fn prepare(site: &Site) -> Result<Prepared, Problem> {
    let installed = site.cache.python("python-slimta", VERSION, NEEDED)?;
    let [clear, tls, idle] = Site::ports()?;
    let program = site.write("server.py", include_str!("slimta.py"))?;
    let launch =
        site.serve([&installed.root.join("bin/python"), &program], &[&clear, &tls, &idle])?;
    let endpoints = Endpoints::smtp(clear, tls).idle_after(idle, Duration::from_secs(2));
    let store = Store::files(site.make("mail")?, Ends::Crlf);
    Ok(Prepared {
        version: installed.version,
        launch,
        targets: vec![Target { exceptions: EXCEPTIONS, ..Target::new("slimta", endpoints, store) }],
    })
}
