//! The dialogue of a session as it happens, and how long each step took.
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use smtp_client::session::{Event, Observer};

use crate::output::{DIM, Output, Record, milliseconds};

/// Shows a dialogue, and measures its steps. A clone is the same dialogue.
#[derive(Clone)]
pub(crate) struct Dialogue {
    times: Arc<Mutex<Times>>,
    output: Output,
}

struct Times {
    began: Instant,
    /// The commands without a reply, and when each was sent.
    waiting: VecDeque<(String, Instant)>,
    steps: Vec<StepTime>,
}

/// How long a step took, from writing a command to reading its reply.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StepTime {
    /// The command, without its arguments.
    pub(crate) step: String,
    /// The time in milliseconds.
    pub(crate) ms: f64,
}

/// A line of the dialogue.
#[derive(Serialize)]
struct DialogueLine<'l> {
    /// The time since the beginning, in milliseconds.
    at_ms: f64,
    /// `client`, `server`, `tls` or `connection`.
    from: &'static str,
    /// The line without CRLF. Secrets are not in it.
    line: &'l str,
}

/// The durations of a session.
#[derive(Serialize)]
pub(crate) struct Timing {
    /// Each step, in the order in which they ended.
    pub(crate) steps: Vec<StepTime>,
    /// The time from the beginning to now, in milliseconds.
    pub(crate) total_ms: f64,
}

impl Dialogue {
    /// Begins to measure.
    pub(crate) fn begin(output: Output) -> Self {
        let began = Instant::now();
        let waiting = VecDeque::from([("connect".to_owned(), began)]);
        let times = Times { began, waiting, steps: Vec::new() };
        Self { times: Arc::new(Mutex::new(times)), output }
    }

    /// Returns the observer of the session.
    pub(crate) fn observer(&self) -> impl Observer + 'static {
        let dialogue = self.clone();
        move |event: Event<'_>| {
            let at = dialogue.with(|times| times.note(event));
            dialogue.show(event, at);
        }
    }

    /// Returns what was measured up to now.
    pub(crate) fn timing(&self) -> Timing {
        self.with(|times| Timing {
            steps: times.steps.clone(),
            total_ms: milliseconds(times.began.elapsed()),
        })
    }

    fn show(&self, event: Event<'_>, at: Duration) {
        let text = event.to_string();
        let other = if matches!(event, Event::Connected) { "connection" } else { "tls" };
        for line in text.lines() {
            let (from, line) = match line.split_at_checked(3) {
                Some(("C: ", line)) => ("client", line),
                Some(("S: ", line)) => ("server", line),
                Some((_, line)) => (other, line),
                None => (other, line),
            };
            self.output.detail(&DialogueLine { at_ms: milliseconds(at), from, line });
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Times) -> T) -> T {
        act(&mut self.times.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Times {
    /// Records an event, and returns when it happened.
    fn note(&mut self, event: Event<'_>) -> Duration {
        let now = Instant::now();
        match event {
            Event::Sent(command) => {
                let line = command.to_string();
                let end = line.find([' ', ':']).unwrap_or(line.len());
                self.waiting.push_back((line[..end].to_owned(), now));
            }
            Event::Text { .. } => self.waiting.push_back(("content".to_owned(), now)),
            Event::Connected => {
                if let Some((step, began)) = self.waiting.pop_front() {
                    self.steps.push(StepTime { step, ms: milliseconds(now - began) });
                }
                self.waiting.push_back(("greeting".to_owned(), now));
            }
            Event::Received(_) => {
                // After the content of LMTP comes one reply for each recipient.
                let (step, sent) =
                    self.waiting.pop_front().unwrap_or_else(|| ("content".to_owned(), now));
                self.steps.push(StepTime { step, ms: milliseconds(now - sent) });
            }
            Event::Secured { .. } => self.steps.push(StepTime {
                step: "TLS handshake".to_owned(),
                ms: milliseconds(now - self.began),
            }),
            _ => {}
        }
        now - self.began
    }
}

impl Record for DialogueLine<'_> {
    const TYPE: &'static str = "dialogue";
}

impl fmt::Display for DialogueLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at_ms, from, line } = self;
        let mark = match *from {
            "client" => "C:",
            "server" => "S:",
            _ => "--",
        };
        write!(f, "{DIM}{at_ms:>10.3} ms{DIM:#}  {mark} {line}")
    }
}

impl Record for Timing {
    const TYPE: &'static str = "timing";
}

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Timing, from writing a command to reading its reply:")?;
        for StepTime { step, ms } in &self.steps {
            writeln!(f, "{ms:>10.3} ms  {step}")?;
        }
        write!(f, "{:>10.3} ms  total", self.total_ms)
    }
}
