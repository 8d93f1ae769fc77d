//! Whom to trust: needs a provider of cryptography that is compiled in.
use std::sync::Arc;

use rustls::{
    ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier, crypto::CryptoProvider,
    pki_types::CertificateDer,
};
use rustls_platform_verifier::Verifier;
use smtp_error::Cause;

use super::Tls;

impl Tls {
    /// Trusts what the platform trusts.
    ///
    /// # Errors
    /// The platform's certificates cannot be read, or there are none.
    pub fn platform() -> Result<Self, Cause> {
        let verifier = Verifier::new(provider()).map_err(Cause::new)?;
        let builder = builder()?.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
        Ok(Self::new(Arc::new(builder.with_no_client_auth())))
    }

    /// Trusts the authorities whose certificates these are, and nobody else.
    ///
    /// # Errors
    /// One of them is no certificate, or there is none.
    pub fn authorities(
        certificates: impl IntoIterator<Item = CertificateDer<'static>>,
    ) -> Result<Self, Cause> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            roots.add(certificate).map_err(Cause::new)?;
        }
        if roots.is_empty() {
            return Err(Cause::new(rustls::Error::General("no authority to trust".into())));
        }
        Self::roots(roots)
    }

    /// Trusts the authorities that Mozilla trusts, as this build knows them.
    ///
    /// # Errors
    /// None in practice: the provider of cryptography knows the versions that are asked for.
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
