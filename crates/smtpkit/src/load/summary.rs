//! The result of a run.
use std::fmt;
use std::time::Duration;

use anstyle::Style;
use hdrhistogram::Histogram;
use serde::Serialize;

use super::pace::Backlog;
use super::steps::Measured;
use super::tally::{Counts, Groups, RefusalKey, Tally};
use crate::exit::Exit;
use crate::output::{BAD, DIM, GOOD, HEADING, Record, WARNING};

/// The result of `load`.
#[derive(Serialize)]
pub(super) struct Summary {
    /// The results of the messages, as counts.
    messages: MessageCounts,
    /// The messages that the rate demanded, if there is one.
    #[serde(flatten)]
    backlog: Option<BacklogRecord>,
    /// The recipients that were accepted, and refused, of messages that the server replied to.
    recipients_accepted: u64,
    recipients_refused: u64,
    /// How many connections were opened.
    connections: u64,
    /// The time from the beginning to the last result, in seconds.
    elapsed_s: f64,
    /// The messages that the server replied to, in each second.
    messages_per_second: f64,
    /// The octets of accepted messages, in each second.
    octets_per_second: f64,
    /// The time of each message that the server replied to. With a rate it begins when the message
    /// was due (corrected for coordinated omission), and otherwise when a connection was ready for
    /// it.
    latency: Percentiles,
    /// Whether the times of messages begin when they were due.
    corrected: bool,
    /// The time of each step, for the steps that were taken.
    steps: Vec<StepPercentiles>,
    /// The refusals, each with the number of recipients that had it.
    refusals: Vec<Refusal>,
    /// The errors, each with the number of messages that had it.
    errors: Vec<Failed>,
    /// Whether the run was interrupted.
    interrupted: bool,
    exit: Exit,
}

/// How many messages had which result. Together they are those that were begun.
#[derive(Serialize)]
struct MessageCounts {
    begun: u64,
    /// Accepted for every recipient.
    accepted: u64,
    /// Accepted for some recipients, refused for others.
    some_refused: u64,
    /// Refused for every recipient, for good.
    refused: u64,
    /// Refused for every recipient, for at least one of them for now.
    refused_for_now: u64,
    /// Certainly not accepted, because of an error.
    failed: u64,
    /// Perhaps accepted: the connection was lost, or cut off, after the end of the content was
    /// given to it.
    in_doubt: u64,
    /// Cut off by the interruption, and certainly not accepted.
    interrupted: u64,
}

/// The messages that a rate demanded.
#[derive(Serialize)]
struct BacklogRecord {
    /// How many were due.
    due: u64,
    /// How many of them were not begun, because no connection was free.
    not_begun: u64,
    /// How long the first of these had waited, in seconds.
    oldest_not_begun_s: f64,
}

/// A distribution of times, in milliseconds; each is exact to three digits.
#[derive(Serialize)]
struct Percentiles {
    count: u64,
    min_ms: f64,
    mean_ms: f64,
    p50_ms: f64,
    p90_ms: f64,
    p99_ms: f64,
    p99_9_ms: f64,
    max_ms: f64,
}

/// The times of a step.
#[derive(Serialize)]
struct StepPercentiles {
    /// `connect`, `greeting`, `EHLO`, `STARTTLS`, `TLS handshake`, `AUTH`, `MAIL to 354`,
    /// `end of text` or `QUIT`.
    step: &'static str,
    #[serde(flatten)]
    times: Percentiles,
}

/// Recipients that were refused with the same reply.
#[derive(Serialize)]
struct Refusal {
    count: u64,
    step: String,
    code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    enhanced: Option<String>,
    /// The text of the first such reply.
    text: String,
}

/// Messages with the same error.
#[derive(Serialize)]
struct Failed {
    count: u64,
    step: String,
    /// The exit status of such an error.
    status: u8,
    in_doubt: bool,
    /// The first such error.
    text: String,
}

/// The circumstances of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circumstances {
    pub(super) elapsed: Duration,
    /// The size of each message, in octets.
    pub(super) size: u64,
    /// The most connections at a time.
    pub(super) connections: u64,
    /// What a rate demanded, if there is one.
    pub(super) backlog: Option<Backlog>,
    pub(super) interrupted: bool,
}

/// From the worst on.
const WORST: [Exit; 13] = [
    Exit::InDoubt,
    Exit::Protocol,
    Exit::Refused,
    Exit::SomeRefused,
    Exit::RefusedForNow,
    Exit::Login,
    Exit::Tls,
    Exit::Greeting,
    Exit::Connect,
    Exit::Dns,
    Exit::Policy,
    Exit::Usage,
    Exit::Interrupted,
];

