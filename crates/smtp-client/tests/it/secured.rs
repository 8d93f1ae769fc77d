//! The facts of a TLS connection, ALPN, and the hints after a failure.
use std::sync::Arc;

use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer},
};
use smtp_client::{
    Broken, Connection, Connector, Error, ErrorKind, Hint, OtherProtocol, Security, Server, Step,
    Tls, session::Dialect,
};
use smtp_testkit::{Authority, CertificateKind, Identity, pipe};
use tokio_rustls::TlsAcceptor;

use crate::{
    answering::answer_all,
    stage::{connector, opening, perform, play},
    starttls::trusting,
    tap::Tap,
    wait_timeout::bounds,
};

/// What comes of connecting to a server of one's own that proves itself with `identity` and picks
/// among these protocols; and what the client has written in clear and in TLS.
async fn connect(
    connector: &Connector,
    identity: &Identity,
    alpn: &[&str],
) -> (Result<Connection, Error>, Vec<u8>) {
    let mut config = server_config(identity);
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let (connected, written, _) = connect_to(connector, Arc::new(config)).await;
    (connected, written)
}

/// The configuration of a server that proves itself with `identity`.
pub(crate) fn server_config(identity: &Identity) -> ServerConfig {
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    builder
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from(identity.certificate_der().to_vec())],
            PrivatePkcs8KeyDer::from(identity.key_der().to_vec()).into(),
        )
        .unwrap()
}

/// What comes of connecting to a server with this configuration, and what client and server have
/// written by then.
pub(crate) async fn connect_to(
    connector: &Connector,
    config: Arc<ServerConfig>,
) -> (Result<Connection, Error>, Vec<u8>, Vec<u8>) {
    let (client, server) = pipe(65_536);
    let (client, written) = Tap::new(client);
    let (server, answered) = Tap::new(server);
    let serving = tokio::spawn(async move {
        let Ok(stream) = TlsAcceptor::from(config).accept(server).await else { return };
        let heard = answer_all(stream, |line| match line {
            "" => "220 hi\r\n".into(),
            "QUIT" => "221 bye\r\n".into(),
            _ => "250 ok\r\n".into(),
        });
        heard.await.unwrap();
    });
    let connected = connector.connect_over(client).await;
    if connected.is_err() {
        serving.await.unwrap();
    }
    let written = written.lock().unwrap().clone();
    let answered = answered.lock().unwrap().clone();
    (connected, written, answered)
}

/// The extension that offers a protocol, as it stands in the first octets of a handshake.
fn offers(written: &[u8], protocol: &str) -> bool {
    let length = u8::try_from(protocol.len()).unwrap();
    let named = [&[0, length + 1, length], protocol.as_bytes()].concat();
    written.windows(named.len()).any(|window| window == named)
}

fn implicit(authority: &Authority, alpn: &[&str]) -> Connector {
    let tls = Tls::authorities([authority.der().to_vec().into()]).unwrap();
    let server = Server::tcp("localhost", 465).security(Security::Tls);
    Connector::new(server).tls(tls.alpn(alpn.iter().copied()))
}

#[test]
fn the_facts_are_those_of_the_handshake() {
    let authority = Authority::new();
    let identity = authority.issue(CertificateKind::Good);
    perform(async {
        let (connected, written) = connect(&implicit(&authority, &[]), &identity, &["smtp"]).await;
        let mut connection = connected.unwrap();
        for _ in 0..2 {
            let facts = connection.tls().unwrap();
            assert_eq!(facts.version(), "TLSv1_3");
            assert!(facts.cipher_suite().starts_with("TLS13_"), "{}", facts.cipher_suite());
            assert_eq!(facts.certificates(), [identity.certificate_der().to_vec().into()]);
            assert_eq!(facts.security(), Security::Tls);
            assert_eq!(facts.key_exchange(), "X25519MLKEM768");
            assert_eq!(facts.alpn(), None);
            // They can still be read when it is over.
            let _ = connection.quit().await;
        }
        assert!(!offers(&written, "smtp"));
    });
}

#[test]
fn a_protocol_is_offered_if_it_is_asked_for() {
    let authority = Authority::new();
    let identity = authority.issue(CertificateKind::Good);
    perform(async {
        let connector = implicit(&authority, &["smtp"]);
        let (connected, written) = connect(&connector, &identity, &["imap", "smtp"]).await;
        assert_eq!(connected.unwrap().tls().unwrap().alpn(), Some(&b"smtp"[..]));
        assert!(offers(&written, "smtp"));
        // A server without ALPN changes nothing.
        let (connected, _) = connect(&connector, &identity, &[]).await;
        assert_eq!(connected.unwrap().tls().unwrap().alpn(), None);
    });
}

#[test]
fn a_server_of_another_protocol_ends_the_handshake() {
    let authority = Authority::new();
    let identity = authority.issue(CertificateKind::Good);
    perform(async {
        let connector = implicit(&authority, &["smtp"]);
        let (connected, _) = connect(&connector, &identity, &["imap", "http/1.1"]).await;
        let error = connected.unwrap_err();
        assert_eq!(error.step(), Step::Handshake);
        let ErrorKind::Broken(Broken::Tls(cause)) = error.kind() else { panic!("{error:?}") };
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol);
        assert_eq!(cause.downcast_ref::<rustls::Error>(), Some(&alert));
        assert_eq!(error.hint(), Some(Hint::Alpn));
    });
}

