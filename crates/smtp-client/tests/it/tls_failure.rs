//! Failures of TLS at every stage: the message for an operator, and its advice.
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rustls::{
    AlertDescription, CipherSuite, ClientConfig, RootCertStore, ServerConfig,
    SupportedProtocolVersion,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
    version::{TLS12, TLS13},
};
use smtp_client::{
    Broken, Connection, Connector, Error, ErrorKind, Hint, Misbehaved, OtherProtocol, Security,
    Server, Step, Tls, TlsFailure, session::Dialect,
};
use smtp_testkit::{Authority, CertificateKind, Pipe, Server as TestServer, pipe};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{
    mailer::{pool, send},
    stage::{connector, opening, parse, perform, play},
    starttls::trusting,
    wait_timeout::bounds,
};

/// The error of the client: the failure and the error of rustls.
#[track_caller]
fn failure(error: &Error) -> (&TlsFailure, &rustls::Error) {
    let ErrorKind::Broken(Broken::Tls(cause)) = error.kind() else { panic!("{error:?}") };
    assert!(!error.is_transient(), "{error}");
    (cause.downcast_ref().unwrap(), cause.downcast_ref().unwrap())
}

/// A client that trusts this authority and offers these versions and suites, which has to connect
/// with implicit TLS.
fn client(
    authority: &Authority,
    versions: &[&'static SupportedProtocolVersion],
    provider: CryptoProvider,
) -> Connector {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().to_vec().into()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(provider));
    let builder = builder.with_protocol_versions(versions).unwrap();
    let config = builder.with_root_certificates(roots).with_no_client_auth();
    let server = Server::tcp("localhost", 465).security(Security::Tls);
    Connector::new(server).tls(Tls::new(Arc::new(config)))
}

/// How the server that proves itself with the certificate of this authority does TLS.
fn server(
    authority: &Authority,
    versions: &[&'static SupportedProtocolVersion],
    provider: CryptoProvider,
    asks_for_certificate: bool,
) -> ServerConfig {
    let identity = authority.issue(CertificateKind::Good);
    let provider = Arc::new(provider);
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().to_vec().into()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider));
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = builder.with_protocol_versions(versions).unwrap();
    let builder = if asks_for_certificate {
        builder.with_client_cert_verifier(verifier.build().unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let chain = vec![CertificateDer::from(identity.certificate_der().to_vec())];
    let key = PrivatePkcs8KeyDer::from(identity.key_der().to_vec());
    builder.with_single_cert(chain, key.into()).unwrap()
}

/// What comes of connecting to a server that does TLS like this, and then acts.
async fn connect(
    connector: &Connector,
    config: ServerConfig,
    act: impl AsyncFnOnce(TlsStream<Pipe>) + Send + 'static,
) -> Result<Connection, Error> {
    let (client, server) = pipe(1 << 16);
    let serving = async move {
        if let Ok(stream) = TlsAcceptor::from(Arc::new(config)).accept(server).await {
            act(stream).await;
        }
    };
    let connecting = connector.connect_over(client);
    let (connected, ()) = tokio::join!(connecting, serving);
    connected
}

/// Only this suite.
fn with(suite: CipherSuite) -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|one| one.suite() == suite);
    provider
}

const ANY: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];

