//! chasquid, from Debian, with a delivery agent that stores what it gets.
use std::fs;

use super::{Problem, STORE, Site};
use crate::{
    certs::HOST,
    install::Release,
    process::{Launch, run_inside},
    store::{Ends, Store},
    target::{ACCOUNTS, DOMAIN, Endpoints, Exception, Prepared, SIZE_LIMIT, Target, mailboxes},
};

const EXCEPTIONS: &[Exception] = &[
    Exception {
        cases: &["200 messages, ahead"],
        faults: &["timed out"],
        why: "it drops the commands that follow the dot in one segment",
    },
    Exception {
        cases: &[
            "VRFY",
            "EXPN",
            "an unknown verb",
            "all recipients",
            "every other",
            "200 messages",
        ],
        faults: &["Too many errors", "Connection reset"],
        why: "it ends a session at the third refusal",
    },
    Exception {
        cases: &["1,100 recipients"],
        faults: &["Too many errors", "Connection reset"],
        why: "it takes 100 recipients, and ends the session at the third over that",
    },
];

pub(super) fn prepare(site: &Site) -> Result<Prepared, Problem> {
    let (installed, view) = site.packages(&["chasquid"], Release::Stable, &[])?;
    let [clear, tls] = Site::ports()?;
    let mail = site.open_folder("mail")?;
    let agent = site.program("store", STORE)?;
    let certificate = format!("etc/certs/{HOST}");
    site.make(&certificate)?;
    site.make(&format!("etc/domains/{DOMAIN}"))?;
    site.make("data")?;
    for (name, path) in [("fullchain", &site.certs.chain), ("privkey", &site.certs.key)] {
        site.write(&format!("{certificate}/{name}.pem"), &fs::read_to_string(path)?)?;
    }
    let folder = site.folder.display();
    let megabytes = SIZE_LIMIT >> 20;
    let config = format!(
        "hostname: \"{HOST}\"\nmax_data_size_mb: {megabytes}\nsmtp_address: \"127.0.0.1:{clear}\"\n\
         submission_over_tls_address: \"127.0.0.1:{tls}\"\n\
         mail_delivery_agent_bin: \"{agent}\"\nmail_delivery_agent_args: \"{mail}\"\n\
         mail_delivery_agent_args: \"%to%\"\ndata_dir: \"{folder}/data\"\n\
         mail_log_path: \"{folder}/mail.log\"\n",
        agent = agent.display(),
        mail = mail.display()
    );
    site.write("etc/chasquid.conf", &config)?;
    let options = format!("-C={folder}/etc");
    for (user, password) in ACCOUNTS {
        let password = format!("--password={password}");
        run_inside(&view, "/usr/bin/chasquid-util", [&*options, "user-add", user, &password], "")?;
    }
    every_mailbox(site)?;
    // Its port inside TLS is for clients that log in.
    let endpoints = Endpoints { tls: None, ..Endpoints::smtp(clear, tls) };
    let config = format!("--config_dir={folder}/etc");
    Ok(Prepared {
        version: installed.version,
        launch: Launch::new(&site.folder, ["/usr/bin/chasquid", &config]).inside(view),
        targets: vec![Target {
            exceptions: EXCEPTIONS,
            ..Target::new("chasquid", endpoints, Store::files(mail, Ends::Lf))
        }],
    })
}

/// Gives every mailbox the password of the first account: to compute a hash for each takes minutes.
fn every_mailbox(site: &Site) -> Result<(), Problem> {
    let name = format!("etc/domains/{DOMAIN}/users");
    let mut users = fs::read_to_string(site.folder.join(&name))?;
    let end = users.find("\n}\n").ok_or("chasquid-util wrote no account")?;
    let first = users[..end + 3].to_owned();
    for mailbox in mailboxes().filter(|mailbox| !ACCOUNTS.iter().any(|(user, _)| user == mailbox)) {
        let local = mailbox.split('@').next().unwrap_or_default();
        users += &first.replace("\"alice\"", &format!("\"{local}\""));
    }
    site.write(&name, &users)?;
    Ok(())
}
