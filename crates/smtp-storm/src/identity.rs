//! The certificate of our own server, made for one run.
use smtp_client::Tls;
use smtp_server::Certificates;

use crate::Problem;

/// A certificate and its key, in PEM.
#[derive(Debug)]
pub(crate) struct Identity {
    certificate: String,
    key: String,
}

impl Identity {
    pub(crate) fn new() -> Result<Self, Problem> {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        Ok(Self { certificate, key })
    }

    /// Returns what the server shows.
    pub(crate) fn certificates(&self) -> Result<Certificates, Problem> {
        Ok(Certificates::pem(self.certificate.as_bytes(), self.key.as_bytes())?)
    }

    /// Returns the TLS of a client that trusts this server and no other.
    pub(crate) fn trusted(&self) -> Result<Tls, Problem> {
        Ok(Tls::authorities_pem(self.certificate.as_bytes())?)
    }
}