impl Summary {
    pub(super) fn new(tally: &Tally, of: Circumstances) -> Self {
        let counts = tally.counts;
        let seconds = of.elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
        let octets = (counts.accepted + counts.some_refused) * of.size;
        let steps = Measured::ALL.iter().zip(&tally.steps).filter(|(_, times)| !times.is_empty());
        Self {
            messages: MessageCounts::new(counts),
            backlog: of.backlog.map(BacklogRecord::new),
            recipients_accepted: counts.recipients_accepted,
            recipients_refused: counts.recipients_refused,
            connections: counts.connections,
            elapsed_s: rounded(seconds),
            messages_per_second: rounded(counts.answered() as f64 / seconds),
            octets_per_second: rounded(octets as f64 / seconds),
            latency: Percentiles::new(&tally.messages),
            corrected: of.backlog.is_some(),
            steps: steps
                .map(|((_, step), times)| StepPercentiles { step, times: Percentiles::new(times) })
                .collect(),
            refusals: refusals(&tally.refusals),
            errors: errors(tally),
            interrupted: of.interrupted,
            exit: worst(tally, &of),
        }
    }

    pub(super) fn exit(&self) -> Exit {
        self.exit
    }
}

/// The worst result of a run.
fn worst(tally: &Tally, of: &Circumstances) -> Exit {
    let Counts { in_doubt, refused, some_refused, refused_for_now, .. } = tally.counts;
    let of_counts = |exit| match exit {
        Exit::InDoubt => in_doubt > 0,
        Exit::Refused => refused > 0,
        Exit::SomeRefused => some_refused > 0,
        Exit::RefusedForNow => refused_for_now > 0,
        Exit::Interrupted => of.interrupted,
        _ => false,
    };
    let is_error = |exit: Exit| tally.errors.iter().any(|(key, ..)| key.status == exit.status());
    let worst = WORST.into_iter().find(|exit| of_counts(*exit) || is_error(*exit));
    // At any moment, one message for each connection may wait for it without being late.
    let is_late = of.backlog.is_some_and(|backlog| backlog.not_begun > of.connections);
    let other = if tally.counts.failed > 0 || is_late { Exit::Failed } else { Exit::Fine };
    worst.unwrap_or(other)
}

fn refusals(groups: &Groups<RefusalKey>) -> Vec<Refusal> {
    let mut refusals: Vec<_> = groups
        .iter()
        .map(|(key, count, text)| Refusal {
            count,
            step: key.step.clone(),
            code: key.code,
            enhanced: key.enhanced.clone(),
            text: text.to_owned(),
        })
        .collect();
    if groups.others > 0 {
        let text = "other replies".to_owned();
        let step = String::new();
        refusals.push(Refusal { count: groups.others, step, code: 0, enhanced: None, text });
    }
    refusals
}

fn errors(tally: &Tally) -> Vec<Failed> {
    let groups = tally.errors.iter();
    groups
        .map(|(key, count, text)| Failed {
            count,
            step: key.step.clone(),
            status: key.status,
            in_doubt: key.in_doubt,
            text: text.to_owned(),
        })
        .collect()
}

impl MessageCounts {
    fn new(counts: Counts) -> Self {
        Self {
            begun: counts.begun(),
            accepted: counts.accepted,
            some_refused: counts.some_refused,
            refused: counts.refused,
            refused_for_now: counts.refused_for_now,
            failed: counts.failed,
            in_doubt: counts.in_doubt,
            interrupted: counts.interrupted,
        }
    }
}

impl BacklogRecord {
    fn new(backlog: Backlog) -> Self {
        let Backlog { due, not_begun, oldest } = backlog;
        Self { due, not_begun, oldest_not_begun_s: rounded(oldest.as_secs_f64()) }
    }
}

impl Percentiles {
    fn new(times: &Histogram<u64>) -> Self {
        let at = |quantile| milliseconds(times.value_at_quantile(quantile) as f64);
        Self {
            count: times.len(),
            min_ms: milliseconds(times.min() as f64),
            mean_ms: milliseconds(times.mean()),
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p99_9_ms: at(0.999),
            max_ms: milliseconds(times.max() as f64),
        }
    }
}

fn milliseconds(nanoseconds: f64) -> f64 {
    rounded(nanoseconds / 1e6)
}

/// Rounds to three decimal places.
fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}