#[test]
fn a_certificate_that_is_not_accepted_is_reported_with_the_reason() {
    for (kind, hint, words) in [
        (CertificateKind::Expired, Hint::CertificateExpired, "it expired on "),
        (CertificateKind::NotYetValid, Hint::CertificateNotYetValid, "it is valid from "),
        (CertificateKind::WrongName, Hint::CertificateName, "it is for wrong-name.invalid"),
        (CertificateKind::UnknownAuthority, Hint::CertificateIssuer, "no trusted authority"),
        (CertificateKind::SelfSigned, Hint::CertificateIssuer, "no trusted authority"),
        (CertificateKind::ForClients, Hint::CertificateUnfit, "it is not for servers, but for"),
    ] {
        for security in [Security::Tls, Security::StartTls] {
            let authority = Authority::new();
            let connector = trusting(&authority, Dialect::Smtp, security);
            let script = match security {
                Security::Tls => "[tls]\nS: 220 hi".to_owned(),
                _ => opening(Dialect::Smtp, &["STARTTLS"]) + "C: STARTTLS\nS: 220 go\n[starttls]",
            };
            perform(async {
                let builder = TestServer::builder().authority(authority).certificate(kind);
                let (_server, pipe) = builder.script(script.parse().unwrap()).pipe();
                let error = connector.connect_over(pipe).await.unwrap_err();
                let (failure, _) = failure(&error);
                assert_eq!((error.hint(), error.step()), (Some(hint), Step::Handshake), "{error}");
                assert_eq!(failure.server_name(), Some("localhost"));
                let beginning = "TLS handshake with localhost:587: the server's certificate for \
                                 localhost is not accepted: ";
                let text = error.to_string();
                assert!(text.starts_with(&format!("{beginning}{words}")), "{text}");
                assert!(text.ends_with(&format!("(hint: {hint})")), "{text}");
            });
        }
    }
}

#[test]
fn without_a_common_version_the_error_names_both_sides() {
    let authority = Authority::new();
    perform(async {
        let connector = client(&authority, &[&TLS12], aws_lc_rs::default_provider());
        let config = server(&authority, &[&TLS13], aws_lc_rs::default_provider(), false);
        let error = connect(&connector, config, async |_| {}).await.unwrap_err();
        let (failure, alert) = failure(&error);
        assert_eq!(*alert, rustls::Error::AlertReceived(AlertDescription::ProtocolVersion));
        assert_eq!((error.hint(), error.step()), (Some(Hint::TlsVersion), Step::Handshake));
        assert_eq!(failure.offered_versions(), ["TLSv1_2"]);
        let suites = failure.offered_suites();
        assert!(suites.contains(&"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"), "{suites:?}");
        assert!(!suites.iter().any(|suite| suite.contains("SCSV") || suite.contains("TLS13")));
        let text = error.to_string();
        assert!(text.contains("the TLS alert protocol_version (70)"), "{text}");
        assert!(text.contains("the client offers TLSv1_2 with TLS_ECDHE_"), "{text}");
    });
}

#[test]
fn without_a_common_suite_the_error_names_both_sides() {
    let authority = Authority::new();
    perform(async {
        let connector = client(&authority, &ANY, with(CipherSuite::TLS13_AES_256_GCM_SHA384));
        let other = with(CipherSuite::TLS13_CHACHA20_POLY1305_SHA256);
        let config = server(&authority, &[&TLS13], other, false);
        let error = connect(&connector, config, async |_| {}).await.unwrap_err();
        let (failure, _) = failure(&error);
        assert_eq!((error.hint(), error.step()), (Some(Hint::TlsParameters), Step::Handshake));
        assert_eq!(failure.offered_versions(), ["TLSv1_3"]);
        assert_eq!(failure.offered_suites(), ["TLS13_AES_256_GCM_SHA384"]);
        assert!(error.to_string().contains("handshake_failure (40)"), "{error}");
    });
}

/// The client has no certificate. With TLS 1.3 it learns after the handshake that it needs one.
#[test]
fn a_certificate_that_the_client_lacks_is_asked_for() {
    let authority = Authority::new();
    perform(async {
        for (version, step) in [(&TLS12, Step::Handshake), (&TLS13, Step::Greeting)] {
            let connector = client(&authority, &[version], aws_lc_rs::default_provider());
            let config = server(&authority, &[version], aws_lc_rs::default_provider(), true);
            let error = connect(&connector, config, async |_| {}).await.unwrap_err();
            let (_, alert) = failure(&error);
            assert_eq!(*alert, rustls::Error::AlertReceived(AlertDescription::CertificateRequired));
            assert_eq!((error.hint(), error.step()), (Some(Hint::ClientCertificate), step));
            assert!(error.to_string().contains("certificate_required (116)"), "{error}");
        }
    });
}

