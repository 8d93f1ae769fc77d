//! The report of a delivery: what is known of each recipient, and what was tried.
use std::fmt;

use serde::Serialize;
use smtp_client::{TlsFacts, Verdict};
use smtp_delivery::{Attempt, Hop, NoRoute, Outcome, Reason, Refusal, Report};

use crate::exit::Exit;
use crate::layout::Layout;
use crate::outcome::ReplyRecord;
use crate::output::{BAD, GOOD, Output, Record, WARNING, milliseconds};
use crate::probe::word;

/// The result of a delivery.
///
/// | Field | Value |
/// |---|---|
/// | `recipients` | each recipient, in the order of the command line |
/// | `attempts` | what was tried, in the order in which it ended |
/// | `exit`, `status` | the result, as the exit status of the command |
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DeliveryRecord {
    recipients: Vec<RecipientRecord>,
    attempts: Vec<AttemptRecord>,
    pub(crate) exit: Exit,
    pub(crate) status: u8,
}

/// What is known of a recipient.
///
/// | Field | Value |
/// |---|---|
/// | `forward_path` | the recipient |
/// | `outcome` | `delivered`, `refused`, `no_route`, `later` or `in_doubt` |
/// | `host` | the mail host that decided, or that may have accepted the message |
/// | `step`, `reply` | the reply that decided, and the step that it belongs to |
/// | `queue_id` | the identifier under which the host has queued the message |
/// | `reason` | why it was not delivered, if no reply tells |
/// | `retry_after` | seconds after which another attempt makes sense, with `later` |
#[derive(Clone, Debug, Serialize)]
struct RecipientRecord {
    forward_path: String,
    outcome: OutcomeWord,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<ReplyRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

/// The result for a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum OutcomeWord {
    Delivered,
    Refused,
    NoRoute,
    Later,
    InDoubt,
}

/// An attempt at one address of a host.
///
/// | Field | Value |
/// |---|---|
/// | `host`, `address` | the mail host, and the address if one was connected to |
/// | `recipients` | the forward-paths that it was for |
/// | `achieved` | what protected the connection: `clear`, `unverified`, `pkix` or `dane` |
/// | `tls_version`, `cipher_suite` | of the session of TLS |
/// | `reused` | whether the connection was kept from before |
/// | `began_ms`, `took_ms` | milliseconds since the delivery began, and from there |
/// | `failure` | what stood in the way; absent if the host replied for every recipient |
#[derive(Clone, Debug, Serialize)]
struct AttemptRecord {
    host: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    recipients: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    achieved: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cipher_suite: Option<String>,
    reused: bool,
    began_ms: f64,
    took_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

impl DeliveryRecord {
    pub(crate) fn new(report: &Report, was_interrupted: bool) -> Self {
        let outcomes = report.outcomes();
        let paths: Vec<_> =
            outcomes.clone().map(|(rcpt, _)| rcpt.path().as_str().to_owned()).collect();
        let recipients = outcomes.clone().zip(&paths);
        let recipients =
            recipients.map(|((_, outcome), path)| RecipientRecord::new(path.clone(), outcome));
        let exit = match exit(outcomes.map(|(_, outcome)| outcome)) {
            Exit::InDoubt => Exit::InDoubt,
            Exit::Fine => Exit::Fine,
            // It is known that some have the message: the whole must not be sent again.
            Exit::SomeRefused => Exit::SomeRefused,
            _ if was_interrupted => Exit::Interrupted,
            exit => exit,
        };
        Self {
            recipients: recipients.collect(),
            attempts: report.attempts().iter().map(|one| AttemptRecord::new(one, &paths)).collect(),
            exit,
            status: exit.status(),
        }
    }

    /// Shows what was tried, with `--verbose`.
    pub(crate) fn show_attempts(&self, output: Output) {
        if output.is_verbose() {
            self.attempts.iter().for_each(|attempt| output.text(attempt));
        }
    }
}

/// Returns the exit status of these outcomes.
fn exit<'o>(outcomes: impl Iterator<Item = &'o Outcome> + Clone) -> Exit {
    if outcomes.clone().any(Outcome::is_in_doubt) {
        return Exit::InDoubt;
    }
    let mut failed = outcomes.clone().filter(|outcome| !outcome.is_delivered()).map(exit_of);
    let Some(first) = failed.next() else { return Exit::Fine };
    if outcomes.clone().any(Outcome::is_delivered) {
        return Exit::SomeRefused;
    }
    match failed.all(|exit| exit == first) {
        true => first,
        false if outcomes.into_iter().any(|outcome| outcome.retry_after().is_some()) => {
            Exit::RefusedForNow
        }
        false => Exit::Refused,
    }
}

/// Returns the exit status of an outcome that is no delivery.
fn exit_of(outcome: &Outcome) -> Exit {
    match outcome {
        Outcome::Refused { refusal: Refusal::Error(error), .. } => Exit::of_error(error),
        Outcome::NoRoute(NoRoute::NoSuchDomain | NoRoute::NoHost | NoRoute::InvalidDomain) => {
            Exit::Dns
        }
        Outcome::Later { reason, .. } => match reason {
            Reason::Error(error) => Exit::of_error(error),
            Reason::Dns(_) => Exit::Dns,
            Reason::Unprotected(_) => Exit::Policy,
            Reason::Canceled => Exit::Interrupted,
            _ => Exit::RefusedForNow,
        },
        Outcome::InDoubt { .. } => Exit::InDoubt,
        _ => Exit::Refused,
    }
}

