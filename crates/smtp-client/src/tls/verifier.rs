//! Verifiers that ask no authority: a certificate is recognized by its key, or not checked at all.
use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{
        CryptoProvider,
        hash::{Hash, HashAlgorithm},
        verify_tls12_signature, verify_tls13_signature,
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};

/// Accepts certificates by their keys, and any that the server proves to have the key of: the
/// signature of the handshake is always verified.
#[derive(Debug)]
pub(super) struct KeyVerifier {
    accepted: Accepted,
    provider: Arc<CryptoProvider>,
}

/// Which keys are accepted.
#[derive(Debug)]
enum Accepted {
    Any,
    /// Those with one of these SHA-256 digests.
    Pinned(Vec<[u8; 32]>),
}

impl KeyVerifier {
    pub(super) fn any(provider: Arc<CryptoProvider>) -> Self {
        Self { accepted: Accepted::Any, provider }
    }

    pub(super) fn pinned(digests: Vec<[u8; 32]>, provider: Arc<CryptoProvider>) -> Self {
        Self { accepted: Accepted::Pinned(digests), provider }
    }
}

/// Returns the SHA-256 digest of the public key of a certificate, as SubjectPublicKeyInfo in DER.
pub(super) fn key_digest(
    certificate: &CertificateDer<'_>,
    provider: &CryptoProvider,
) -> Result<[u8; 32], Error> {
    let key = ParsedCertificate::try_from(certificate)?.subject_public_key_info();
    let digest = sha256(provider)?.hash(&key);
    digest.as_ref().try_into().map_err(|_| no_sha256())
}

/// Returns the SHA-256 of a provider, which its cipher suites have.
fn sha256(provider: &CryptoProvider) -> Result<&'static dyn Hash, Error> {
    let hashes = provider.cipher_suites.iter().map(|suite| match suite {
        rustls::SupportedCipherSuite::Tls12(suite) => suite.common.hash_provider,
        rustls::SupportedCipherSuite::Tls13(suite) => suite.common.hash_provider,
    });
    let mut sha256 = hashes.filter(|hash| hash.algorithm() == HashAlgorithm::SHA256);
    sha256.next().ok_or_else(no_sha256)
}

fn no_sha256() -> Error {
    Error::General("the provider of cryptography has no cipher suite with SHA-256".into())
}

impl ServerCertVerifier for KeyVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Accepted::Pinned(digests) = &self.accepted
            && !digests.contains(&key_digest(end_entity, &self.provider)?)
        {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
