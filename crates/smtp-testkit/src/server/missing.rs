//! Explains why a message that a test waits for has not arrived.

use std::fmt;

use crate::counted::Counted;
use crate::journal::Gone;

/// The number of messages that have arrived.
pub(super) struct MessagesArrived(pub(super) usize);

impl fmt::Display for MessagesArrived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("no message has arrived"),
            1 => f.write_str("1 message has arrived"),
            count => write!(f, "{} have arrived", Counted(count, "message")),
        }
    }
}

/// All clients are gone, after this number of connections.
pub(super) struct ClientsGone {
    pub(super) gone: Gone,
    pub(super) connections: usize,
}

impl fmt::Display for ClientsGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("; every client has gone: ")?;
        match self.connections {
            0 => f.write_str("no connection was made")?,
            1 => f.write_str("1 connection was made and has ended")?,
            count => write!(f, "{} were made and have ended", Counted(count, "connection"))?,
        }
        match self.gone {
            Gone::ForGood => f.write_str(", and no other can be made"),
            Gone::Within(time) => {
                write!(f, ", and no other was made within {time:?} (see `reconnect_within`)")
            }
        }
    }
}
