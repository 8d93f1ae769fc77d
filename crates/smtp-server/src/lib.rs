//! A server for SMTP and LMTP.
//!
//! It has two layers, each usable alone:
//!
//! - [`Server`] is a server on tokio (feature `tokio`): listeners, TLS, timeouts, limits, and a
//!   [`Handler`] that says which recipients exist and what is done with a message.
//! - [`ServerSession`] is the protocol without I/O: octets in, [`Event`]s out, decisions back. It
//!   fits any runtime, and tests feed it octets.
//!
//! ```no_run
//! use smtp_server::{
//!     Accept, Context, Data, Decision, Envelope, Handler, Outcome, Rcpt, Refuse, Server,
//! };
//!
//! struct Inbox;
//!
//! impl Handler for Inbox {
//!     type State = ();
//!
//!     async fn rcpt(&self, _: &mut Context, rcpt: &Rcpt) -> Decision {
//!         match rcpt.path().as_str().to_ascii_lowercase().ends_with("@example.org") {
//!             true => Ok(Accept::usual()),
//!             false => Err(Refuse::no_such_mailbox()),
//!         }
//!     }
//!
//!     async fn message(
//!         &self,
//!         _: &mut Context,
//!         envelope: &Envelope,
//!         data: &mut Data<'_>,
//!     ) -> Result<Outcome, Refuse> {
//!         let text = data.read_all().await?;
//!         println!("{} octets for {} recipients", text.len(), envelope.rcpts().len());
//!         Ok(Outcome::accepted())
//!     }
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     Ok(Server::new(Inbox).listen("127.0.0.1:2525")?.run().await?)
//! }
//! ```
//!
//! # What it decides by itself
//!
//! The order of commands; parameters, which are taken only if they are offered; sizes and other
//! limits, also while a message flows; where a message ends; the replies that RFC 5321 and its
//! extensions ask for. What a handler gets has passed all of that. [`Settings`] have the offer and
//! the limits.
//!
//! By default it does nothing that could harm others: no recipient is accepted but by the handler; a
//! message with bare line ends is refused; passwords are taken inside TLS only; whatever fails or
//! panics is answered with `451`, so that the client tries again.
//!
//! # Logs
//!
//! Under the target of this crate, by `tracing`: each session is a span `session` with its number; at
//! INFO the result of each message (recipients, size, duration in microseconds, the code of a refusal)
//! and each refused login with the network address; at WARN the cause of a refusal, a panic of a
//! handler, and a number of decisions that is wrong; at DEBUG the beginning and the end of sessions.
//! No mailbox, user name or content is in any of them, except in the text of a handler's own error.
//!
//! # Features
//!
//! | Feature | Adds |
//! |---|---|
//! | `tokio` (default) | [`Server`] and [`Handler`] |
//! | `aws-lc-rs` (default) | TLS with aws-lc-rs: [`Certificates`] |
//! | `ring` | TLS with ring, where aws-lc-rs is not wanted |
//! | `tls` | TLS with a provider of the caller's |
//! | none | [`ServerSession`] alone, without tokio and rustls |

mod auth;
mod client;
mod content;
mod decision;
mod event;
#[cfg(feature = "tokio")]
mod serve;
mod session;
mod settings;
mod tally;
mod trace;
mod transaction;

pub use auth::{CramProof, InvalidScramKeys, Login, ScramHash, ScramKeys};
pub use client::{Client, Hello, TlsFacts};
pub use decision::{Accept, Decision, InvalidReply, Refuse};
pub use event::{Abandoned, Closing, End, Event};
#[cfg(feature = "tokio")]
pub use serve::{
    Capacity, Context, Data, Handler, Identity, Incomplete, Listener, NoLogins, Outcome,
    RunningServer, ServeError, Server, Service, Timeouts, Verify,
};
#[cfg(feature = "tls")]
pub use serve::{Certificates, InvalidCertificate};
pub use session::ServerSession;
pub use settings::{BareOctets, Bounds, InvalidSettings, Settings, SettingsBuilder, StartTls};
pub use trace::Trace;

/// What is offered and what a message is, from `smtp-caps`.
pub use smtp_caps::{Capabilities, Envelope, FutureRelease, Limit, Limits, Offer};
/// Commands, paths and parameters, from `smtp-codec`.
pub use smtp_codec::{
    Attribute, Attributes, Body, ByMode, Deviations, Dialect, ForwardPath, HelloName, Mail,
    MailParam, Mailbox, Mechanism, Notify, Rcpt, RcptParam, Ret, ReversePath, TextFlaws,
};
/// Replies, from `smtp-error`.
pub use smtp_error::{EnhancedCode, Extension, Invalid, Reply, ReplyClass, ReplyCode};
