//! TLS and the other transports: which server a client trusts over which stream, and that nothing
//! is sent to another one.
use std::sync::{Arc, Mutex};

use smtp_client::{
    Broken, Connector, Envelope, Error, ErrorKind, MailData, Security, Server, Step, Tls,
    session::Dialect,
};
use smtp_error::Field;
use smtp_testkit::{Authority, CertificateKind, MismatchKind, Server as TestServer};

use crate::{
    stage::{hello, opening, parse, perform, play},
    starttls::trusting,
    tap::Tap,
    wait_timeout::bounds,
};

const BOTH: [Dialect; 2] = [Dialect::Smtp, Dialect::Lmtp];
const PATHS: [Security; 2] = [Security::Tls, Security::StartTls];

/// A session that is protected in this way, and ends in order.
fn script(dialect: Dialect, security: Security) -> String {
    let before = match security {
        Security::Tls => "[tls]\nS: 220 hi\n".to_owned(),
        _ => opening(dialect, &["STARTTLS"]) + "C: STARTTLS\nS: 220 go\n[starttls]\n",
    };
    format!("{before}{}C: QUIT\nS: 221 bye", hello(dialect, &["PIPELINING"]))
}

/// The certificates that no client may accept.
pub(crate) const BAD: [CertificateKind; 7] = [
    CertificateKind::Expired,
    CertificateKind::NotYetValid,
    CertificateKind::WrongName,
    CertificateKind::SelfSigned,
    CertificateKind::SelfSignedAuthority,
    CertificateKind::UnknownAuthority,
    CertificateKind::ForClients,
];

#[track_caller]
fn check_distrust(error: &Error, case: &str) {
    assert!(matches!(error.kind(), ErrorKind::Broken(Broken::Tls(_))), "{case}: {error:?}");
    assert_eq!(error.step(), Step::Handshake, "{case}");
    assert!(!error.is_transient(), "{case}");
}

/// Everything after the commands in clear is TLS.
#[track_caller]
pub(crate) fn check_nothing_in_clear(
    written: &Arc<Mutex<Vec<u8>>>,
    security: Security,
    case: &str,
) {
    let written = written.lock().unwrap();
    let clear = match security {
        Security::Tls => 0,
        _ => written.windows(10).position(|window| window == b"STARTTLS\r\n").unwrap() + 10,
    };
    let mut rest = &written[clear..];
    assert!(!rest.is_empty(), "{case}: no handshake was begun");
    while let [kind, 3, _, high, low, records @ ..] = rest {
        assert!((20..=23).contains(kind), "{case}: {}", rest.escape_ascii());
        let length = usize::from(*high) << 8 | usize::from(*low);
        rest = &records[length..];
    }
    assert!(rest.is_empty(), "{case}: {}", rest.escape_ascii());
}

#[test]
fn a_good_certificate_is_believed_over_a_pipe() {
    for dialect in BOTH {
        for security in PATHS {
            let authority = Authority::new();
            let connector = trusting(&authority, dialect, security);
            perform(async {
                let script = parse(&script(dialect, security));
                let (server, pipe) =
                    TestServer::builder().authority(authority).script(script).pipe();
                let (pipe, written) = Tap::new(pipe);
                let mut connection = connector.connect_over(pipe).await.unwrap();
                connection.quit().await.unwrap();
                let report = server.finish().await.unwrap();
                assert!(report.connections()[0].tls().unwrap().close_notify);
                check_nothing_in_clear(&written, security, "good");
            });
        }
    }
}

#[test]
fn a_bad_certificate_is_not_believed_over_a_pipe() {
    for dialect in BOTH {
        for security in PATHS {
            for kind in BAD {
                let case = format!("{dialect:?} {security:?} {kind:?}");
                let authority = Authority::new();
                let connector = trusting(&authority, dialect, security);
                perform(async {
                    let builder = TestServer::builder().authority(authority).certificate(kind);
                    let (server, pipe) = builder.script(parse(&script(dialect, security))).pipe();
                    let (pipe, written) = Tap::new(pipe);
                    let error = connector.connect_over(pipe).await.unwrap_err();
                    check_distrust(&error, &case);
                    check_nothing_in_clear(&written, security, &case);
                    let mismatch = server.finish().await.unwrap_err();
                    assert_eq!(mismatch.kind(), MismatchKind::Handshake, "{case}");
                });
            }
        }
    }
}

