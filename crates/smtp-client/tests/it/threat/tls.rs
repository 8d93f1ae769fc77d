//! TLS: rows T13 to T20; its modules have those about STARTTLS and certificates.
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use smtp_client::{
    Broken, Connection, Connector, Envelope, Error, ErrorKind, Extension, Field, MailData,
    MailParam, Misbehaved, Security, Step, Unsupported, session::Dialect,
};
use smtp_testkit::{Authority, Mismatch, Report, Server as TestServer};
use tokio::time::Instant;

use super::{BOTH, Fate, MESSAGE, asked, fate, send};
use crate::{
    stage::{opening, parse, perform},
    starttls::trusting,
    tap::Tap,
    tls::check_nothing_in_clear,
    wait_timeout::bounds,
};

mod certificates;
mod records;
mod starttls;

/// What came of a connection to a server that can do TLS.
struct Played<T> {
    outcome: T,
    verdict: Result<Report, Mismatch>,
    elapsed: Duration,
    written: Arc<Mutex<Vec<u8>>>,
}

fn play<T>(
    connector: &Connector,
    authority: Authority,
    script: &str,
    act: impl AsyncFnOnce(Result<Connection, Error>) -> T,
) -> Played<T> {
    perform(async {
        let builder = TestServer::builder().authority(authority).script(parse(script));
        let (server, pipe) = builder.pipe();
        let (pipe, written) = Tap::new(pipe);
        let begun = Instant::now();
        let outcome = act(connector.connect_over(pipe).await).await;
        let elapsed = begun.elapsed();
        Played { outcome, verdict: server.finish().await, elapsed, written }
    })
}

/// The same with a client that trusts the server and wants this protection.
fn protected<T>(
    dialect: Dialect,
    security: Security,
    script: &str,
    act: impl AsyncFnOnce(Result<Connection, Error>) -> T,
) -> Played<T> {
    let authority = Authority::new();
    let connector = trusting(&authority, dialect, security).timeouts(bounds());
    play(&connector, authority, script, act)
}

/// Why there is no connection. The script must be kept to: nothing more is written than it has.
#[track_caller]
fn failure(dialect: Dialect, security: Security, script: &str) -> Error {
    let played = protected(dialect, security, script, async |connected| connected.unwrap_err());
    played.verdict.unwrap();
    played.outcome
}

/// A message as it must be sent where nothing is offered.
fn plain_message() -> String {
    let whole = super::good(Dialect::Smtp);
    whole[whole.find("C: MAIL").unwrap()..].to_owned()
}

#[test]
fn t13_tls_over_a_stream_of_the_caller() {
    for security in [Security::Tls, Security::StartTls] {
        // A server in clear at its other end: there is no connection, and nothing in clear.
        let script = match security {
            Security::Tls => "S: 220 mx.example ready\n[close]".to_owned(),
            _ => opening(Dialect::Smtp, &["AUTH PLAIN"]),
        };
        let played = protected(Dialect::Smtp, security, &script, async |connected| {
            connected.map(drop).unwrap_err()
        });
        assert!(matches!(played.outcome.step(), Step::Handshake | Step::StartTls));
        if security == Security::Tls {
            check_nothing_in_clear(&played.written, security, "brought");
        }
    }
    // What is asked for only inside TLS is not believed of a stream that was not put under TLS.
    let script = opening(Dialect::Smtp, &["REQUIRETLS"]);
    let played = protected(Dialect::Smtp, Security::Plain, &script, async |connected| {
        let mail = smtp_client::Mail::try_from("a@example.org").unwrap();
        let mail = mail.with(MailParam::RequireTls).unwrap();
        let envelope = Envelope::new(mail, ["b@example.org"]).unwrap();
        connected.unwrap().send(&envelope, MailData::new(MESSAGE).unwrap()).await.unwrap_err()
    });
    let outside = Unsupported::OutsideTls(Extension::RequireTls);
    assert!(matches!(played.outcome.kind(), ErrorKind::Unsupported(found) if *found == outside));
    played.verdict.unwrap();
}

/// Where `[tls]` opens the script.
fn inside(dialect: Dialect, step: Step) -> String {
    format!("[tls]\n{}", asked(dialect, step))
}

