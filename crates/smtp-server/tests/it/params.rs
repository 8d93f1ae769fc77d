//! Parameters of MAIL and RCPT: only those that are offered, with values that are possible.
use smtp_caps::FutureRelease;
use smtp_error::Extension;
use smtp_server::Settings;

use crate::host::Host;

fn last_reply(host: &Host, commands: &str) -> String {
    let journal = host.receive(format!("EHLO a.example\r\n{commands}\r\n").as_bytes());
    journal.output.lines().last().unwrap().to_owned()
}

fn mail(host: &Host, params: &str) -> String {
    last_reply(host, &format!("MAIL FROM:<a@b.example>{params}"))
}

fn rcpt(host: &Host, arguments: &str) -> String {
    last_reply(host, &format!("MAIL FROM:<>\r\nRCPT TO:{arguments}"))
}

fn everything() -> Host {
    let release = FutureRelease::new(3600, "2030-01-01T00:00:00Z").unwrap();
    let extensions = [
        Extension::Dsn,
        Extension::BinaryMime,
        Extension::Mtrk,
        Extension::Rrvs,
        Extension::Submitter,
        Extension::NoSoliciting,
        Extension::MtPriority,
    ];
    Host::of(
        Settings::smtp("mx.example.org")
            .offer(|offer| offer.extensions(extensions)?.future_release(release).deliver_by(60)),
    )
}

const PARAMS: [&str; 13] = [
    " SIZE=100",
    " BODY=8BITMIME",
    " SMTPUTF8",
    " BODY=BINARYMIME",
    " RET=HDRS ENVID=abc",
    " BY=120;R",
    " BY=-5;N",
    " HOLDFOR=3600",
    " HOLDUNTIL=2029-12-31T23:59:59Z",
    " MT-PRIORITY=3",
    " SUBMITTER=a@b.example",
    " SOLICIT=net.example:ADV",
    " ENVID=a@b.example MTRK=Y2VydA:60",
];

#[test]
fn what_is_offered_is_taken() {
    for params in PARAMS {
        assert_eq!(mail(&everything(), params), "250 2.1.0 Ok", "{params}");
    }
}

#[test]
fn what_is_not_offered_is_refused() {
    for params in &PARAMS[3..] {
        assert_eq!(mail(&Host::smtp(), params), "555 5.5.4 Parameter not offered", "{params}");
    }
    for params in [" AUTH=<>", " PRDR", " REQUIRETLS", " XVERP", " X=y"] {
        assert_eq!(mail(&everything(), params), "555 5.5.4 Parameter not offered", "{params}");
    }
    let none = Host::of(Settings::smtp("mx.example.org").offer(|offer| {
        Ok(offer
            .without(Extension::Size)
            .without(Extension::SmtpUtf8)
            .without(Extension::EightBitMime))
    }));
    for params in &PARAMS[..3] {
        assert_eq!(mail(&none, params), "555 5.5.4 Parameter not offered", "{params}");
    }
    for params in [" NOTIFY=NEVER", " ORCPT=rfc822;a@b.example", " RRVS=2014-04-03T23:01:00Z"] {
        let path = format!("<a@b.example>{params}");
        assert_eq!(rcpt(&Host::smtp(), &path), "555 5.5.4 Parameter not offered");
        assert_eq!(rcpt(&everything(), &path), "250 2.1.5 Ok");
    }
}

#[test]
fn values_have_limits() {
    for (params, reply) in [
        (" SIZE=26214401", "552 5.3.4 Message too large"),
        (" SIZE=99999999999999999999", "552 5.3.4 Message too large"),
        (" HOLDFOR=3601", "501 5.5.4 HOLDFOR is beyond the limit"),
        (" HOLDUNTIL=2030-01-01T00:00:01Z", "501 5.5.4 HOLDUNTIL is beyond the limit"),
        (" HOLDFOR=1 HOLDUNTIL=2029-01-01T00:00:00Z", "501 5.5.4"),
        (" BY=59;R", "555 5.5.4 BY is below the minimum"),
        (" BY=0;R", "501 5.5.4"),
        (" SIZE=1 SIZE=1", "501 5.5.4"),
        (" BODY=9BIT", "501 5.5.4"),
        (" MT-PRIORITY=10", "501 5.5.4"),
        (" RET=ALL", "501 5.5.4"),
        (" SIZE=", "501 5.5.4"),
    ] {
        let got = mail(&everything(), params);
        assert!(got.starts_with(reply), "{params}: {got}");
    }
}

#[test]
fn addresses_outside_ascii_need_smtputf8() {
    let host = Host::smtp();
    let journal = host.receive(
        "EHLO a.example\r\nMAIL FROM:<\u{fc}@b.example>\r\nMAIL FROM:<a@b.example>\r\n\
         RCPT TO:<\u{fc}@b.example>\r\nRSET\r\nMAIL FROM:<\u{fc}@b.example> SMTPUTF8\r\n\
         RCPT TO:<\u{fc}@b.example>\r\n"
            .as_bytes(),
    );
    let refused = "553 5.6.7 An address outside ASCII needs SMTPUTF8\n";
    let expected =
        format!("{refused}250 2.1.0 Ok\n{refused}250 2.0.0 Ok\n250 2.1.0 Ok\n250 2.1.5 Ok\n");
    assert!(journal.output.ends_with(&expected), "{}", journal.output);
}

#[test]
fn recipients_that_are_no_addresses() {
    for (path, reply) in [
        ("<>", "501 5.1.3"),
        ("<Postmaster>", "250 2.1.5"),
        ("<a@b.example", "501 5.5.4"),
        ("a@b.example", "501"),
        ("<a b@c.example>", "501 5.1.3"),
        ("<@relay.example:a@b.example>", "250 2.1.5"),
    ] {
        let got = rcpt(&Host::smtp(), path);
        assert!(got.starts_with(reply), "{path}: {got}");
    }
}
