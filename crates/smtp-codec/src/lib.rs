//! A codec for SMTP and LMTP, for clients and servers.
//!
//! It does no I/O: it decodes slices of any size, and encodes into a `Vec<u8>`.
//!
//! A client encodes commands and decodes replies:
//!
//! ```
//! use smtp_codec::{Command, Mail, ReplyDecoder};
//!
//! let mail = Mail::new("Smith@bar.com".parse()?).size(4000);
//! let mut line = Vec::new();
//! Command::Mail(mail.borrowed()).encode(512, &mut line)?;
//! assert_eq!(line, b"MAIL FROM:<Smith@bar.com> SIZE=4000\r\n");
//!
//! // A reply is returned as soon as it is complete.
//! let mut decoder = ReplyDecoder::default();
//! assert!(decoder.decode(&mut &b"250-first\r\n250 sec"[..])?.is_none());
//! let decoded = decoder.decode(&mut &b"ond\r\n"[..])?.unwrap();
//! assert_eq!(decoded.reply.to_string(), "250 first / second");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A server decodes commands and encodes replies. (`smtp-server` has a whole server on this crate,
//! without I/O and on tokio.)
//!
//! ```
//! use smtp_codec::{Command, Deviations, MailParam, Sequence, encode_reply};
//!
//! let line = b"mail from:<Smith@bar.com> SIZE=4000 X-OWN=1";
//! let decoded = Command::decode(line, Deviations::TOLERANT)?;
//! let Command::Mail(mail) = decoded.command else { panic!("it is MAIL") };
//! assert_eq!(mail.params().next(), Some(MailParam::Size(4000)));
//!
//! // MAIL before EHLO is out of sequence, and the RFC has a reply for that.
//! let reply = Sequence::smtp().check(&decoded.command).unwrap_err();
//! let mut out = Vec::new();
//! encode_reply(&reply, &mut out);
//! assert_eq!(out, b"503 5.5.1 EHLO or HELO first\r\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A decoded value comes with its [`Deviations`] from the grammar. The user chooses the set of
//! those that are tolerated; the others are errors. An error has its kind and its offset.
#![no_std]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

mod grammar;
mod value;

mod deviation;
mod line;
mod line_end;
mod reply;

mod argument;
mod attributes;
mod domain;
mod hello;
mod idna;
mod param;
mod path;
mod sasl;
mod word;
mod xtext;

mod mail;
mod mail_param;
mod rcpt;
mod rcpt_param;

mod command;
mod dialect;
mod sequence;
mod verb;

mod flaws;
mod header_field;
mod headers;
mod mail_data;
mod octets;
mod proxy_header;
mod scanner;
mod stuffing;
mod unstuffing;

pub use argument::Argument;
pub use attributes::{Attribute, Attributes};
pub use command::{Command, CommandError, CommandFault, DecodedCommand};
pub use deviation::Deviations;
pub use dialect::Dialect;
pub use domain::{AddressLiteral, Domain, Host};
pub use flaws::{FlawScanner, TextFlaws};
pub use header_field::HeaderField;
pub use headers::HeaderScanner;
pub use hello::HelloName;
pub use line::{Line, LineEnd, LineFramer, LineTooLong};
pub use mail::Mail;
pub use mail_data::{ContentFacts, LineEnds, MailData};
pub use mail_param::{Body, ByMode, MailParam, Ret};
pub use octets::IntoOctets;
pub use param::{Param, Params};
pub use path::{ForwardPath, Mailbox, ReversePath};
pub use proxy_header::{InvalidProxyHeader, ProxiedConnection, ProxyHeader};
pub use rcpt::Rcpt;
pub use rcpt_param::{Notify, RcptParam, RrvsAction};
pub use reply::{DecodedReply, ReplyDecoder, ReplyLimits, encode_reply};
pub use sasl::{Mechanism, SaslResponse};
pub use scanner::{Normalizer, TextScanner};
pub use sequence::Sequence;
pub use stuffing::{Stuffed, Stuffer};
pub use unstuffing::{BareLineEnds, Unstuffed, Unstuffer};
pub use verb::Verb;
pub use word::Word;
pub use xtext::Xtext;
