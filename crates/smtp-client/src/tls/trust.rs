//! Trusted authorities. These constructors need a provider of cryptography that is compiled in.
use std::sync::Arc;

use rustls::{
    ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier, crypto::CryptoProvider,
    pki_types::CertificateDer,
};
use rustls_platform_verifier::Verifier;
use smtp_error::Cause;

use super::Tls;

impl Tls {
    /// Trusts the authorities that the operating system trusts.
    ///
    /// # Errors
    /// The certificates of the operating system cannot be read, or there are none.
    pub fn platform() -> Result<Self, Cause> {
        let verifier = Verifier::new(provider()).map_err(Cause::new)?;
        let builder = builder()?.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
        Ok(Self::new(Arc::new(builder.with_no_client_auth())))
    }

    /// Trusts only the authorities with these certificates.
    ///
    /// # Errors
    /// One of them is not a valid certificate, or there is none.
    pub fn authorities(
        certificates: impl IntoIterator<Item = CertificateDer<'static>>,
    ) -> Result<Self, Cause> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            roots.add(certificate).map_err(Cause::new)?;
        }
        if roots.is_empty() {
            return Err(Cause::new(rustls::Error::General(
                "the list of trusted certificates is empty".into(),
            )));
        }
        Self::roots(roots)
    }

    /// Trusts the authorities that Mozilla trusts, from the version of `webpki-roots` in this
    /// build.
    ///
    /// # Errors
    /// None in practice: the provider of cryptography supports the default versions.
    #[cfg(feature = "webpki-roots")]
    pub fn webpki_roots() -> Result<Self, Cause> {
        Self::roots(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })
    }

    fn roots(roots: RootCertStore) -> Result<Self, Cause> {
        let builder = builder()?.with_root_certificates(roots);
        Ok(Self::new(Arc::new(builder.with_no_client_auth())))
    }
}

fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, Cause> {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(Cause::new)
}

#[cfg(feature = "ring")]
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

#[cfg(all(feature = "aws-lc-rs", not(feature = "ring")))]
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
