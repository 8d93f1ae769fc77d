//! Capacity: how many connections, and how many messages on each, a server was found to accept.
use std::time::Duration;

use tokio::time::Instant;

use super::MailerLimits;

/// How many connections a mailer has at a time, and how many messages each is used for: as many as
/// its limits allow, or fewer while the server was found to accept fewer.
///
/// **Connections.** If a connection cannot be opened while others of the mailer are open or being
/// opened, those others are as many as there are from then on. If a message is refused because of
/// concurrency or rate ([`Blame::Pace`](super::blame::Blame)), there is one fewer. One always
/// remains. After a minute one more is tried. If that one fails, the next is tried after two
/// minutes, then after four, and so on up to 16.
///
/// **Messages.** If the server refuses MAIL because of the session
/// ([`Blame::Session`](super::blame::Blame)), connections are closed after as many messages as that
/// one carried. This is forgotten after ten minutes, so that a wrong conclusion does not last, and
/// at once if the refused message is refused as the first of another connection, too.
#[derive(Debug)]
pub(super) struct Capacity {
    limits: MailerLimits,
    connections: usize,
    /// When one connection more may be tried.
    probe_at: Option<Instant>,
    /// How long after the last change that is.
    interval: Duration,
    /// Whether the last change was a probe.
    probing: bool,
    /// How many messages a session accepts, and until when that counts.
    messages: Option<(usize, Instant)>,
}

/// How long after a change one connection more is tried.
const INTERVAL: Duration = Duration::from_secs(60);
/// The longest that this becomes.
const LONGEST_INTERVAL: Duration = Duration::from_secs(16 * 60);
/// How long the number of messages that a session accepts is remembered.
const REMEMBERED: Duration = Duration::from_secs(10 * 60);

impl Capacity {
    /// As much as these limits allow.
    pub(super) fn new(limits: MailerLimits) -> Self {
        Self {
            limits,
            connections: limits.connections.get(),
            probe_at: None,
            interval: INTERVAL,
            probing: false,
            messages: None,
        }
    }

    /// How many connections there may be at a time.
    pub(super) fn connections(&self) -> usize {
        self.connections
    }

    /// Allows no more connections than these, and one at least.
    pub(super) fn lower_to(&mut self, connections: usize, now: Instant) {
        let connections = connections.max(1);
        if connections >= self.connections {
            return;
        }
        self.connections = connections;
        if std::mem::replace(&mut self.probing, false) {
            self.interval = (self.interval * 2).min(LONGEST_INTERVAL);
        }
        self.probe_at = now.checked_add(self.interval);
    }

    /// Allows one connection more, if it is time to try that.
    pub(super) fn raise(&mut self, now: Instant) -> bool {
        let due = self.probe_at.is_some_and(|at| at <= now);
        if !due || self.connections >= self.limits.connections.get() {
            return false;
        }
        // The probe before this one succeeded.
        if std::mem::replace(&mut self.probing, true) {
            self.interval = INTERVAL;
        }
        self.connections += 1;
        self.probe_at = now.checked_add(self.interval);
        true
    }

    /// How many messages a connection is used for.
    pub(super) fn messages(&self, now: Instant) -> usize {
        let most = self.limits.messages.get();
        match self.messages {
            Some((learned, until)) if now < until => most.min(learned),
            _ => most,
        }
    }

    /// The server refused another message on a connection that had carried this many.
    pub(super) fn learn_messages(&mut self, messages: usize, now: Instant) {
        self.messages = now.checked_add(REMEMBERED).map(|until| (messages.max(1), until));
    }

    /// The refusal was about the message.
    pub(super) fn forget_messages(&mut self) {
        self.messages = None;
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;

    /// A capacity of this many connections, lowered to one, and a time.
    fn lowered(connections: usize) -> (Capacity, Instant) {
        let connections = NonZeroUsize::new(connections).unwrap();
        let limits = MailerLimits { connections, ..MailerLimits::default() };
        let (mut capacity, now) = (Capacity::new(limits), Instant::now());
        capacity.lower_to(0, now);
        assert_eq!(capacity.connections(), 1);
        (capacity, now)
    }

    #[test]
    fn one_connection_more_is_tried_each_minute_and_no_more_than_the_limits_allow() {
        let (mut capacity, now) = lowered(3);
        let rises = (0..400).filter(|&second| capacity.raise(now + Duration::from_secs(second)));
        assert_eq!(rises.collect::<Vec<_>>(), [60, 120]);
        assert_eq!(capacity.connections(), 3);
    }

    #[test]
    fn a_probe_that_fails_is_repeated_later_and_later() {
        let (mut capacity, now) = lowered(2);
        let mut rises = Vec::new();
        for second in 0..6000 {
            let now = now + Duration::from_secs(second);
            if capacity.raise(now) {
                rises.push(second);
                capacity.lower_to(1, now);
            }
        }
        assert_eq!(rises, [60, 180, 420, 900, 1860, 2820, 3780, 4740, 5700]);
    }

    #[test]
    fn a_probe_that_succeeded_makes_the_next_ones_frequent_again() {
        let (mut capacity, now) = lowered(4);
        let at = |second| now + Duration::from_secs(second);
        assert!(capacity.raise(at(60)));
        capacity.lower_to(1, at(60));
        assert!(!capacity.raise(at(179)) && capacity.raise(at(180)));
        assert!(!capacity.raise(at(299)) && capacity.raise(at(300)));
        assert!(!capacity.raise(at(359)) && capacity.raise(at(360)));
    }

    #[test]
    fn the_messages_of_a_session_are_remembered_for_a_while() {
        let (mut capacity, now) = lowered(2);
        assert_eq!(capacity.messages(now), 100);
        capacity.learn_messages(7, now);
        assert_eq!(capacity.messages(now + Duration::from_secs(599)), 7);
        assert_eq!(capacity.messages(now + Duration::from_secs(600)), 100);
        capacity.learn_messages(500, now);
        assert_eq!(capacity.messages(now), 100);
        capacity.learn_messages(0, now);
        assert_eq!(capacity.messages(now), 1);
        capacity.forget_messages();
        assert_eq!(capacity.messages(now), 100);
    }
}
