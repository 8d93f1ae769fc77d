//! Bytes to values and back, for both directions of the SMTP and LMTP wire.
//!
//! No I/O: octets come in as slices, cut anywhere, and go out into a `Vec<u8>`.
//!
//! ```
//! use smtp_codec::{Command, Mail, ReplyDecoder};
//!
//! // Out: a value that cannot hold a CR or LF becomes one line.
//! let mail = Mail::new("Smith@bar.com".parse()?).size(4000);
//! let mut line = Vec::new();
//! Command::Mail(&mail).encode(512, &mut line)?;
//! assert_eq!(line, b"MAIL FROM:<Smith@bar.com> SIZE=4000\r\n");
//!
//! // In: replies come out as soon as they are whole.
//! let mut decoder = ReplyDecoder::default();
//! assert!(decoder.decode(&mut &b"250-first\r\n250 sec"[..])?.is_none());
//! let decoded = decoder.decode(&mut &b"ond\r\n"[..])?.unwrap();
//! assert_eq!(decoded.reply.to_string(), "250 first / second");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What differs from the grammar and yet occurs is a [`Deviations`] value on each decoded reply,
//! and which of them are errors is a set that the user chooses. Errors carry kind and offset.
#![no_std]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

mod grammar;

mod deviation;
mod line;
mod reply;

mod argument;
mod domain;
mod param;
mod path;
mod sasl;

mod mail;
mod rcpt;

mod command;

mod stuffing;
mod text;

pub use argument::Argument;
pub use command::Command;
pub use deviation::Deviations;
pub use domain::{AddressLiteral, Domain, HelloName, Host};
pub use line::{Line, LineEnd, LineFramer, LineTooLong};
pub use mail::{Body, Mail};
pub use param::Param;
pub use path::{ForwardPath, Mailbox, ReversePath};
pub use rcpt::Rcpt;
pub use reply::{DecodedReply, ReplyDecoder, ReplyLimits, encode_reply};
pub use sasl::{Mechanism, SaslResponse};
pub use stuffing::{Stuffed, Stuffer};
pub use text::{LineEnds, Text, TextFacts};
