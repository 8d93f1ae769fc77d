//! The client on tokio: one I/O loop, used by connections and the mailer.

mod alarm;
mod connect;
mod connection;
mod dial;
mod drive;
mod exchange;
mod handshake;
mod mailer;
mod many;
mod records;
mod stream;

pub use connect::Connector;
pub use connection::{Connection, ScopedSettings};
pub use mailer::{
    Histogram, Mailer, MailerBuilder, MailerStats, PooledConnection, Rate, Retry, SendAll,
    TaggedMessages,
};
pub use many::{Messages, SendMany};
pub use stream::Io;
