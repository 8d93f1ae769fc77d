//! The client on tokio: one loop that awaits, under connections and the mailer.

mod alarm;
mod connect;
mod connection;
mod dial;
mod drive;
mod feed;
mod handshake;
mod login;
mod mailer;
mod many;
mod stream;

pub use connect::{Connector, EhloCache};
pub use connection::{Connection, ScopedSettings};
pub use mailer::{Mailer, MailerLimits, PooledConnection, Rate};
pub use many::{Messages, SendMany};
pub use stream::Io;
