//! Hints: what is likely to be the matter.

/// What is likely to be the matter when an error has a plain cause that it cannot prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Hint {
    /// A TLS handshake was answered with what is no TLS.
    #[error("no TLS is spoken here: is this a port in clear, or one for STARTTLS?")]
    NoTls,
    /// A server that was to speak first in clear was silent.
    #[error("is this a port for TLS from the first octet?")]
    ImplicitTls,
}
