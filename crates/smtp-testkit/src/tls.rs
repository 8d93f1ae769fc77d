//! The TLS settings of the server: versions, certificate, and the requirements for the client.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};

use crate::certificate::{Authority, Identity};

/// The TLS versions that the server accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsVersions {
    /// 1.2 and 1.3.
    #[default]
    Both,
    /// TLS 1.2 only.
    Only12,
    /// TLS 1.3 only.
    Only13,
}

impl TlsVersions {
    fn supported(self) -> Vec<&'static SupportedProtocolVersion> {
        match self {
            Self::Both => vec![&version::TLS12, &version::TLS13],
            Self::Only12 => vec![&version::TLS12],
            Self::Only13 => vec![&version::TLS13],
        }
    }
}

/// Whether the client has to present a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientCertificate {
    /// The server requests none.
    #[default]
    NotAsked,
    /// The server requests one; a client without may continue.
    Optional,
    /// The handshake fails without one that the authority issued.
    Required,
}

/// The settings for a handshake.
#[derive(Debug)]
pub(crate) struct TlsSettings {
    pub(crate) identity: Identity,
    pub(crate) authority: Authority,
    pub(crate) versions: TlsVersions,
    pub(crate) client_certificate: ClientCertificate,
}

impl TlsSettings {
    pub(crate) fn config(&self) -> Result<Arc<ServerConfig>, rustls::Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&self.versions.supported())?;
        let builder = match self.client_certificate {
            ClientCertificate::NotAsked => builder.with_no_client_auth(),
            kind => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from(self.authority.der().to_vec()))?;
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier = match kind {
                    ClientCertificate::Optional => verifier.allow_unauthenticated(),
                    _ => verifier,
                };
                let verifier =
                    verifier.build().map_err(|error| rustls::Error::General(error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config =
            builder.with_single_cert(self.identity.chain(), self.identity.private_key())?;
        // With tickets, the server would send last in a handshake, and a client that closes right
        // afterwards would sometimes look like one that failed it.
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }
}
