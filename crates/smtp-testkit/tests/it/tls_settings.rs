//! TLS settings: versions, the client's certificate, and a server with rules under TLS.

use std::io;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};
use smtp_testkit::{
    Authority, CertificateKind, ClientCertificate, Greeting, Identity, Lint, Pipe, Rule, Server,
    ServerBuilder, TlsVersion, TlsVersions,
};
use tokio::io::AsyncReadExt;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::client::Client;

/// Whether the client presents a certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Nothing,
    Certificate,
}

async fn handshake(
    server: &Server,
    pipe: Pipe,
    versions: &[&'static SupportedProtocolVersion],
    shown: Shown,
) -> io::Result<Client<TlsStream<Pipe>>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(server.authority_der().to_vec())).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    let config = match shown {
        Shown::Nothing => config.with_no_client_auth(),
        Shown::Certificate => {
            let identity = server.authority().issue(CertificateKind::Good);
            let chain = vec![CertificateDer::from(identity.certificate_der().to_vec())];
            let key = PrivatePkcs8KeyDer::from(identity.key_der().to_vec());
            config.with_client_auth_cert(chain, key.into()).unwrap()
        }
    };
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, pipe).await.map(Client)
}

fn under_tls() -> ServerBuilder {
    Server::builder().greeting(Greeting::UnderTls)
}

