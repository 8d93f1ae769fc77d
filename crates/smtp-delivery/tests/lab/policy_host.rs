//! A policy host: an HTTPS server on loopback, whose certificate has an authority of its own.
use std::{
    future::Future,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// An authority, and the certificate of a policy host.
pub struct Certificates {
    pub authority: CertificateDer<'static>,
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
}

impl Certificates {
    /// Makes a certificate for this name, with this change.
    pub fn new(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        change(&mut params);
        let certificate = params.signed_by(&key, &issuer).unwrap();
        Self {
            authority: issuer.der().clone(),
            chain: vec![certificate.der().clone()],
            key: PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        }
    }
}

/// A policy host that runs until it is dropped.
pub struct PolicyHost {
    client: Arc<ClientConfig>,
    address: SocketAddr,
    _task: JoinSet<()>,
}

impl PolicyHost {
    /// Starts a policy host that does this on each connection, after the TLS handshake.
    pub async fn start<F, T>(certificates: Certificates, serve: F) -> Self
    where
        F: Fn(TlsStream<TcpStream>) -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(certificates.chain, certificates.key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(server));
        let mut task = JoinSet::new();
        task.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(stream).await;
                }
            }
        });
        let mut roots = RootCertStore::empty();
        roots.add(certificates.authority).unwrap();
        let client = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { client: Arc::new(client), address, _task: task }
    }

    /// Starts a policy host of this name, with a valid certificate, that sends this after the
    /// request.
    pub async fn sending(name: &str, response: impl Into<Vec<u8>>) -> Self {
        let response: Arc<[u8]> = response.into().into();
        Self::start(Certificates::new(name, |_| {}), move |mut stream| {
            let response = Arc::clone(&response);
            async move {
                read_request(&mut stream).await;
                // The client may go away in the middle.
                let _ = stream.write_all(&response).await;
                let _ = stream.shutdown().await;
            }
        })
        .await
    }

    /// Starts a policy host of this name that has this policy.
    pub async fn serving(name: &str, policy: &str) -> Self {
        Self::sending(name, response("200 OK\r\ncontent-type: text/plain", policy)).await
    }

    /// Returns the configuration of a client that trusts the authority of its certificate.
    pub fn client(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.client)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Reads a request without a body.
pub async fn read_request(stream: &mut TlsStream<TcpStream>) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(octet) => request.push(octet),
            Err(_) => break,
        }
    }
    String::from_utf8(request).unwrap()
}

/// Returns a response with this status and these headers.
pub fn response(head: &str, body: &str) -> String {
    format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn provider() -> Arc<CryptoProvider> {
    #[cfg(feature = "aws-lc-rs")]
    return Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    #[cfg(not(feature = "aws-lc-rs"))]
    return Arc::new(rustls::crypto::ring::default_provider());
}
