//! What an SMTP server offers, what a message needs, and the plan that follows.
//!
//! No I/O. [`Capabilities`] is made from the reply to EHLO or LHLO, [`Envelope`] and the facts of a
//! text say what a message needs, and [`Plan`] says how it is sent to that server, or gives the
//! precise reason why it cannot be.
//!
//! ```
//! use smtp_caps::{Capabilities, Envelope, Plan};
//! use smtp_codec::Text;
//! use smtp_error::{Extension, Reply, ReplyCode};
//!
//! let reply = Reply::new(ReplyCode::OK, "mx.example.org\nPIPELINING\nSIZE 1000\nX-LOCAL a b");
//! let capabilities = Capabilities::from_reply(reply);
//! assert!(capabilities.has(Extension::Pipelining));
//! assert_eq!(capabilities.size_limit(), Some(1000));
//! assert_eq!(capabilities.find("x-local").unwrap().params().count(), 2);
//!
//! let envelope = Envelope::new("a@example.com", ["b@example.org"])?;
//! let text = Text::new("Subject: hello\r\n\r\nhello\r\n")?;
//! let plan = Plan::new(&capabilities, &envelope, text.facts())?;
//! assert_eq!(plan.mail().declared_size(), Some(25));
//! assert!(plan.is_pipelined());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod capabilities;
mod envelope;
mod plan;

pub use capabilities::{Capabilities, Capability};
pub use envelope::Envelope;
pub use plan::{Objection, Plan};
