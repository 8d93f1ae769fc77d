//! Facts: the result of a TLS handshake.
use std::fmt;

use rustls::{ClientConnection, HandshakeKind, pki_types::CertificateDer};

use crate::Security;

/// What protects a connection, in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Protection {
    /// There is no TLS.
    Clear,
    /// TLS encrypts the connection, and nothing tells with whom: an attacker on the path may be the
    /// other end (RFC 7435).
    Unverified,
    /// The server has the private key of a [pinned](super::Tls::pinned) certificate.
    Pinned,
    /// A trusted authority issued the certificate, and for the name of the server. With
    /// [`Tls::new`](super::Tls::new), the verifier of that configuration accepted it.
    Verified,
}

impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clear => "clear",
            Self::Unverified => "unverified",
            Self::Pinned => "pinned",
            Self::Verified => "verified",
        })
    }
}

/// The result of the TLS handshake of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFacts {
    version: &'static str,
    cipher_suite: &'static str,
    key_exchange: &'static str,
    resumed: bool,
    protection: Protection,
    alpn: Option<Vec<u8>>,
    certificates: Vec<CertificateDer<'static>>,
    security: Security,
}

impl TlsFacts {
    /// Collects the facts of a completed handshake.
    pub(crate) fn new(tls: &ClientConnection, protection: Protection, security: Security) -> Self {
        let suite = tls.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
        let group = tls.negotiated_key_exchange_group().and_then(|group| group.name().as_str());
        let certificates = tls.peer_certificates().unwrap_or_default();
        Self {
            version: tls.protocol_version().and_then(|version| version.as_str()).unwrap_or(""),
            cipher_suite: suite.unwrap_or(""),
            key_exchange: group.unwrap_or(""),
            resumed: tls.handshake_kind() == Some(HandshakeKind::Resumed),
            protection,
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

    /// Returns the key exchange, such as `X25519MLKEM768`. It is empty after a
    /// [resumed](Self::is_resumed) handshake with TLS 1.2, which has none.
    pub fn key_exchange(&self) -> &str {
        self.key_exchange
    }

    /// Returns whether the handshake resumed an earlier session with this server: no certificate was
    /// sent then, and [`certificates`](Self::certificates) are those of the earlier handshake.
    pub fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// Returns whether it is known who the server is, and how.
    pub fn protection(&self) -> Protection {
        self.protection
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
