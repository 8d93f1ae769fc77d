//! The alarm: a timer that is seldom set, though deadlines change with every step.
use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::time::{Instant, Sleep, sleep_until};

/// Rings at a deadline.
///
/// The timer below it may be set for a time before that: then it is set anew when that time comes.
/// Most deadlines are later than the one before and never come, so that most cost nothing; setting
/// a timer may take a system call.
#[derive(Default)]
pub(crate) struct Alarm {
    timer: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Whether the deadline has come; if not, the task is woken then at the latest.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        loop {
            // A task that has used up its turn may ask no timer, but it can look at one.
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
            // One look, as at a step that is over before its deadline.
            let looked = runtime.block_on(poll_fn(|cx| Poll::Ready(alarm.poll(cx, last))));
            assert!(looked.is_pending());
        }
        runtime.block_on(poll_fn(|cx| alarm.poll(cx, last)));
        assert_eq!(Instant::now(), last);
    }

    #[test]
    fn it_rings_at_the_deadline_that_was_asked_for_last() {
        check(&[300]);
        check(&[300, 600]);
        check(&[600, 300]);
        check(&[300, 180, 600, 200, 900]);
    }
}
