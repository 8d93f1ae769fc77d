//! OpenSMTPD, from the backports of Debian: the version before has no working TLS.
use std::{
    fmt::Write as _,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
};

use smtp_client::Security;

use super::{Problem, Site, give};
use crate::{
    certs::HOST,
    install::Release,
    process::{Launch, run},
    store::{Ends, Kind, Recipient, Store},
    target::{
        ACCOUNTS, DOMAIN, Endpoints, Exception, Prepared, SIZE_LIMIT, Target, mailboxes, smtp,
    },
};

const VMAIL: u32 = 61_013;

const EXCEPTIONS: &[Exception] = &[
    Exception {
        cases: &["EHLO again"],
        faults: &["Already identified"],
        why: "it refuses a second EHLO",
    },
    Exception {
        cases: &["NOTIFY and ORCPT"],
        faults: &["NOTIFY option NEVER cannot be combined"],
        why: "it takes the NOTIFY of one recipient for that of the next too",
    },
    Exception {
        cases: &["200 messages"],
        faults: &["Too many messages sent"],
        why: "it takes 100 messages in a session, and then refuses at MAIL",
    },
];

pub(super) fn prepare(site: &Site) -> Result<Prepared, Problem> {
    let accounts = [("opensmtpd", 61_011), ("opensmtpq", 61_012), ("vmail", VMAIL)];
    let (installed, view) = site.packages(&["opensmtpd"], Release::Backports, &accounts)?;
    let view = view.writable("/var/spool/smtpd", 0)?.writable("/var/lib/opensmtpd/empty", 0)?;
    fs::set_permissions(
        site.folder.join("state/writable/var/spool/smtpd"),
        Permissions::from_mode(0o711),
    )?;
    let [clear, tls, login] = Site::ports()?;
    let mail = site.make("mail")?;
    give(&mail, VMAIL)?;
    let key = site.write("key.pem", &fs::read_to_string(&site.certs.key)?)?;
    fs::set_permissions(&key, Permissions::from_mode(0o600))?;
    let mut credentials = String::new();
    for (user, password) in ACCOUNTS {
        let hash = run("openssl", ["passwd", "-6", password])?;
        let _ = writeln!(credentials, "{user} {}", hash.trim());
    }
    site.write("credentials", &credentials)?;
    let users = mailboxes().map(|mailbox| format!("{mailbox} vmail\n"));
    site.write("users", &users.collect::<String>())?;
    let config = site.write("smtpd.conf", &config(site, [clear, tls, login]))?;
    let endpoints = Endpoints { login: smtp(login, Security::Tls), ..Endpoints::smtp(clear, tls) };
    let store = Kind::Maildirs { recipient: Recipient::Folder, ends: Ends::Lf };
    let config = config.display().to_string();
    let words = ["/usr/sbin/smtpd", "-d", "-f", &config];
    Ok(Prepared {
        version: installed.version,
        launch: Launch::new(&site.folder, words).inside(view),
        targets: vec![Target {
            exceptions: EXCEPTIONS,
            ..Target::new("opensmtpd", endpoints, Store::new(mail, store))
        }],
    })
}

fn config(site: &Site, [clear, tls, login]: [u16; 3]) -> String {
    let folder = site.folder.display();
    let chain = site.certs.chain.display();
    format!(
        "\
smtp max-message-size \"{SIZE_LIMIT}\"
pki {HOST} cert \"{chain}\"
pki {HOST} key \"{folder}/key.pem\"
table credentials file:{folder}/credentials
table users file:{folder}/users
listen on 127.0.0.1 port {clear} tls pki {HOST} hostname {HOST}
listen on 127.0.0.1 port {tls} smtps pki {HOST} hostname {HOST}
listen on 127.0.0.1 port {login} smtps pki {HOST} auth <credentials> hostname {HOST}
action \"in\" maildir \"{folder}/mail/%{{rcpt.user:strip}}@%{{rcpt.domain}}\" virtual <users>
match from any for domain \"{DOMAIN}\" action \"in\"
match auth from any for domain \"{DOMAIN}\" action \"in\"
"
    )
}
