//! Courier, from Debian: its own daemons, started without its scripts, which detach them.
use std::{
    fmt::Write as _,
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use super::{Problem, Site, give};
use crate::{
    certs::HOST,
    compare::Change,
    install::Release,
    process::{Launch, run, run_inside},
    store::{Ends, Kind, Recipient, Store},
    target::{ACCOUNTS, DOMAIN, Endpoints, Exception, Prepared, SIZE_LIMIT, Target, mailboxes},
};

const COURIER: u32 = 61_061;
const VMAIL: u32 = 61_062;

const CHANGES: &[Change] =
    &[Change { name: "it removes the brackets of an address without a name", apply: bare }];

const EXCEPTIONS: &[Exception] = &[
    Exception {
        cases: &["EHLO again"],
        faults: &["\"STARTTLS\""],
        why: "it offers no STARTTLS after a message",
    },
    Exception {
        cases: &["1,100 recipients"],
        faults: &["431 Too many recipients"],
        why: "it takes 100 recipients, and refuses the others with 431 instead of 452",
    },
    Exception {
        cases: &["200 messages, ahead"],
        faults: &["timed out"],
        why: "it drops the commands that follow the dot in one segment",
    },
];

/// Writes `From: <a@b>` as `From: a@b`.
fn bare(sent: &[u8]) -> Vec<u8> {
    let mut changed = Vec::with_capacity(sent.len());
    let mut is_header = true;
    for line in sent.split_inclusive(|&octet| octet == b'\n') {
        is_header &= line != b"\r\n";
        let is_address = line.starts_with(b"From: <") || line.starts_with(b"To: <");
        let dropped: &[u8] = if is_header && is_address { b"<>" } else { b"" };
        changed.extend(line.iter().filter(|octet| !dropped.contains(octet)));
    }
    changed
}

pub(super) fn prepare(site: &Site) -> Result<Prepared, Problem> {
    let accounts = [("courier", COURIER), ("vmail", VMAIL)];
    let (installed, view) = site.packages(&["courier-mta"], Release::Stable, &accounts)?;
    // When they are installed, a script sets this link.
    let makedat = installed.root.join("usr/bin/makedat");
    if !makedat.is_symlink() {
        symlink("makedat.courier", makedat)?;
    }
    let view = view.writable("/etc/courier", COURIER)?.writable("/var/lib/courier", COURIER)?;
    for folder in ["etc/courier", "var/lib/courier"] {
        let (from, to) = (installed.root.join(folder), Path::new("state/writable").join(folder));
        let to = site.folder.join(to);
        run("cp", ["-a".as_ref(), from.join(".").as_os_str(), to.as_os_str()])?;
    }
    let [clear, tls] = Site::ports()?;
    let mail = site.make("mail")?;
    for mailbox in mailboxes() {
        for folder in ["new", "cur", "tmp"] {
            fs::create_dir_all(mail.join(&mailbox).join(folder))?;
        }
    }
    give(&mail, VMAIL)?;
    configure(site)?;
    view.begin()?;
    let mut users = String::new();
    for mailbox in mailboxes() {
        let place = format!("home={0}|mail={0}/{mailbox}|uid={VMAIL}|gid={VMAIL}", mail.display());
        let _ = write!(users, "{mailbox}\t{place}");
        if let Some((_, password)) = ACCOUNTS.iter().find(|(user, _)| *user == mailbox) {
            let hash = run("openssl", ["passwd", "-6", password])?;
            let input = format!("{password}\n{password}\n");
            let key = run_inside(&view, "/usr/sbin/userdbpw", ["-hmac-md5"], &input)?;
            let _ = write!(users, "|systempw={}|hmac-md5pw={}", hash.trim(), key.trim());
        }
        users.push('\n');
    }
    let users = etc(site, "userdb", &users)?;
    fs::set_permissions(users, Permissions::from_mode(0o700))?;
    let start = START.replace("CLEAR", &clear.to_string()).replace("INSIDE", &tls.to_string());
    let start = site.program("start", &start)?;
    Ok(Prepared {
        version: installed.version,
        launch: Launch::new(&site.folder, [start]).inside(view),
        targets: vec![Target {
            changes: CHANGES,
            exceptions: EXCEPTIONS,
            ..Target::new(
                "courier",
                Endpoints::smtp(clear, tls),
                Store::new(mail, Kind::Maildirs { recipient: Recipient::Folder, ends: Ends::Lf }),
            )
        }],
    })
}

/// Makes the databases, and starts the daemons. The last one stays in the foreground.
const START: &str = r#"#!/bin/sh -e
mkdir -p /run/courier/authdaemon
chown -R courier:courier /run/courier
cd /usr
/usr/bin/makedat -src=/etc/courier/smtpaccess -file=/etc/courier/smtpaccess.dat \
    -tmp=/etc/courier/smtpaccess.tmp -cidr
/usr/sbin/makealiases
/usr/sbin/makehosteddomains
/usr/sbin/makeacceptmailfor
chown -R courier:courier /etc/courier /var/lib/courier
/usr/sbin/makeuserdb
/usr/sbin/authdaemond start
sh /usr/lib/courier/courierctl.start
set -a
. /etc/courier/esmtpd
listen() {
    port=$1
    shift
    exec /usr/sbin/couriertcpd -user=courier -group=courier -address=127.0.0.1 -noidentlookup \
        -nodnslookup -maxprocs=200 -maxperc=200 -maxperip=200 \
        -access=/etc/courier/smtpaccess.dat "$port" "$@"
}
(ESMTP_TLS=1 listen INSIDE /usr/bin/couriertls -server -tcpd /usr/sbin/courieresmtpd) &
listen CLEAR /usr/sbin/courieresmtpd
"#;

/// Writes a file below `/etc/courier`.
fn etc(site: &Site, name: &str, text: &str) -> Result<std::path::PathBuf, Problem> {
    Ok(site.write(&format!("state/writable/etc/courier/{name}"), text)?)
}

fn configure(site: &Site) -> Result<(), Problem> {
    let host = format!("{HOST}\n");
    let domain = format!("{DOMAIN}\n");
    let pem = fs::read_to_string(&site.certs.key)? + &fs::read_to_string(&site.certs.chain)?;
    for (name, text) in [
        ("me", &host),
        ("locals", &host),
        ("defaultdomain", &domain),
        ("hosteddomains/interop", &domain),
        ("esmtpacceptmailfor.dir/interop", &domain),
        ("sizelimit", &format!("{SIZE_LIMIT}\n")),
        ("smtpaccess/default", &"127.0.0.1\tallow\n".to_owned()),
        ("esmtpd.pem", &pem),
    ] {
        let path = etc(site, name, text)?;
        fs::set_permissions(path, Permissions::from_mode(0o640))?;
    }
    set(site, "authdaemonrc", &[("authmodulelist", "authuserdb")])?;
    set(
        site,
        "esmtpd",
        &[
            ("BOFHCHECKDNS", "0"),
            ("BOFHNOVRFY", "0"),
            ("BOFHNOEXPN", "0"),
            ("TARPIT", "0"),
            ("ESMTPAUTH", "LOGIN CRAM-MD5"),
            ("ESMTPAUTH_TLS", "PLAIN LOGIN CRAM-MD5"),
        ],
    )
}

/// Sets variables in a file of the package.
fn set(site: &Site, name: &str, variables: &[(&str, &str)]) -> Result<(), Problem> {
    let path = site.folder.join("state/writable/etc/courier").join(name);
    let line = |line: &str| {
        let name = line.split('=').next();
        match variables.iter().find(|(variable, _)| Some(*variable) == name) {
            Some((variable, value)) => format!("{variable}=\"{value}\"\n"),
            None => format!("{line}\n"),
        }
    };
    let text: String = fs::read_to_string(&path)?.lines().map(line).collect();
    Ok(fs::write(path, text)?)
}