#[test]
fn each_alert_is_named() {
    for (number, name, hint) in [
        (0x28, "handshake_failure (40)", Some(Hint::TlsParameters)),
        (0x30, "unknown_ca (48)", Some(Hint::ClientCertificate)),
        (0x46, "protocol_version (70)", Some(Hint::TlsVersion)),
        (0x50, "internal_error (80)", None),
        (0x70, "unrecognized_name (112)", Some(Hint::TlsServerName)),
        (0x78, "no_application_protocol (120)", Some(Hint::Alpn)),
        (0xfe, "with an unknown number (254)", None),
    ] {
        let authority = Authority::new();
        let connector = trusting(&authority, Dialect::Smtp, Security::Tls).timeouts(bounds());
        let script = format!("[raw \"\\x15\\x03\\x03\\x00\\x02\\x02\\x{number:02X}\"]\n[stall]");
        let error = play(&script, &connector, async |it| it.unwrap_err()).outcome;
        failure(&error);
        assert_eq!((error.hint(), error.excerpt()), (hint, None), "{error}");
        assert!(error.to_string().contains(&format!("the TLS alert {name}")), "{error}");
    }
}

#[test]
fn what_came_in_place_of_a_handshake_is_shown() {
    let starttls = opening(Dialect::Smtp, &["STARTTLS"]) + "C: STARTTLS\nS: 220 go\n";
    let other = Hint::OtherProtocol;
    for (octets, end, implicit) in [
        ("220 mx.example ESMTP\r\n", "[stall]", Hint::NoTls),
        ("HTTP/1.1 400 Bad Request\r\n\r\n", "[close]", other(OtherProtocol::Http)),
        ("* OK IMAP4\r\n", "[close]", other(OtherProtocol::Imap)),
        ("22", "[stall]", Hint::NoTls),
        ("2", "[close]", Hint::NoTls),
        ("500 5.5.1 what?", "[delay 1s]\n[reset]", Hint::NoTls),
        ("\x1b[2J\0", "[close]", Hint::NoTls),
    ] {
        let raw: String = octets.bytes().map(|octet| format!("\\x{octet:02X}")).collect();
        for (security, before, hint) in [
            (Security::Tls, "", implicit),
            (Security::StartTls, starttls.as_str(), Hint::NoTlsAfterStartTls),
        ] {
            let connector = trusting(&Authority::new(), Dialect::Smtp, security).timeouts(bounds());
            // After STARTTLS it comes once the handshake has begun.
            let delay = if before.is_empty() { "" } else { "[delay 1s]\n" };
            let script = format!("{before}{delay}[raw \"{raw}\"]\n{end}");
            let error = play(&script, &connector, async |it| it.unwrap_err()).outcome;
            assert_eq!((error.step(), error.hint()), (Step::Handshake, Some(hint)), "{error}");
            assert_eq!(error.excerpt().unwrap().as_bytes(), octets.as_bytes(), "{error}");
            assert!(matches!(error.kind(), ErrorKind::Broken(_)), "{error:?}");
        }
    }
}

#[test]
fn octets_in_clear_after_the_220_are_shown() {
    let script = opening(Dialect::Smtp, &["STARTTLS"])
        + "C: STARTTLS\n[raw \"220 go\\r\\n250 injected\\r\\n\"]\n[expect-close]";
    let connector = trusting(&Authority::new(), Dialect::Smtp, Security::StartTls);
    let error = play(&script, &connector, async |it| it.unwrap_err()).outcome;
    assert!(matches!(error.kind(), ErrorKind::Misbehaved(Misbehaved::PlaintextAfterStartTls)));
    assert_eq!(error.excerpt().unwrap().as_bytes(), b"250 injected\r\n");
}

