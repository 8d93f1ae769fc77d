//! Exchanges: one SASL mechanism at work, as the client sees it (RFC 4422).
use std::fmt;

use smtp_codec::{Mechanism, SaslResponse};
use smtp_error::SaslFault;
use zeroize::Zeroizing;

/// One attempt to authenticate by one mechanism. [`Auth`](super::Auth) carries it through a
/// session; a caller can implement it for a mechanism that is not here.
pub trait Exchange: Send {
    /// The mechanism, as AUTH names it.
    fn mechanism(&self) -> Mechanism<&str>;

    /// Returns what an eavesdropper learns.
    fn exposure(&self) -> Exposure;

    /// Returns the initial response, asked for once; `None` if the server sends first. It need not
    /// fit a command line: where it does not, it is sent when the server asks for it.
    fn initial(&mut self) -> Option<Response>;

    /// Answers a challenge. A challenge that only asks for the initial response does not get
    /// here.
    ///
    /// # Errors
    /// The challenge breaks the rules of the mechanism, or shows that the server is an impostor:
    /// the exchange is canceled.
    fn respond(&mut self, challenge: Challenge<'_>) -> Result<Response, SaslFault>;

    /// Returns whether 235 may be believed now: every message was sent that had to be, and the
    /// server has proved what it has to prove.
    fn may_succeed(&self) -> bool;

    /// Returns why the server rejects the credentials, sent in a challenge, for mechanisms that
    /// have such challenges.
    fn complaint(&self) -> Option<&[u8]> {
        None
    }

    /// The secret itself, so that a reply that repeats it gets into no log and no error. The
    /// responses in base64 do not in any case.
    fn secret(&self) -> Option<&[u8]> {
        None
    }
}

/// What an eavesdropper on an exchange learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "a yes or no that has a name")]
pub enum Exposure {
    /// The secret, or something that is as good: not to be sent over a connection in clear.
    Revealed,
    /// Nothing that could be used again. A weak password can be guessed from it.
    Hidden,
}

/// Whether a secret may be sent over a connection in clear, which anyone on the path can read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "a yes or no that has a name")]
pub enum ClearText {
    /// It must not: TLS or a Unix socket is needed, or a mechanism that does not reveal it.
    #[default]
    Refused,
    /// It may. For test servers, and for connections that something else protects.
    Allowed,
}

/// A response, in octets: overwritten when it is dropped, and never shown.
#[derive(Clone)]
pub struct Response(Zeroizing<Vec<u8>>);

impl Response {
    /// A response of no octets, which is not the same as none.
    pub fn empty() -> Self {
        Self::from(Vec::new())
    }

    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Response {
    fn from(octets: Vec<u8>) -> Self {
        Self(Zeroizing::new(octets))
    }
}

impl From<&[u8]> for Response {
    fn from(octets: &[u8]) -> Self {
        Self::from(octets.to_vec())
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Response(***)")
    }
}

/// A challenge, as the server sent it.
#[derive(Clone, Copy)]
pub struct Challenge<'a>(&'a [u8]);

impl<'a> Challenge<'a> {
    /// Returns the challenge with this text, in base64 as it follows 334.
    pub fn new(text: &'a [u8]) -> Self {
        Self(text)
    }

    /// The octets.
    ///
    /// # Errors
    /// It is not base64. Spaces around it are ignored.
    pub fn decode(self) -> Result<Vec<u8>, SaslFault> {
        let text = match self.0.trim_ascii() {
            b"=" => b"",
            text => text,
        };
        let text = std::str::from_utf8(text).map_err(|_| SaslFault::Encoding)?;
        let encoded = SaslResponse::from_base64(text).map_err(|_| SaslFault::Encoding)?;
        encoded.decode().map_err(|_| SaslFault::Encoding)
    }
}

impl fmt::Debug for Challenge<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Challenge(***)")
    }
}
