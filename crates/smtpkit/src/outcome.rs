//! What is known of each recipient after a message was sent.
use std::fmt;

use serde::Serialize;
use smtp_client::{Delivery, Error, Reply, Verdict};

use crate::exit::Exit;
use crate::output::{BAD, GOOD, HEADING, Record, WARNING};

/// The result of a message: one for each recipient.
#[derive(Serialize)]
pub(crate) struct Outcome {
    /// Each recipient, in the order of the command line.
    recipients: Vec<RecipientOutcome>,
    /// Whether the message may have been accepted for the recipients without a decision.
    in_doubt: bool,
    exit: Exit,
}

/// What is known of a recipient.
#[derive(Serialize)]
struct RecipientOutcome {
    /// The forward-path.
    forward_path: String,
    result: RecipientResult,
    /// The step whose reply decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<ReplyRecord>,
    /// The identifier under which the server has queued the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_id: Option<String>,
}

/// What is known of a recipient, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum RecipientResult {
    Accepted,
    Refused,
    RefusedForNow,
    InDoubt,
    NotSent,
}

/// A reply of a server.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ReplyRecord {
    /// The reply code.
    pub(crate) code: u16,
    /// The enhanced status code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) enhanced: Option<String>,
    /// The text of each line; octets that cannot be shown are escaped.
    pub(crate) lines: Vec<String>,
}

impl Outcome {
    /// The outcome of a delivery.
    pub(crate) fn of_delivery(delivery: &Delivery) -> Self {
        let recipients = delivery
            .verdicts()
            .map(|(path, verdict)| RecipientOutcome::new(path, Some(verdict), false));
        let recipients = recipients.collect();
        Self { recipients, in_doubt: false, exit: Exit::of_delivery(delivery) }
    }

    /// The outcome of an error: what was known when it occurred.
    pub(crate) fn of_error(error: &Error) -> Self {
        Self::undecided(error.verdicts(), error.in_doubt(), Exit::of_error(error))
    }

    /// The outcome of a message whose sending was interrupted.
    pub(crate) fn of_canceled<'v>(
        verdicts: impl Iterator<Item = (&'v str, Option<&'v Verdict>)>,
        in_doubt: bool,
    ) -> Self {
        let exit = if in_doubt { Exit::InDoubt } else { Exit::Interrupted };
        Self::undecided(verdicts, in_doubt, exit)
    }

    fn undecided<'v>(
        verdicts: impl Iterator<Item = (&'v str, Option<&'v Verdict>)>,
        in_doubt: bool,
        exit: Exit,
    ) -> Self {
        let recipients =
            verdicts.map(|(path, verdict)| RecipientOutcome::new(path, verdict, in_doubt));
        Self { recipients: recipients.collect(), in_doubt, exit }
    }

    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// Returns whether there is anything to show.
    pub(crate) fn has_recipients(&self) -> bool {
        !self.recipients.is_empty()
    }
}

impl RecipientOutcome {
    fn new(path: &str, verdict: Option<&Verdict>, in_doubt: bool) -> Self {
        let result = match verdict {
            Some(verdict) if verdict.is_accepted() => RecipientResult::Accepted,
            Some(verdict) if verdict.is_transient() => RecipientResult::RefusedForNow,
            Some(_) => RecipientResult::Refused,
            None if in_doubt => RecipientResult::InDoubt,
            None => RecipientResult::NotSent,
        };
        Self {
            forward_path: path.to_owned(),
            result,
            step: verdict.map(|verdict| verdict.step().to_string()),
            reply: verdict.map(|verdict| ReplyRecord::new(verdict.reply())),
            queue_id: verdict.and_then(Verdict::queue_id).map(str::to_owned),
        }
    }
}

impl ReplyRecord {
    pub(crate) fn new(reply: &Reply) -> Self {
        Self {
            code: reply.code().get(),
            enhanced: reply.enhanced().map(|code| code.to_string()),
            lines: reply.lines().map(|line| line.printable().into_owned()).collect(),
        }
    }
}

impl fmt::Display for ReplyRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.lines.join(" / "))
    }
}

impl Record for Outcome {
    const TYPE: &'static str = "outcome";
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{HEADING}Outcome{HEADING:#}")?;
        for recipient in &self.recipients {
            write!(f, "\n  {recipient}")?;
        }
        Ok(())
    }
}

impl fmt::Display for RecipientOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (style, word) = match self.result {
            RecipientResult::Accepted => (GOOD, "accepted"),
            RecipientResult::Refused => (BAD, "refused"),
            RecipientResult::RefusedForNow => (WARNING, "refused for now"),
            RecipientResult::InDoubt => (BAD, "IN DOUBT: it may have been accepted"),
            RecipientResult::NotSent => (WARNING, "not sent"),
        };
        write!(f, "<{}>  {style}{word}{style:#}", self.forward_path)?;
        match (&self.step, &self.reply) {
            (Some(step), Some(reply)) => write!(f, " at {step}: {reply}"),
            _ => Ok(()),
        }
    }
}
