//! An SMTP and LMTP client that reports the exact result of every message.
//!
//! ```no_run
//! # #[cfg(feature = "tokio")]
//! # mod example {
//! use smtp_client::{Envelope, MailData, Mailer};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mailer = Mailer::from_url("smtps://me%40example.org:password@mail.example.org")?;
//! let envelope = Envelope::new("me@example.org", ["you@example.com"])?;
//! let text = MailData::new("Subject: hello\r\n\r\nHello.\r\n")?;
//! let delivery = mailer.send(envelope, text).await?;
//! assert!(delivery.all_accepted());
//! mailer.close().await;
//! # Ok(())
//! # }
//! # }
//! ```
//!
//! # Three types to know
//!
//! - [`Connector`] is the configuration: [`from_url`](Connector::from_url) for the URL of a
//!   deployment, [`submission`](Connector::submission) for the host of a provider,
//!   [`new`](Connector::new) for a [`Server`] with the defaults of a relay. It opens
//!   [`Connection`]s.
//! - [`Connection`] is one session: [`send`](Connection::send) for a message,
//!   [`send_many`](Connection::send_many) for many, and the session commands.
//! - [`Mailer`] is what most programs want: a pool of connections that many tasks share. It opens
//!   them when there is work, replaces those that were lost, and closes idle ones.
//!
//! A message is an [`Envelope`] and its content: [`MailData`] in memory, or a [`Content`] that is
//! read while it is sent.
//!
//! # What a result means
//!
//! `Ok` with a [`Delivery`] means that the server has replied for every recipient. Each
//! [`Verdict`] is an acceptance or a refusal.
//!
//! `Err` has the cause ([`Error::kind`]), the [`Step`] that failed, the reply if there was one, and
//! what is likely to help ([`Error::advice`], [`Error::hint`]). Two questions decide whether to
//! send again:
//!
//! | | [`is_transient`](Error::is_transient) | otherwise |
//! |---|---|---|
//! | [`in_doubt`](Error::in_doubt) | the message may have been accepted: sending it again may deliver it twice | the same |
//! | not in doubt | send it again later | the same attempt fails again: a wrong password, an unknown host, a refusal |
//!
//! No part of this crate sends a message again that is in doubt.
//!
//! # Logins
//!
//! A user name and a password in the URL are used with the strongest mechanism that the server
//! offers, and never sent in clear without TLS. [`Connector::login`] takes any other [`Login`]:
//! OAuth tokens that are fetched when they are needed, client certificates, chosen mechanisms.
//!
//! # Speed
//!
//! A message takes two round trips, whatever the number of recipients. [`Sending`] has what saves
//! more of them for servers that are known; [`Connection::send_many`] and [`Mailer`] save the
//! handshakes.
//!
//! # Without tokio
//!
//! `blocking` (a feature) has the same connector and connection over sockets that block, and needs
//! no runtime. The protocol itself is the crate [`smtp_session`]: a state machine without I/O, for
//! drivers of other kinds.
//!
//! # Logs
//!
//! Every operation is a span of `tracing`, with its outcome, reply code and duration:
//! [`spans`] lists their names and fields. Commands and replies are traced at level `TRACE` under
//! the target `smtp_session`: addresses appear there, secrets never.
//!
//! # Types by subject
//!
//! | Subject | Types |
//! |---|---|
//! | connecting | [`Connector`], [`Server`], [`Address`], [`Security`], [`InvalidUrl`], [`Timeouts`], [`HelloName`], [`EhloCache`] |
//! | TLS | [`Tls`], [`TlsFacts`], [`TlsFailure`] |
//! | logins | [`Login`], [`Credentials`], [`sasl`] |
//! | messages | [`Envelope`], [`MailData`], [`Content`], [`Message`], [`Part`], [`LineEnds`] |
//! | addresses | [`Mailbox`], [`ForwardPath`], [`ReversePath`] |
//! | parameters of extensions | [`Mail`], [`Rcpt`], [`MailParam`], [`RcptParam`], [`Notify`], [`Ret`], [`ByMode`], [`Body`], [`Xtext`] |
//! | asking for recipients | [`Connection::callout`], [`CalloutEnd`], [`CalloutReplies`] |
//! | sending | [`Connection`], [`SendMany`], [`Messages`], [`Sending`], [`Ahead`], [`Partial`], [`Excess`], [`FirstChunk`], [`Framing`] |
//! | the mailer | [`Mailer`], [`MailerBuilder`], [`PooledConnection`], [`Rate`], [`Retry`] |
//! | results | [`Delivery`], [`Verdict`], [`Reply`], [`ReplyCode`], [`EnhancedCode`] |
//! | errors | [`Error`], [`ErrorKind`], [`Step`], [`Advice`], [`Hint`], [`Broken`], [`Ended`], [`Misbehaved`], [`Unsupported`], [`Invalid`], [`Field`], [`Flaw`], [`Limited`] |
//! | what a server offers | [`Capabilities`], [`Extension`] |
//!
//! # Cargo features
//!
//! | Feature | Default | Adds |
//! |---|---|---|
//! | `tokio` | yes | [`Connector`], [`Connection`], [`Mailer`] on tokio |
//! | `blocking` | no | `blocking::Connector`, `blocking::Connection`, without any runtime |
//! | `aws-lc-rs` | yes | the cryptography of `aws-lc-rs` for [`Tls::platform`], with post-quantum key exchange; it needs a C compiler |
//! | `ring` | no | the cryptography of `ring`; with both, `aws-lc-rs` is used |
//! | `webpki-roots` | no | `Tls::webpki_roots` |
//! | `mail-parser` | no | envelopes from header fields: `Message::from_headers`, `Envelope::from_headers` |
//! | `lettre` | no | messages of `lettre` 0.11, and of no other version: `Message::try_from(&message)` |
//! | `mail-builder` | no | messages of `mail-builder` 0.4, and of no other version: `Message::try_from(builder)` |

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
mod proxy;
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
    Ahead, CalloutEnd, CalloutReplies, EnvelopeRef, Excess, FirstChunk, HeaderDefects, Partial,
    Sending,
    sasl::{self, Credentials, Login},
};

