//! Trusted authorities and keys. These constructors need a provider of cryptography that is compiled
//! in.
use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::CryptoProvider,
    pki_types::{
        CertificateDer,
        pem::{PemObject, SectionKind},
    },
};
use rustls_platform_verifier::Verifier;
use smtp_error::Cause;

use super::{
    Protection, Tls, TrustError,
    verifier::{KeyVerifier, key_digest},
};

impl Tls {
    /// Trusts the authorities that the operating system trusts.
    ///
    /// # Errors
    /// The certificates of the operating system cannot be read, or there are none.
    pub fn platform() -> Result<Self, Cause> {
        let verifier = Verifier::new(provider()).map_err(Cause::new)?;
        Self::verified_by(Arc::new(verifier), Protection::Verified)
    }

    /// Trusts only the authorities with these certificates.
    ///
    /// # Errors
    /// One of them is not a valid certificate, or there is none.
    pub fn authorities(
        certificates: impl IntoIterator<Item = CertificateDer<'static>>,
    ) -> Result<Self, Cause> {
        Self::trusting(certificates).map_err(Cause::new)
    }

    /// Trusts only the authorities with the certificates in a PEM text, such as a file that is read
    /// at the start. Other sections of the text are ignored.
    ///
    /// ```
    /// # fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let tls = smtp_client::Tls::authorities_pem(&std::fs::read("/etc/mail/authority.pem")?)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The text has no certificate, or one that is not valid; [`TrustError`] says what it has
    /// instead.
    pub fn authorities_pem(pem: &[u8]) -> Result<Self, TrustError> {
        Self::trusting(certificates(pem)?)
    }

    /// Accepts a server only by the key of its certificate: one of these.
    ///
    /// The key alone decides. Who issued the certificate, for which names, until when, and whether
    /// it is marked as that of an authority, is not checked, so that a self-signed certificate can
    /// be used. The server still has to prove that it has the private key.
    ///
    /// Pin a second key that is kept offline, so that the first can be replaced.
    ///
    /// ```
    /// # fn example(pem: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
    /// use smtp_client::{KeyPin, Tls};
    ///
    /// let tls = Tls::pinned([KeyPin::from_pem(pem)?, KeyPin::sha256([0x5a; 32])])?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// There is no key.
    pub fn pinned(keys: impl IntoIterator<Item = KeyPin>) -> Result<Self, TrustError> {
        let digests: Vec<_> = keys.into_iter().map(|key| key.0).collect();
        if digests.is_empty() {
            return Err(TrustError::Empty);
        }
        let verifier = KeyVerifier::pinned(digests, provider());
        Self::verified_by(Arc::new(verifier), Protection::Pinned).map_err(TrustError::Configuration)
    }

    /// Accepts any certificate: **an attacker on the path can read and change everything**,
    /// passwords included. It is for tests against a server on the same machine.
    ///
    /// A server with a certificate of its own making is better trusted with
    /// [`pinned`](Self::pinned), and one of a private authority with
    /// [`authorities_pem`](Self::authorities_pem).
    ///
    /// # Errors
    /// None in practice: the provider of cryptography supports the default versions.
    pub fn dangerous_accept_any_certificate() -> Result<Self, Cause> {
        Self::verified_by(Arc::new(KeyVerifier::any(provider())), Protection::Unverified)
    }

    /// Trusts the authorities that Mozilla trusts, from the version of `webpki-roots` in this
    /// build.
    ///
    /// # Errors
    /// None in practice: the provider of cryptography supports the default versions.
    #[cfg(feature = "webpki-roots")]
    pub fn webpki_roots() -> Result<Self, Cause> {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        Self::roots(roots).map_err(Cause::new)
    }

    fn trusting(
        certificates: impl IntoIterator<Item = CertificateDer<'static>>,
    ) -> Result<Self, TrustError> {
        let mut roots = RootCertStore::empty();
        for (number, certificate) in (1..).zip(certificates) {
            let added = roots.add(certificate).map_err(Cause::new);
            added.map_err(|cause| TrustError::Certificate { number, cause })?;
        }
        if roots.is_empty() {
            return Err(TrustError::Empty);
        }
        Self::roots(roots)
    }

