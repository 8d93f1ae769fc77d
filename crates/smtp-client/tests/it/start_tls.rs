//! `Connection::start_tls`: TLS by the caller's decision, after the connection was opened in clear.
use smtp_client::{
    Connection, Credentials, Ended, Envelope, Error, ErrorKind, Extension, Login, MailData,
    Misbehaved, Protection, Security, Step, Tls, Unsupported, blocking,
    session::{Dialect, sasl::ClearText},
};
use smtp_testkit::{Authority, CertificateKind, Server as TestServer};

use crate::{
    stage::{connector, hello, opening, parse, perform},
    wait_timeout::bounds,
};

/// A connection in clear to a server with this script and certificate, and the TLS that trusts it.
/// The script is kept to.
#[track_caller]
fn play<T>(
    script: &str,
    certificate: CertificateKind,
    act: impl AsyncFnOnce(Connection, Tls) -> T,
) -> T {
    let authority = Authority::new();
    let tls = Tls::authorities([authority.der().to_vec().into()]).unwrap();
    perform(async {
        let builder = TestServer::builder().authority(authority).certificate(certificate);
        let (server, pipe) = builder.script(parse(script)).pipe();
        let connector = connector(Dialect::Smtp).timeouts(bounds());
        let connection = connector.connect_over(pipe).await.unwrap();
        let outcome = act(connection, tls).await;
        server.finish().await.unwrap();
        outcome
    })
}

fn asked() -> String {
    opening(Dialect::Smtp, &["STARTTLS", "SIZE 10"]) + "C: STARTTLS\n"
}

fn upgraded() -> String {
    format!("{}S: 220 go\n[starttls]\n{}", asked(), hello(Dialect::Smtp, &["SIZE 20"]))
}

const MESSAGE: &str = "
    C: MAIL FROM:<a@example.org> SIZE=3
    S: 250 ok
    C: RCPT TO:<b@example.org>
    S: 250 ok
    C: DATA
    S: 354 go
    [text]
    S: 250 ok
    C: QUIT
    S: 221 bye
";

#[test]
fn everything_after_it_is_protected() {
    play(&(upgraded() + MESSAGE), CertificateKind::Good, async |mut connection, tls| {
        assert_eq!(connection.protection(), Protection::Clear);
        let capabilities = connection.start_tls(tls.clone()).await.unwrap();
        assert_eq!(capabilities.size_limit(), Some(20));
        assert_eq!(connection.protection(), Protection::Verified);
        assert_eq!(connection.tls().unwrap().security(), Security::StartTls);
        let error = connection.start_tls(tls).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Unsupported(Unsupported::InsideTls)));
        let envelope = Envelope::new("a@example.org", ["b@example.org"]).unwrap();
        let delivery = connection.send(&envelope, MailData::new("x\r\n").unwrap()).await;
        assert!(delivery.is_ok());
        connection.quit().await.unwrap();
    });
}

#[test]
fn without_tls_the_connection_stays_as_it_was() {
    let noop = "C: NOOP\nS: 250 ok";
    play(&(opening(Dialect::Smtp, &[]) + noop), CertificateKind::Good, async |mut one, tls| {
        let error = one.start_tls(tls).await.unwrap_err();
        let lacking = Unsupported::Extension(Extension::StartTls);
        assert!(matches!(error.kind(), ErrorKind::Unsupported(found) if *found == lacking));
        one.noop().await.unwrap();
    });
    let refused = asked() + "S: 454 later\n" + noop;
    play(&refused, CertificateKind::Good, async |mut one, tls| {
        let error = one.start_tls(tls).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Refused(_)));
        assert_eq!(one.capabilities().size_limit(), Some(10));
        one.noop().await.unwrap();
        assert_eq!(one.protection(), Protection::Clear);
    });
}

#[test]
fn a_failed_handshake_closes_the_connection() {
    let script = asked() + "S: 220 go\n[tls-abort]";
    play(&script, CertificateKind::Good, async |mut connection, tls| {
        let error = connection.start_tls(tls).await.unwrap_err();
        assert_eq!(error.step(), Step::Handshake);
        assert!(connection.ended().is_some());
        let error = connection.noop().await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Ended(_)), "{error:?}");
    });
}

#[test]
fn octets_in_clear_after_the_reply_end_the_session() {
    let script = asked() + "[raw \"220 go\\r\\n250 evil\\r\\n\"]\n[expect-close]";
    play(&script, CertificateKind::Good, async |mut connection, tls| {
        let error = connection.start_tls(tls).await.unwrap_err();
        assert!(is_injection(&error), "{error:?}");
        assert!(connection.ended().is_some());
    });
}

fn is_injection(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Misbehaved(Misbehaved::PlaintextAfterStartTls))
}

#[test]
fn the_authentication_is_forgotten() {
    let script = opening(Dialect::Smtp, &["STARTTLS", "AUTH PLAIN"])
        + "C~ AUTH PLAIN *\nS: 235 ok\nC: STARTTLS\nS: 220 go\n[starttls]\n"
        + &hello(Dialect::Smtp, &[]);
    play(&script, CertificateKind::Good, async |mut connection, tls| {
        let login = Login::new(Credentials::password("user", "secret").unwrap());
        connection.login(&login.clear_text(ClearText::Allowed)).await.unwrap();
        assert_eq!(connection.authenticated_by(), Some("PLAIN"));
        connection.start_tls(tls).await.unwrap();
        assert_eq!(connection.authenticated_by(), None);
    });
}

#[test]
fn a_canceled_handshake_leaves_no_connection() {
    let script = asked() + "S: 220 go\n[stall]";
    play(&script, CertificateKind::Good, async |mut connection, tls| {
        let within = std::time::Duration::from_millis(1);
        assert!(tokio::time::timeout(within, connection.start_tls(tls)).await.is_err());
        let error = connection.noop().await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Ended(_)), "{error:?}");
        assert!(connection.ended().is_some());
    });
}

#[test]
fn it_is_the_same_for_the_client_that_blocks() {
    for (certificate, good) in [(CertificateKind::Good, true), (CertificateKind::Expired, false)] {
        let authority = Authority::new();
        let tls = Tls::authorities([authority.der().to_vec().into()]).unwrap();
        let rest = if good { MESSAGE } else { "" };
        let builder = TestServer::builder().authority(authority).certificate(certificate);
        let server = builder.script(parse(&(upgraded() + rest))).tcp().unwrap();
        let address = smtp_client::Server::tcp("localhost", server.addr().port());
        let connector = blocking::Connector::new(address);
        let connector = connector.hello_name("client.example".parse().unwrap());
        let mut connection = connector.connect().unwrap();
        match connection.start_tls(tls) {
            Ok(capabilities) => {
                assert_eq!(capabilities.size_limit(), Some(20));
                assert_eq!(connection.protection(), Protection::Verified);
                let envelope = Envelope::new("a@example.org", ["b@example.org"]).unwrap();
                let text = MailData::new("x\r\n").unwrap();
                assert!(connection.send(&envelope, &text).is_ok());
                connection.quit().unwrap();
            }
            Err(error) => {
                assert_eq!((good, error.step()), (false, Step::Handshake), "{error:?}");
                assert_eq!(connection.ended(), Some(&Ended::Failed { step: Step::Handshake }));
            }
        }
        assert_eq!(server.finish().wait().is_ok(), good);
    }
}