/// Returns whether a client with these versions and this certificate receives the greeting.
async fn is_greeted(
    builder: ServerBuilder,
    versions: &[&'static SupportedProtocolVersion],
    shown: Shown,
) -> bool {
    let (server, pipe) = builder.pipe();
    let Ok(mut client) = handshake(&server, pipe, versions, shown).await else { return false };
    client.0.read_u8().await.is_ok()
}

const NEW: &[&SupportedProtocolVersion] = &[&version::TLS13];
const OLD: &[&SupportedProtocolVersion] = &[&version::TLS12];

#[tokio::test]
async fn versions_are_enforced() {
    for (versions, new, old) in [
        (TlsVersions::Both, true, true),
        (TlsVersions::Only13, true, false),
        (TlsVersions::Only12, false, true),
    ] {
        let builder = || under_tls().tls_versions(versions);
        assert_eq!(is_greeted(builder(), NEW, Shown::Nothing).await, new, "{versions:?}");
        assert_eq!(is_greeted(builder(), OLD, Shown::Nothing).await, old, "{versions:?}");
    }
}

#[tokio::test]
async fn a_client_certificate_is_requested() {
    for (wanted, without) in [
        (ClientCertificate::NotAsked, true),
        (ClientCertificate::Optional, true),
        (ClientCertificate::Required, false),
    ] {
        let builder = || under_tls().client_certificate(wanted);
        assert_eq!(is_greeted(builder(), NEW, Shown::Nothing).await, without, "{wanted:?}");
        assert!(is_greeted(builder(), NEW, Shown::Certificate).await, "{wanted:?}");
    }
}

#[tokio::test]
async fn a_certificate_logs_in() {
    let builder = under_tls().client_certificate(ClientCertificate::Required);
    let (server, pipe) = builder.offer("AUTH EXTERNAL").pipe();
    let mut client = handshake(&server, pipe, NEW, Shown::Certificate).await.unwrap();
    for line in ["EHLO client.example\r\n", "AUTH EXTERNAL =\r\n", "QUIT\r\n"] {
        client.receive_segment().await;
        client.send(line).await;
    }
    client.receive("221 goodbye\r\n").await;
    drop(client);
    let report = server.finish().await.unwrap();
    let [connection] = report.connections() else { panic!("one: {report:?}") };
    assert_eq!(connection.login().unwrap().mechanism, "EXTERNAL");
    assert_eq!(connection.server_name(), Some("localhost"));
    let tls = connection.tls().unwrap();
    assert_eq!((tls.version, tls.client_certificate), (TlsVersion::V13, true));
}

/// Makes a TLS handshake after STARTTLS.
async fn starttls(server: &Server, pipe: Pipe, sent: &str) -> Client<TlsStream<Pipe>> {
    let mut client = Client(pipe);
    client.receive_segment().await;
    client.send("EHLO client.example\r\n").await;
    client.receive("250-mx.testkit.example\r\n250 STARTTLS\r\n").await;
    client.send(sent).await;
    client.receive("220 go ahead\r\n").await;
    handshake(server, client.0, NEW, Shown::Nothing).await.unwrap()
}

#[tokio::test]
async fn tls_resets_the_state() {
    let (server, pipe) = Server::builder().offer("STARTTLS").pipe();
    let mut client = starttls(&server, pipe, "STARTTLS\r\n").await;
    client.send("MAIL FROM:<a@example.org>\r\n").await;
    client.receive("503 EHLO comes first\r\n").await;
    client.send("EHLO client.example\r\n").await;
    client.receive("250 mx.testkit.example\r\n").await;
    client.send("QUIT\r\n").await;
    client.receive("221 goodbye\r\n").await;
    drop(client);
    let report = server.finish().await.unwrap();
    assert_eq!(report.lints(), [Lint::BadSequence, Lint::NoEhloAfterStartTls]);
}

#[tokio::test]
async fn octets_in_clear_after_starttls_are_discarded() {
    let (server, pipe) = Server::builder().offer("STARTTLS").offer("PIPELINING").pipe();
    let mut client = Client(pipe);
    client.receive_segment().await;
    client.send("EHLO client.example\r\n").await;
    client.receive_segment().await;
    client.send("STARTTLS\r\nMAIL FROM:<evil@example.org>\r\n").await;
    client.receive("220 go ahead\r\n").await;
    let mut client = handshake(&server, client.0, NEW, Shown::Nothing).await.unwrap();
    client.send("EHLO client.example\r\n").await;
    client.receive("250-mx.testkit.example\r\n250 PIPELINING\r\n").await;
    client.send("QUIT\r\n").await;
    client.receive("221 goodbye\r\n").await;
    drop(client);
    assert_eq!(server.finish().await.unwrap().lints(), [Lint::PastSynchronization]);
}

#[tokio::test]
async fn a_rule_puts_garbage_before_and_after_starttls() {
    let before =
        Rule::on("STARTTLS").times(1).answer("[raw \"\\x00junk\"]\n[usual]".parse().unwrap());
    let after = r#"[raw "220 go\r\n250 injected\r\n"]"#;
    let after = Rule::on("STARTTLS").answer(format!("{after}\n[starttls]").parse().unwrap());
    for (rule, heard) in [(before, "\0junk220 go ahead\r\n"), (after, "220 go\r\n250 injected\r\n")]
    {
        let (server, pipe) = Server::builder().offer("STARTTLS").rule(rule).pipe();
        let mut client = Client(pipe);
        client.receive_segment().await;
        client.send("EHLO client.example\r\n").await;
        client.receive_segment().await;
        client.send("STARTTLS\r\n").await;
        client.receive(heard).await;
        drop(handshake(&server, client.0, NEW, Shown::Nothing).await.unwrap());
        server.finish().await.unwrap();
    }
}

#[tokio::test]
async fn a_rule_closes_without_close_notify() {
    let cut = Rule::on("QUIT").answer("S: 221 bye\n[abort]".parse().unwrap());
    let (server, pipe) = under_tls().rule(cut).pipe();
    let mut client = handshake(&server, pipe, NEW, Shown::Nothing).await.unwrap();
    client.receive_segment().await;
    client.send("QUIT\r\n").await;
    client.receive("221 bye\r\n").await;
    let end = client.0.read(&mut [0; 16]).await;
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    server.finish().await.unwrap();
}

fn in_pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

#[tokio::test]
async fn a_certificate_of_the_caller_is_presented() {
    let authority = Authority::new();
    let issued = authority.issue(CertificateKind::Good);
    let certificate = in_pem("CERTIFICATE", issued.certificate_der());
    let key = in_pem("PRIVATE KEY", issued.key_der());

    let identity =
        Identity::from_pem((certificate.clone() + &authority.pem()).as_bytes(), key.as_bytes());
    let (server, pipe) = Server::builder()
        .greeting(Greeting::UnderTls)
        .authority(authority.clone())
        .identity(identity.unwrap())
        .pipe();
    let mut client = handshake(&server, pipe, NEW, Shown::Nothing).await.unwrap();
    let shown = client.0.get_ref().1.peer_certificates().unwrap();
    assert_eq!(shown.len(), 2, "with its issuer");
    assert_eq!(shown[0].as_ref(), issued.certificate_der());
    client.receive("220 ").await;
    drop(client);

    let other = authority.issue(CertificateKind::Good);
    let other_key = in_pem("PRIVATE KEY", other.key_der());
    for (certificate, key, error) in [
        (certificate.as_str(), other_key.as_str(), "the private key does not fit the certificate"),
        (&certificate, "", "the private key cannot be read"),
        ("", &key, "the certificate cannot be read: there is none"),
    ] {
        let invalid = Identity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap_err();
        assert!(invalid.to_string().starts_with(error), "{invalid}");
    }
}