/// The same connector for where the server listens.
fn over_tcp(server: &TestServer, dialect: Dialect, security: Security, tls: Tls) -> Connector {
    let (host, port) = (server.addr().ip().to_string(), server.addr().port());
    let address = Server::tcp(host, port).dialect(dialect).security(security);
    Connector::new(address).hello_name("client.example".parse().unwrap()).tls(tls)
}

#[tokio::test]
async fn a_good_certificate_is_believed_over_tcp() {
    for dialect in BOTH {
        for security in PATHS {
            let builder = TestServer::builder().script(parse(&script(dialect, security)));
            let server = builder.tcp().unwrap();
            let tls = Tls::authorities([server.authority_der().to_vec().into()]).unwrap();
            let connector = over_tcp(&server, dialect, security, tls);
            let mut connection = connector.connect().await.unwrap();
            connection.quit().await.unwrap();
            let report = server.finish().await.unwrap();
            assert!(report.connections()[0].tls().unwrap().close_notify);
        }
    }
}

#[tokio::test]
async fn a_bad_certificate_is_not_believed_over_tcp() {
    for dialect in BOTH {
        for security in PATHS {
            for kind in BAD {
                let case = format!("{dialect:?} {security:?} {kind:?}");
                let builder = TestServer::builder().certificate(kind);
                let builder = builder.script(parse(&script(dialect, security)));
                let server = builder.tcp().unwrap();
                let tls = Tls::authorities([server.authority_der().to_vec().into()]).unwrap();
                let connector = over_tcp(&server, dialect, security, tls);
                check_distrust(&connector.connect().await.unwrap_err(), &case);
                let mismatch = server.finish().await.unwrap_err();
                assert_eq!(mismatch.kind(), MismatchKind::Handshake, "{case}");
            }
        }
    }
}

/// What comes of implicit TLS to a server with this certificate, when it is to be for this host.
fn named(kind: CertificateKind, host: &str, server_name: Option<&str>) -> Result<(), Error> {
    let authority = Authority::new();
    let mut tls = Tls::authorities([authority.der().to_vec().into()]).unwrap();
    if let Some(name) = server_name {
        tls = tls.server_name(name).unwrap();
    }
    let server = Server::tcp(host, 465).security(Security::Tls);
    let connector = Connector::new(server).hello_name("client.example".parse().unwrap()).tls(tls);
    perform(async {
        let script = parse(&script(Dialect::Smtp, Security::Tls));
        let builder = TestServer::builder().authority(authority).certificate(kind);
        let (_server, pipe) = builder.script(script).pipe();
        connector.connect_over(pipe).await.map(drop)
    })
}

#[test]
fn the_name_is_that_of_the_address_unless_another_is_expected() {
    let good = CertificateKind::Good;
    let other = CertificateKind::WrongName;
    for (kind, host, server_name) in [
        (good, "localhost", None),
        (good, "LOCALHOST", None),
        (good, "127.0.0.1", None),
        (good, "::1", None),
        (good, "mx.example", Some("localhost")),
        (other, "wrong-name.invalid", None),
        (other, "localhost", Some("wrong-name.invalid")),
    ] {
        named(kind, host, server_name).unwrap();
    }
    for (kind, host, server_name) in [
        (good, "mx.example", None),
        (good, "sub.localhost", None),
        (good, "127.0.0.2", None),
        (good, "::2", None),
        (good, "localhost", Some("wrong-name.invalid")),
        (other, "localhost", None),
    ] {
        check_distrust(&named(kind, host, server_name).unwrap_err(), host);
    }
}

#[test]
fn a_host_that_no_certificate_can_be_for_is_refused() {
    for host in
        ["", " ", "local host", "localhost\0.example", "localho\u{17f}t", "-", "a..b", "[mx]"]
    {
        let error = named(CertificateKind::Good, host, None).unwrap_err();
        assert_eq!(error.step(), Step::Handshake, "{host:?}");
        let field =
            matches!(error.kind(), ErrorKind::Invalid(found) if found.field == Field::Server);
        assert!(field, "{host:?}: {error:?}");
        assert!(Tls::platform().is_err() || Tls::platform().unwrap().server_name(host).is_err());
    }
}

