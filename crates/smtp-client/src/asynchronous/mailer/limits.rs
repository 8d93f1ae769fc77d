//! The limits of a mailer: connections, messages, rate and waiting.
use std::{
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};

/// The limits of a [`Mailer`](crate::Mailer).
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
    /// The maximum number of open connections. Default: 4. The mailer uses fewer while the server
    /// refuses more.
    pub connections: NonZeroUsize,
    /// The number of messages after which a connection is closed and replaced. Default: 100, which
    /// is the limit of some servers. The mailer uses fewer while the server refuses more.
    pub messages: NonZeroUsize,
    /// How long a connection without work stays open. Default: 60 seconds. Servers close idle
    /// connections after one to five minutes.
    pub idle: Duration,
    /// The maximum number of messages begun per period. Default: `None`, no limit.
    pub rate: Option<Rate>,
    /// The maximum length of the queue, which holds messages and calls of
    /// [`acquire`](crate::Mailer::acquire). Default: 1,000. When the queue is full, further calls
    /// wait for a free place before they are queued.
    pub waiting: NonZeroUsize,
    /// How long a message or a call of [`acquire`](crate::Mailer::acquire) may wait until a
    /// connection begins with it. Default: 5 minutes. The wait for a place in a full queue counts.
    pub wait_timeout: Duration,
    /// The maximum number of attempts to connect, and of attempts to send a message that was
    /// certainly not accepted. Default: 3.
    ///
    /// The pause between two attempts to connect is 1 second, then 2, and so on up to 30 seconds,
    /// each extended at random by up to a half. The same pauses precede another attempt to send a
    /// message that was refused for concurrency or rate. A refusal because the session accepts no
    /// further message does not count as an attempt.
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

/// A sliding-window rate limit: in any period of this length, at most this many messages are begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    messages: NonZeroUsize,
    within: Duration,
}

impl Rate {
    /// Creates a limit of at most `messages` messages per period `within`. Returns `None` for zero
    /// messages.
    pub fn new(messages: usize, within: Duration) -> Option<Self> {
        NonZeroUsize::new(messages).map(|messages| Self { messages, within })
    }

    /// Returns the maximum number of messages per period.
    pub fn messages(self) -> NonZeroUsize {
        self.messages
    }

    /// Returns the length of the period.
    pub fn within(self) -> Duration {
        self.within
    }
}