pub use smtp_caps::{Capabilities, EightBit, Envelope, Framing, RawHeaders};
pub use smtp_codec::{
    Argument, Attribute, Attributes, Body, ByMode, Deviations, ForwardPath, HeaderField, HelloName,
    IntoOctets, LineEnds, Mail, MailData, MailParam, Mailbox, Notify, Param, Rcpt, RcptParam,
    ReplyLimits, Ret, ReversePath, RrvsAction, Word, Xtext,
};
pub use smtp_error::{
    AddressField, Advice, Attempt, Broken, Cause, Delivered, Delivery, Ended, EnhancedCode, Error,
    ErrorKind, Excerpt, Extension, Field, Flaw, ForwardPaths, HeaderDefect, HeaderError,
    HeaderName, Hint, Invalid, InvalidAddress, InvalidEnvelope, KnownVerdicts, Limited,
    MalformedReply, Misbehaved, NoMechanism, Obstacle, OfferedMechanism, OtherProtocol, Peer,
    RecipientsRefused, Reply, ReplyCode, ReplyFault, ReplyLine, SaslFault, Step, Unsupported,
    Verdict,
};

#[cfg(feature = "tokio")]
pub use asynchronous::{
    Connection, Connector, Histogram, Io, Mailer, MailerBuilder, MailerStats, Messages,
    PooledConnection, Rate, Retry, ScopedSettings, SendAll, SendMany, TaggedMessages,
};
pub use content::{Content, Message, Part};
pub use ehlo_cache::EhloCache;
pub use proxy::{InvalidProxy, Proxy};
pub use server::{Address, ClearFallback, Security, Server};
pub use smtp_codec::ProxyHeader;
pub use smtp_error::{ProxyError, ProxyFault, SocksReply};
pub use timeouts::Timeouts;
#[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
pub use tls::KeyPin;
pub use tls::{Protection, Tls, TlsFacts, TlsFailure, TrustError};
pub use url::InvalidUrl;

/// The sockets that `Connector::on_socket` configures.
pub use socket2;

/// The TLS library, whose types appear in [`Tls::new`] and [`TlsFacts`].
pub use rustls;

/// Compiles and runs the examples of the README.
#[cfg(all(doctest, feature = "tokio"))]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// Compiles and runs the examples of the guide to tests.
#[cfg(all(doctest, feature = "tokio"))]
#[doc = include_str!("../../../docs/testing.md")]
struct Testing;

/// Compiles the examples of the guide for users of lettre.
#[cfg(all(doctest, feature = "tokio", feature = "lettre"))]
#[doc = include_str!("../../../docs/from-lettre.md")]
struct FromLettre;

/// Compiles the examples of the guide for users of mail-send.
#[cfg(all(doctest, feature = "tokio", feature = "mail-builder"))]
#[doc = include_str!("../../../docs/from-mail-send.md")]
struct FromMailSend;