#[test]
fn the_platform_does_not_trust_an_authority_of_a_test() {
    let server = Server::tcp("localhost", 465).security(Security::Tls);
    perform(async {
        let script = parse(&script(Dialect::Smtp, Security::Tls));
        let (_server, pipe) = TestServer::pipe(script);
        let error = Connector::new(server).connect_over(pipe).await.unwrap_err();
        check_distrust(&error, "platform");
    });
}

#[test]
fn implicit_tls_to_a_server_in_clear_fails_at_once() {
    for banner in
        ["220 mx.example ready\\r\\n", "421 no\\r\\n", "\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0"]
    {
        let authority = Authority::new();
        let connector = trusting(&authority, Dialect::Smtp, Security::Tls).timeouts(bounds());
        let script = format!("[raw \"{banner}\"]\n[stall]");
        let played = play(&script, &connector, async |outcome| outcome);
        check_distrust(&played.outcome.unwrap_err(), banner);
        assert!(played.elapsed.is_zero());
    }
}

#[test]
fn a_silent_implicit_handshake_times_out() {
    let authority = Authority::new();
    let connector = trusting(&authority, Dialect::Smtp, Security::Tls).timeouts(bounds());
    let played = play("[stall]", &connector, async |outcome| outcome.unwrap_err());
    let error = played.outcome;
    assert_eq!((error.step(), played.elapsed), (Step::Handshake, bounds().handshake));
    assert!(matches!(error.kind(), ErrorKind::Broken(Broken::TimedOut { .. })), "{error:?}");
}

#[test]
fn a_close_after_the_last_reply_changes_nothing() {
    let authority = Authority::new();
    let connector = trusting(&authority, Dialect::Smtp, Security::Tls);
    perform(async {
        let script = script(Dialect::Smtp, Security::Tls) + "\n[abort]";
        let builder = TestServer::builder().authority(authority).script(parse(&script));
        let (server, pipe) = builder.pipe();
        let mut connection = connector.connect_over(pipe).await.unwrap();
        assert_eq!(connection.quit().await.unwrap().code().get(), 221);
        server.finish().await.unwrap();
    });
}

#[cfg(unix)]
#[tokio::test]
async fn lmtp_over_a_unix_socket() {
    let path = std::env::temp_dir().join(format!("smtp-client-{}.socket", std::process::id()));
    let rest = "
        C| MAIL FROM:<a@example.org>
        C| RCPT TO:<b@example.org>
        C| RCPT TO:<c@example.org>
        C| DATA
        S: 250 ok
        S: 250 ok
        S: 250 ok
        S: 354 go
        [text]
        S: 250 b
        S: 452 c
        C: QUIT
        S: 221 bye
    ";
    let script = parse(&(opening(Dialect::Lmtp, &["PIPELINING"]) + rest));
    let server = TestServer::builder().script(script).unix(&path).unwrap();
    let address: Server = format!("lmtp+unix://{}", path.display()).parse().unwrap();
    let connector = Connector::new(address).hello_name("client.example".parse().unwrap());
    let mut connection = connector.connect().await.unwrap();
    let envelope = Envelope::new("a@example.org", ["b@example.org", "c@example.org"]);
    let text = MailData::new("text\r\n").unwrap();
    let delivery = connection.send(&envelope.unwrap(), &text).await.unwrap();
    let codes: Vec<u16> = delivery.verdicts().map(|(_, one)| one.reply().code().get()).collect();
    assert_eq!(codes, [250, 452]);
    connection.quit().await.unwrap();
    server.finish().await.unwrap();
}

#[tokio::test]
async fn who_does_not_listen_is_broken_at_connect() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let missing = std::env::temp_dir().join("smtp-client-without-listener.socket");
    for server in [Server::tcp("127.0.0.1", free), Server::unix(missing)] {
        let error = Connector::new(server).connect().await.unwrap_err();
        assert_eq!(error.step(), Step::Connect);
        assert!(matches!(error.kind(), ErrorKind::Broken(Broken::Io(_))), "{error:?}");
    }
}
