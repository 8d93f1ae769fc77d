//! Exim, from Debian: the daemon with everything compiled in.
use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    time::Duration,
};

use super::{Problem, Site, give};
use crate::{
    certs::HOST,
    install::Release,
    process::Launch,
    store::{Ends, Kind, Recipient, Store},
    target::{ACCOUNTS, DOMAIN, Endpoints, Prepared, SIZE_LIMIT, Target},
};

/// The name is compiled in.
const USER: (&str, u32) = ("Debian-exim", 61_001);

pub(super) fn prepare(site: &Site) -> Result<Prepared, Problem> {
    let (installed, view) = site.packages(&["exim4-daemon-heavy"], Release::Stable, &[USER])?;
    // It delivers as its own user, and has no need to become root again.
    let program = installed.root.join("usr/sbin/exim4");
    fs::set_permissions(program, Permissions::from_mode(0o755))?;
    let [clear, tls, idle] = Site::ports()?;
    for name in ["spool", "logs", "mail"] {
        give(&site.make(name)?, USER.1)?;
    }
    let line = |(user, password): (&str, &str)| format!("{user}: {password}\n");
    site.write("passwords", &ACCOUNTS.map(line).concat())?;
    site.write("boxes", "alice: alice\nbob: bob\nünï: uni\n")?;
    let config = site.write("exim.conf", &config(site, [clear, tls, idle]))?;
    let endpoints = Endpoints::smtp(clear, tls).idle_after(idle, Duration::from_secs(2));
    let store = Store::new(
        site.folder.join("mail"),
        Kind::Maildirs { recipient: Recipient::Field("Envelope-to"), ends: Ends::Lf },
    );
    let config = config.display().to_string();
    let words = ["/usr/sbin/exim4", "-C", &config, "-bdf", "-q10m"];
    Ok(Prepared {
        version: installed.version,
        launch: Launch::new(&site.folder, words).inside(view),
        targets: vec![Target::new("exim", endpoints, store)],
    })
}

fn config(site: &Site, [clear, tls, idle]: [u16; 3]) -> String {
    let folder = site.folder.display();
    let (chain, key) = (site.certs.chain.display(), site.certs.key.display());
    let main = format!(
        "\
exim_user = {user}
primary_hostname = {HOST}
qualify_domain = {DOMAIN}
spool_directory = {folder}/spool
log_file_path = {folder}/logs/%slog
pid_file_path = {folder}/exim.pid
local_interfaces = <; [127.0.0.1]:{clear} ; [127.0.0.1]:{tls} ; [127.0.0.1]:{idle}
daemon_smtp_ports = {clear}
tls_on_connect_ports = {tls}
tls_certificate = {chain}
tls_privatekey = {key}
tls_advertise_hosts = *
domainlist local_domains = {DOMAIN}
deliver_drop_privilege = true
never_users =
message_size_limit = {SIZE_LIMIT}
recipients_max = 1000
accept_8bitmime = true
chunking_advertise_hosts = *
dsn_advertise_hosts = *
smtputf8_advertise_hosts = *
pipelining_connect_advertise_hosts = *
prdr_enable = true
allow_utf8_domains = true
smtp_receive_timeout = ${{if =={{$received_port}}{{{idle}}}{{2s}}{{5m}}}}
smtp_accept_max = 100
smtp_accept_queue_per_connection = 0
smtp_etrn_command = /bin/true
rfc1413_query_timeout = 0s
host_lookup =
acl_smtp_vrfy = accept
acl_smtp_expn = accept
acl_smtp_etrn = accept
acl_smtp_rcpt = recipients
acl_smtp_data = accept
acl_smtp_data_prdr = accept
",
        user = USER.0
    );
    main + &rules(&folder.to_string())
}

fn rules(folder: &str) -> String {
    RULES.replace("FOLDER", folder)
}

const RULES: &str = r"
begin acl
recipients:
  require message = relay not permitted
          domains = +local_domains
  require verify = recipient
  accept

begin routers
users:
  driver = accept
  domains = +local_domains
  condition = ${if match{$local_part}{^(alice|bob|ünï|r[0-9]+)\$}}
  transport = maildir

begin transports
# The folder must not be made of what the client sent: it is looked up.
maildir:
  driver = appendfile
  maildir_format
  directory = FOLDER/mail/${lookup{$local_part}lsearch{FOLDER/boxes}{$value}{many}}
  create_directory
  envelope_to_add

begin retry
* * F,1h,5m

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if eq{$auth3}{${lookup{$auth2}lsearch{FOLDER/passwords}{$value}fail}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${if eq{$auth2}{${lookup{$auth1}lsearch{FOLDER/passwords}{$value}fail}}}
  server_set_id = $auth1
cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = ${lookup{$auth1}lsearch{FOLDER/passwords}{$value}fail}
  server_set_id = $auth1
";
