//! Capacity: the number of connections, and of messages per connection, that the server accepts.
use std::time::Duration;

use tokio::time::Instant;

use super::builder::Options;

/// The number of connections that a mailer opens, and of messages that each carries: the configured
/// numbers, or lower ones while the server refuses more.
///
/// No extension announces the limit of connections per client, and few servers announce that of
/// messages (LIMITS, RFC 9422), so that both are learned from refusals.
///
/// **Connections.** If a connection cannot be opened while the mailer has others, open or being
/// opened, their number is the new maximum. If a message is refused because of concurrency or rate
/// ([`Blame::Throttling`](super::blame::Blame)), the maximum is one fewer. It is never below one.
/// After one minute, one more connection is tried. If that probe fails, the next follows after two
/// minutes, then after four, and so on up to 16: a limit under load ends soon, but a configured one
/// would be probed in vain each minute.
///
/// **Messages.** If the server refuses MAIL because of the session
/// ([`Blame::Session`](super::blame::Blame)), connections are closed after the number of messages
/// that this one carried. The number is forgotten after ten minutes, because the conclusion may be
/// wrong, and at once if the same message is also refused as the first of another connection.
///
/// **Recipients.** If the server refuses a recipient after others, as one too many or by ending the
/// session, transactions have as many as it accepted, where the others get another transaction
/// ([`Excess::Continue`](crate::Excess::Continue)). That number, too, is forgotten after ten minutes.
#[derive(Debug)]
pub(super) struct Capacity {
    /// The configured maximum number of connections.
    most_connections: usize,
    /// The configured maximum number of messages per connection.
    most_messages: usize,
    connections: usize,
    /// When one more connection may be tried.
    probe_at: Option<Instant>,
    /// The time between the last change and that probe.
    interval: Duration,
    /// Whether the last change was a probe.
    probing: bool,
    /// The learned number of messages per session, and when it expires.
    messages: Option<(usize, Instant)>,
    /// The learned number of recipients per transaction, and when it expires.
    recipients: Option<(usize, Instant)>,
    /// Whether no message begins ahead of the replies to the one before it.
    in_order: bool,
}

/// The time from a change to the first probe.
const INTERVAL: Duration = Duration::from_secs(60);
/// The longest time between two probes.
const LONGEST_INTERVAL: Duration = Duration::from_secs(16 * 60);
/// How long a learned number of messages per session, or of recipients per transaction, counts.
const REMEMBERED: Duration = Duration::from_secs(10 * 60);

impl Capacity {
    /// Starts with the configured numbers.
    pub(super) fn new(options: &Options) -> Self {
        Self {
            most_connections: options.connections,
            most_messages: options.messages_per_connection,
            connections: options.connections,
            probe_at: None,
            interval: INTERVAL,
            probing: false,
            messages: None,
            recipients: None,
            in_order: false,
        }
    }

    /// Returns the current maximum number of connections.
    pub(super) fn connections(&self) -> usize {
        self.connections
    }

    /// Lowers the maximum number of connections, to one at least. A higher number changes nothing.
    pub(super) fn lower_to(&mut self, connections: usize, now: Instant) {
        let connections = connections.max(1);
        if connections >= self.connections {
            return;
        }
        self.connections = connections;
        // The last change was a probe, which has failed by this.
        if std::mem::replace(&mut self.probing, false) {
            self.interval = (self.interval * 2).min(LONGEST_INTERVAL);
        }
        self.probe_at = now.checked_add(self.interval);
    }

    /// Raises the maximum by one if a probe is due. Returns whether it did.
    pub(super) fn raise(&mut self, now: Instant) -> bool {
        let due = self.probe_at.is_some_and(|at| at <= now);
        if !due || self.connections >= self.most_connections {
            return false;
        }
        // The last change was a probe, which no failure has followed: the server accepts more.
        if std::mem::replace(&mut self.probing, true) {
            self.interval = INTERVAL;
        }
        self.connections += 1;
        self.probe_at = now.checked_add(self.interval);
        true
    }

