//! SASL authentication: credentials, and the mechanisms that may be used (RFC 4954, RFC 4422).
//!
//! A [`Login`] is made of [`Credentials`] and of what the caller wants of the way they are used.
//! The connectors and connections of `smtp-client` take one; other drivers of a session make the
//! operation with [`Login::auth`].
//!
//! ```
//! use smtp_session::sasl::{Credentials, Login, Mechanism};
//!
//! // The strongest mechanism that the server offers too.
//! let login = Login::new(Credentials::password("tim", "tanstaaftanstaaf")?);
//! // Only these, in this order.
//! let login = login.mechanisms([Mechanism::SCRAM_SHA_256_PLUS, Mechanism::SCRAM_SHA_256]);
//! # Ok::<(), smtp_session::Invalid>(())
//! ```
//!
//! | Credentials | Mechanisms, the strongest first |
//! |---|---|
//! | [`password`](Credentials::password) | SCRAM-SHA-256-PLUS, SCRAM-SHA-1-PLUS, SCRAM-SHA-256, SCRAM-SHA-1, CRAM-MD5, PLAIN, LOGIN |
//! | [`bearer`](Credentials::bearer) | OAUTHBEARER, XOAUTH2 |
//! | [`external`](Credentials::external) | EXTERNAL |
//! | [`anonymous`](Credentials::anonymous) | ANONYMOUS |
//! | [`own`](Credentials::own) | yours |
//!
//! What reveals the secret (PLAIN, LOGIN, OAUTHBEARER, XOAUTH2) is used inside TLS and over Unix
//! sockets only, unless [`ClearText::Allowed`] says otherwise. The -PLUS mechanisms need TLS 1.3,
//! whose keying material they are bound to (RFC 9266); under TLS 1.2 they are left out, because
//! the TLS library has no `tls-unique`.

mod bearer;
mod cram_md5;
mod credentials;
mod identity;
mod login;
mod nonce;
mod password;
mod scram;
mod secret;
mod token;

pub use credentials::Credentials;
pub use login::Login;
pub use nonce::Nonce;
pub use secret::Secret;
pub use smtp_codec::Mechanism;
pub use token::{Fetching, Token};

pub use crate::ClearText;
