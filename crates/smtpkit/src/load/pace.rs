//! The pace of a run: how many messages there are, when each is due, and when the run ends early.
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

/// A timer of the runtime may end this much later than it should. Such a delay is no delay of the
/// server, and does not count.
const TIMER: Duration = Duration::from_millis(2);

impl Pace {
    /// Begins a run of so many messages, with at most so many in a second.
    pub(super) fn begin(most: u64, rate: Option<f64>) -> Self {
        let period = rate.map(|rate| Duration::from_secs_f64(rate.recip()));
        let (phase, _) = watch::channel(Phase::default());
        Self { began: Instant::now(), period, most, next: AtomicU64::new(0), phase }
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
            () = self.until(Phase::Stopping) => return None,
        }
        let now = Instant::now();
        Some(if now - due <= TIMER { now } else { due })
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
        let (due, ()) = tokio::join!(pace.await_due(second), async { pace.set(Phase::Stopping) });
        assert!(due.is_none());
        assert!(pace.take().is_none());
    }
}
