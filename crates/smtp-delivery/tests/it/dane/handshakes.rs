//! Handshakes of the client with a server that has TLSA records.
use std::{sync::Arc, time::Duration};

use rustls::{
    ClientConfig, ServerConfig, SupportedProtocolVersion,
    client::Resumption,
    crypto::aws_lc_rs,
    pki_types::PrivateKeyDer,
    version::{TLS12, TLS13},
};
use smtp_client::{Broken, Connector, Error, ErrorKind, Protection, Security, Server, Tls};
use smtp_delivery::{DaneFailure, DaneVerifier, Name, Tlsa};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream};
use tokio_rustls::TlsAcceptor;

use super::{
    HOST,
    certificates::{Authority, Der},
    names, record,
};

type Versions = &'static [&'static SupportedProtocolVersion];
const VERSIONS: [Versions; 2] = [&[&TLS12], &[&TLS13]];

/// The certificates that a server sends, and the key that it signs with.
struct Identity {
    chain: Vec<Der>,
    key: PrivateKeyDer<'static>,
}

/// Answers EHLO and QUIT over TLS.
async fn serve(pipe: DuplexStream, identity: Identity, versions: Versions) {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Fixed(Arc::new({
            let key = provider.key_provider.load_private_key(identity.key).unwrap();
            rustls::sign::CertifiedKey::new(identity.chain, key)
        }))));
    config.alpn_protocols = vec![];
    let Ok(stream) = TlsAcceptor::from(Arc::new(config)).accept(pipe).await else { return };
    let mut stream = BufReader::new(stream);
    let mut reply = "220 mx ready\r\n";
    loop {
        stream.write_all(reply.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        let mut line = String::new();
        match stream.read_line(&mut line).await {
            Ok(1..) if line.starts_with("EHLO") => reply = "250 mx\r\n",
            Ok(1..) => reply = "221 bye\r\n",
            _ => return,
        }
    }
}

/// Shows one certificate, whether or not the key is that of it.
#[derive(Debug)]
struct Fixed(Arc<rustls::sign::CertifiedKey>);

impl rustls::server::ResolvesServerCert for Fixed {
    fn resolve(
        &self,
        hello: rustls::server::ClientHello<'_>,
    ) -> Option<Arc<rustls::sign::CertifiedKey>> {
        assert_eq!(hello.server_name(), Some(HOST));
        Some(Arc::clone(&self.0))
    }
}

fn tls(records: &[Tlsa], names: &[Name]) -> Tls {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = DaneVerifier::new(records, names, Arc::clone(&provider)).unwrap();
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Tls::new(Arc::new(config)).server_name(names[0].as_str()).unwrap()
}

/// Connects, and returns what the connection achieved.
async fn connect(
    identity: Identity,
    versions: Versions,
    records: &[Tlsa],
) -> Result<Protection, Error> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let server = tokio::spawn(serve(far, identity, versions));
    let at = Server::tcp("192.0.2.1", 465).security(Security::Tls);
    let connector = Connector::new(at)
        .hello_name("client.example".parse().unwrap())
        .tls(tls(records, &names()));
    let connected = connector.connect_over(near).await;
    let outcome = connected.map(|connection| connection.tls().unwrap().protection());
    tokio::time::timeout(Duration::from_secs(60), server).await.unwrap().unwrap();
    outcome
}

#[tokio::test]
async fn handshakes_succeed_or_fail_by_the_records() {
    let root = Authority::root("root");
    let intermediate = root.intermediate("intermediate");
    let (leaf, key) = intermediate.issue_with_key(HOST);
    let chain = vec![leaf.clone(), intermediate.der(), root.der()];
    for versions in VERSIONS {
        let identity = || Identity { chain: chain.clone(), key: key.clone_key() };
        for (usage, certificate) in [(3, &leaf), (2, &intermediate.der()), (2, &root.der())] {
            let record = record(usage, 1, 1, certificate);
            let protection = connect(identity(), versions, std::slice::from_ref(&record)).await;
            assert_eq!(protection.unwrap(), Protection::Verified, "{record}");
        }

        let other = Authority::root("root");
        for usage in [3, 2] {
            let wrong = record(usage, 1, 1, &other.der());
            let error = connect(identity(), versions, &[wrong]).await.unwrap_err();
            let ErrorKind::Broken(Broken::Tls(cause)) = error.kind() else { panic!("{error:?}") };
            assert!(matches!(DaneFailure::of(cause), Some(DaneFailure::NoMatch)), "{error:?}");
        }
    }
}

/// The certificate is public: to show it proves nothing.
#[tokio::test]
async fn a_server_without_the_key_of_its_certificate_is_refused() {
    let root = Authority::root("root");
    let (leaf, _) = root.issue_with_key(HOST);
    let (_, other_key) = root.issue_with_key(HOST);
    for versions in VERSIONS {
        for record in [record(3, 1, 1, &leaf), record(2, 1, 1, &root.der())] {
            let chain = vec![leaf.clone(), root.der()];
            let identity = Identity { chain, key: other_key.clone_key() };
            let error = connect(identity, versions, &[record]).await.unwrap_err();
            let ErrorKind::Broken(Broken::Tls(cause)) = error.kind() else { panic!("{error:?}") };
            let bad_signature = rustls::CertificateError::BadSignature.into();
            assert_eq!(cause.downcast_ref::<rustls::Error>(), Some(&bad_signature));
            assert!(DaneFailure::of(cause).is_none());
        }
    }
}
