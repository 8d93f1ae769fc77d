//! The manners of sending: by whom, how far ahead, in what framing, on which runtime.
use std::{fmt, io};

use smtp_client::{Ahead, Framing, Sending};
use tokio::runtime::{Builder, Runtime};

/// What sends the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    /// Many tasks with one mailer, each with one message after the other.
    Tasks,
    /// `Mailer::send_all`.
    SendAll,
    /// `Connection::send_many`, on connections of its own.
    SendMany,
}

/// One manner of sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Manner {
    pub(crate) sender: Sender,
    pub(crate) ahead: bool,
    pub(crate) chunks: bool,
    pub(crate) threads: bool,
}

impl Manner {
    /// Returns every manner.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for sender in [Sender::Tasks, Sender::SendAll, Sender::SendMany] {
            for number in 0..8 {
                let [ahead, chunks, threads] = [4, 2, 1].map(|bit| number & bit != 0);
                all.push(Self { sender, ahead, chunks, threads });
            }
        }
        all
    }

    /// Returns how messages are sent.
    pub(crate) fn sending(self) -> Sending {
        let mut sending = Sending::default();
        sending.ahead = self.ahead.then(Ahead::default);
        if self.chunks {
            sending.framing = Framing::Chunks;
        }
        sending
    }

    /// Returns the runtime of the client.
    pub(crate) fn runtime(self) -> io::Result<Runtime> {
        match self.threads {
            true => Builder::new_multi_thread().worker_threads(2).enable_all().build(),
            false => Builder::new_current_thread().enable_all().build(),
        }
    }
}

/// The name, such as `tasks-ahead-chunks-threads`.
impl fmt::Display for Manner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sender = match self.sender {
            Sender::Tasks => "tasks",
            Sender::SendAll => "send_all",
            Sender::SendMany => "send_many",
        };
        let order = if self.ahead { "ahead" } else { "plain" };
        let framing = if self.chunks { "chunks" } else { "data" };
        let runtime = if self.threads { "threads" } else { "current" };
        write!(f, "{sender}-{order}-{framing}-{runtime}")
    }
}