impl RecipientRecord {
    fn new(forward_path: String, outcome: &Outcome) -> Self {
        let name = |hop: &Hop| Some(hop.to_string());
        let (word, host, verdict, reason) = match outcome {
            Outcome::Delivered { verdict, hop } => {
                (OutcomeWord::Delivered, name(hop), Some(verdict), None)
            }
            Outcome::Refused { refusal, hop } => {
                let host = hop.as_ref().and_then(name);
                match refusal {
                    Refusal::Verdict(verdict) => (OutcomeWord::Refused, host, Some(verdict), None),
                    other => (OutcomeWord::Refused, host, None, Some(other.to_string())),
                }
            }
            Outcome::NoRoute(reason) => {
                (OutcomeWord::NoRoute, None, None, Some(reason.to_string()))
            }
            Outcome::Later { reason: Reason::Verdict(verdict), .. } => {
                (OutcomeWord::Later, None, Some(verdict), None)
            }
            Outcome::Later { reason, .. } => {
                (OutcomeWord::Later, None, None, Some(reason.to_string()))
            }
            Outcome::InDoubt { error, hop } => {
                let reason = error.as_ref().map_or_else(
                    || "the delivery was interrupted after the end of the mail data".to_owned(),
                    ToString::to_string,
                );
                (OutcomeWord::InDoubt, name(hop), None, Some(reason))
            }
            other => (OutcomeWord::Later, None, None, Some(other.to_string())),
        };
        Self {
            forward_path,
            outcome: word,
            host,
            step: verdict.map(|verdict| verdict.step().to_string()),
            reply: verdict.map(|verdict| ReplyRecord::new(verdict.reply())),
            queue_id: verdict.and_then(Verdict::queue_id).map(str::to_owned),
            reason,
            retry_after: outcome.retry_after().map(|after| after.as_secs()),
        }
    }

    fn show(&self, layout: &mut Layout) {
        let (style, word) = match self.outcome {
            OutcomeWord::Delivered => (GOOD, "delivered"),
            OutcomeWord::Refused => (BAD, "refused"),
            OutcomeWord::NoRoute => (BAD, "no route"),
            OutcomeWord::Later => (WARNING, "later"),
            OutcomeWord::InDoubt => (BAD, "IN DOUBT"),
        };
        let mut text = format!("<{}>", self.forward_path);
        if let Some(host) = &self.host {
            let preposition = match self.outcome {
                OutcomeWord::Delivered => "to",
                OutcomeWord::InDoubt => "which may have been accepted by",
                _ => "by",
            };
            text.push_str(&format!(", {preposition} {host}"));
        }
        if let (Some(step), Some(reply)) = (&self.step, &self.reply) {
            text.push_str(&format!(", at {step}: {reply}"));
        } else if let Some(reason) = &self.reason {
            text.push_str(&format!(": {reason}"));
        }
        if let Some(seconds) = self.retry_after {
            text.push_str(&format!("; again in {} minutes at the earliest", seconds.div_ceil(60)));
        }
        layout.styled(word, style, text);
    }
}

impl AttemptRecord {
    fn new(attempt: &Attempt, paths: &[String]) -> Self {
        let tls = attempt.tls.as_ref();
        let recipients = attempt.recipients.iter().filter_map(|at| paths.get(*at).cloned());
        Self {
            host: attempt.hop.to_string(),
            address: attempt.address.map(|address| address.to_string()),
            recipients: recipients.collect(),
            achieved: attempt.achieved.map(word),
            tls_version: tls.map(TlsFacts::version).map(str::to_owned),
            cipher_suite: tls.map(TlsFacts::cipher_suite).map(str::to_owned),
            reused: attempt.is_reused,
            began_ms: milliseconds(attempt.began),
            took_ms: milliseconds(attempt.took),
            failure: attempt.failure.as_ref().map(ToString::to_string),
        }
    }
}

impl fmt::Display for AttemptRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.host.clone();
        if let Some(address) = &self.address {
            text.push_str(&format!(" ({address})"));
        }
        if self.reused {
            text.push_str(", a connection that was kept");
        }
        text.push_str(&format!(", {:.1} ms", self.took_ms));
        if let Some(achieved) = self.achieved {
            text.push_str(&format!(", protection: {achieved}"));
        }
        if let (Some(version), Some(suite)) = (&self.tls_version, &self.cipher_suite) {
            text.push_str(&format!(", {version}, {suite}"));
        }
        if let Some(failure) = &self.failure {
            text.push_str(&format!(": {failure}"));
        }
        let mut layout = Layout::default();
        layout.entry("tried", text);
        layout.fmt(f)
    }
}

impl Record for DeliveryRecord {
    const TYPE: &'static str = "delivery";
}

impl fmt::Display for DeliveryRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut layout = Layout::default();
        self.recipients.iter().for_each(|recipient| recipient.show(&mut layout));
        layout.fmt(f)
    }
}
