//! The client that blocks: sockets of the standard library, no runtime, no thread of its own but
//! for looking up names.
//!
//! It has the same operations, settings, timeouts, errors and promises as the
//! [`Connector`](crate::Connector) and the [`Connection`](crate::Connection) on tokio; only the
//! mailer is there alone. Whatever an operation waits for is bounded by the
//! [`Timeouts`](crate::Timeouts), and it reads while it writes, so that a server that does not read
//! on until its replies are read cannot block it.
//!
//! ```no_run
//! use smtp_client::{Envelope, MailData, blocking::Connector};
//!
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let connector = Connector::new("smtp+starttls://mail.example.org".parse()?);
//! let mut connection = connector.connect()?;
//! let envelope = Envelope::new("me@example.org", ["you@example.com", "all@example.net"])?;
//! let text = MailData::new("Subject: hello\r\n\r\nHello.\r\n")?;
//! for (recipient, verdict) in connection.send(&envelope, &text)?.verdicts() {
//!     println!("{recipient}: {verdict}");
//! }
//! connection.quit()?;
//! # Ok(())
//! # }
//! ```
//!
//! What the caller brings runs on the calling thread, and takes the time that it takes:
//!
//! - A [`Content`](crate::Content) comes from memory, from
//!   [`Content::pieces`](crate::Content::pieces) or from
//!   [`Content::read_blocking`](crate::Content::read_blocking). One that has to be awaited
//!   (`Content::read`) is refused before anything of its message is written.
//! - A token that is [fetched](crate::sasl::Token::fetched) is a future. It is polled on the
//!   calling thread, within [`Timeouts::auth`](crate::Timeouts::auth), and without the reactor of
//!   any runtime: it has to block, or to be woken from another thread.

mod connect;
mod connection;
mod dial;
mod drive;
mod exchange;
mod handshake;
mod many;
mod open_socket;
mod readiness;
mod records;
mod released;
mod stream;

pub use connect::Connector;
pub use connection::{Connection, ScopedSettings};
pub use many::SendMany;
pub use open_socket::OpenSocket;
pub use released::ReleasedStream;