impl Record for Summary {
    const TYPE: &'static str = "load";
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { messages, elapsed_s, connections, .. } = self;
        let MessageCounts { begun, accepted, .. } = messages;
        let stopped = if self.interrupted { ", interrupted" } else { "" };
        writeln!(
            f,
            "{HEADING}{begun} messages in {elapsed_s} s on {connections} connections{stopped}{HEADING:#}"
        )?;
        let (rate, octets) = (self.messages_per_second, self.octets_per_second / 1e6);
        writeln!(f, "  {rate:.1} messages/s, {octets:.2} MB/s")?;
        count(f, GOOD, "accepted", *accepted)?;
        count(f, WARNING, "some recipients refused", messages.some_refused)?;
        count(f, BAD, "refused", messages.refused)?;
        count(f, WARNING, "refused for now", messages.refused_for_now)?;
        count(f, BAD, "failed, not accepted", messages.failed)?;
        count(f, WARNING, "cut off, not accepted", messages.interrupted)?;
        count(f, BAD, "IN DOUBT: perhaps accepted", messages.in_doubt)?;
        if let Some(BacklogRecord { due, not_begun: late @ 1.., oldest_not_begun_s: oldest }) =
            self.backlog
        {
            let what = format!("of {due} due and not begun, the first for {oldest} s");
            count(f, BAD, &what, late)?;
        }
        for Refusal { count, step, code, text, .. } in &self.refusals {
            writeln!(f, "  {count:>9} recipients refused at {step}: {code} {text}")?;
        }
        for Failed { count, text, .. } in &self.errors {
            writeln!(f, "  {count:>9} messages: {text}")?;
        }
        let head = if self.corrected { "ms from when it was due" } else { "milliseconds" };
        write!(f, "{DIM}{head:<23}")?;
        for name in ["min", "p50", "p90", "p99", "p99.9", "max"] {
            write!(f, " {name:>8}")?;
        }
        write!(f, "{DIM:#}\n{}", Row("message", &self.latency))?;
        for StepPercentiles { step, times } in &self.steps {
            write!(f, "\n{}", Row(step, times))?;
        }
        Ok(())
    }
}

fn count(f: &mut fmt::Formatter<'_>, style: Style, what: &str, count: u64) -> fmt::Result {
    match count {
        0 => Ok(()),
        _ => writeln!(f, "  {count:>9} {style}{what}{style:#}"),
    }
}

/// A row of the table of times.
struct Row<'r>(&'r str, &'r Percentiles);

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(name, times) = self;
        write!(f, "{name:<13} {:>9}", times.count)?;
        let Percentiles { min_ms, p50_ms, p90_ms, p99_ms, p99_9_ms, max_ms, .. } = times;
        for time in [min_ms, p50_ms, p90_ms, p99_ms, p99_9_ms, max_ms] {
            write!(f, " {time:>8.3}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use smtp_client::{Broken, Error, Step};

    use super::*;

    fn exit(change: impl FnOnce(&mut Tally), interrupted: bool) -> Exit {
        let mut tally = Tally::new();
        change(&mut tally);
        worst(&tally, &of(interrupted, None))
    }

    fn of(interrupted: bool, backlog: Option<Backlog>) -> Circumstances {
        let elapsed = Duration::from_secs(3);
        Circumstances { elapsed, size: 9, connections: 2, backlog, interrupted }
    }

    #[test]
    fn a_rate_that_was_not_kept_is_no_success() {
        let exit = |not_begun, interrupted| {
            let backlog = Backlog { due: 300, not_begun, oldest: Duration::from_millis(2970) };
            worst(&Tally::new(), &of(interrupted, Some(backlog)))
        };
        assert_eq!(exit(2, false), Exit::Fine);
        assert_eq!(exit(3, false), Exit::Failed);
        assert_eq!(exit(3, true), Exit::Interrupted);
    }

    #[test]
    fn the_worst_result_is_the_exit_status() {
        assert_eq!(exit(|_| {}, false), Exit::Fine);
        assert_eq!(exit(|_| {}, true), Exit::Interrupted);
        assert_eq!(exit(|tally| tally.counts.refused_for_now = 1, true), Exit::RefusedForNow);
        let two = |tally: &mut Tally| (tally.counts.refused, tally.counts.in_doubt) = (9, 1);
        assert_eq!(exit(two, false), Exit::InDoubt);
        let broken = Error::new(Step::Connect, Broken::Closed);
        assert_eq!(exit(|tally| tally.error(&broken), true), Exit::Connect);
    }
}
