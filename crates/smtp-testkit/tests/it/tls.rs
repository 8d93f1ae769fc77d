//! TLS from the start or after STARTTLS, and certificates with faults.

use std::io;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use smtp_testkit::{Authority, CertificateKind, MismatchKind, Pipe, Server};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::client::{Client, script};

async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    authority: &[u8],
    name: &str,
) -> io::Result<TlsStream<S>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(authority.to_vec())).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

const STARTTLS: &str = "
    S: 220 ready
    C: STARTTLS
    S: 220 go
    [starttls]
    C: QUIT
    S: 221 bye
";

async fn starttls(pipe: Pipe) -> Client<Pipe> {
    let mut client = Client(pipe);
    client.receive("220 ready\r\n").await;
    client.send("STARTTLS\r\n").await;
    client.receive("220 go\r\n").await;
    client
}

#[tokio::test]
async fn starttls_encrypts_the_connection() {
    let (server, pipe) = Server::pipe(script(STARTTLS));
    let client = starttls(pipe).await;
    let tls = handshake(client.0, server.authority_der(), "localhost").await.unwrap();
    let mut client = Client(tls);
    client.send("QUIT\r\n").await;
    client.receive("221 bye\r\n").await;
    client.0.shutdown().await.unwrap();
    drop(client);

    let report = server.finish().await.unwrap();
    assert!(report.connections()[0].tls().unwrap().close_notify);
}

#[tokio::test]
async fn a_close_without_close_notify_is_recorded() {
    let (server, pipe) = Server::pipe(script("[tls]\nS: 220 ready"));
    let tls = handshake(pipe, server.authority_der(), "127.0.0.1").await.unwrap();
    let mut client = Client(tls);
    client.receive("220 ready\r\n").await;
    drop(client);
    let report = server.finish().await.unwrap();
    assert!(!report.connections()[0].tls().unwrap().close_notify);
}

#[tokio::test]
async fn a_tcp_connection_under_tls_is_reset() {
    let server = Server::tcp(script("[tls]\nS: 220 ready\nC: NOOP\n[reset]")).unwrap();
    let stream = TcpStream::connect(server.addr()).await.unwrap();
    let mut client = Client(handshake(stream, server.authority_der(), "::1").await.unwrap());
    client.receive("220 ready\r\n").await;
    client.send("NOOP\r\n").await;
    let error = client.0.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    server.finish().await.unwrap();
}

#[tokio::test]
async fn a_connection_in_clear_has_no_tls_facts() {
    let (server, client) = Server::pipe(script(""));
    drop(client);
    assert_eq!(server.finish().await.unwrap().connections()[0].tls(), None);
}

#[tokio::test]
async fn the_server_closes_with_or_without_close_notify() {
    for (direction, kind) in [("[close]", None), ("[abort]", Some(io::ErrorKind::UnexpectedEof))] {
        let (server, pipe) = Server::pipe(script(&format!("[tls]\n{direction}")));
        let mut tls = handshake(pipe, server.authority_der(), "localhost").await.unwrap();
        let read = tls.read(&mut [0; 16]).await;
        assert_eq!(read.as_ref().err().map(io::Error::kind), kind, "{direction}: {read:?}");
        server.finish().await.unwrap();
    }
}

#[tokio::test]
async fn the_server_closes_instead_of_the_handshake() {
    let (server, pipe) = Server::pipe(script("S: 220 ready\nC: STARTTLS\nS: 220 go\n[tls-abort]"));
    let client = starttls(pipe).await;
    handshake(client.0, server.authority_der(), "localhost").await.unwrap_err();
    server.finish().await.unwrap();
}

#[tokio::test]
async fn octets_in_clear_after_starttls_are_caught() {
    let (server, mut client) = crate::client::play(STARTTLS);
    client.receive("220 ready\r\n").await;
    client.send("STARTTLS\r\nEHLO a\r\n").await;
    assert_eq!(server.finish().await.unwrap_err().kind(), MismatchKind::SentAhead);
}

#[tokio::test]
async fn a_client_that_does_not_trust_the_server_fails_the_handshake() {
    use CertificateError::{Expired, InvalidPurpose, NotValidForName, NotValidYet, UnknownIssuer};

    for (kind, expected) in [
        (CertificateKind::Expired, Expired),
        (CertificateKind::NotYetValid, NotValidYet),
        (CertificateKind::WrongName, NotValidForName),
        (CertificateKind::SelfSigned, UnknownIssuer),
        (CertificateKind::UnknownAuthority, UnknownIssuer),
        (CertificateKind::ForClients, InvalidPurpose),
    ] {
        let (server, pipe) = Server::builder().script(script("[tls]")).certificate(kind).pipe();
        let error = handshake(pipe, server.authority_der(), "localhost").await.unwrap_err();
        let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let Some(rustls::Error::InvalidCertificate(found)) = cause else {
            panic!("{kind:?}: {error:?}");
        };
        // The variants with context are the same errors with details.
        assert_eq!(
            std::mem::discriminant(&without_context(found)),
            std::mem::discriminant(&expected),
            "{kind:?}: {found:?}"
        );
        let mismatch = server.finish().await.unwrap_err();
        assert_eq!(mismatch.kind(), MismatchKind::Handshake, "{kind:?}");
        assert_eq!(mismatch.script_line(), Some(1));
    }
}

fn without_context(error: &CertificateError) -> CertificateError {
    match error {
        CertificateError::ExpiredContext { .. } => CertificateError::Expired,
        CertificateError::NotValidYetContext { .. } => CertificateError::NotValidYet,
        CertificateError::NotValidForNameContext { .. } => CertificateError::NotValidForName,
        CertificateError::InvalidPurposeContext { .. } => CertificateError::InvalidPurpose,
        other => other.clone(),
    }
}

#[tokio::test]
async fn a_name_given_to_the_authority_is_in_its_certificates() {
    let authority = Authority::new().name("mx.example.org").unwrap();
    let builder = Server::builder().script(script("[tls]")).authority(authority.clone());
    let (server, pipe) = builder.pipe();
    assert_eq!(server.authority_pem(), authority.pem());
    drop(handshake(pipe, authority.der(), "mx.example.org").await.unwrap());
    server.finish().await.unwrap();
}

#[test]
fn a_name_that_no_certificate_can_have_is_refused() {
    assert!(Authority::new().name("bücher.example").is_err());
    assert!(Authority::new().name("").is_err());
}
