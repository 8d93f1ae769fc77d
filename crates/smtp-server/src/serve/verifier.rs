//! Who logs in: the trait that verifies what clients send, and what it decides.
use std::{future::Future, io, sync::Arc};

use super::Context;
use crate::{Login, Refuse, ScramHash, ScramKeys};

/// Verifies logins.
///
/// With stored [`ScramKeys`], which are no passwords, one file serves the mechanisms that send the
/// password and those that do not:
///
/// ```
/// use std::collections::HashMap;
///
/// use smtp_server::{Context, Identity, Login, Refuse, ScramHash, ScramKeys, Verify};
///
/// /// The users, and the keys that [`ScramKeys::generate`] has made of their passwords.
/// struct Users(HashMap<String, ScramKeys>);
///
/// impl Verify for Users {
///     async fn login(&self, _: &Context, login: Login<'_>) -> Result<Identity, Refuse> {
///         let is_verified = match login {
///             // A busy server moves this to `spawn_blocking`.
///             Login::Password { identity: "", user, password } => {
///                 self.0.get(user).is_some_and(|keys| keys.verify(password))
///             }
///             Login::Scram { identity: "", .. } => true,
///             _ => false,
///         };
///         match is_verified {
///             true => Ok(Identity::as_claimed()),
///             false => Err(Refuse::wrong_credentials()),
///         }
///     }
///
///     async fn scram_keys(
///         &self,
///         _: &Context,
///         user: &str,
///         hash: ScramHash,
///     ) -> Result<Option<ScramKeys>, Refuse> {
///         Ok(self.0.get(user).filter(|keys| keys.hash() == hash).cloned())
///     }
/// }
/// ```
///
/// The example `relay` has one that takes as long for a user who does not exist.
pub trait Verify: Send + Sync + 'static {
    /// Verifies what a client sent, and returns who it is from then on.
    ///
    /// The server has checked the proof of [`Login::Scram`] already; what is left to decide is
    /// whether the user may act as the identity that it asks for. Nothing of the others is verified
    /// yet: passwords are to be compared in constant time. For wrong credentials there is
    /// [`Refuse::wrong_credentials`]; an error refuses for now. The server logs a refusal with the
    /// address of the client, and without the user.
    ///
    /// The context is that of the connection, with its number, its client, and the settings and the
    /// name of its listener. It has not the [`State`](crate::Handler::State) of the handler, so that
    /// a verifier serves any handler: what a login gives is an [`Identity`], which handlers find at
    /// [`Client::login`](crate::Client::login).
    fn login(
        &self,
        cx: &Context,
        login: Login<'_>,
    ) -> impl Future<Output = Result<Identity, Refuse>> + Send;

    /// Returns the keys of this user for SCRAM; `None` if there is no such user, or if it has none
    /// for this hash. The server verifies the proof with them, and logs one that is wrong.
    fn scram_keys(
        &self,
        cx: &Context,
        user: &str,
        hash: ScramHash,
    ) -> impl Future<Output = Result<Option<ScramKeys>, Refuse>> + Send {
        let _ = (cx, user, hash);
        std::future::ready(Ok(None))
    }
}

impl<V: Verify> Verify for Arc<V> {
    fn login(
        &self,
        cx: &Context,
        login: Login<'_>,
    ) -> impl Future<Output = Result<Identity, Refuse>> + Send {
        V::login(self, cx, login)
    }

    fn scram_keys(
        &self,
        cx: &Context,
        user: &str,
        hash: ScramHash,
    ) -> impl Future<Output = Result<Option<ScramKeys>, Refuse>> + Send {
        V::scram_keys(self, cx, user, hash)
    }
}

impl ScramKeys {
    /// Makes the keys of a new password, for SCRAM-SHA-256 with a random salt. It takes as long as
    /// [`derive`](Self::derive).
    ///
    /// # Errors
    /// The system gave no random octets.
    pub fn generate(password: &str) -> io::Result<Self> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(io::Error::other)?;
        Ok(Self::derive(ScramHash::Sha256, password, &salt, Self::ITERATIONS))
    }
}

/// Who a client is after a login: [`Client::login`](crate::Client::login).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity(pub(super) Option<String>);

impl Identity {
    /// The identity that the client asks for, or else the user that it names. A login without
    /// either, which EXTERNAL and OAUTHBEARER have, is refused for now.
    pub fn as_claimed() -> Self {
        Self(None)
    }

    /// This identity: that of a certificate or a token, or the canonical form of a name.
    pub fn named(identity: impl Into<String>) -> Self {
        Self(Some(identity.into()))
    }
}

/// The verifier of a server that offers no logins.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::exhaustive_enums, reason = "there is no value of it")]
pub enum NoLogins {}

impl Verify for NoLogins {
    fn login(
        &self,
        _: &Context,
        _: Login<'_>,
    ) -> impl Future<Output = Result<Identity, Refuse>> + Send {
        std::future::ready(Err(Refuse::wrong_credentials()))
    }
}
