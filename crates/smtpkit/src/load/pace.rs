//! The pace of a run: how many messages there are, when each is due, and when the run ends early.
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// The messages of a run, which the connections take one by one.
pub(super) struct Pace {
    began: Instant,
    /// The time between two messages; `None` without a rate.
    period: Option<Duration>,
    most: u64,
    next: AtomicU64,
    /// From when on no message is begun.
    stopped: OnceLock<Instant>,
    phase: watch::Sender<Phase>,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Messages are begun.
    #[default]
    Running,
    /// No further message is begun; those under way go on.
    Stopping,
    /// Messages under way are cut off.
    Cut,
}

/// One message that was taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    /// The number of the message, from 0.
    pub(super) number: u64,
    /// When it is due; `None` without a rate: then it is due when a connection is ready for it.
    pub(super) due: Option<Instant>,
}

/// What a rate demanded of a run that has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Backlog {
    /// How many messages were due.
    pub(super) due: u64,
    /// How many of them no connection was free for.
    pub(super) not_begun: u64,
    /// How long the first of these had waited.
    pub(super) oldest: Duration,
}

/// A timer of the runtime may end this much later than it should. Such a delay is no delay of the
/// server, and does not count.
const TIMER: Duration = Duration::from_millis(2);

impl Pace {
    /// Begins a run of at most `most` messages, `rate` in a second.
    pub(super) fn begin(most: u64, rate: Option<f64>) -> Self {
        let period = rate.map(|rate| Duration::from_secs_f64(rate.recip()));
        let (phase, _) = watch::channel(Phase::default());
        let (next, stopped) = (AtomicU64::new(0), OnceLock::new());
        Self { began: Instant::now(), period, most, next, stopped, phase }
    }

    /// When the run began.
    pub(super) fn began(&self) -> Instant {
        self.began
    }

    /// Takes the next message; `None` if there is none, or the run ends.
    pub(super) fn take(&self) -> Option<Ticket> {
        if *self.phase.borrow() != Phase::Running {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if number >= self.most {
            return None;
        }
        let due = self.period.map(|period| self.began + period.mul_f64(number as f64));
        Some(Ticket { number, due })
    }

    /// Waits until the message is due, and returns when its time begins; `None` if the run ends
    /// before. The time of a message that no connection was free for began when it was due.
    pub(super) async fn await_due(&self, ticket: Ticket) -> Option<Instant> {
        let Some(due) = ticket.due else { return Some(Instant::now()) };
        let now = Instant::now();
        if now >= due {
            return Some(due);
        }
        tokio::select! {
            () = sleep_until(due) => {}
            () = self.until(Phase::Stopping) => {
                // Of two timers that end at the same time, the one of the run may be first.
                if self.stopped.get().is_none_or(|stopped| due >= *stopped) {
                    return None;
                }
            }
        }
        let now = Instant::now();
        Some(if now - due <= TIMER { now.max(due) } else { due })
    }

    /// Begins no message that is due at this time or later.
    pub(super) fn stop(&self, at: Instant) {
        self.stopped.get_or_init(|| at);
        self.set(Phase::Stopping);
    }

    /// Returns what a rate demanded until the run stopped, if `begun` messages were begun; `None`
    /// without a rate.
    pub(super) fn backlog(&self, begun: u64) -> Option<Backlog> {
        let period = self.period?;
        let stopped = self.stopped.get().copied();
        let elapsed = stopped.map(|stopped| stopped.saturating_duration_since(self.began));
        // The message of number n is due n periods after the beginning.
        let due = elapsed.map_or(self.most, |elapsed| {
            self.most.min(elapsed.div_duration_f64(period).ceil() as u64)
        });
        let due = due.max(begun);
        let not_begun = due - begun;
        let oldest = elapsed.filter(|_| not_begun > 0).unwrap_or_default();
        let oldest = oldest.saturating_sub(period.mul_f64(begun as f64));
        Some(Backlog { due, not_begun, oldest })
    }

    /// Goes on to this phase.
    pub(super) fn set(&self, phase: Phase) {
        self.phase.send_modify(|now| *now = phase.max(*now));
    }

    /// Waits for this phase or a later one.
    pub(super) async fn until(&self, phase: Phase) {
        let mut now = self.phase.subscribe();
        if now.wait_for(|now| *now >= phase).await.is_err() {
            // The sender lives as long as the pace does.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn messages_are_due_at_the_rate_whatever_the_server_does() {
        let pace = Pace::begin(3, Some(10.0));
        let began = pace.began();
        let tickets: Vec<_> = std::iter::from_fn(|| pace.take()).collect();
        assert_eq!(tickets.len(), 3);
        assert_eq!(pace.await_due(tickets[1]).await, Some(began + Duration::from_millis(100)));
        // The server was slow: the time of the message began when it was due.
        tokio::time::advance(Duration::from_secs(7)).await;
        assert_eq!(pace.await_due(tickets[2]).await, Some(began + Duration::from_millis(200)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_stops_begins_no_message() {
        let pace = Pace::begin(9, Some(0.001));
        let (first, second) = (pace.take().unwrap(), pace.take().unwrap());
        assert!(pace.await_due(first).await.is_some());
        let (due, ()) = tokio::join!(pace.await_due(second), async { pace.stop(Instant::now()) });
        assert!(due.is_none());
        assert!(pace.take().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_due_and_not_begun_is_known() {
        let second = Duration::from_secs(1);
        let pace = Pace::begin(1000, Some(100.0));
        assert_eq!(Pace::begin(1000, None).backlog(3), None);
        let all = Backlog { due: 1000, not_begun: 0, oldest: Duration::ZERO };
        assert_eq!(pace.backlog(1000), Some(all));
        tokio::time::advance(5 * second).await;
        pace.stop(pace.began() + 3 * second);
        let oldest = Duration::from_millis(2970);
        assert_eq!(pace.backlog(3), Some(Backlog { due: 300, not_begun: 297, oldest }));
        assert_eq!(pace.backlog(301).map(|backlog| backlog.not_begun), Some(0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_is_due_before_the_end_is_begun() {
        let pace = Pace::begin(9, Some(1.0));
        let second = [pace.take(), pace.take()][1].unwrap();
        let end = pace.began() + Duration::from_micros(1_000_300);
        let (due, ()) = tokio::join!(pace.await_due(second), async { pace.stop(end) });
        assert_eq!(due, second.due);
    }
}
