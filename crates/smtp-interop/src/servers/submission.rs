//! Dovecot's submission service, from Debian, which passes on to the example `maildir`.
use std::fmt::Write as _;

use super::{Problem, Site, maildir::Next};
use crate::{
    certs::HOST,
    install::Release,
    process::Launch,
    target::{ACCOUNTS, Endpoints, Exception, Prepared, Rules, SIZE_LIMIT, TOKEN_KEY, Target},
};

const VMAIL: u32 = 61_023;

const EXCEPTIONS: &[Exception] = &[
    Exception {
        cases: &["EHLO again"],
        faults: &["\"AUTH\""],
        why: "after a login it offers what it had offered before, less STARTTLS and the mechanisms",
    },
    Exception {
        cases: &["200 messages, ahead"],
        faults: &["the server closed the connection"],
        why: "it ends the session when commands follow the dot in one segment",
    },
];

pub(super) fn prepare(site: &Site) -> Result<Prepared, Problem> {
    let accounts = [("dovecot", 61_021), ("dovenull", 61_022), ("vmail", VMAIL)];
    let (installed, view) =
        site.packages(&["dovecot-submissiond", "dovecot-core"], Release::Stable, &accounts)?;
    if !installed.version.starts_with("2.3") {
        let version = installed.version;
        return Err(format!("the configuration is for Dovecot 2.3, not {version}").into());
    }
    let next = Next::new(site)?;
    let [clear, tls] = Site::ports()?;
    super::give(&site.make("home")?, VMAIL)?;
    let mut users = String::new();
    for (user, password) in ACCOUNTS {
        let _ = writeln!(users, "{user}:{{PLAIN}}{password}::::::");
    }
    site.write("users", &users)?;
    site.make("keys/default/HS256")?;
    site.write("keys/default/HS256/default", TOKEN_KEY)?;
    let folder = site.folder.display();
    site.write(
        "oauth2.conf",
        &format!(
            "introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix={folder}/keys/\n\
             username_attribute = sub\n"
        ),
    )?;
    let config = site.write("dovecot.conf", &config(site, next.port, [clear, tls]))?;
    let words = ["/usr/sbin/dovecot", "-F", "-c"].map(str::to_owned);
    let words = words.into_iter().chain([config.display().to_string()]);
    Ok(Prepared {
        version: installed.version,
        launch: Launch::new(&site.folder, next.then(words)).inside(view),
        targets: vec![Target {
            exceptions: EXCEPTIONS,
            rules: Rules { needs_login: true, ..Rules::default() },
            ..Target::new("dovecot-submission", Endpoints::smtp(clear, tls), next.store)
        }],
    })
}

fn config(site: &Site, next: u16, [clear, tls]: [u16; 2]) -> String {
    let folder = site.folder.display();
    let (chain, key) = (site.certs.chain.display(), site.certs.key.display());
    format!(
        "\
protocols = submission
listen = 127.0.0.1
hostname = {HOST}
log_path = {folder}/dovecot.log
ssl = yes
ssl_cert = <{chain}
ssl_key = <{key}
disable_plaintext_auth = no
auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256 oauthbearer xoauth2
auth_failure_delay = 0
mail_location = maildir:{folder}/home/%u:INDEX=MEMORY
mail_uid = vmail
mail_gid = vmail
first_valid_uid = 1
passdb {{
  driver = oauth2
  mechanisms = oauthbearer xoauth2
  args = {folder}/oauth2.conf
}}
passdb {{
  driver = passwd-file
  mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256
  args = username_format=%u {folder}/users
}}
userdb {{
  driver = static
  args = uid=vmail gid=vmail home={folder}/home/%u
}}
submission_relay_host = 127.0.0.1
submission_relay_port = {next}
submission_max_mail_size = {SIZE_LIMIT}
# It delays the logins that follow a refused one.
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service submission-login {{
  inet_listener submission {{
    port = {clear}
  }}
  inet_listener submissions {{
    port = {tls}
    ssl = yes
  }}
}}
"
    )
}
