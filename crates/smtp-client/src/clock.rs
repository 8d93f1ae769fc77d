//! The clock: how long the step under way may still take.
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
