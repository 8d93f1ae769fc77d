//! Haraka, from npm, with a plugin that stores what it gets.
use std::fs;

use super::{Problem, Site};
use crate::{
    certs::HOST,
    compare::Change,
    process::Launch,
    store::{Ends, Store},
    target::{ACCOUNTS, DOMAIN, Endpoints, Exception, Prepared, SIZE_LIMIT, Target},
};

const VERSION: &str = "3.3.4";

const CHANGES: &[Change] =
    &[Change { name: "it folds lines of more than 990 octets", apply: fold }];

const EXCEPTIONS: &[Exception] = &[Exception {
    cases: &["over-size, undeclared"],
    faults: &["421 Internal Server Error"],
    why: "it answers 421 to what follows a message that was too large",
}];

/// Inserts CRLF and a space. It counts the dot that stuffs a line, which is not delivered.
fn fold(sent: &[u8]) -> Vec<u8> {
    let mut folded = Vec::with_capacity(sent.len() + 3);
    for mut line in sent.split_inclusive(|&octet| octet == b'\n') {
        loop {
            let longest = if line.starts_with(b".") { 989 } else { 990 };
            if line.len() <= longest + 2 {
                break;
            }
            let (first, rest) = line.split_at(longest);
            folded.extend_from_slice(first);
            folded.extend_from_slice(b"\r\n ");
            line = rest;
        }
        folded.extend_from_slice(line);
    }
    folded
}

pub(super) fn prepare(site: &Site) -> Result<Prepared, Problem> {
    let installed = site.cache.npm("Haraka", VERSION)?;
    let package = installed.root.join("node_modules/Haraka");
    let [clear, tls] = Site::ports()?;
    let mail = site.make("mail")?;
    for name in ["config", "plugins", "queue"] {
        site.make(name)?;
    }
    let folder = site.folder.display();
    let account = |(user, password): (&str, &str)| format!("{user:?}: {password:?}, ");
    let plugin = include_str!("haraka.js")
        .replace("FOLDER", &mail.display().to_string())
        .replace("USERS", &format!("{{ {}}}", ACCOUNTS.map(account).concat()));
    site.write("plugins/store.js", &plugin)?;
    site.write("config/plugins", "tls\nstore\n")?;
    site.write("config/me", HOST)?;
    site.write("config/host_list", DOMAIN)?;
    site.write("config/databytes", &SIZE_LIMIT.to_string())?;
    site.write("config/log.ini", "[main]\nlevel=warn\n")?;
    let listen = format!("127.0.0.1:{clear},127.0.0.1:{tls}");
    site.write(
        "config/smtp.ini",
        &format!("listen={listen}\nsmtps_port={tls}\nnodes=0\nspool_dir={folder}/queue\n"),
    )?;
    // It does not start without its own file.
    let connection = fs::read_to_string(package.join("config/connection.ini"))?;
    let lines = connection.lines().map(|line| match line.split_once('=') {
        Some(("bytes", _)) => format!("bytes={SIZE_LIMIT}\n"),
        _ => format!("{line}\n"),
    });
    site.write("config/connection.ini", &lines.collect::<String>())?;
    let (key, chain) = (site.certs.key.display(), site.certs.chain.display());
    site.write("config/tls.ini", &format!("key={key}\ncert={chain}\n"))?;
    let words = [
        "node".to_owned(),
        package.join("bin/haraka").display().to_string(),
        "-c".to_owned(),
        folder.to_string(),
    ];
    Ok(Prepared {
        version: installed.version,
        launch: Launch::new(&site.folder, words),
        targets: vec![Target {
            changes: CHANGES,
            exceptions: EXCEPTIONS,
            ..Target::new("haraka", Endpoints::smtp(clear, tls), Store::files(mail, Ends::Crlf))
        }],
    })
}
