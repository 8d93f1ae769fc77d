//! Opportunistic TLS (RFC 7435): a certificate that is not accepted leaves the connection encrypted.
use std::sync::Arc;

use rustls::{
    ClientConfig, ClientConnection,
    client::Resumption,
    pki_types::{ServerName, UnixTime},
};

use super::{Mode, Protection, Tls, verifier::KeyVerifier};

/// Whether the certificate of the server was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accepted {
    /// The configuration accepts it.
    Yes,
    /// It does not, and the connection goes on: TLS is opportunistic.
    Nevertheless,
}

impl Tls {
    /// Returns the same for opportunistic TLS. A configuration of the caller's stays as it is: its
    /// verifier decides whether there is a handshake.
    pub(crate) fn into_opportunistic(mut self) -> Self {
        if self.verifier.is_some() {
            let mut config = ClientConfig::clone(&self.config);
            let any = KeyVerifier::any(Arc::clone(config.crypto_provider()));
            config.dangerous().set_certificate_verifier(Arc::new(any));
            // No session of a server whose certificate was not checked may be resumed where it
            // counts. The TLS library refuses that too.
            config.resumption = Resumption::default();
            self.mode = Mode::Opportunistic(Arc::new(config));
        }
        self
    }

    /// Returns whether the certificate is accepted, after a handshake that took any if TLS is
    /// opportunistic.
    pub(crate) fn accepted(&self, tls: &ClientConnection, name: &ServerName<'_>) -> Accepted {
        let (Mode::Opportunistic(_), Some(verifier)) = (&self.mode, &self.verifier) else {
            return Accepted::Yes;
        };
        let Some([own, others @ ..]) = tls.peer_certificates() else {
            return Accepted::Nevertheless;
        };
        let verified = verifier.verify_server_cert(own, others, name, &[], UnixTime::now());
        verified.map_or(Accepted::Nevertheless, |_| Accepted::Yes)
    }

    /// Returns what protects the connection after a handshake.
    pub(crate) fn protection(&self, accepted: Accepted) -> Protection {
        match accepted {
            Accepted::Yes => self.protection,
            Accepted::Nevertheless => Protection::Unverified,
        }
    }
}
