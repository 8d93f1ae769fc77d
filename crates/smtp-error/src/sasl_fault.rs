//! What a server does in a SASL exchange that the mechanism does not allow.

/// A server broke the rules of a SASL mechanism, or did not prove who it is. Nobody is
/// authenticated then, whatever the server says, and the connection takes no further command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SaslFault {
    /// The challenge is no base64.
    #[error("a challenge that is no base64")]
    Encoding,
    /// The challenge is not what the mechanism has at this place.
    #[error("a challenge that the mechanism does not have at this place")]
    Syntax,
    /// A challenge came where the client has nothing more to say.
    #[error("a challenge where the mechanism is over")]
    SurplusChallenge,
    /// 235 came before the server had proved what it has to prove, or after it had said that the
    /// exchange failed.
    #[error("success before the server had proved that it knows the secret")]
    UnprovenSuccess,
    /// The server's nonce is not the client's with something added.
    #[error("a nonce that does not go on from ours")]
    Nonce,
    /// There is no salt, or it is no base64.
    #[error("a salt that is none")]
    Salt,
    /// The number of iterations is no number, or outside what the client takes.
    #[error("iterations outside {least} to {most}")]
    WorkFactor {
        /// The least that the client takes.
        least: u32,
        /// The most that the client takes.
        most: u32,
    },
    /// An extension has to be understood and is not.
    #[error("an extension that has to be understood and is not")]
    MandatoryExtension,
    /// The server's signature is wrong: it does not know the secret, or somebody is in between.
    #[error("a wrong signature: the server does not know the secret, or somebody is in between")]
    Signature,
    /// Instead of its signature the server reported an error.
    #[error("an error in place of the server's signature")]
    Reported,
}
