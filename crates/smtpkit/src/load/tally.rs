//! The results of the messages of a run, in bounded memory.
use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use smtp_client::{Delivery, Error, Reply, Step};

use super::steps::Measured;
use crate::exit::Exit;

/// The results of a part of the connections. Parts are added up at the end.
pub(super) struct Tally {
    /// The times of whole messages, in nanoseconds.
    pub(super) messages: Histogram<u64>,
    /// The times of each step, in the order of [`Measured::ALL`].
    pub(super) steps: [Histogram<u64>; Measured::ALL.len()],
    pub(super) counts: Counts,
    pub(super) refusals: Groups<RefusalKey>,
    pub(super) errors: Groups<ErrorKey>,
    /// The first error of a connection that could not be opened.
    pub(super) first_failure: Option<Error>,
}

/// How many messages, recipients and connections.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// Accepted for every recipient.
    pub(super) accepted: u64,
    /// Accepted for some recipients.
    pub(super) some_refused: u64,
    /// Refused for every recipient, for good.
    pub(super) refused: u64,
    /// Refused for every recipient, for at least one of them only for now.
    pub(super) refused_for_now: u64,
    /// Not accepted: no connection, or it was lost before the end of the content.
    pub(super) failed: u64,
    /// Perhaps accepted.
    pub(super) in_doubt: u64,
    /// Taken and not sent, because the run was interrupted.
    pub(super) interrupted: u64,
    pub(super) recipients_accepted: u64,
    pub(super) recipients_refused: u64,
    pub(super) connections: u64,
}

/// Refusals with the same key are counted together, with the text of the first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RefusalKey {
    pub(super) step: String,
    pub(super) code: u16,
    pub(super) enhanced: Option<String>,
}

/// Errors with the same key are counted together, with the text of the first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ErrorKey {
    pub(super) step: String,
    pub(super) status: u8,
    pub(super) in_doubt: bool,
}

/// Counts by key, with the first text of each; of too many keys, the rest is counted together.
pub(super) struct Groups<K> {
    groups: BTreeMap<K, (u64, String)>,
    pub(super) others: u64,
}

/// The most keys that are told apart.
const GROUPS: usize = 64;

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            messages: histogram(),
            steps: Measured::ALL.map(|_| histogram()),
            counts: Counts::default(),
            refusals: Groups::default(),
            errors: Groups::default(),
            first_failure: None,
        }
    }

    /// Adds the time of a step, in nanoseconds.
    pub(super) fn step(&mut self, step: Measured, time: u64) {
        let at = Measured::ALL.iter().position(|(measured, _)| *measured == step);
        if let Some(times) = at.and_then(|at| self.steps.get_mut(at)) {
            record(times, time);
        }
    }

    /// Adds the result of a message that took `time` nanoseconds.
    pub(super) fn message(&mut self, result: &Result<Delivery, Error>, time: u64) {
        match result {
            Ok(delivery) => {
                record(&mut self.messages, time);
                self.delivery(delivery);
            }
            Err(error) => self.error(error),
        }
    }

    /// Adds an error that a message has as its result.
    pub(super) fn error(&mut self, error: &Error) {
        match error.in_doubt() {
            true => self.counts.in_doubt += 1,
            false => self.counts.failed += 1,
        }
        let key = ErrorKey {
            step: error.step().to_string(),
            status: Exit::of_error(error).status(),
            in_doubt: error.in_doubt(),
        };
        self.errors.add(key, || error.to_string());
    }

    fn delivery(&mut self, delivery: &Delivery) {
        let mut refused = 0;
        for (_, verdict) in delivery.refused() {
            refused += 1;
            self.refusal(verdict.step(), verdict.reply());
        }
        let all = delivery.verdicts().count() as u64;
        self.counts.recipients_refused += refused;
        self.counts.recipients_accepted += all - refused;
        let count = match Exit::of_delivery(delivery) {
            Exit::Fine => &mut self.counts.accepted,
            Exit::SomeRefused => &mut self.counts.some_refused,
            Exit::RefusedForNow => &mut self.counts.refused_for_now,
            _ => &mut self.counts.refused,
        };
        *count += 1;
    }

    fn refusal(&mut self, step: Step, reply: &Reply) {
        let enhanced = reply.enhanced().map(|code| code.to_string());
        let key = RefusalKey { step: step.to_string(), code: reply.code().get(), enhanced };
        self.refusals.add(key, || {
            let lines: Vec<_> = reply.lines().map(|line| line.printable().into_owned()).collect();
            lines.join(" / ")
        });
    }

    /// Adds another part.
    pub(super) fn merge(&mut self, other: Self) {
        let _ = self.messages.add(&other.messages);
        for (times, others) in self.steps.iter_mut().zip(&other.steps) {
            // Both resize themselves, so that there is room for all.
            let _ = times.add(others);
        }
        self.counts.merge(other.counts);
        self.refusals.merge(other.refusals);
        self.errors.merge(other.errors);
        self.first_failure = self.first_failure.take().or(other.first_failure);
    }
}

