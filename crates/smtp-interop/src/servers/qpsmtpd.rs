//! qpsmtpd, from Debian, with a plugin that stores what it gets.
use smtp_client::Security;

use super::{Problem, Site, give};
use crate::{
    certs::HOST,
    install::Release,
    process::Launch,
    store::{Ends, Store},
    target::{ACCOUNTS, DOMAIN, Endpoints, Exception, Prepared, SIZE_LIMIT, Target, smtp},
};

const USER: (&str, u32) = ("smtpd", 61_051);

/// Refuses some recipients, and stores a message with the others.
const PLUGIN: &str = r#"
sub hook_rcpt {
    my ($self, $transaction, $recipient) = @_;
    return DENY, "No such user" if $recipient->user =~ /^nosuch/;
    return DECLINED;
}

sub hook_queue {
    my ($self, $transaction) = @_;
    my $name = sprintf "FOLDER/%d.%d.%d", time, $$, ++$Interop::count;
    open my $to, '>', "$name.to" or return DENYSOFT, "cannot store";
    print $to $_->user . '@' . $_->host . "\n" for $transaction->recipients;
    close $to;
    open my $file, '>:raw', "$name.part" or return DENYSOFT, "cannot store";
    print $file $transaction->header->as_string;
    $transaction->body_resetpos;
    while (defined(my $line = $transaction->body_getline)) { print $file $line; }
    close $file or return DENYSOFT, "cannot store";
    rename "$name.part", "$name.eml";
    return OK, "Stored";
}
"#;

const EXCEPTIONS: &[Exception] = &[Exception {
    cases: &["EHLO again", "EHLO after AUTH"],
    faults: &["you already said HELO"],
    why: "it refuses a second EHLO",
}];

pub(super) fn prepare(site: &Site) -> Result<Prepared, Problem> {
    let (installed, view) = site.packages(&["qpsmtpd"], Release::Stable, &[USER])?;
    let view = view.writable("/var/spool/qpsmtpd", USER.1)?;
    let [port] = Site::ports()?;
    let mail = site.make("mail")?;
    give(&mail, USER.1)?;
    let plugins = site.make("plugins")?;
    site.write("plugins/store", &PLUGIN.replace("FOLDER", &mail.display().to_string()))?;
    let path = |path: &std::path::Path| path.display().to_string();
    let (chain, key, authority) =
        (path(&site.certs.chain), path(&site.certs.key), path(&site.certs.authority));
    let passwords = ACCOUNTS.map(|(user, password)| format!("{user}:{password}\n"));
    for (name, text) in [
        (
            "plugins",
            format!("tls {chain} {key} {authority}\nauth/auth_flat_file\nstore\nrcpt_ok\n"),
        ),
        ("plugin_dirs", format!("{}\n/usr/share/qpsmtpd/plugins\n", plugins.display())),
        ("rcpthosts", format!("{DOMAIN}\n")),
        ("databytes", SIZE_LIMIT.to_string()),
        ("me", HOST.to_owned()),
        ("flat_auth_pw", passwords.concat()),
        ("spool_dir", "/var/spool/qpsmtpd\n".to_owned()),
        ("loglevel", "4\n".to_owned()),
    ] {
        view.put(&format!("/etc/qpsmtpd/{name}"), &text)?;
    }
    let endpoints = Endpoints {
        clear: smtp(port, Security::Plain),
        starttls: smtp(port, Security::StartTls),
        login: smtp(port, Security::StartTls),
        ..Endpoints::default()
    };
    let port = port.to_string();
    let words = [
        "env",
        "QPSMTPD_CONFIG=/etc/qpsmtpd",
        "/usr/bin/qpsmtpd-forkserver",
        "-u",
        USER.0,
        "-l",
        "127.0.0.1",
        "-p",
        &port,
        "-c",
        "150",
        "-m",
        "150",
        "-H",
    ];
    Ok(Prepared {
        version: installed.version,
        launch: Launch::new(&site.folder, words).inside(view),
        targets: vec![Target {
            exceptions: EXCEPTIONS,
            ..Target::new("qpsmtpd", endpoints, Store::files(mail, Ends::Lf))
        }],
    })
}
