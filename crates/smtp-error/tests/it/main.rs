//! The public API, by subject.

#![allow(clippy::unwrap_used, reason = "what fails here is the test")]

mod advice;
mod error;
mod proxy;
mod queue_id;
mod reply;
mod sentences;
#[cfg(feature = "serde")]
mod serialize;
mod verdict;

use smtp_error::{Reply, ReplyCode};

/// Returns a reply with this code and text.
fn reply(code: u16, text: impl AsRef<[u8]>) -> Reply {
    Reply::new(ReplyCode::new(code).unwrap(), text)
}
