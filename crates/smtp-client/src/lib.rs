//! An SMTP and LMTP client that reports the exact result of every message.
//!
//! [`Connector`] opens a [`Connection`], which sends messages and session commands. Every wait has
//! a timeout. Every error has its cause, the [`Step`] that failed, the reply of the server, if
//! there was one, and whether the message [may have been accepted](Error::in_doubt).
//!
//! ```no_run
//! # #[cfg(feature = "tokio")]
//! # mod example {
//! use smtp_client::{Connector, Envelope, MailData};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let connector = Connector::new("smtp+starttls://mail.example.org".parse()?);
//! let mut connection = connector.connect().await?;
//! let envelope = Envelope::new("me@example.org", ["you@example.com", "all@example.net"])?;
//! let text = MailData::new("Subject: hello\r\n\r\nHello.\r\n")?;
//! for verdict in connection.send(&envelope, &text).await?.verdicts() {
//!     println!("{verdict}");
//! }
//! connection.quit().await?;
//! # Ok(())
//! # }
//! # }
//! ```
//!
//! Every operation is a span of `tracing`, with its outcome, reply code and duration:
//! [`spans`] lists their names and fields. Commands and replies are traced at level `TRACE` under
//! the target `smtp_session`: addresses appear there, secrets never.
//!
//! The protocol itself is the crate [`smtp_session`]: a state machine without I/O, for
//! drivers of other kinds.
//!
//! | Feature | Default | Adds |
//! |---|---|---|
//! | `tokio` | yes | [`Connector`], [`Connection`], [`Mailer`] on tokio |
//! | `blocking` | no | `blocking::Connector`, `blocking::Connection`, without any runtime |
//! | `ring` | yes | the cryptography of `ring` for [`Tls::platform`] |
//! | `aws-lc-rs` | no | the cryptography of `aws-lc-rs`; with both, `ring` is used |
//! | `webpki-roots` | no | `Tls::webpki_roots` |
//! | `mail-parser` | no | envelopes from header fields: `Message::from_headers`, `Envelope::from_headers` |
//! | `lettre` | no | messages of `lettre` 0.11: `Message::try_from(&message)` |
//! | `mail-builder` | no | messages of `mail-builder` 0.4: `Message::try_from(builder)` |

#![cfg_attr(
    not(any(feature = "tokio", feature = "blocking")),
    allow(dead_code, unused_imports, unused_macros, reason = "the clients use it")
)]

mod advance;
mod clock;
mod connecting;
mod connection;
mod content;
mod dialing;
mod ehlo_cache;
mod feed;
mod gather;
mod hints;
mod login;
mod messages;
mod route;
mod server;
mod settings;
pub mod spans;
mod timeouts;
mod tls;
mod url;

#[cfg(feature = "tokio")]
mod asynchronous;
#[cfg(feature = "blocking")]
pub mod blocking;

pub use smtp_session as session;
pub use smtp_session::{
    Ahead, EnvelopeRef, Excess, FirstChunk, HeaderDefects, Partial, Sending,
    sasl::{self, Credentials, Login},
};

pub use smtp_caps::{Capabilities, Envelope, Framing, RawHeaders};
pub use smtp_codec::{
    Argument, Attribute, Attributes, Body, ByMode, Deviations, ForwardPath, HeaderField, HelloName,
    IntoOctets, LineEnds, Mail, MailData, MailParam, Mailbox, Notify, Param, Rcpt, RcptParam,
    ReplyLimits, Ret, ReversePath, RrvsAction, Word, Xtext,
};
pub use smtp_error::{
    AddressField, Advice, Attempt, Broken, Cause, Delivery, Ended, EnhancedCode, Error, ErrorKind,
    Excerpt, Extension, Field, Flaw, HeaderDefect, HeaderError, HeaderName, Hint, Invalid, Limited,
    MalformedReply, Misbehaved, NoMechanism, Obstacle, OfferedMechanism, Reply, ReplyCode,
    ReplyFault, ReplyLine, SaslFault, Step, Unsupported, Verdict,
};

#[cfg(feature = "tokio")]
pub use asynchronous::{
    Connection, Connector, Histogram, Io, Mailer, MailerBuilder, MailerStats, Messages,
    PooledConnection, Rate, ScopedSettings, SendAll, SendMany, TaggedMessages,
};
pub use content::{Content, Message, Part};
pub use ehlo_cache::EhloCache;
pub use server::{Address, Security, Server};
pub use timeouts::Timeouts;
pub use tls::{Tls, TlsFacts, TlsFailure};
pub use url::InvalidUrl;

/// The sockets that `Connector::on_socket` configures.
pub use socket2;

/// The TLS library, whose types appear in [`Tls::new`] and [`TlsFacts`].
pub use rustls;

/// Compiles and runs the examples of the README.
#[cfg(all(doctest, feature = "tokio"))]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// Compiles the examples of the guide for users of lettre.
#[cfg(all(doctest, feature = "tokio", feature = "lettre"))]
#[doc = include_str!("../../../docs/from-lettre.md")]
struct FromLettre;

/// Compiles the examples of the guide for users of mail-send.
#[cfg(all(doctest, feature = "tokio", feature = "mail-builder"))]
#[doc = include_str!("../../../docs/from-mail-send.md")]
struct FromMailSend;