#[test]
fn starttls_is_distinguished_from_implicit_tls() {
    let authority = Authority::new();
    let connector = trusting(&authority, Dialect::Lmtp, Security::StartTls);
    perform(async {
        let script = opening(Dialect::Lmtp, &["STARTTLS"])
            + "C: STARTTLS\nS: 220 go\n[starttls]\nC: LHLO client.example\nS: 250 ok";
        let builder = smtp_testkit::Server::builder().authority(authority);
        let (_server, pipe) = builder.script(script.parse().unwrap()).pipe();
        let connection = connector.connect_over(pipe).await.unwrap();
        let facts = connection.tls().unwrap();
        assert_eq!((facts.security(), facts.certificates().len()), (Security::StartTls, 1));
    });
}

#[test]
fn in_clear_there_are_no_facts() {
    play(&opening(Dialect::Smtp, &[]), &connector(Dialect::Smtp), async |connected| {
        assert_eq!(connected.unwrap().tls(), None);
    });
}

#[test]
fn another_protocol_behind_the_right_certificate_is_no_server() {
    for banner in
        ["* OK IMAP4 ready", "+OK POP3 ready", "HTTP/1.1 400 Bad Request", "SSH-2.0-OpenSSH_9.2"]
    {
        let authority = Authority::new();
        let connector = trusting(&authority, Dialect::Smtp, Security::Tls);
        perform(async {
            let script = format!("[tls]\n[raw \"{banner}\\r\\n\"]");
            let builder = smtp_testkit::Server::builder().authority(authority);
            let (server, pipe) = builder.script(script.parse().unwrap()).pipe();
            let error = connector.connect_over(pipe).await.unwrap_err();
            assert_eq!(error.step(), Step::Greeting, "{banner}");
            assert!(matches!(error.kind(), ErrorKind::Misbehaved(_)), "{banner}: {error:?}");
            // Nothing was sent to it.
            server.finish().await.unwrap();
        });
    }
}

#[test]
fn no_form_of_a_host_escapes_the_check() {
    let authority = Authority::new();
    let identity = authority.issue(CertificateKind::Good);
    // The certificate is for `localhost`, `127.0.0.1` and `::1`.
    for (host, good) in [
        ("LocalHost", true),
        ("localhost.", true),
        ("0:0:0:0:0:0:0:1", true),
        ("[::1]", true),
        ("localhost..", false),
        (".localhost", false),
        ("*", false),
        ("*.localhost", false),
        ("localhost%00", false),
        ("localhost\0", false),
        ("localhost:465", false),
        ("user@localhost", false),
        ("localhost/", false),
        ("127.1", false),
        ("0x7f000001", false),
        ("2130706433", false),
        ("127.0.0.1.", false),
        ("0177.0.0.1", false),
        ("::ffff:127.0.0.1", false),
        ("::1%lo", false),
        ("[::1", false),
        ("xn--localhost", false),
        ("l\u{43e}calhost", false),
    ] {
        let tls = Tls::authorities([authority.der().to_vec().into()]).unwrap();
        let server = Server::tcp(host, 465).security(Security::Tls);
        let connector = Connector::new(server).tls(tls);
        let name = "client.example".parse().unwrap();
        perform(async {
            let (connected, _) = connect(&connector.hello_name(name), &identity, &[]).await;
            assert_eq!(connected.is_ok(), good, "{host:?}: {connected:?}");
            if let Err(error) = connected {
                assert_eq!(error.step(), Step::Handshake, "{host:?}");
            }
        });
    }
}

/// The hint of the error that comes of this script.
#[track_caller]
fn hint(security: Security, script: &str) -> Option<Hint> {
    let connector = trusting(&Authority::new(), Dialect::Smtp, security).timeouts(bounds());
    play(script, &connector, async |connected| connected.unwrap_err()).outcome.hint()
}

#[test]
fn tls_to_a_port_in_clear_is_guessed() {
    let http = Hint::OtherProtocol(OtherProtocol::Http);
    for (banner, expected) in [
        ("220 mx.example ready\\r\\n", Hint::NoTls),
        ("421 4.3.2 busy\\r\\n", Hint::NoTls),
        ("HTTP/1.1 400 Bad\\r\\n", http),
    ] {
        let script = format!("[raw \"{banner}\"]\n[stall]");
        assert_eq!(hint(Security::Tls, &script), Some(expected), "{banner}");
    }
}

#[test]
fn a_port_for_tls_is_guessed_from_its_silence() {
    for security in [Security::Plain, Security::StartTls] {
        assert_eq!(hint(security, "[stall]"), Some(Hint::ImplicitTls));
    }
}

#[test]
fn what_is_clear_gets_no_hint() {
    for (security, script) in [
        (Security::Plain, "S: 554 no"),
        (Security::Plain, "[close]"),
        (Security::Plain, "S: 220 hi\nC: EHLO client.example\n[stall]"),
        (Security::Tls, "[stall]"),
        (Security::Tls, "[close]"),
    ] {
        assert_eq!(hint(security, script), None, "{security:?} {script}");
    }
}
