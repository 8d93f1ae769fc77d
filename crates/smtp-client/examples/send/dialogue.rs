//! What is shown: the dialogue as it happens, the outcome, and how long each step took.
use std::{
    collections::VecDeque,
    fmt::Display,
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use smtp_client::{
    Envelope, Verdict,
    session::{Event, Observer},
};

/// Prints a dialogue, and measures it.
pub(crate) struct Dialogue {
    times: Arc<Mutex<Times>>,
}

struct Times {
    began: Instant,
    /// What was said and not answered, with the time at which it was said.
    waiting: VecDeque<(String, Instant)>,
    /// How long each answer took.
    taken: Vec<(String, Duration)>,
}

impl Dialogue {
    /// Begins to measure.
    pub(crate) fn begin() -> Self {
        let began = Instant::now();
        let waiting = VecDeque::from([("connect, greeting".to_owned(), began)]);
        Self { times: Arc::new(Mutex::new(Times { began, waiting, taken: Vec::new() })) }
    }

    /// What watches the session.
    pub(crate) fn observer(&self) -> impl Observer + 'static {
        let times = Arc::clone(&self.times);
        move |event: Event<'_>| {
            times.lock().unwrap_or_else(PoisonError::into_inner).note(event);
        }
    }

    /// Prints how long each step took.
    pub(crate) fn timing(&self) {
        let times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        show("\nTiming, from when it was said to when its answer was read:");
        for (step, taken) in &times.taken {
            show(format_args!("{:>10.3} ms  {step}", milliseconds(*taken)));
        }
        show(format_args!("{:>10.3} ms  in all", milliseconds(times.began.elapsed())));
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
                // With LMTP several answers come to one text.
                let (step, said) =
                    self.waiting.pop_front().unwrap_or_else(|| ("the text".to_owned(), now));
                self.taken.push((step, now - said));
            }
            _ => {}
        }
    }
}

/// Prints what became of each recipient.
pub(crate) fn outcome<'a>(
    envelope: &Envelope,
    verdicts: impl Iterator<Item = Option<&'a Verdict>>,
) {
    show("\nOutcome:");
    let verdicts = verdicts.chain(std::iter::repeat(None));
    for (rcpt, verdict) in envelope.rcpts().iter().zip(verdicts) {
        match verdict {
            Some(verdict) => show(format_args!("  {}  {verdict}", rcpt.path())),
            None => show(format_args!("  {}  no verdict", rcpt.path())),
        }
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Prints a line. That nobody reads it is no reason to stop in the middle of a session.
pub(crate) fn show(line: impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}
