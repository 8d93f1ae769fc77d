//! Facts: the result of a TLS handshake.
use rustls::{ClientConnection, pki_types::CertificateDer};

use crate::Security;

/// The result of the TLS handshake of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFacts {
    version: &'static str,
    cipher_suite: &'static str,
    alpn: Option<Vec<u8>>,
    certificates: Vec<CertificateDer<'static>>,
    security: Security,
}

impl TlsFacts {
    /// Collects the facts of a completed handshake.
    pub(crate) fn new(tls: &ClientConnection, security: Security) -> Self {
        let suite = tls.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
        let certificates = tls.peer_certificates().unwrap_or_default();
        Self {
            version: tls.protocol_version().and_then(|version| version.as_str()).unwrap_or(""),
            cipher_suite: suite.unwrap_or(""),
            alpn: tls.alpn_protocol().map(<[u8]>::to_vec),
            certificates: certificates.iter().map(|one| one.clone().into_owned()).collect(),
            security,
        }
    }

    /// Returns the version, such as `TLSv1_3`.
    pub fn version(&self) -> &str {
        self.version
    }

    /// Returns the cipher suite, such as `TLS13_AES_256_GCM_SHA384`.
    pub fn cipher_suite(&self) -> &str {
        self.cipher_suite
    }

    /// Returns the protocol that the server selected, if [some were offered](super::Tls::alpn).
    pub fn alpn(&self) -> Option<&[u8]> {
        self.alpn.as_deref()
    }

    /// Returns the certificates in the order in which the server sent them, its own first.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    /// Returns whether TLS began after STARTTLS or with the first octet.
    pub fn security(&self) -> Security {
        self.security
    }
}
