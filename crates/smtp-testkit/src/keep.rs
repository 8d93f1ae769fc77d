//! How much a server keeps of what it received.

/// How much a server with rules keeps for its [`Report`](crate::Report).
///
/// A test keeps everything, which is the default. A server that runs for days needs limits:
///
/// ```
/// use smtp_testkit::{Keep, Server};
///
/// let keep = Keep::everything().messages(1_000).octets(100_000_000);
/// let keep = keep.connections(500).lines(200).line_octets(1_000);
/// let server = Server::builder().keep(keep).tcp().unwrap();
/// # drop(server);
/// ```
///
/// What is not kept is missing from the report, and [`deny`](crate::ServerBuilder::deny) does not
/// see its mistakes. The numbers of connections and messages do not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the limits do nothing until a server has them"]
pub struct Keep {
    pub(crate) messages: usize,
    pub(crate) octets: usize,
    pub(crate) connections: usize,
    pub(crate) lines: usize,
    pub(crate) line_octets: usize,
    pub(crate) dialogue_octets: usize,
}

impl Keep {
    /// Keeps everything.
    pub const fn everything() -> Self {
        Self {
            messages: usize::MAX,
            octets: usize::MAX,
            connections: usize::MAX,
            lines: usize::MAX,
            line_octets: usize::MAX,
            dialogue_octets: usize::MAX,
        }
    }

    /// Keeps the last `count` messages.
    pub const fn messages(self, count: usize) -> Self {
        Self { messages: count, ..self }
    }

    /// Keeps messages of at most this number of octets in all, each counted as sent and as decoded.
    /// The oldest are dropped first.
    pub const fn octets(self, octets: usize) -> Self {
        Self { octets, ..self }
    }

    /// Keeps the dialogues of the open connections and of the last `count` connections that ended.
    pub const fn connections(self, count: usize) -> Self {
        Self { connections: count, ..self }
    }

    /// Keeps at most `count` pieces of each dialogue. The oldest are dropped first, with the
    /// mistakes that they show, and several at a time.
    pub const fn lines(self, count: usize) -> Self {
        Self { lines: count, ..self }
    }

    /// Keeps the first `octets` octets of each piece of a dialogue: of a line, or of a message text.
    pub const fn line_octets(self, octets: usize) -> Self {
        Self { line_octets: octets, ..self }
    }

    /// Keeps dialogues of connections that ended with at most this number of octets in memory, all
    /// together. The oldest are dropped first.
    pub const fn dialogue_octets(self, octets: usize) -> Self {
        Self { dialogue_octets: octets, ..self }
    }
}

impl Default for Keep {
    fn default() -> Self {
        Self::everything()
    }
}