    /// Returns the current maximum number of messages per connection.
    pub(super) fn messages(&self, now: Instant) -> usize {
        let most = self.most_messages;
        match self.messages {
            Some((learned, until)) if now < until => most.min(learned),
            _ => most,
        }
    }

    /// Records that the server refused another message on a connection after this number of them.
    pub(super) fn learn_messages(&mut self, messages: usize, now: Instant) {
        self.messages = now.checked_add(REMEMBERED).map(|until| (messages.max(1), until));
    }

    /// Returns the learned number of recipients per transaction.
    pub(super) fn recipients(&self, now: Instant) -> Option<usize> {
        let (learned, until) = self.recipients?;
        (now < until).then_some(learned)
    }

    /// Records that the server accepted this number of recipients in a transaction and no more. What
    /// is known already is not extended, so that it is tried again when it expires.
    pub(super) fn learn_recipients(&mut self, recipients: usize, now: Instant) {
        if self.recipients(now).is_none_or(|known| recipients < known) {
            self.recipients = now.checked_add(REMEMBERED).map(|until| (recipients, until));
        }
    }

    /// Records that the server dropped commands that were sent ahead. It is not forgotten: another
    /// trial would cost a timeout, and to keep the order costs round trips only.
    pub(super) fn keep_order(&mut self) {
        self.in_order = true;
    }

    /// Returns whether no message begins ahead of the replies to the one before it.
    pub(super) fn keeps_order(&self) -> bool {
        self.in_order
    }

    /// Discards the learned number of messages: the refusal was about the message.
    pub(super) fn forget_messages(&mut self) {
        self.messages = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a capacity of this number of connections, lowered to one, and the time of that.
    fn lowered(connections: usize) -> (Capacity, Instant) {
        let options = Options { connections, ..Options::default() };
        let (mut capacity, now) = (Capacity::new(&options), Instant::now());
        capacity.lower_to(0, now);
        assert_eq!(capacity.connections(), 1);
        (capacity, now)
    }

    #[test]
    fn one_more_connection_is_tried_each_minute_up_to_the_limit() {
        let (mut capacity, now) = lowered(3);
        let rises = (0..400).filter(|&second| capacity.raise(now + Duration::from_secs(second)));
        assert_eq!(rises.collect::<Vec<_>>(), [60, 120]);
        assert_eq!(capacity.connections(), 3);
    }

    #[test]
    fn the_interval_doubles_after_each_failed_probe() {
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
    fn the_interval_is_short_again_after_a_successful_probe() {
        let (mut capacity, now) = lowered(4);
        let at = |second| now + Duration::from_secs(second);
        assert!(capacity.raise(at(60)));
        capacity.lower_to(1, at(60));
        assert!(!capacity.raise(at(179)) && capacity.raise(at(180)));
        assert!(!capacity.raise(at(299)) && capacity.raise(at(300)));
        assert!(!capacity.raise(at(359)) && capacity.raise(at(360)));
    }

    #[test]
    fn the_learned_number_of_recipients_expires_and_is_extended_by_a_lower_one_only() {
        let (mut capacity, now) = lowered(2);
        let at = |second| now + Duration::from_secs(second);
        assert_eq!(capacity.recipients(now), None);
        capacity.learn_recipients(5, now);
        capacity.learn_recipients(7, at(300));
        capacity.learn_recipients(5, at(300));
        assert_eq!(capacity.recipients(at(599)), Some(5));
        assert_eq!(capacity.recipients(at(600)), None);
        capacity.learn_recipients(7, at(600));
        assert_eq!(capacity.recipients(at(600)), Some(7));
        capacity.learn_recipients(3, at(900));
        assert_eq!(capacity.recipients(at(1499)), Some(3));
    }

    #[test]
    fn the_learned_number_of_messages_expires() {
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
