//! The clock: how long the step under way may still take, and pauses between attempts.
#[cfg(feature = "tokio")]
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use smtp_error::{Broken, Step};

use crate::Timeouts;

#[cfg(not(feature = "tokio"))]
pub(crate) use std::time::Instant;
/// The clock of tokio, which a test can pause. Outside of a runtime it is that of the standard
/// library.
#[cfg(feature = "tokio")]
pub(crate) use tokio::time::Instant;

/// When the current step has to be over, and the operation as a whole.
pub(crate) struct Clock {
    timeouts: Timeouts,
    /// When it was started, if nothing has begun since.
    fresh: Option<Instant>,
    step: Step,
    progress: Option<u64>,
    /// Whether the caller had the last step.
    paused: bool,
    step_ends: Instant,
    operation_ends: Option<Instant>,
}

/// The end of the time that something may take, which may be one of several things under way.
#[derive(Clone)]
pub(crate) struct Limit {
    pub(crate) at: Instant,
    /// What it means that the time has ended.
    pub(crate) expired: Broken,
}

impl Clock {
    /// A clock for an operation that begins now.
    pub(crate) fn start(timeouts: Timeouts) -> Self {
        let now = Instant::now();
        let operation_ends = timeouts.operation.map(|limit| later(now, limit));
        Self {
            timeouts,
            fresh: Some(now),
            step: Step::Connect,
            progress: None,
            paused: false,
            step_ends: now,
            operation_ends,
        }
    }

    /// Begins to wait for `step`, for at most as long as it may take, and says how long that is.
    pub(crate) fn begin(&mut self, step: Step) -> Duration {
        let now = self.begin_step(step);
        self.deadline() - now
    }

    /// Begins to wait for `step`, and returns when its time ends.
    pub(crate) fn limit(&mut self, step: Step) -> Limit {
        self.begin(step);
        Limit { at: self.deadline(), expired: self.expired() }
    }

    fn begin_step(&mut self, step: Step) -> Instant {
        let now = self.fresh.take().unwrap_or_else(Instant::now);
        self.step = step;
        self.step_ends = later(now, self.timeouts.for_step(step));
        now
    }

    /// Begins to close, and says how long that may take.
    pub(crate) fn begin_to_close(&mut self) -> Duration {
        self.close_in();
        self.deadline() - Instant::now()
    }

    /// What it means that the deadline has passed.
    pub(crate) fn expired(&self) -> Broken {
        match (self.timeouts.operation, self.operation_ends) {
            (Some(limit), Some(ends)) if ends <= self.step_ends => Broken::Deadline { limit },
            _ => Broken::TimedOut { after: self.timeouts.for_step(self.step) },
        }
    }

    /// Starts the time of the step again with each progress. Replies that are pending although the
    /// answer is known (`settled`) get no more time than closing does.
    pub(crate) fn turn(&mut self, step: Step, progress: u64, settled: bool) {
        if self.paused {
            self.restart();
        }
        if self.step != step || self.progress != Some(progress) {
            self.progress = Some(progress);
            self.begin_step(step);
            if settled {
                self.close_in();
            }
        }
    }

    /// The next step is the caller's, who may take any time.
    pub(crate) fn wait_for_the_caller(&mut self) {
        (self.fresh, self.progress) = (None, None);
        self.paused = true;
        self.step_ends = later(Instant::now(), Duration::MAX);
        self.operation_ends = None;
    }

    /// An operation begins.
    pub(crate) fn restart(&mut self) {
        *self = Self::start(self.timeouts);
    }

    pub(crate) fn close_in(&mut self) {
        self.step_ends = later(Instant::now(), self.timeouts.close);
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.operation_ends.map_or(self.step_ends, |ends| ends.min(self.step_ends))
    }
}

/// The end of a time that begins now; one that is longer than the clock goes is as good as none.
pub(crate) fn later(now: Instant, time: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    now.checked_add(time.min(CENTURY)).unwrap_or(now + Duration::from_secs(1 << 30))
}

/// Returns the pause after the attempt of this number, from 1: the first one, doubled with each
/// attempt up to the longest, plus a random part of up to a half.
///
/// The random part spreads the attempts of many clients: a server that has just restarted would
/// otherwise get all of them at the same moment.
#[cfg(feature = "tokio")]
pub(crate) fn backoff(first: Duration, longest: Duration, attempt: u32) -> Duration {
    let doubled = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
    let base = first.saturating_mul(doubled).min(longest);
    // Each RandomState has new keys, which is enough randomness for jitter and needs no crate.
    let per_mille = RandomState::new().hash_one(attempt) % 1000;
    base.saturating_add((base / 2000).saturating_mul(per_mille as u32))
}

#[cfg(all(test, feature = "tokio"))]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_are_extended_by_up_to_a_half() {
        let (first, longest) = (Duration::from_secs(2), Duration::from_secs(30));
        for (attempt, base) in [(1, 2), (2, 4), (3, 8), (4, 16), (5, 30), (6, 30), (99, 30)] {
            let base = Duration::from_secs(base);
            let pauses: Vec<_> = (0..50).map(|_| backoff(first, longest, attempt)).collect();
            assert!(pauses.iter().all(|&pause| base <= pause && pause < base * 3 / 2), "{attempt}");
            assert!(pauses.iter().any(|&pause| pause != pauses[0]), "{attempt}");
        }
        assert_eq!(backoff(Duration::MAX, Duration::ZERO, 1), Duration::ZERO);
        assert!(backoff(Duration::MAX, Duration::MAX, u32::MAX) >= Duration::MAX / 2);
    }
}
