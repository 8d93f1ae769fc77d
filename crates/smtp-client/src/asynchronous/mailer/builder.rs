//! The settings of a mailer: how many connections, how much in the queue, how long to wait.
use std::{
    fmt,
    num::{NonZeroU32, NonZeroUsize},
    sync::Arc,
    time::Duration,
};

use super::{Handle, Mailer, Retry, queue::Shared};
use crate::{
    Connector,
    url::options::{DURATION, Rejected, UrlOption, duration, parsed},
};

/// Sets up a [`Mailer`].
///
/// ```
/// use smtp_client::{Connector, Mailer, Rate};
/// use std::time::Duration;
///
/// # fn example() -> Result<Mailer, Box<dyn std::error::Error>> {
/// let connector = Connector::new("smtps://mail.example.org".parse()?);
/// let mailer = Mailer::builder(connector)
///     .connections(8)
///     .rate(Rate::new(100, Duration::from_secs(60)))
///     .build();
/// # Ok(mailer)
/// # }
/// ```
///
/// A number of zero counts as one.
#[derive(Clone)]
#[must_use = "`build` makes the mailer"]
pub struct MailerBuilder {
    connector: Connector,
    options: Options,
}

/// What the builder sets. Each method of [`MailerBuilder`] documents its field.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) connections: usize,
    pub(super) messages_per_connection: usize,
    pub(super) idle_timeout: Duration,
    pub(super) rate: Option<Rate>,
    pub(super) queue_limit: usize,
    pub(super) wait_timeout: Duration,
    pub(super) attempts: u32,
    pub(super) retry: Option<Retry>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connections: 4,
            messages_per_connection: 100,
            idle_timeout: Duration::from_secs(60),
            rate: None,
            queue_limit: 1000,
            wait_timeout: Duration::from_secs(300),
            attempts: 3,
            retry: None,
        }
    }
}

impl MailerBuilder {
    pub(super) fn new(connector: Connector) -> Self {
        Self { connector, options: Options::default() }
    }

    /// Sets the maximum number of open connections. Default: 4. The mailer uses fewer while the
    /// server refuses more.
    pub fn connections(mut self, most: usize) -> Self {
        self.options.connections = most.max(1);
        self
    }

    /// Sets the number of messages after which a connection is closed and replaced. Default: 100,
    /// which is the limit of some servers. The mailer uses fewer while the server refuses more.
    pub fn messages_per_connection(mut self, most: usize) -> Self {
        self.options.messages_per_connection = most.max(1);
        self
    }

    /// Sets how long a connection without work stays open. Default: 60 seconds. Servers close idle
    /// connections after one to five minutes.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.options.idle_timeout = timeout;
        self
    }

    /// Sets the maximum number of messages begun per period. Default: no limit.
    pub fn rate(mut self, rate: impl Into<Option<Rate>>) -> Self {
        self.options.rate = rate.into();
        self
    }

    /// Sets the maximum length of the queue, which holds messages and calls of
    /// [`acquire`](Mailer::acquire). Default: 1,000. When the queue is full, further calls wait for
    /// a free place before they are queued.
    pub fn queue_limit(mut self, most: usize) -> Self {
        self.options.queue_limit = most.max(1);
        self
    }

    /// Sets how long a message or a call of [`acquire`](Mailer::acquire) may wait until a
    /// connection begins with it. Default: 5 minutes. The wait for a place in a full queue counts.
    pub fn wait_timeout(mut self, timeout: Duration) -> Self {
        self.options.wait_timeout = timeout;
        self
    }

    /// Sets the maximum number of attempts to connect, and of attempts to send a message that was
    /// certainly not accepted. Default: 3.
    ///
    /// The pause between two attempts to connect is 1 second, then 2, and so on up to 30 seconds,
    /// each extended at random by up to a half. The same pauses precede another attempt to send a
    /// message that was refused for concurrency or rate. A refusal because the session accepts no
    /// further message does not count as an attempt.
    pub fn attempts(mut self, most: u32) -> Self {
        self.options.attempts = most.max(1);
        self
    }

    /// Sets when a message is sent again to recipients that the server refused for now. Default:
    /// never.
    pub fn retry(mut self, retry: impl Into<Option<Retry>>) -> Self {
        self.options.retry = retry.into();
        self
    }

    /// Returns what the methods set, to set it otherwise.
    pub(super) fn options_mut(&mut self) -> &mut Options {
        &mut self.options
    }

    /// Creates the mailer. It opens no connection before there is work.
    #[must_use]
    pub fn build(self) -> Mailer {
        let Self { connector, options } = self;
        Mailer { handle: Arc::new(Handle(Arc::new(Shared::new(connector, options)))) }
    }
}

/// The options of a mailer's URL, each by the name of the method.
pub(super) const OPTIONS: &[UrlOption<Options>] = &[
    UrlOption {
        name: "connections",
        expected: COUNT,
        set: |options, value| {
            options.connections = parsed::<NonZeroUsize>(value)?.get();
            Ok(())
        },
    },
    UrlOption {
        name: "messages-per-connection",
        expected: COUNT,
        set: |options, value| {
            options.messages_per_connection = parsed::<NonZeroUsize>(value)?.get();
            Ok(())
        },
    },
    UrlOption {
        name: "idle-timeout",
        expected: DURATION,
        set: |options, value| {
            options.idle_timeout = duration(value)?;
            Ok(())
        },
    },
    UrlOption {
        name: "rate",
        expected: "messages per period, such as 100/1m",
        set: |options, value| {
            let (messages, within) = value.split_once('/').ok_or(Rejected::Value)?;
            let messages = parsed::<NonZeroUsize>(messages)?.get();
            options.rate = Some(Rate::new(messages, duration(within)?));
            Ok(())
        },
    },
    UrlOption {
        name: "queue-limit",
        expected: COUNT,
        set: |options, value| {
            options.queue_limit = parsed::<NonZeroUsize>(value)?.get();
            Ok(())
        },
    },
    UrlOption {
        name: "wait-timeout",
        expected: DURATION,
        set: |options, value| {
            options.wait_timeout = duration(value)?;
            Ok(())
        },
    },
    UrlOption {
        name: "attempts",
        expected: COUNT,
        set: |options, value| {
            options.attempts = parsed::<NonZeroU32>(value)?.get();
            Ok(())
        },
    },
    UrlOption {
        name: "retry",
        expected: "a number of retries above 0, with the first pause if that is set: 3 or 3/5m",
        set: |options, value| {
            let (times, pause) = match value.split_once('/') {
                Some((times, pause)) => (times, Some(duration(pause)?)),
                None => (value, None),
            };
            let retry = Retry::new(parsed::<NonZeroU32>(times)?.get());
            options.retry = Some(match pause {
                Some(pause) => retry.first_pause(pause),
                None => retry,
            });
            Ok(())
        },
    },
];

const COUNT: &str = "a number above 0";

impl fmt::Debug for MailerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailerBuilder").field("options", &self.options).finish_non_exhaustive()
    }
}

/// A sliding-window rate limit: in any period of this length, at most this many messages are begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    messages: usize,
    within: Duration,
}

impl Rate {
    /// Creates a limit of at most `messages` messages per period `within`. Zero messages count as
    /// one; `None` in place of a [`Rate`] is no limit.
    pub fn new(messages: usize, within: Duration) -> Self {
        Self { messages: messages.max(1), within }
    }

    /// Returns the maximum number of messages per period.
    pub fn messages(self) -> usize {
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
