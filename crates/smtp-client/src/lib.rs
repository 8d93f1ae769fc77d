//! An SMTP and LMTP client that tells the truth about every message.
//!
//! [`Connector`] opens a [`Connection`]; a connection sends messages and has the session commands.
//! Every wait is bounded, and every error says what went wrong, at which [`Step`], in whose words,
//! and whether a message [may have been accepted](Error::in_doubt).
//!
//! ```no_run
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
//! ```
//!
//! Every operation is a span of `tracing`, with its outcome, code and duration:
//! [`spans`](mod@spans) has their names. Commands and replies are traced at level `TRACE` under the
//! target `smtp_client::session`: addresses appear there, secrets never.
//!
//! Below the connection lies [`session`]: the protocol without sockets, clock or runtime, for
//! those who bring their own. It is all that is left without the feature `tokio`.

pub mod session;

#[cfg(feature = "tokio")]
mod alarm;
#[cfg(feature = "tokio")]
mod clock;
#[cfg(feature = "tokio")]
mod connect;
#[cfg(feature = "tokio")]
mod connection;
#[cfg(feature = "tokio")]
mod content;
#[cfg(feature = "tokio")]
mod dial;
#[cfg(feature = "tokio")]
mod drive;
#[cfg(feature = "tokio")]
mod feed;
#[cfg(all(feature = "tokio", feature = "sasl"))]
mod login;
#[cfg(feature = "tokio")]
mod mailer;
#[cfg(feature = "tokio")]
mod many;
#[cfg(feature = "sasl")]
pub mod sasl;
#[cfg(feature = "tokio")]
mod server;
#[cfg(feature = "tokio")]
pub mod spans;
#[cfg(feature = "tokio")]
mod stream;
#[cfg(feature = "tokio")]
mod timeouts;
#[cfg(feature = "tls")]
mod tls;
#[cfg(all(feature = "tokio", not(feature = "tls")))]
mod without_tls;
#[cfg(all(feature = "tokio", not(feature = "tls")))]
use without_tls as tls;

pub use session::{Ahead, EnvelopeOf, Excess, FirstChunk, Partial, Sending};
pub use smtp_caps::{Capabilities, Envelope, Framing, RawHeaders};
pub use smtp_codec::{
    Argument, Attribute, Attributes, Body, Deviations, HelloName, LineEnds, Mail, MailData,
    MailParam, Mailbox, Param, Rcpt, RcptParam, ReplyLimits, Xtext,
};
pub use smtp_error::{
    Advice, Attempt, Broken, Cause, Delivery, Ended, EnhancedCode, Error, ErrorKind, Excerpt,
    Extension, Field, Flaw, HeaderName, Hint, Invalid, Limited, MalformedReply, Misbehaved,
    NoMechanism, Obstacle, OfferedMechanism, Reply, ReplyCode, ReplyFault, ReplyLine, SaslFault,
    Step, Unsupported, Verdict,
};

#[cfg(feature = "tokio")]
pub use connect::{Connector, Memory};
#[cfg(feature = "tokio")]
pub use connection::{Bounded, Connection};
#[cfg(feature = "tokio")]
pub use content::{Content, Part};
#[cfg(feature = "tokio")]
pub use mailer::{Lent, Mailer, MailerLimits, Rate};
#[cfg(feature = "tokio")]
pub use many::{Message, Messages, SendMany};
#[cfg(feature = "sasl")]
pub use sasl::{Credentials, Login};
#[cfg(feature = "tokio")]
pub use server::{Address, Security, Server};
#[cfg(feature = "tokio")]
pub use stream::Io;
#[cfg(feature = "tokio")]
pub use timeouts::Timeouts;
#[cfg(feature = "tls")]
pub use tls::{Tls, TlsFacts, TlsFailure};

/// The examples of the project's front page.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