impl Counts {
    /// How many messages were begun.
    pub(super) fn begun(self) -> u64 {
        self.answered() + self.failed + self.in_doubt + self.interrupted
    }

    /// How many messages the server has replied to.
    pub(super) fn answered(self) -> u64 {
        self.accepted + self.some_refused + self.refused + self.refused_for_now
    }

    fn merge(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.some_refused += other.some_refused;
        self.refused += other.refused;
        self.refused_for_now += other.refused_for_now;
        self.failed += other.failed;
        self.in_doubt += other.in_doubt;
        self.interrupted += other.interrupted;
        self.recipients_accepted += other.recipients_accepted;
        self.recipients_refused += other.recipients_refused;
        self.connections += other.connections;
    }
}

impl<K> Default for Groups<K> {
    fn default() -> Self {
        Self { groups: BTreeMap::new(), others: 0 }
    }
}

impl<K: Ord> Groups<K> {
    fn add(&mut self, key: K, text: impl FnOnce() -> String) {
        self.add_many(key, 1, text);
    }

    fn add_many(&mut self, key: K, count: u64, text: impl FnOnce() -> String) {
        if let Some((counted, _)) = self.groups.get_mut(&key) {
            *counted += count;
        } else if self.groups.len() < GROUPS {
            self.groups.insert(key, (count, text()));
        } else {
            self.others += count;
        }
    }

    fn merge(&mut self, other: Self) {
        self.others += other.others;
        for (key, (count, text)) in other.groups {
            self.add_many(key, count, || text);
        }
    }

    /// Each key with its count and its first text.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, u64, &str)> {
        self.groups.iter().map(|(key, (count, text))| (key, *count, text.as_str()))
    }
}

/// A histogram of three significant digits that grows as far as it has to.
fn histogram() -> Histogram<u64> {
    Histogram::new(3).expect("three digits are within what a histogram can have")
}

fn record(times: &mut Histogram<u64>, time: u64) {
    // It resizes itself. Of what it cannot hold, 500 years, nothing is lost that matters.
    let _ = times.record(time);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_keys_are_counted_together() {
        let mut groups = Groups::default();
        for key in 0..GROUPS + 5 {
            groups.add(key, || key.to_string());
        }
        groups.add(1, || "other".to_owned());
        assert_eq!((groups.groups.len(), groups.others), (GROUPS, 5));
        assert_eq!(groups.iter().nth(1), Some((&1, 2, "1")));
    }

    #[test]
    fn parts_are_added_up() {
        let mut all = Tally::new();
        for time in [5, 7_000_000_000] {
            let mut part = Tally::new();
            part.step(Measured::Quit, time);
            part.counts.accepted = 2;
            all.merge(part);
        }
        let quits = all.steps.last().unwrap();
        assert_eq!((quits.len(), quits.min(), all.counts.accepted), (2, 5, 4));
        assert!(quits.max() >= 7_000_000_000);
    }
}
