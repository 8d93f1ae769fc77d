//! The capabilities of an SMTP server, the needs of a message, and the plan that follows.
//!
//! No I/O: replies are values of `smtp-error`.
//!
//! A client makes [`Capabilities`] from the reply to EHLO or LHLO, and a [`Plan`] for each message,
//! or an [`Objection`] that states why the message cannot be sent:
//!
//! ```
//! use smtp_caps::{Capabilities, Channel, EightBit, Envelope, Plan};
//! use smtp_codec::MailData;
//! use smtp_error::{Extension, Reply, ReplyCode};
//!
//! let text = "mx.example.org\nPIPELINING\nSIZE 1000\nLIMITS RCPTMAX=100\nAUTH=PLAIN\nX-LOCAL a b";
//! let reply = Reply::new(ReplyCode::OK, text);
//! let capabilities = Capabilities::from_reply(reply).with_channel(Channel::TLS);
//! assert!(capabilities.has(Extension::Pipelining));
//! assert_eq!(capabilities.size_limit(), Some(1000));
//! assert_eq!(capabilities.limits().rcpt_max(), Some(100));
//! assert_eq!(capabilities.find("x-local").unwrap().params().count(), 2);
//! let odd: Vec<String> = capabilities.oddities().map(|oddity| oddity.to_string()).collect();
//! assert_eq!(odd, ["AUTH=PLAIN: parameters not separated by single spaces"]);
//!
//! let envelope = Envelope::new("a@example.com", ["b@example.org"])?;
//! let text = MailData::new("Subject: hello\r\n\r\nhello\r\n")?;
//! let plan = Plan::new(&capabilities, &envelope, text.facts(), EightBit::Refuse)?;
//! assert_eq!(plan.mail().declared_size(), Some(25));
//! assert!(plan.is_pipelined());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A server makes an [`Offer`], which is always a legal reply:
//!
//! ```
//! use smtp_caps::{Limit, Limits, Offer};
//! use smtp_codec::encode_reply;
//! use smtp_error::Extension;
//!
//! let offer = Offer::new("mx.example.org")?
//!     .greeting("at your service")?
//!     .extensions([Extension::Pipelining, Extension::EightBitMime, Extension::StartTls])?
//!     .size(52_428_800)
//!     .limits(Limits::default().set(Limit::Rcpt, 100)?);
//!
//! // Inside TLS the server offers AUTH, and STARTTLS no more.
//! let inside = offer.without(Extension::StartTls).auth(["PLAIN", "SCRAM-SHA-256"])?;
//! let mut out = Vec::new();
//! encode_reply(&inside.reply(), &mut out);
//! assert!(out.starts_with(b"250-mx.example.org at your service\r\n250-PIPELINING\r\n"));
//! assert!(out.ends_with(b"250 AUTH PLAIN SCRAM-SHA-256\r\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod capabilities;
mod channel;

mod facts;
mod limits;
mod release;

mod form;
mod oddity;

mod changes;
mod line;
mod offer;

mod envelope;
#[cfg(feature = "mail-parser")]
mod headers;
mod plan;

pub use capabilities::{Capabilities, Capability};
pub use changes::Change;
pub use channel::Channel;
pub use envelope::Envelope;
pub use facts::{Burl, PriorityProfile};
pub use limits::{Limit, Limits};
pub use oddity::{Oddity, OddityKind};
pub use offer::Offer;
pub use plan::{EightBit, Framing, Objection, Plan, RawHeaders};
pub use release::FutureRelease;
