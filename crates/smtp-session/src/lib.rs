//! The client's side of SMTP and LMTP as a state machine: no socket, no clock, no runtime, no
//! randomness.
//!
//! A driver hands over the octets that arrive and writes those that the session wants written.
//! `smtp-client` has two drivers, for tokio and for blocking sockets, and both use this API only.
//!
//! A [`Session`] is what lasts as long as the connection: the dialect, the capabilities, whether
//! and why it has ended. What is done with it is an [`Operation`], one of [`Hello`], [`StartTls`],
//! [`Auth`], [`SimpleCommand`], [`Xclient`], [`Xforward`], [`Callout`], [`Transaction`] and
//! [`Batch`]. [`Session::run`] starts one, and [`ActiveOperation::next`] returns what it needs next:
//!
//! ```
//! use smtp_session::{Hello, Next, Session};
//!
//! let mut session = Session::default();
//! let mut hello = session.run(Hello::after_greeting())?;
//! assert_eq!(hello.next(), Next::Read);
//! hello.receive(b"220 mx.example.org\r\n");
//!
//! assert_eq!(hello.next(), Next::Write);
//! assert_eq!(hello.output().first(), b"EHLO localhost\r\n");
//! hello.wrote(16);
//! hello.receive(b"250-mx.example.org\r\n250 SIZE 1000\r\n");
//!
//! assert_eq!(hello.next(), Next::Done);
//! hello.finish()?;
//! assert_eq!(session.capabilities().size_limit(), Some(1000));
//! # Ok::<(), smtp_session::Error>(())
//! ```
//!
//! How long a step may take is the driver's business: [`ActiveOperation::step`] names the step that
//! is waited for, and [`ActiveOperation::connection_failed`] ends it.

mod active;
mod auth;
mod batch;
mod callout;
mod envelope;
mod exchange;
mod header_check;
mod hello;
mod mail_state;
mod next;
mod observer;
mod operation;
mod output;
mod protection;
mod proxy;
mod redaction;
mod replies;
#[cfg(feature = "sasl")]
pub mod sasl;
mod sending;
mod session;
mod simple_command;
mod starttls;
mod tally;
mod transaction;

pub use active::ActiveOperation;
pub use auth::Auth;
pub use batch::{Batch, BatchRequest};
pub use callout::{Callout, CalloutEnd, CalloutReplies};
pub use envelope::EnvelopeRef;
pub use exchange::{Challenge, ClearText, Exchange, Exposure, Response};
pub use hello::{Hello, HelloFallback};
pub use next::Next;
pub use observer::{Event, Observer};
pub use operation::{ContentRequest, Operation, SendsContent};
pub use output::Output;
pub use protection::ChannelBinding;
pub use proxy::{Xclient, Xforward};
pub use sending::{Ahead, Excess, FirstChunk, HeaderDefects, Partial, Sending};
pub use session::{Adjustment, Session};
pub use simple_command::SimpleCommand;
pub use starttls::StartTls;
pub use transaction::{Piece, Transaction};

/// The protocol of a session, from `smtp-codec`.
pub use smtp_codec::Dialect;
/// The errors of operations, from `smtp-error`.
pub use smtp_error::{Error, ErrorKind, Invalid};
