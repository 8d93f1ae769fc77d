//! The replies of an SMTP server and the errors of a client, as one vocabulary for all crates.
//!
//! Plain data and no parser: the codec decodes octets into [`Reply`] values, the session returns
//! [`Error`] values, and callers match on both.
//!
//! A client reads the reply of the server and the result for a message:
//!
//! ```
//! use smtp_error::{Broken, Error, ErrorKind, Reply, ReplyCode, Step};
//!
//! // The reply, octet for octet, and its enhanced status code.
//! let reply = Reply::new(ReplyCode::MAILBOX_UNAVAILABLE, "5.1.1 <bob@example.org> unknown");
//! assert!(reply.is_permanent());
//! assert_eq!(reply.enhanced().unwrap().to_string(), "5.1.1");
//!
//! // The connection was lost after the end of the mail data: the message may have been accepted.
//! let error = Error::new(Step::EndOfText, Broken::Closed).with_in_doubt(true);
//! assert!(matches!(error.kind(), ErrorKind::Broken(Broken::Closed)));
//! assert!(error.in_doubt());
//! ```
//!
//! A server builds its replies from the same types:
//!
//! ```
//! use smtp_error::{EnhancedCode, Reply, ReplyCode};
//!
//! let status = EnhancedCode::new(4, 2, 2).unwrap();
//! let reply = Reply::new(ReplyCode::INSUFFICIENT_STORAGE, format!("{status:#}"));
//! assert_eq!(reply.to_string(), "452 4.2.2 mailbox full");
//! assert!(reply.is_transient());
//! ```
//!
//! The crate is `no_std` with `alloc`; the feature `std` (on by default) adds conversions from
//! `std::io::Error`, and the feature `serde` stores replies and verdicts: `ReplyCode` as `550`,
//! `EnhancedCode` as `"5.1.1"`, `Reply` as `{"code": 550, "text": "5.1.1 unknown"}`, `Step` as
//! `"end-of-text"`, `Verdict` as these two, and `Delivery` as a list of verdicts, each with its
//! recipient.
#![no_std]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod code;
mod enhanced;
mod meaning;
mod reply;

mod extension;
mod step;

mod delivery;
mod header;
mod invalid;
mod invalid_envelope;
mod misbehaved;
mod no_mechanism;
mod queue_id;
mod recipients_refused;
mod sasl_fault;
mod unsupported;
mod verdict;

mod advice;
mod broken;
mod cause;
mod error;
mod excerpt;
mod hint;
mod peer;
mod proxy;
mod sentence;
#[cfg(feature = "serde")]
mod serialize;

pub use advice::Advice;
pub use broken::{Attempt, Broken};
pub use cause::Cause;
pub use code::{ReplyClass, ReplyCode};
pub use delivery::{Delivery, ForwardPaths, KnownVerdicts};
pub use enhanced::EnhancedCode;
pub use error::{Ended, Error, ErrorKind};
pub use excerpt::Excerpt;
pub use extension::Extension;
pub use header::{AddressField, HeaderDefect, HeaderError};
pub use hint::{Hint, OtherProtocol};
pub use invalid::{Field, Flaw, HeaderName, Invalid};
pub use invalid_envelope::{InvalidAddress, InvalidEnvelope};
pub use misbehaved::{MalformedReply, Misbehaved, ReplyFault};
pub use no_mechanism::{NoMechanism, Obstacle, OfferedMechanism};
pub use peer::Peer;
pub use proxy::{ProxyError, ProxyFault, SocksReply};
pub use recipients_refused::{Delivered, RecipientsRefused};
pub use reply::{Reply, ReplyLine};
pub use sasl_fault::SaslFault;
pub use step::Step;
pub use unsupported::{Bound, Limited, Unsupported};
pub use verdict::Verdict;
