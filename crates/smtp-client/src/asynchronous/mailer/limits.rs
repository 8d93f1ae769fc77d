//! How much a mailer takes on.
use std::{
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};

/// How much a [`Mailer`](crate::Mailer) takes on.
///
/// ```
/// use smtp_client::{MailerLimits, Rate};
/// use std::{num::NonZeroUsize, time::Duration};
///
/// let mut limits = MailerLimits::default();
/// limits.connections = NonZeroUsize::MIN;
/// limits.rate = Rate::new(100, Duration::from_secs(60));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MailerLimits {
    /// How many connections are open at the same time: by default 4. Fewer while the server was
    /// found to admit fewer.
    pub connections: NonZeroUsize,
    /// How many messages a connection is used for before another takes its place: by default 100,
    /// which is as much as some servers take. Fewer while the server was found to accept fewer.
    pub messages: NonZeroUsize,
    /// How long a connection stays open with nothing to do: by default 60 seconds. Servers close
    /// them after one to five minutes.
    pub idle: Duration,
    /// How many messages are begun within a time: by default as many as there are.
    pub rate: Option<Rate>,
    /// How many messages and borrowers may wait for their turn; whoever comes then waits to be let
    /// in. By default 1,000.
    pub waiting: NonZeroUsize,
    /// How long a message or a borrower may wait for its turn: by default 5 minutes. Waiting to be
    /// let in counts.
    pub wait_timeout: Duration,
    /// How often it is tried to connect, and a message that was certainly not accepted is tried:
    /// by default 3 times. Between two tries to connect there is a pause of a second, then of two,
    /// and so on up to half a minute, each up to a half longer by chance. The same pauses come
    /// before a message is tried again that was refused for concurrency or rate. That a session had
    /// no room left for a message is no attempt of the message.
    pub attempts: NonZeroU32,
}

impl Default for MailerLimits {
    fn default() -> Self {
        let count = |count: usize| NonZeroUsize::MIN.saturating_add(count - 1);
        Self {
            connections: count(4),
            messages: count(100),
            idle: Duration::from_secs(60),
            rate: None,
            waiting: count(1000),
            wait_timeout: Duration::from_secs(300),
            attempts: NonZeroU32::MIN.saturating_add(2),
        }
    }
}

/// So many messages within so much time, whenever it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    messages: NonZeroUsize,
    within: Duration,
}

impl Rate {
    /// At most so many messages within this time; `None` for no messages at all.
    pub fn new(messages: usize, within: Duration) -> Option<Self> {
        NonZeroUsize::new(messages).map(|messages| Self { messages, within })
    }

    /// How many messages.
    pub fn messages(self) -> NonZeroUsize {
        self.messages
    }

    /// Within how much time.
    pub fn within(self) -> Duration {
        self.within
    }
}
