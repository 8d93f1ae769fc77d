//! TLS under a connection that blocks: from the first octet, after STARTTLS, and where it fails.
use smtp_client::{
    Broken, ErrorKind, Hint, Misbehaved, Security, Server, Step, Timeouts, Tls, TlsFailure,
    blocking::{Connection, Connector},
    session::Dialect,
};
use smtp_testkit::{Authority, CertificateKind, Mismatch, Report, Server as TestServer};

use super::{PATIENCE, SHORT, short_at};
use crate::stage::{hello, opening, parse};

const BOTH: [Dialect; 2] = [Dialect::Smtp, Dialect::Lmtp];

/// What comes of connecting to a server with this script and certificate, and of what is done then.
fn play<T>(
    (dialect, security): (Dialect, Security),
    script: &str,
    certificate: CertificateKind,
    timeouts: Timeouts,
    act: impl FnOnce(Result<Connection, smtp_client::Error>) -> T,
) -> (T, Result<Report, Mismatch>) {
    let authority = Authority::new();
    let builder = TestServer::builder().authority(authority.clone()).certificate(certificate);
    let server = builder.script(parse(script)).tcp().unwrap();
    let address = Server::tcp("localhost", server.addr().port());
    let tls = Tls::authorities([authority.der().to_vec().into()]).unwrap();
    let connector = Connector::new(address.dialect(dialect).security(security))
        .hello_name("client.example".parse().unwrap())
        .timeouts(timeouts)
        .tls(tls);
    (act(connector.connect()), server.finish().wait())
}

#[track_caller]
fn failure(security: Security, script: &str, certificate: CertificateKind) -> smtp_client::Error {
    let smtp = (Dialect::Smtp, security);
    play(smtp, script, certificate, usual(), |connected| connected.unwrap_err()).0
}

fn usual() -> Timeouts {
    Timeouts::every_step(PATIENCE)
}

fn asked() -> String {
    opening(Dialect::Smtp, &["STARTTLS"]) + "C: STARTTLS\n"
}

#[test]
fn everything_is_protected_and_ends_with_close_notify() {
    for dialect in BOTH {
        let rest = hello(dialect, &["SIZE 10"]) + "C: QUIT\nS: 221 bye\n[expect-close]";
        let implicit = format!("[tls]\nS: 220 hi\n{rest}");
        let upgraded =
            opening(dialect, &["STARTTLS"]) + "C: STARTTLS\nS: 220 go\n[starttls]\n" + &rest;
        for (security, script) in [(Security::Tls, implicit), (Security::StartTls, upgraded)] {
            let good = CertificateKind::Good;
            let (facts, verdict) = play((dialect, security), &script, good, usual(), |connected| {
                let mut connection = connected.unwrap();
                assert_eq!(connection.capabilities().size_limit(), Some(10));
                let facts = connection.tls().unwrap().clone();
                connection.quit().unwrap();
                facts
            });
            verdict.unwrap();
            assert_eq!((facts.version(), facts.security()), ("TLSv1_3", security));
        }
    }
}

#[test]
fn a_certificate_of_nobody_is_refused() {
    for (security, script) in [
        (Security::Tls, "[tls]\n".to_owned()),
        (Security::StartTls, asked() + "S: 220 go\n[starttls]\n"),
    ] {
        let error = failure(security, &script, CertificateKind::WrongName);
        let ErrorKind::Broken(Broken::Tls(cause)) = error.kind() else { panic!("{error:?}") };
        assert!(cause.downcast_ref::<TlsFailure>().is_some());
        assert_eq!(error.step(), Step::Handshake);
    }
}

#[test]
fn a_server_that_does_not_speak_tls_is_shown() {
    let error = failure(Security::Tls, "[raw \"220 hi\\r\\n\"]\n[stall]", CertificateKind::Good);
    assert_eq!((error.step(), error.hint()), (Step::Handshake, Some(Hint::NoTls)));
    assert_eq!(error.excerpt().unwrap().as_bytes(), b"220 hi\r\n");
    let error = failure(
        Security::StartTls,
        &(asked() + "S: 220 go\n[raw \"what\\r\\n\"]\n[stall]"),
        CertificateKind::Good,
    );
    let misbehaved = matches!(error.kind(), ErrorKind::Misbehaved(_));
    assert!(misbehaved || error.hint() == Some(Hint::NoTlsAfterStartTls), "{error:?}");
}

#[test]
fn octets_in_clear_behind_the_reply_to_starttls_are_an_error() {
    let script = asked() + "[raw \"220 go\\r\\n250 evil\\r\\n\"]";
    let error = failure(Security::StartTls, &script, CertificateKind::Good);
    assert!(
        matches!(error.kind(), ErrorKind::Misbehaved(Misbehaved::PlaintextAfterStartTls)),
        "{error:?}"
    );
}

#[test]
fn a_handshake_that_stalls_or_ends_is_given_up() {
    let stalled = [
        (Security::Tls, "[stall]".to_owned()),
        (Security::StartTls, asked() + "S: 220 go\n[stall]"),
    ];
    for (security, script) in stalled {
        let (smtp, short) = ((Dialect::Smtp, security), short_at(Step::Handshake));
        let unconnected = |connected: Result<Connection, _>| connected.unwrap_err();
        let (error, _) = play(smtp, &script, CertificateKind::Good, short, unconnected);
        let timed_out = matches!(
            error.kind(), ErrorKind::Broken(Broken::TimedOut { after }) if *after == SHORT
        );
        assert!(timed_out && error.step() == Step::Handshake, "{error:?}");
    }
    let error = failure(Security::Tls, "[tls-abort]", CertificateKind::Good);
    assert!(matches!(error.kind(), ErrorKind::Broken(_)), "{error:?}");
    assert_eq!(error.step(), Step::Handshake);
}

#[test]
fn a_server_without_starttls_is_sent_quit() {
    let script = opening(Dialect::Smtp, &[]) + "C: QUIT\n[expect-close]";
    let starttls = (Dialect::Smtp, Security::StartTls);
    let (error, verdict) =
        play(starttls, &script, CertificateKind::Good, usual(), |connected| connected.unwrap_err());
    assert!(matches!(error.kind(), ErrorKind::Unsupported(_)), "{error:?}");
    verdict.unwrap();
}
