//! The manners of sending: by whom, how far ahead, in what framing, on which runtime, over what.
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

/// The protocol to the server, and its protection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Smtp,
    /// SMTP, with TLS after STARTTLS.
    StartTls,
    /// SMTP, with TLS from the first octet.
    Tls,
    /// LMTP, with a reply for each recipient.
    Lmtp,
}

/// One manner of sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Manner {
    pub(crate) sender: Sender,
    pub(crate) ahead: bool,
    pub(crate) chunks: bool,
    pub(crate) threads: bool,
    pub(crate) link: Link,
    /// Whether the mailer sends again what was refused for now.
    pub(crate) retry: bool,
}

/// What is tried besides SMTP in clear without retries.
const MORE: [(Link, bool); 5] = [
    (Link::StartTls, false),
    (Link::Tls, false),
    (Link::Lmtp, false),
    (Link::Smtp, true),
    (Link::Lmtp, true),
];

impl Manner {
    /// Returns every manner: all over SMTP in clear, and over what else there is one runtime for each
    /// order and framing.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for sender in [Sender::Tasks, Sender::SendAll, Sender::SendMany] {
            for number in 0..8 {
                let [ahead, chunks, threads] = [4, 2, 1].map(|bit| number & bit != 0);
                let (link, retry) = (Link::Smtp, false);
                all.push(Self { sender, ahead, chunks, threads, link, retry });
            }
        }
        let plain = all.clone();
        for (link, retry) in MORE {
            let fits = |one: &&Self| {
                one.threads == (one.ahead != one.chunks)
                    && (!retry || one.sender != Sender::SendMany)
            };
            all.extend(plain.iter().filter(fits).map(|&one| Self { link, retry, ..one }));
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

impl Link {
    /// Returns the scheme of a URL.
    pub(crate) fn scheme(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::StartTls => "smtp+starttls",
            Self::Tls => "smtps",
            Self::Lmtp => "lmtp",
        }
    }
}

/// The name, such as `tasks-ahead-chunks-threads` or `send_all-plain-data-current-lmtp-retry`.
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
        write!(f, "{sender}-{order}-{framing}-{runtime}")?;
        f.write_str(match self.link {
            Link::Smtp => "",
            Link::StartTls => "-starttls",
            Link::Tls => "-tls",
            Link::Lmtp => "-lmtp",
        })?;
        f.write_str(if self.retry { "-retry" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_manners_have_one_name() {
        let all = Manner::all();
        let names: HashSet<String> = all.iter().map(Manner::to_string).collect();
        assert_eq!(names.len(), all.len());
        assert!(names.contains("tasks-ahead-chunks-threads"));
        assert!(names.contains("send_all-plain-data-current-lmtp-retry"));
        assert!(!all.iter().any(|one| one.retry && one.sender == Sender::SendMany));
    }
}
