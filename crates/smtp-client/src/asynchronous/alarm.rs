//! The alarm: a deadline timer that is rarely reset, although deadlines change with every step.
use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::time::{Instant, Sleep, sleep_until};

/// Becomes ready at a deadline.
///
/// The timer inside may be set for an earlier time. When it fires, it is set again for the deadline
/// of that moment. Most deadlines are later than the previous one and never come, so that most of
/// them cost nothing; setting the timer takes a lock and possibly a system call.
#[derive(Default)]
pub(crate) struct Alarm {
    timer: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Returns whether the deadline has passed. If not, the task is woken at the deadline or
    /// earlier.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        loop {
            // A task that has used up its tokio budget gets Pending from every poll of a timer,
            // even an elapsed one; `is_elapsed` is not subject to the budget.
            if !timer.is_elapsed() && timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if timer.deadline() >= deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, time::Duration};

    use tokio::runtime::Builder;

    use super::*;

    #[track_caller]
    fn check(deadlines: &[u64]) {
        let runtime =
            Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let _inside = runtime.enter();
        let (begun, mut alarm) = (Instant::now(), Alarm::default());
        let mut last = begun;
        for &seconds in deadlines {
            last = begun + Duration::from_secs(seconds);
            // One poll, as for a step that ends before its deadline.
            let polled = runtime.block_on(poll_fn(|cx| Poll::Ready(alarm.poll(cx, last))));
            assert!(polled.is_pending());
        }
        runtime.block_on(poll_fn(|cx| alarm.poll(cx, last)));
        assert_eq!(Instant::now(), last);
    }

    #[test]
    fn the_alarm_fires_at_the_last_deadline() {
        check(&[300]);
        check(&[300, 600]);
        check(&[600, 300]);
        check(&[300, 180, 600, 200, 900]);
    }
}