#[test]
fn t15_the_end_without_close_notify() {
    // (a) After a part of a reply the connection is lost; what that means depends on the step.
    for dialect in BOTH {
        for step in super::STEPS {
            for part in ["250-part\\r\\n", "250 par", "250 ok\\r", ""] {
                let script = format!("{}[raw \"{part}\"]\n[abort]", inside(dialect, step));
                let played = protected(dialect, Security::Tls, &script, async |connected| {
                    send(&mut connected?).await
                });
                let fated = fate(&played.outcome);
                let error = played.outcome.unwrap_err();
                let lost = match error.kind() {
                    ErrorKind::Broken(Broken::Closed) => true,
                    // The greeting, EHLO and DATA have other codes than this one.
                    ErrorKind::Misbehaved(_) => part.starts_with("250-"),
                    _ => false,
                };
                assert!(lost && error.step() == step, "{script}: {error:?}");
                let doubt = step == Step::EndOfText;
                let expected = if doubt { Fate::InDoubt } else { Fate::NotSent };
                assert_eq!(fated, expected, "{script}");
            }
        }
    }
    // (b) A complete reply is valid, and (c) so is the end.
    let message = format!("[tls]\n{}[abort]", super::good(Dialect::Smtp));
    let played = protected(Dialect::Smtp, Security::Tls, &message, async |connected| {
        send(&mut connected?).await
    });
    assert_eq!(fate(&played.outcome), Fate::Accepted);
    let quit = format!("[tls]\n{}C: QUIT\nS: 221 bye\n[abort]", opening(Dialect::Smtp, &[]));
    let played = protected(Dialect::Smtp, Security::Tls, &quit, async |connected| {
        connected.unwrap().quit().await
    });
    assert_eq!(played.outcome.unwrap().code().get(), 221);
}

#[test]
fn t18_octets_inside_tls_before_the_client_sends() {
    for early in ["S: 250 ok", "S: 421 bye", "[raw \"2\"]", "[raw \"\\r\\n\"]", "S: 354 go"] {
        let offered = opening(Dialect::Smtp, &["PIPELINING"]);
        let script = format!("[tls]\n{offered}{early}");
        let played = protected(Dialect::Smtp, Security::Tls, &script, async |connected| {
            let mut connection = connected.unwrap();
            let outcome = send(&mut connection).await;
            assert!(connection.ended().is_some());
            outcome
        });
        assert_eq!(fate(&played.outcome), Fate::NotSent, "{early}");
        played.verdict.unwrap();
    }
}

#[test]
fn t19_another_protocol_with_the_same_certificate() {
    for banner in [
        "* OK IMAP4rev1 ready",
        "+OK POP3 ready",
        "HTTP/1.1 400 Bad Request",
        "SSH-2.0-OpenSSH_9.2",
        "220-FTP",
    ] {
        for dialect in BOTH {
            let script = format!("[tls]\nS: {banner}\nS: \n[expect-close]");
            let error = failure(dialect, Security::Tls, &script);
            assert_eq!(error.step(), Step::Greeting, "{banner}");
            let malformed = matches!(error.kind(), ErrorKind::Misbehaved(Misbehaved::Malformed(_)));
            assert!(malformed, "{banner}: {error:?}");
        }
    }
}

#[test]
fn t20_the_ports_are_swapped() {
    let script = "[raw \"220 hi\\r\\n\"]\n[stall]";
    let played =
        protected(Dialect::Smtp, Security::Tls, script, async |connected| connected.unwrap_err());
    assert_eq!((played.outcome.step(), played.elapsed), (Step::Handshake, Duration::ZERO));
    assert!(matches!(played.outcome.kind(), ErrorKind::Broken(Broken::Tls(_))));
    // A server that waits for TLS sends nothing to a client that waits for its greeting.
    let played = protected(Dialect::Smtp, Security::Plain, "[stall]", async |connected| {
        connected.unwrap_err()
    });
    assert_eq!((played.outcome.step(), played.elapsed), (Step::Greeting, bounds().greeting));
    assert!(matches!(played.outcome.kind(), ErrorKind::Broken(Broken::TimedOut { .. })));
}

/// A host that no certificate is for is refused as what it is.
fn is_no_name(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Invalid(invalid) if invalid.field == Field::Server)
}
