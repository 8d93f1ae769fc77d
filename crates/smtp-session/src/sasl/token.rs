//! Tokens of OAuth: at hand, or fetched when they are needed.
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use smtp_error::{Cause, Field, Flaw, Invalid};

use super::{Secret, secret::check_controls};

/// An OAuth access token, or where one is to be had.
#[derive(Clone)]
pub struct Token(Source);

#[derive(Clone)]
enum Source {
    Given(Secret),
    Asked(Arc<dyn Fn() -> Fetching + Send + Sync>),
}

/// A token on its way.
pub type Fetching = Pin<Box<dyn Future<Output = Result<Secret, Cause>> + Send>>;

impl Token {
    /// Returns a token that is fetched at every login: `fetch` may look into a cache or ask a token
    /// service. The clients wait for it for at most `Timeouts::auth`.
    ///
    /// ```
    /// use smtp_session::sasl::{Credentials, Secret, Token};
    ///
    /// # async fn ask_the_service() -> Result<String, std::io::Error> { Ok(String::new()) }
    /// let token = Token::fetched(|| async { ask_the_service().await.map(Secret::from) });
    /// let credentials = Credentials::bearer("me@example.org", token)?;
    /// # Ok::<(), smtp_session::Invalid>(())
    /// ```
    pub fn fetched<F, E>(fetch: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Secret, E>> + Send + 'static,
        E: std::error::Error + Send + Sync + 'static,
    {
        Self(Source::Asked(Arc::new(move || Box::pin(Caused(Box::pin(fetch()))))))
    }

    /// Checks that it is a token: visible ASCII characters (RFC 6750, 2.1). One that is still to be
    /// fetched is looked at when it is there.
    pub(super) fn check(&self) -> Result<(), Invalid> {
        let Some(token) = self.given().map(Secret::expose) else { return Ok(()) };
        check_controls(Field::Token, token)?;
        let flaw = match token.bytes().position(|octet| !octet.is_ascii_graphic()) {
            _ if token.is_empty() => Flaw::Empty,
            Some(offset) if token.is_ascii() => Flaw::Syntax { offset },
            Some(offset) => Flaw::NonAscii { offset },
            None => return Ok(()),
        };
        Err(Invalid::new(Field::Token, flaw))
    }

    /// Begins to fetch it, if it is to be fetched.
    pub(super) fn fetch(&self) -> Option<Fetching> {
        match &self.0 {
            Source::Given(_) => None,
            Source::Asked(ask) => Some(ask()),
        }
    }

    pub(super) fn given(&self) -> Option<&Secret> {
        match &self.0 {
            Source::Given(token) => Some(token),
            Source::Asked(_) => None,
        }
    }
}

/// A future whose error becomes a cause.
struct Caused<F>(Pin<Box<F>>);

impl<F, E> Future for Caused<F>
where
    F: Future<Output = Result<Secret, E>>,
    E: std::error::Error + Send + Sync + 'static,
{
    type Output = Result<Secret, Cause>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx).map_err(Cause::new)
    }
}

impl<S: Into<Secret>> From<S> for Token {
    fn from(token: S) -> Self {
        Self(Source::Given(token.into()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}
