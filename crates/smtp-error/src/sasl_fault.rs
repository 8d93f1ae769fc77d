//! Violations of a SASL mechanism by the server.

/// The server violated the rules of a SASL mechanism, or did not prove its identity.
///
/// The client is not authenticated then, whatever the server replies, and the connection takes no
/// further command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SaslFault {
    /// A challenge is not valid base64.
    #[error("challenge is not valid base64")]
    Encoding,
    /// A challenge does not have the form that the mechanism prescribes at this point.
    #[error("challenge does not have the form that the mechanism prescribes")]
    Syntax,
    /// The server sent a challenge after the exchange was complete.
    #[error("server sent a challenge after the exchange was complete")]
    SurplusChallenge,
    /// The server replied 235 before it proved that it knows the secret, or after it reported that
    /// the exchange failed.
    #[error("server replied 235 without proving that it knows the secret")]
    UnprovenSuccess,
    /// The server's nonce is not the client's nonce followed by octets of the server.
    #[error("server nonce does not start with the client nonce, or adds nothing to it")]
    Nonce,
    /// The SCRAM salt is empty or not valid base64.
    #[error("SCRAM salt is empty or not valid base64")]
    Salt,
    /// The SCRAM iteration count is not a number, or outside the range that the client accepts.
    #[error("SCRAM iteration count is not a number from {least} to {most}")]
    WorkFactor {
        /// The least that the client accepts.
        least: u32,
        /// The most that the client accepts.
        most: u32,
    },
    /// The server requires a SCRAM extension that the client does not implement (RFC 5802, 5.1).
    #[error("server requires a SCRAM extension that the client does not implement")]
    MandatoryExtension,
    /// The server's signature is wrong: the server does not know the secret, or the connection is
    /// intercepted.
    #[error(
        "server signature is wrong: the server does not know the secret, or the connection is \
         intercepted"
    )]
    Signature,
    /// The server sent an error in place of its signature.
    #[error("server sent an error in place of its signature")]
    Reported,
}
