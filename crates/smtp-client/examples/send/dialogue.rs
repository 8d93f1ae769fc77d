//! The output: the dialogue while it happens, the results, and the duration of each step.
use std::{
    collections::VecDeque,
    fmt::Display,
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use smtp_client::{
    Verdict,
    session::{Event, Observer},
};

/// Prints a dialogue, and measures its steps.
pub(crate) struct Dialogue {
    times: Arc<Mutex<Times>>,
}

struct Times {
    began: Instant,
    /// The commands without a reply, and when each was sent.
    waiting: VecDeque<(String, Instant)>,
    /// The time from each command to its reply.
    taken: Vec<(String, Duration)>,
}

impl Dialogue {
    /// Starts the measurement.
    pub(crate) fn begin() -> Self {
        let began = Instant::now();
        let waiting = VecDeque::from([("connect, greeting".to_owned(), began)]);
        Self { times: Arc::new(Mutex::new(Times { began, waiting, taken: Vec::new() })) }
    }

    /// Returns the observer of the session.
    pub(crate) fn observer(&self) -> impl Observer + 'static {
        let times = Arc::clone(&self.times);
        move |event: Event<'_>| {
            times.lock().unwrap_or_else(PoisonError::into_inner).note(event);
        }
    }

    /// Prints the duration of each step.
    pub(crate) fn timing(&self) {
        let times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        show("\nTiming, from sending a command to reading its reply:");
        for (step, taken) in &times.taken {
            show(format_args!("{:>10.3} ms  {step}", milliseconds(*taken)));
        }
        show(format_args!("{:>10.3} ms  total", milliseconds(times.began.elapsed())));
    }
}

impl Times {
    fn note(&mut self, event: Event<'_>) {
        let now = Instant::now();
        for line in event.to_string().lines() {
            show(format_args!("{:>10.3} ms  {line}", milliseconds(now - self.began)));
        }
        match event {
            Event::Sent(command) => self.waiting.push_back((command.to_string(), now)),
            Event::Text { .. } => self.waiting.push_back(("the text".to_owned(), now)),
            Event::Received(_) => {
                // With LMTP, one text has several replies.
                let (step, sent) =
                    self.waiting.pop_front().unwrap_or_else(|| ("the text".to_owned(), now));
                self.taken.push((step, now - sent));
            }
            _ => {}
        }
    }
}

/// Prints the verdict for each recipient.
pub(crate) fn outcome<'a>(verdicts: impl Iterator<Item = (&'a str, Option<&'a Verdict>)>) {
    show("\nOutcome:");
    for (recipient, verdict) in verdicts {
        match verdict {
            Some(verdict) => show(format_args!("  <{recipient}>  {verdict}")),
            None => show(format_args!("  <{recipient}>  no verdict")),
        }
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Prints a line. A closed output must not end the session in the middle.
pub(crate) fn show(line: impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}
