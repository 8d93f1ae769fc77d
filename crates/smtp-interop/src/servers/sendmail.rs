//! Sendmail, from the backports of Debian, with a local mailer that stores what it gets.
use std::fs;

use super::{Problem, STORE, Site};
use crate::{
    certs::HOST,
    install::Release,
    process::{Launch, run_inside},
    store::{Ends, Store},
    target::{ACCOUNTS, DOMAIN, Endpoints, Prepared, SIZE_LIMIT, Target},
    view::View,
};

const PACKAGES: [&str; 5] = ["sendmail-bin", "sendmail-cf", "m4", "sasl2-bin", "libsasl2-modules"];

pub(super) fn prepare(site: &Site) -> Result<Prepared, Problem> {
    let accounts = [("smmta", 61_041), ("smmsp", 61_042)];
    let (installed, view) = site.packages(&PACKAGES, Release::Backports, &accounts)?;
    let [clear, tls] = Site::ports()?;
    let mail = site.open_folder("mail")?;
    site.make("queue")?;
    site.program("store", STORE)?;
    // Without a name that has a dot it sleeps for a minute.
    view.put("/etc/hosts", &format!("127.0.0.1 {HOST} localhost\n"))?;
    for (name, path) in [
        ("authority", &site.certs.authority),
        ("chain", &site.certs.chain),
        ("key", &site.certs.key),
    ] {
        view.put(&format!("/etc/mail/{name}.pem"), &fs::read_to_string(path)?)?;
    }
    passwords(site, &view)?;
    let macros = include_str!("sendmail.mc")
        .replace("FOLDER", &site.folder.display().to_string())
        .replace("DOMAIN_OF_MAIL", DOMAIN)
        .replace("HOST", HOST)
        .replace("LIMIT", &SIZE_LIMIT.to_string())
        .replace("PORT_CLEAR", &clear.to_string())
        .replace("PORT_TLS", &tls.to_string());
    let source = "-D_CF_DIR_=/usr/share/sendmail/cf/";
    let config = run_inside(&view, "/usr/bin/m4", [source, "-"], &macros)?;
    let config = site.write("sendmail.cf", &config)?;
    let words = [
        "/usr/libexec/sendmail/sendmail".to_owned(),
        format!("-C{}", config.display()),
        "-bD".to_owned(),
        "-q5m".to_owned(),
    ];
    Ok(Prepared {
        version: installed.version,
        launch: Launch::new(&site.folder, words).inside(view),
        targets: vec![Target::new(
            "sendmail",
            Endpoints::smtp(clear, tls),
            Store::files(mail, Ends::Lf),
        )],
    })
}

/// Writes the passwords for SASL.
fn passwords(site: &Site, view: &View) -> Result<(), Problem> {
    let database = site.folder.join("sasldb2").display().to_string();
    for (user, password) in ACCOUNTS {
        let name = user.split('@').next().unwrap_or(user);
        let words = ["-p", "-c", "-u", DOMAIN, name, "-f", &database];
        run_inside(view, "/usr/sbin/saslpasswd2", words, password)?;
    }
    let conf = format!(
        "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: {database}\n\
         mech_list: PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256\n"
    );
    Ok(view.put("/etc/sasl2/Sendmail.conf", &conf)?)
}
