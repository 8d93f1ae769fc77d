//! TLS on the side of the server: certificates, and the handshake.
use std::{
    fmt, io,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, PoisonError, RwLock},
    task::{Context, Poll},
};

use rustls::{
    ProtocolVersion, ServerConfig,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsAcceptor;

use super::wire::Stream;
use crate::TlsFacts;

/// The certificates of a server, which can be read again while it runs.
///
/// The first one is for clients that ask for no name (SNI), or for one that no certificate has.
/// Cloning shares them.
#[derive(Clone)]
pub struct Certificates {
    provider: Arc<CryptoProvider>,
    files: Vec<(PathBuf, PathBuf)>,
    keys: Arc<Keys>,
}

/// The certificates in use.
#[derive(Debug, Default)]
struct Keys(RwLock<Vec<Arc<CertifiedKey>>>);

/// A certificate that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidCertificate {
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
    /// It is not PEM, or has no certificate or no key in it.
    #[error("PEM: {0}")]
    Pem(#[from] rustls::pki_types::pem::Error),
    /// The key does not belong to the certificate, or is of an unknown kind.
    #[error("certificate and key: {0}")]
    Key(#[from] rustls::Error),
    /// There is no certificate.
    #[error("PEM: there is no certificate")]
    Empty,
}

impl Certificates {
    /// Reads a certificate chain and its key from PEM files, with the default provider.
    ///
    /// # Errors
    /// A file cannot be read, or does not have what it should.
    #[cfg(any(feature = "aws-lc-rs", feature = "ring"))]
    pub fn files(
        chain: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, InvalidCertificate> {
        Self::with_provider(default_provider()).and_files(chain, key)
    }

    /// Takes a certificate chain and its key in PEM, with the default provider.
    ///
    /// # Errors
    /// They are not what they should be.
    #[cfg(any(feature = "aws-lc-rs", feature = "ring"))]
    pub fn pem(chain: &[u8], key: &[u8]) -> Result<Self, InvalidCertificate> {
        Self::with_provider(default_provider()).and_pem(chain, key)
    }

    /// Returns no certificates yet, for this provider of cryptography.
    pub fn with_provider(provider: Arc<CryptoProvider>) -> Self {
        Self { provider, files: Vec::new(), keys: Arc::default() }
    }

    /// Adds a certificate for clients that ask for one of its names.
    ///
    /// # Errors
    /// A file cannot be read, or does not have what it should.
    pub fn and_files(
        mut self,
        chain: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, InvalidCertificate> {
        let (chain, key) = (chain.as_ref().to_owned(), key.as_ref().to_owned());
        let loaded = self.load(&chain, &key)?;
        self.files.push((chain, key));
        self.keys.add(loaded);
        Ok(self)
    }

    /// Adds a certificate for clients that ask for one of its names. It is not read again.
    ///
    /// # Errors
    /// They are not what they should be.
    pub fn and_pem(self, chain: &[u8], key: &[u8]) -> Result<Self, InvalidCertificate> {
        let loaded = self.parse(chain, key)?;
        self.keys.add(loaded);
        Ok(self)
    }

    /// Reads the files again, for connections from now on. If that fails, nothing changes.
    ///
    /// # Errors
    /// A file cannot be read, or does not have what it should.
    pub fn reload(&self) -> Result<(), InvalidCertificate> {
        let load = |(chain, key): &(PathBuf, PathBuf)| self.load(chain, key);
        let loaded = self.files.iter().map(load).collect::<Result<Vec<_>, _>>()?;
        self.keys.replace(loaded);
        Ok(())
    }

    /// Returns these certificates for a configuration that is made in another way: one that asks
    /// clients for certificates ([`Login::External`](crate::Login::External)), or has other versions
    /// of TLS.
    pub fn resolver(&self) -> Arc<dyn ResolvesServerCert> {
        Arc::clone(&self.keys) as Arc<dyn ResolvesServerCert>
    }

    /// Returns a configuration of rustls with these certificates, which asks clients for none.
    ///
    /// # Errors
    /// The provider does not support the usual versions of TLS.
    pub fn config(&self) -> Result<ServerConfig, InvalidCertificate> {
        let config = ServerConfig::builder_with_provider(Arc::clone(&self.provider));
        let config = config.with_safe_default_protocol_versions()?.with_no_client_auth();
        Ok(config.with_cert_resolver(self.resolver()))
    }

    fn load(&self, chain: &Path, key: &Path) -> Result<CertifiedKey, InvalidCertificate> {
        let read = |path: &Path| {
            let unreadable = |source| InvalidCertificate::Read { path: path.to_owned(), source };
            std::fs::read(path).map_err(unreadable)
        };
        self.parse(&read(chain)?, &read(key)?)
    }

    fn parse(&self, chain: &[u8], key: &[u8]) -> Result<CertifiedKey, InvalidCertificate> {
        let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>()?;
        if chain.is_empty() {
            return Err(InvalidCertificate::Empty);
        }
        let key = PrivateKeyDer::from_pem_slice(key)?;
        Ok(CertifiedKey::from_der(chain, key, &self.provider)?)
    }
}

#[cfg(feature = "aws-lc-rs")]
fn default_provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
fn default_provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

impl Keys {
    fn add(&self, key: CertifiedKey) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(Arc::new(key));
    }

    /// Replaces the first ones, which are those of the files.
    fn replace(&self, loaded: Vec<CertifiedKey>) {
        let mut keys = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (place, key) in keys.iter_mut().zip(loaded) {
            *place = Arc::new(key);
        }
    }
}

impl ResolvesServerCert for Keys {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let named = hello.server_name().and_then(|name| {
            let name = rustls::pki_types::ServerName::try_from(name).ok()?;
            keys.iter().find(|key| is_for(key, &name))
        });
        named.or_else(|| keys.first()).cloned()
    }
}

/// Returns whether the certificate is for this name.
fn is_for(key: &CertifiedKey, name: &rustls::pki_types::ServerName<'_>) -> bool {
    let parsed = key.end_entity_cert().ok().map(rustls::server::ParsedCertificate::try_from);
    let Some(Ok(certificate)) = parsed else { return false };
    rustls::client::verify_server_name(&certificate, name).is_ok()
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("files", &self.files).finish_non_exhaustive()
    }
}

/// Accepts a handshake of which `prefix` was read already.
pub(super) async fn accept(
    config: Arc<ServerConfig>,
    prefix: Vec<u8>,
    stream: Box<dyn Stream>,
) -> io::Result<(Box<dyn Stream>, TlsFacts)> {
    let acceptor = TlsAcceptor::from(config);
    let stream = acceptor.accept(Prefixed { prefix, used: 0, stream }).await?;
    let (_, connection) = stream.get_ref();
    let version = connection.protocol_version();
    let exporter = (version == Some(ProtocolVersion::TLSv1_3)).then(|| {
        // RFC 9266, 2.
        connection.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b"")).ok()
    });
    let certificate = connection.peer_certificates().and_then(|chain| chain.first());
    let suite = connection.negotiated_cipher_suite();
    let facts = TlsFacts {
        version: version.and_then(|version| version.as_str()).unwrap_or_default().to_owned(),
        cipher_suite: suite.and_then(|suite| suite.suite().as_str()).unwrap_or_default().to_owned(),
        server_name: connection.server_name().map(ToOwned::to_owned),
        client_certificate: certificate.map(|der| der.to_vec()),
        exporter: exporter.flatten(),
    };
    Ok((Box::new(stream), facts))
}

/// A stream, after octets that were read from it already.
struct Prefixed {
    prefix: Vec<u8>,
    used: usize,
    stream: Box<dyn Stream>,
}

impl AsyncRead for Prefixed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let rest = &self.prefix[self.used..];
        if rest.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, room);
        }
        let count = rest.len().min(room.remaining());
        room.put_slice(&rest[..count]);
        self.used += count;
        if self.used == self.prefix.len() {
            (self.prefix, self.used) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Prefixed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
