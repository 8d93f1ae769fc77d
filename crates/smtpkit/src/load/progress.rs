//! What is shown while a run goes on.
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::worker::Run;
use crate::output::Output;

/// The progress bar, on a terminal.
pub(super) struct Progress {
    bar: ProgressBar,
    output: Output,
}

/// How often the bar changes.
pub(super) const TICK: Duration = Duration::from_millis(100);

impl Progress {
    /// Shows the progress towards this number of messages; without a number, how long the run has gone on.
    pub(super) fn new(messages: Option<u64>, output: Output) -> Self {
        let (bar, template) = match messages {
            _ if !output.shows_progress() => (ProgressBar::hidden(), "{msg}"),
            Some(most) => {
                (ProgressBar::new(most), "{bar:25} {pos}/{len} messages{msg}, {eta} left")
            }
            None => (ProgressBar::new_spinner(), "{spinner} {elapsed} {pos} messages{msg}"),
        };
        let bar = match ProgressStyle::with_template(template) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        };
        Self { bar, output }
    }

    /// Shows how far the run is.
    pub(super) fn show(&self, run: &Run) {
        if self.bar.is_hidden() {
            return;
        }
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let live = &run.live;
        let (refused, failed) = (count(&live.refused), count(&live.failed));
        let in_doubt = count(&live.in_doubt);
        let all = count(&live.accepted) + refused + failed + in_doubt;
        let rate = all as f64 / run.pace.began().elapsed().as_secs_f64().max(1e-3);
        let mut message = format!(", {rate:.0}/s");
        for (count, what) in [(refused, "refused"), (failed, "failed"), (in_doubt, "IN DOUBT")] {
            if count > 0 {
                message.push_str(&format!(", {count} {what}"));
            }
        }
        self.bar.set_position(all);
        self.bar.set_message(message);
    }

    /// The run was interrupted for the first time.
    pub(super) fn interrupted(&self) {
        self.clear();
        self.output
            .warn("interrupted: waiting for the messages under way; Ctrl-C again cuts them off");
    }

    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
