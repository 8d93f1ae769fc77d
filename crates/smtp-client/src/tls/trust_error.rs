//! The reasons why certificates cannot be used.
use std::fmt;

use smtp_error::Cause;

/// The reason why certificates or keys cannot be those that are trusted.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// TLS was requested, and no provider of cryptography is compiled in.
    #[error(
        "TLS was requested, but smtp-client was built without the features `aws-lc-rs` and `ring`: \
         enable one, or pass a configuration to `Tls::new`"
    )]
    NoProvider,
    /// The PEM text has no certificate.
    #[error("trusted certificates: no `BEGIN CERTIFICATE` in the PEM text")]
    NoCertificate,
    /// The PEM text has a private key and no certificate.
    #[error(
        "trusted certificates: the PEM text has a private key and no certificate; use the \
         certificate of the authority or of the server"
    )]
    PrivateKey,
    /// The octets are DER instead of PEM.
    #[error(
        "trusted certificates: these octets are DER and not PEM; use `Tls::authorities` or \
         `KeyPin::from_certificate`"
    )]
    Der,
    /// The PEM text cannot be read.
    #[error("trusted certificates: the PEM text is damaged: {0}")]
    Pem(Cause),
    /// A certificate cannot be read.
    #[error("trusted certificates: certificate {number} cannot be used: {cause}")]
    Certificate {
        /// Its number in the list, from 1.
        number: usize,
        /// What is wrong with it.
        cause: Cause,
    },
    /// The list of certificates or keys is empty.
    #[error("trusted certificates: the list is empty")]
    Empty,
    /// The TLS library cannot be configured with them.
    #[error("trusted certificates: {0}")]
    Configuration(Cause),
}

/// The text, which has every field; with `{:#?}` after the name of the type.
impl fmt::Debug for TrustError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return fmt::Display::fmt(self, f);
        }
        f.debug_tuple("TrustError").field(&format_args!("{self}")).finish()
    }
}
