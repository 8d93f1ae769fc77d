//! The options for TLS: the trusted authorities, and the client certificate.
use std::path::PathBuf;

use smtp_client::Tls;
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::options::OptionError;

/// The values of the options.
#[derive(Default)]
pub(crate) struct Given {
    pub(crate) ca: Option<PathBuf>,
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
}

impl Given {
    /// Returns the TLS configuration; `None` for the default of the library.
    pub(crate) fn tls(&self) -> Result<Option<Tls>, OptionError> {
        let trusted = self.ca.as_ref().map(certificates).transpose()?;
        let (path, trusted) = match (&self.ca, trusted) {
            (Some(path), Some(trusted)) => (path, trusted),
            _ if self.certificate.is_some() => return Err(OptionError::Missing("--ca")),
            _ => return Ok(None),
        };
        let (Some(certificate), Some(key)) = (&self.certificate, &self.key) else {
            let tls = Tls::authorities(trusted);
            return tls.map(Some).map_err(|error| failed(path, error));
        };
        let mut roots = RootCertStore::empty();
        for authority in trusted {
            roots.add(authority).map_err(|error| failed(path, error))?;
        }
        let chain = certificates(certificate)?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(|error| failed(key, error))?;
        let config = ClientConfig::builder_with_provider(default_provider().into())
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(path, error))?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .map_err(|error| failed(certificate, error))?;
        Ok(Some(Tls::new(config.into())))
    }
}

/// Reads the certificates of a PEM file.
fn certificates(path: &PathBuf) -> Result<Vec<CertificateDer<'static>>, OptionError> {
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| failed(path, error))?;
    if found.is_empty() {
        return Err(failed(path, "the file contains no certificate"));
    }
    Ok(found)
}

fn failed(path: impl Into<PathBuf>, reason: impl std::fmt::Display) -> OptionError {
    OptionError::File { path: path.into(), reason: reason.to_string() }
}
