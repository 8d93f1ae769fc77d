//! Facts: what a handshake came to.
use rustls::{ClientConnection, pki_types::CertificateDer};

use crate::Security;

/// What is known of the TLS around a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFacts {
    version: &'static str,
    cipher_suite: &'static str,
    alpn: Option<Vec<u8>>,
    certificates: Vec<CertificateDer<'static>>,
    security: Security,
}

impl TlsFacts {
    /// The facts of a connection whose handshake is complete.
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

    /// The version, such as `TLSv1_3`.
    pub fn version(&self) -> &str {
        self.version
    }

    /// The cipher suite, such as `TLS13_AES_256_GCM_SHA384`.
    pub fn cipher_suite(&self) -> &str {
        self.cipher_suite
    }

    /// The protocol that the server picked, if [some were offered](super::Tls::alpn).
    pub fn alpn(&self) -> Option<&[u8]> {
        self.alpn.as_deref()
    }

    /// The server's certificates as they came, its own first.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    /// Whether it began with STARTTLS or with the first octet.
    pub fn security(&self) -> Security {
        self.security
    }
}
