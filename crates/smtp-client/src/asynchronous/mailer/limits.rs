//! The limits of a mailer: connections, messages, rate and waiting.
use std::{
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};

use crate::url::options::{DURATION, Rejected, UrlOption, duration, parsed};

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

/// The options of a mailer's URL, each by the name of its field.
pub(super) const OPTIONS: &[UrlOption<MailerLimits>] = &[
    UrlOption {
        name: "connections",
        expected: COUNT,
        set: |limits, value| {
            limits.connections = parsed(value)?;
            Ok(())
        },
    },
    UrlOption {
        name: "messages",
        expected: COUNT,
        set: |limits, value| {
            limits.messages = parsed(value)?;
            Ok(())
        },
    },
    UrlOption {
        name: "idle",
        expected: DURATION,
        set: |limits, value| {
            limits.idle = duration(value)?;
            Ok(())
        },
    },
    UrlOption {
        name: "rate",
        expected: "messages per period, such as 100/1m",
        set: |limits, value| {
            let (messages, within) = value.split_once('/').ok_or(Rejected::Value)?;
            let rate = Rate::new(parsed(messages)?, duration(within)?);
            limits.rate = Some(rate.ok_or(Rejected::Value)?);
            Ok(())
        },
    },
    UrlOption {
        name: "waiting",
        expected: COUNT,
        set: |limits, value| {
            limits.waiting = parsed(value)?;
            Ok(())
        },
    },
    UrlOption {
        name: "wait-timeout",
        expected: DURATION,
        set: |limits, value| {
            limits.wait_timeout = duration(value)?;
            Ok(())
        },
    },
    UrlOption {
        name: "attempts",
        expected: COUNT,
        set: |limits, value| {
            limits.attempts = parsed(value)?;
            Ok(())
        },
    },
];

const COUNT: &str = "a number above 0";

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::url::options::MAILER;

    #[test]
    fn the_options_are_those_that_a_connector_refuses() {
        let names: Vec<_> = OPTIONS.iter().map(|option| option.name).collect();
        assert_eq!(names, MAILER);
    }
}
