//! Dovecot, from Debian: LMTP over TCP and over a Unix socket.
use std::fmt::Write as _;

use smtp_client::Security;

use super::{Problem, Site, give};
use crate::{
    certs::HOST,
    install::Release,
    process::Launch,
    store::{Ends, Kind, Recipient, Store},
    target::{DOMAIN, Endpoints, Prepared, Target, lmtp, lmtp_socket, mailboxes},
};

const VMAIL: u32 = 61_023;

pub(super) fn prepare(site: &Site) -> Result<Prepared, Problem> {
    let accounts = [("dovecot", 61_021), ("dovenull", 61_022), ("vmail", VMAIL)];
    let (installed, view) =
        site.packages(&["dovecot-lmtpd", "dovecot-core"], Release::Stable, &accounts)?;
    if !installed.version.starts_with("2.3") {
        let version = installed.version;
        return Err(format!("the configuration is for Dovecot 2.3, not {version}").into());
    }
    let [port] = Site::ports()?;
    let mail = site.make("mail")?;
    give(&mail, VMAIL)?;
    give(&site.make("home")?, VMAIL)?;
    let mut users = String::new();
    for mailbox in mailboxes() {
        let _ = writeln!(users, "{mailbox}:::::::");
    }
    site.write("users", &users)?;
    let config = site.write("dovecot.conf", &config(site, port))?;
    let endpoints = Endpoints {
        clear: lmtp(port, Security::Plain),
        starttls: lmtp(port, Security::StartTls),
        unix: lmtp_socket(view.run_folder().join("dovecot/lmtp")),
        ..Endpoints::default()
    };
    let config = config.display().to_string();
    let words = ["/usr/sbin/dovecot", "-F", "-c", &config];
    Ok(Prepared {
        version: installed.version,
        launch: Launch::new(&site.folder, words).inside(view),
        targets: vec![Target::new(
            "dovecot-lmtp",
            endpoints,
            Store::new(mail, Kind::Maildirs { recipient: Recipient::Folder, ends: Ends::Lf }),
        )],
    })
}

fn config(site: &Site, port: u16) -> String {
    let folder = site.folder.display();
    let (chain, key) = (site.certs.chain.display(), site.certs.key.display());
    format!(
        "\
protocols = lmtp
listen = 127.0.0.1
hostname = {HOST}
log_path = {folder}/dovecot.log
ssl = yes
ssl_cert = <{chain}
ssl_key = <{key}
mail_location = maildir:{folder}/mail/%u:INDEX=MEMORY
mail_fsync = never
mail_uid = vmail
mail_gid = vmail
first_valid_uid = 1
auth_username_chars =
passdb {{
  driver = passwd-file
  args = username_format=%u {folder}/users
}}
userdb {{
  driver = passwd-file
  args = username_format=%u {folder}/users
  override_fields = uid=vmail gid=vmail home={folder}/home/%u
}}
protocol lmtp {{
  postmaster_address = postmaster@{DOMAIN}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {port}
  }}
  unix_listener lmtp {{
    mode = 0666
  }}
}}
"
    )
}
