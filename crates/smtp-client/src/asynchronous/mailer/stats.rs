//! Statistics: what a mailer has done since it was made.
use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use smtp_error::{Delivery, Error, Verdict};

/// What a mailer has done since it was made: [`Mailer::stats`](crate::Mailer::stats).
///
/// Every number but those of the present state only grows, so that the difference of two snapshots
/// is what happened between them. The numbers are counted one by one: a snapshot that is taken while
/// a message is completed may have it in one number and not yet in another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MailerStats {
    /// The connections that were opened, with TLS and login if they are configured.
    pub connections_opened: u64,
    /// The attempts to connect that failed.
    pub connections_failed: u64,
    /// How often a message, or a call of [`acquire`](crate::Mailer::acquire), began on a connection
    /// that had been used before.
    pub connections_reused: u64,
    /// The connections that are open now.
    pub open: usize,
    /// Those of them that have nothing to do.
    pub idle: usize,
    /// The messages and the calls of [`acquire`](crate::Mailer::acquire) in the queue now.
    pub queued: usize,
    /// The messages that wait for a [retry](crate::MailerBuilder::retry) now.
    pub paused: usize,
    /// How often a message was queued again for recipients that the server had refused for now.
    pub retries: u64,
    /// The messages that were accepted for every recipient.
    pub accepted: u64,
    /// The messages that were accepted for some recipients, and refused for the others.
    pub partly_accepted: u64,
    /// The messages that were refused for every recipient.
    pub refused: u64,
    /// The messages that may have been accepted although no reply confirmed it.
    pub in_doubt: u64,
    /// The messages that ended with an error and were certainly not accepted.
    pub not_sent: u64,
    /// How long messages and calls of [`acquire`](crate::Mailer::acquire) waited until a connection
    /// began with them. One that is queued again, for another attempt, counts again.
    pub waiting: Histogram,
    /// How long the attempts to send a message took, from the moment that it was handed to a
    /// connection.
    pub sending: Histogram,
}

/// The upper bounds of the buckets.
const BOUNDS: [Duration; 16] = [
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(60),
    Duration::from_secs(300),
];

/// Durations, counted in fixed buckets: up to 1, 2, 5, 10, 20, 50, 100, 200 and 500 milliseconds, 1,
/// 2, 5, 10, 30, 60 and 300 seconds, and longer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: [u64; BOUNDS.len() + 1],
    sum: Duration,
}

impl Histogram {
    /// Returns the buckets, the shortest first: the upper bound, which counts in, and the number of
    /// durations above the bound before. The last bucket has no bound.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<Duration>, u64)> {
        let bounds = BOUNDS.into_iter().map(Some).chain([None]);
        bounds.zip(self.counts)
    }

    /// Returns how many durations were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Returns the sum of all durations, which were counted in microseconds.
    pub fn sum(&self) -> Duration {
        self.sum
    }
}

/// A histogram that is being counted.
#[derive(Debug, Default)]
pub(super) struct Counting {
    counts: [AtomicU64; BOUNDS.len() + 1],
    microseconds: AtomicU64,
}

impl Counting {
    pub(super) fn count(&self, duration: Duration) {
        let bucket = BOUNDS.iter().take_while(|&&bound| bound < duration).count();
        self.counts[bucket].fetch_add(1, Relaxed);
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.microseconds.fetch_add(microseconds, Relaxed);
    }

    fn snapshot(&self) -> Histogram {
        let counts = std::array::from_fn(|bucket| self.counts[bucket].load(Relaxed));
        Histogram { counts, sum: Duration::from_micros(self.microseconds.load(Relaxed)) }
    }
}

/// What is counted while the mailer runs.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) opened: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) reused: AtomicU64,
    pub(super) retries: AtomicU64,
    pub(super) waiting: Counting,
    pub(super) sending: Counting,
    accepted: AtomicU64,
    partly_accepted: AtomicU64,
    refused: AtomicU64,
    in_doubt: AtomicU64,
    not_sent: AtomicU64,
}

impl Counters {
    /// Counts the result of a message.
    pub(super) fn count_result(&self, result: &Result<Delivery, Error>) {
        let counter = match result {
            Ok(delivery) if delivery.all_accepted() => &self.accepted,
            Ok(delivery) if delivery.any_accepted() => &self.partly_accepted,
            Ok(_) => &self.refused,
            Err(error) if error.in_doubt() => &self.in_doubt,
            // LMTP gives a verdict for each recipient: some may have one when the connection fails.
            Err(error)
                if error.verdicts().any(|(_, known)| known.is_some_and(Verdict::is_accepted)) =>
            {
                &self.partly_accepted
            }
            Err(_) => &self.not_sent,
        };
        counter.fetch_add(1, Relaxed);
    }

    /// Returns what was counted, beside the numbers of the present state.
    pub(super) fn snapshot(&self) -> MailerStats {
        MailerStats {
            connections_opened: self.opened.load(Relaxed),
            connections_failed: self.failed.load(Relaxed),
            connections_reused: self.reused.load(Relaxed),
            retries: self.retries.load(Relaxed),
            accepted: self.accepted.load(Relaxed),
            partly_accepted: self.partly_accepted.load(Relaxed),
            refused: self.refused.load(Relaxed),
            in_doubt: self.in_doubt.load(Relaxed),
            not_sent: self.not_sent.load(Relaxed),
            waiting: self.waiting.snapshot(),
            sending: self.sending.snapshot(),
            ..MailerStats::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_up_to_its_bound() {
        let counting = Counting::default();
        let just_above = Duration::from_nanos(1_000_001);
        for duration in
            [Duration::ZERO, BOUNDS[0], just_above, BOUNDS[15], Duration::from_secs(301)]
        {
            counting.count(duration);
        }
        let found = counting.snapshot();
        let filled = found.buckets().filter(|(_, count)| *count > 0).collect::<Vec<_>>();
        let expected =
            [(Some(BOUNDS[0]), 2), (Some(BOUNDS[1]), 1), (Some(BOUNDS[15]), 1), (None, 1)];
        assert_eq!((filled, found.count()), (expected.to_vec(), 5));
        assert_eq!(found.sum(), Duration::from_micros(601_002_000));
    }
}