#[test]
fn tls_in_place_of_a_greeting_is_guessed() {
    for end in ["[close]", "[stall]", "[raw \"\\n\"]\n[stall]"] {
        let script = format!("[raw \"\\x15\\x03\\x01\\x00\\x02\\x02\\x46\"]\n{end}");
        let connector = connector(Dialect::Smtp).timeouts(bounds());
        let error = play(&script, &connector, async |it| it.unwrap_err()).outcome;
        assert_eq!((error.step(), error.hint()), (Step::Greeting, Some(Hint::ImplicitTls)));
        assert!(error.excerpt().is_some(), "{error}");
        assert!(!error.is_transient(), "{error}");
    }
    // A server that sends nothing may be a slow one.
    let connector = connector(Dialect::Smtp).timeouts(bounds());
    let error = play("[stall]", &connector, async |it| it.unwrap_err()).outcome;
    assert_eq!(error.hint(), Some(Hint::ImplicitTls));
    assert!(error.is_transient(), "{error}");
}

#[test]
fn a_mailer_tries_a_port_for_another_kind_of_tls_once() {
    for (security, script, once) in [
        (Security::Tls, "[raw \"220 mx.example ready\\r\\n\"]\n[stall]", true),
        (Security::Plain, "[raw \"\\x15\\x03\\x01\\x00\\x02\\x02\\x46\"]\n[close]", true),
        (Security::Plain, "[raw \"HTTP/1.1 400 Bad Request\\r\\n\"]\n[close]", true),
        (Security::Plain, "[close]", false),
    ] {
        perform(async {
            let dialed = Arc::new(AtomicUsize::new(0));
            let counter = Arc::clone(&dialed);
            let server = Server::tcp("localhost", 25).security(security);
            let tls = Tls::authorities([Authority::new().der().to_vec().into()]).unwrap();
            let connector = Connector::new(server).tls(tls).timeouts(bounds()).dialer(move |_| {
                counter.fetch_add(1, Ordering::Relaxed);
                let (server, pipe) = TestServer::builder().script(parse(script)).pipe();
                tokio::spawn(server.finish());
                async { Ok::<Pipe, std::io::Error>(pipe) }
            });
            let error = send(&pool(connector, 2).build()).await.unwrap_err();
            assert_eq!(dialed.load(Ordering::Relaxed) == 1, once, "{error}");
        });
    }
}

/// A record that no key of the connection fits.
const DAMAGED: &[u8] = b"\x17\x03\x03\x00\x20................................";

#[test]
fn a_tls_failure_after_the_handshake_is_reported() {
    let authority = Authority::new();
    perform(async {
        let connector = client(&authority, &ANY, aws_lc_rs::default_provider());
        let config = || server(&authority, &ANY, aws_lc_rs::default_provider(), false);
        // In place of the greeting.
        let damage = async |mut stream: TlsStream<Pipe>| {
            stream.get_mut().0.write_all(DAMAGED).await.unwrap();
            stream.read_to_end(&mut Vec::new()).await.unwrap_err();
        };
        let error = connect(&connector, config(), damage).await.unwrap_err();
        assert_eq!(*failure(&error).1, rustls::Error::DecryptError);
        assert_eq!((error.step(), error.hint()), (Step::Greeting, Some(Hint::TlsDamaged)));

        // In place of the reply to a command.
        let (client, server_end) = pipe(1 << 16);
        let serving = tokio::spawn(async move {
            let acceptor = TlsAcceptor::from(Arc::new(server(
                &authority,
                &ANY,
                aws_lc_rs::default_provider(),
                false,
            )));
            let mut stream = acceptor.accept(server_end).await.unwrap();
            stream.write_all(b"220 hi\r\n").await.unwrap();
            let mut line = [0; 512];
            assert!(stream.read(&mut line).await.unwrap() > 0);
            stream.write_all(b"250 hi\r\n").await.unwrap();
            assert!(stream.read(&mut line).await.unwrap() > 0);
            stream.get_mut().0.write_all(DAMAGED).await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
        });
        let mut connection = connector.connect_over(client).await.unwrap();
        let error = connection.noop().await.unwrap_err();
        assert_eq!(*failure(&error).1, rustls::Error::DecryptError);
        assert_eq!((error.step(), error.hint()), (Step::Noop, Some(Hint::TlsDamaged)));
        assert!(error.to_string().contains("could not be decrypted"), "{error}");
        serving.await.unwrap();
    });
}
