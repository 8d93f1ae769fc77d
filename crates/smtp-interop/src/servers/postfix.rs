//! Postfix, from Debian. `master` is started itself: `postfix start` would detach it.
use std::{
    fs::{self, File, FileTimes, Permissions},
    os::unix::fs::{PermissionsExt, chown},
    path::Path,
    time::{Duration, SystemTime},
};

use super::{Problem, Site};
use crate::{
    certs::HOST,
    install::Release,
    process::{Launch, run_inside},
    store::{Ends, Kind, Recipient, Store},
    target::{ACCOUNTS, DOMAIN, Endpoints, Prepared, SIZE_LIMIT, Target},
    view::View,
};

const POSTFIX: u32 = 61_031;
const POSTDROP: u32 = 61_032;
const NOBODY: u32 = 65_534;

/// The folders of the queue that belong to Postfix.
const QUEUES: [&str; 11] = [
    "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private",
    "saved", "trace",
];

pub(super) fn prepare(site: &Site) -> Result<Prepared, Problem> {
    let packages = ["postfix", "sasl2-bin", "libsasl2-modules"];
    let accounts = [("postfix", POSTFIX), ("postdrop", POSTDROP)];
    let (installed, view) = site.packages(&packages, Release::Stable, &accounts)?;
    let [clear, tls, idle] = Site::ports()?;
    folders(site)?;
    let etc = site.make("etc")?;
    passwords(site, &view)?;
    site.write("etc/main.cf", &main_cf(site))?;
    site.write("etc/master.cf", &master_cf(clear, tls, idle))?;
    for name in ["main.cf", "master.cf"] {
        // A file that was just written is read again until it is two seconds old.
        let past = SystemTime::now() - Duration::from_secs(60);
        let file = File::options().write(true).open(etc.join(name))?;
        file.set_times(FileTimes::new().set_modified(past))?;
    }
    let endpoints = Endpoints::smtp(clear, tls).idle_after(idle, Duration::from_secs(2));
    let store = Store::new(
        site.folder.join("mail"),
        Kind::Maildirs { recipient: Recipient::Field("Delivered-To"), ends: Ends::Lf },
    );
    let etc = etc.display().to_string();
    let words = ["/usr/lib/postfix/sbin/master", "-c", &etc];
    Ok(Prepared {
        version: installed.version,
        launch: Launch::new(&site.folder, words).inside(view),
        targets: vec![Target::new("postfix", endpoints, store)],
    })
}

fn folders(site: &Site) -> Result<(), Problem> {
    let owned = |name: &str, owner: u32, group: u32, mode: u32| -> Result<(), Problem> {
        let folder = site.make(name)?;
        chown(&folder, Some(owner), Some(group))?;
        Ok(fs::set_permissions(folder, Permissions::from_mode(mode))?)
    };
    for name in QUEUES {
        owned(&format!("queue/{name}"), POSTFIX, 0, 0o700)?;
    }
    owned("queue/pid", 0, 0, 0o755)?;
    owned("queue/maildrop", POSTFIX, POSTDROP, 0o730)?;
    owned("queue/public", POSTFIX, POSTDROP, 0o710)?;
    owned("data", POSTFIX, POSTFIX, 0o700)?;
    owned("mail", NOBODY, NOBODY, 0o755)
}

/// Writes the passwords for SASL.
fn passwords(site: &Site, view: &View) -> Result<(), Problem> {
    let folder = site.make("etc/sasl")?;
    let database = folder.join("sasldb2");
    for (user, password) in ACCOUNTS {
        let name = user.split('@').next().unwrap_or(user);
        let words = ["-p", "-c", "-u", DOMAIN, name, "-f"].map(str::to_owned);
        let words = words.into_iter().chain([database.display().to_string()]);
        run_inside(view, "/usr/sbin/saslpasswd2", words, password)?;
    }
    chown(&database, Some(POSTFIX), Some(POSTFIX))?;
    let conf = format!(
        "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: {}\n\
         mech_list: PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256\n",
        database.display()
    );
    site.write("etc/sasl/smtpd.conf", &conf)?;
    Ok(())
}

fn main_cf(site: &Site) -> String {
    let folder = site.folder.display();
    let path = |path: &Path| path.display().to_string();
    let (key, chain) = (path(&site.certs.key), path(&site.certs.chain));
    format!(
        "\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/maillog
maillog_file_prefixes = {folder}
myhostname = {HOST}
mydomain = {DOMAIN}
mydestination =
mynetworks =
inet_interfaces = loopback-only
alias_maps =
smtpd_peername_lookup = no
virtual_mailbox_domains = {DOMAIN}
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = inline:{{ {{alice@{DOMAIN}=alice/}} {{bob@{DOMAIN}=bob/}} {{ünï@{DOMAIN}=uni/}} }}, regexp:{{ {{/^r[0-9]+@/ many/}} }}
virtual_uid_maps = static:{NOBODY}
virtual_gid_maps = static:{NOBODY}
virtual_minimum_uid = 100
virtual_mailbox_limit = 0
mailbox_size_limit = 0
message_size_limit = {SIZE_LIMIT}
in_flow_delay = 0
smtputf8_enable = yes
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_tls_security_level = may
smtpd_tls_chain_files = {key}, {chain}
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = cyrus
smtpd_sasl_path = smtpd
cyrus_sasl_config_path = {folder}/etc/sasl
smtpd_sasl_local_domain = {DOMAIN}
smtpd_authorized_xclient_hosts = 127.0.0.0/8
smtpd_authorized_xforward_hosts = 127.0.0.0/8
"
    )
}

fn master_cf(clear: u16, tls: u16, idle: u16) -> String {
    let listeners = format!(
        "127.0.0.1:{clear} inet n - n - - smtpd\n\
         127.0.0.1:{tls} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes\n\
         127.0.0.1:{idle} inet n - n - - smtpd -o smtpd_timeout=2s\n"
    );
    listeners + SERVICES
}

const SERVICES: &str = "\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
";
