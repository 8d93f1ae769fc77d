//! Why a message that a test waits for has not come, in words.

use std::fmt;

use crate::counted::Counted;
use crate::journal::Gone;

/// How many messages have come.
pub(super) struct MessagesHaveCome(pub(super) usize);

impl fmt::Display for MessagesHaveCome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("no message has come"),
            1 => f.write_str("1 message has come"),
            count => write!(f, "{} have come", Counted(count, "message")),
        }
    }
}

/// That every client has gone, after this number of connections.
pub(super) struct Departed {
    pub(super) gone: Gone,
    pub(super) connections: usize,
}

impl fmt::Display for Departed {
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