    fn roots(roots: RootCertStore) -> Result<Self, TrustError> {
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider());
        let verifier = verifier.build().map_err(Cause::new);
        let verifier = verifier.map_err(TrustError::Configuration)?;
        Self::verified_by(verifier, Protection::Verified).map_err(TrustError::Configuration)
    }

    /// Uses this verifier; a handshake that it accepts has this protection.
    fn verified_by(
        verifier: Arc<dyn ServerCertVerifier>,
        protection: Protection,
    ) -> Result<Self, Cause> {
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(Cause::new)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&verifier))
            .with_no_client_auth();
        Ok(Self { verifier: Some(verifier), protection, ..Self::new(Arc::new(config)) })
    }
}

/// The public key of a server, for [`Tls::pinned`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyPin([u8; 32]);

impl KeyPin {
    /// The key with this digest: SHA-256 of the SubjectPublicKeyInfo in DER, as HPKP, `curl` and
    /// the TLSA records `3 1 1` have it.
    ///
    /// `openssl x509 -in server.pem -pubkey -noout | openssl pkey -pubin -outform DER | sha256sum`
    /// prints it.
    pub fn sha256(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The key of this certificate.
    ///
    /// # Errors
    /// The certificate cannot be read.
    pub fn from_certificate(certificate: &CertificateDer<'_>) -> Result<Self, TrustError> {
        let digest = key_digest(certificate, &provider()).map_err(Cause::new);
        let digest = digest.map_err(|cause| TrustError::Certificate { number: 1, cause });
        digest.map(Self)
    }

    /// The key of the first certificate in a PEM text: the server's own, where a chain follows.
    ///
    /// # Errors
    /// As for [`Tls::authorities_pem`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, TrustError> {
        let certificates = certificates(pem)?;
        Self::from_certificate(certificates.first().ok_or(TrustError::NoCertificate)?)
    }
}

/// Returns the certificates in a PEM text, at least one.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    // The tag of a SEQUENCE with a long length, as every certificate begins in DER.
    if matches!(pem, [0x30, 0x80..=0x84, ..]) {
        return Err(TrustError::Der);
    }
    let mut certificates = Vec::new();
    let mut has_key = false;
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem) {
        match section.map_err(|error| TrustError::Pem(Cause::new(error)))? {
            (SectionKind::Certificate, der) => certificates.push(der.into()),
            (
                SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey,
                _,
            ) => has_key = true,
            _ => {}
        }
    }
    match (certificates.is_empty(), has_key) {
        (false, _) => Ok(certificates),
        (true, true) => Err(TrustError::PrivateKey),
        (true, false) => Err(TrustError::NoCertificate),
    }
}

#[cfg(feature = "aws-lc-rs")]
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pem: &[u8], expected: fn(&TrustError) -> bool) {
        let error = Tls::authorities_pem(pem).unwrap_err();
        assert!(expected(&error), "{error:?}");
    }

    #[test]
    fn a_text_without_a_certificate_is_refused_for_what_it_has() {
        let key = b"-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";
        check(key, |error| matches!(error, TrustError::PrivateKey));
        check(b"", |error| matches!(error, TrustError::NoCertificate));
        check(b"/etc/ssl/ca.pem", |error| matches!(error, TrustError::NoCertificate));
        check(&[0x30, 0x82, 1, 0x23, 0x30], |error| matches!(error, TrustError::Der));
        let open = b"-----BEGIN CERTIFICATE-----\nMAA=\n";
        check(open, |error| matches!(error, TrustError::Pem(_)));
        let empty = b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
        check(empty, |error| matches!(error, TrustError::Certificate { number: 1, .. }));
        assert!(matches!(Tls::pinned([]), Err(TrustError::Empty)));
    }
}
