//! What the client claims of each message, and whether the record of the server agrees.
use std::{collections::HashMap, fmt};

use smtp_client::{Delivery, Error, Verdict};

use crate::{
    letter::{Letter, Post},
    record::Record,
};

/// The claims about all messages of one manner.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    by_recipient: HashMap<(u64, usize), Claim>,
    pub(crate) counts: Counts,
}

/// The claims about one message and one of its recipients.
#[derive(Debug, Default)]
struct Claim {
    accepted: usize,
    in_doubt: usize,
    history: Vec<String>,
}

/// How many recipients had which claim, and how many messages were sent again.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) accepted: usize,
    pub(crate) refused: usize,
    pub(crate) in_doubt: usize,
    pub(crate) not_sent: usize,
    pub(crate) again: usize,
}

/// The result of one attempt to send a message.
#[derive(Debug)]
pub(crate) enum Outcome {
    Known(Result<Delivery, Error>),
    /// The caller dropped the future: it is told nothing.
    Dropped,
}

/// What a caller may do after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// The verdicts are known.
    Done,
    /// Sending it again may deliver it twice.
    InDoubt,
    /// Sending it again is safe.
    NotSent,
}

impl Claims {
    /// Adds the claims of one attempt.
    pub(crate) fn add(&mut self, letter: &Letter, outcome: &Outcome) -> After {
        match outcome {
            Outcome::Known(Ok(delivery)) => {
                let verdicts = delivery.verdicts().map(|(_, verdict)| Some(verdict));
                self.add_each(letter, verdicts, false, "no verdict");
                After::Done
            }
            Outcome::Known(Err(error)) => {
                let verdicts = error.verdicts().map(|(_, verdict)| verdict);
                self.add_each(letter, verdicts, error.in_doubt(), &error.to_string());
                match error.in_doubt() {
                    true => After::InDoubt,
                    false => After::NotSent,
                }
            }
            Outcome::Dropped => {
                self.add_each(letter, std::iter::empty(), true, "the caller dropped the future");
                After::InDoubt
            }
        }
    }

    fn add_each<'a>(
        &mut self,
        letter: &Letter,
        mut verdicts: impl Iterator<Item = Option<&'a Verdict>>,
        in_doubt: bool,
        why: &str,
    ) {
        let counts = &mut self.counts;
        for place in 0..letter.recipients.len() {
            let claim = self.by_recipient.entry((letter.number, place)).or_default();
            let (count, text) = match verdicts.next().flatten() {
                Some(verdict) if verdict.is_accepted() => {
                    claim.accepted += 1;
                    (&mut counts.accepted, format!("accepted: {verdict}"))
                }
                Some(verdict) => (&mut counts.refused, format!("refused: {verdict}")),
                None if in_doubt => {
                    claim.in_doubt += 1;
                    (&mut counts.in_doubt, format!("in doubt: {why}"))
                }
                None => (&mut counts.not_sent, format!("not sent: {why}")),
            };
            *count += 1;
            claim.history.push(text);
        }
    }

    /// Compares the claims about these messages with the record. A recipient has a message at least
    /// as often as it was accepted, and at most as often as it was accepted or in doubt.
    pub(crate) fn compare(
        &self,
        post: &Post,
        numbers: impl Iterator<Item = u64>,
        record: &Record,
    ) -> Comparison {
        let mut comparison = Comparison::default();
        for number in numbers {
            let letter = post.letter(number);
            for (place, recipient) in letter.recipients.iter().enumerate() {
                let present = record.count(number, recipient);
                let none = Claim::default();
                let claim = self.by_recipient.get(&(number, place)).unwrap_or(&none);
                comparison.twice += usize::from(present > 1);
                let Some(fault) = claim.fault(present) else { continue };
                *comparison.count(fault) += 1;
                let history = claim.history.join("; ");
                comparison.details.push(format!(
                    "message {number} to {recipient}: {fault}: present {present} times, claims: {history}"
                ));
            }
            for difference in record.altered(number) {
                comparison.altered += 1;
                comparison.details.push(format!("message {number}: {difference}"));
            }
        }
        comparison
    }
}

impl Claim {
    fn fault(&self, present: usize) -> Option<Fault> {
        let most = self.accepted + self.in_doubt;
        match present {
            _ if self.history.is_empty() => Some(Fault::NoResult),
            _ if present < self.accepted => Some(Fault::Absent),
            _ if present <= most => None,
            _ if most == 0 => Some(Fault::Present),
            _ => Some(Fault::Duplicate),
        }
    }
}

/// A claim that is not true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Absent,
    Present,
    Duplicate,
    NoResult,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "accepted but absent",
            Self::Present => "refused or not sent, but present",
            Self::Duplicate => "duplicate that no caller asked for",
            Self::NoResult => "without a result",
        })
    }
}

/// What the comparison found.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    pub(crate) absent: usize,
    pub(crate) present: usize,
    pub(crate) duplicates: usize,
    pub(crate) no_result: usize,
    /// Contents that are not those that were sent.
    pub(crate) altered: usize,
    /// Present twice, which is right where the caller sent a message again that was in doubt.
    pub(crate) twice: usize,
    pub(crate) details: Vec<String>,
}

impl Comparison {
    fn count(&mut self, fault: Fault) -> &mut usize {
        match fault {
            Fault::Absent => &mut self.absent,
            Fault::Present => &mut self.present,
            Fault::Duplicate => &mut self.duplicates,
            Fault::NoResult => &mut self.no_result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check((accepted, in_doubt): (usize, usize), present: usize, expected: Option<Fault>) {
        let claim = Claim { accepted, in_doubt, history: vec![String::new()] };
        assert_eq!(claim.fault(present), expected);
    }

    #[test]
    fn a_claim_bounds_how_often_a_message_is_present() {
        check((0, 0), 0, None);
        check((0, 0), 1, Some(Fault::Present));
        check((1, 0), 0, Some(Fault::Absent));
        check((1, 0), 1, None);
        check((1, 0), 2, Some(Fault::Duplicate));
        check((0, 1), 0, None);
        check((0, 1), 1, None);
        check((0, 1), 2, Some(Fault::Duplicate));
        check((1, 1), 0, Some(Fault::Absent));
        check((1, 1), 2, None);
    }

    #[test]
    fn a_message_without_a_result_is_a_fault() {
        assert_eq!(Claim::default().fault(0), Some(Fault::NoResult));
    }
}
