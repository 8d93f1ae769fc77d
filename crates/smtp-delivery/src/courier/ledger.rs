//! The ledger of a delivery: what is known of each recipient at any moment.
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use smtp_caps::Envelope;
use smtp_error::{ErrorKind, Verdict};
use tokio::time::Instant;

use super::dial::is_about_tls;
use crate::{Attempt, Hop, NoRoute, Outcome, Reason, Refusal, Report};

/// After how long a message is tried again that no host could be found or connected to for
/// (RFC 5321, 4.5.4.1).
const RETRY: Duration = Duration::from_secs(30 * 60);
/// After how long a recipient is tried again that was refused for now: a server that wants to see the
/// message a second time asks for no more.
const RETRY_REFUSED: Duration = Duration::from_secs(5 * 60);

/// What is known of the recipients of a delivery, by their positions in the envelope.
///
/// The first outcome of a recipient stands.
pub(super) struct Ledger {
    envelope: Envelope,
    began: Instant,
    state: Mutex<State>,
}

struct State {
    recipients: Vec<Recipient>,
    attempts: Vec<Attempt>,
}

enum Recipient {
    /// No outcome, and what stood in the way last.
    Pending(Option<Obstacle>),
    Settled(Outcome),
}

/// What stood in the way of a recipient that certainly has not got the message.
pub(super) struct Obstacle {
    pub(super) reason: Reason,
    /// Where; `None` if no host was found.
    pub(super) hop: Option<Hop>,
}

impl Obstacle {
    pub(super) fn new(reason: impl Into<Reason>, hop: Option<&Hop>) -> Self {
        Self { reason: reason.into(), hop: hop.cloned() }
    }

    /// Returns whether the same attempt fails again.
    fn is_permanent(&self) -> bool {
        match &self.reason {
            // A certificate can be mended while the message waits, and so can a file that cannot be
            // read.
            Reason::Error(error) => {
                !error.is_transient()
                    && !is_about_tls(error)
                    && !matches!(error.kind(), ErrorKind::Source(_))
            }
            Reason::Verdict(_)
            | Reason::Dns(_)
            | Reason::Unprotected(_)
            | Reason::HostDeferred { .. }
            | Reason::Canceled => false,
        }
    }

    /// Returns whether this says more to the sender than an earlier obstacle. That a host refused the
    /// recipient says more than that another could not be connected to.
    fn outweighs(&self, earlier: &Self) -> bool {
        let rank = |obstacle: &Self| match &obstacle.reason {
            Reason::Verdict(_) => 3,
            // One host for which there is hope is enough.
            _ if !obstacle.is_permanent() => 2,
            Reason::Error(_) => 1,
            _ => 0,
        };
        rank(self) >= rank(earlier)
    }

    fn outcome(self) -> Outcome {
        let retry_after = match &self.reason {
            Reason::HostDeferred { for_at_least } => *for_at_least,
            Reason::Verdict(_) => RETRY_REFUSED,
            Reason::Canceled => Duration::ZERO,
            _ => RETRY,
        };
        let is_permanent = self.is_permanent();
        match self.reason {
            Reason::Error(error) if is_permanent => {
                Outcome::Refused { refusal: Refusal::Error(error), hop: self.hop }
            }
            reason => Outcome::Later { reason, retry_after },
        }
    }

    /// Returns the outcome where not all hosts were tried: one of the others may take the message.
    fn outcome_so_far(self) -> Outcome {
        match self.outcome() {
            Outcome::Refused { refusal: Refusal::Error(error), .. } => {
                Outcome::Later { reason: error.into(), retry_after: RETRY }
            }
            outcome => outcome,
        }
    }
}

impl Ledger {
    pub(super) fn new(envelope: &Envelope) -> Self {
        let recipients = envelope.rcpts().iter().map(|_| Recipient::Pending(None)).collect();
        let state = Mutex::new(State { recipients, attempts: Vec::new() });
        Self { envelope: envelope.clone(), began: Instant::now(), state }
    }

    pub(super) fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// Returns how long ago the delivery began.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns those of these recipients that have no outcome.
    pub(super) fn pending(&self, recipients: &[usize]) -> Vec<usize> {
        let state = self.state();
        let is_pending =
            |position: &usize| matches!(state.recipients[*position], Recipient::Pending(_));
        recipients.iter().copied().filter(is_pending).collect()
    }

    /// Sets the outcome of a recipient that has none.
    pub(super) fn settle(&self, position: usize, outcome: Outcome) {
        let recipient = &mut self.state().recipients[position];
        if let Recipient::Pending(_) = recipient {
            *recipient = Recipient::Settled(outcome);
        }
    }

    /// Records what stood in the way of these recipients, which remain pending.
    pub(super) fn hinder(&self, recipients: &[usize], reason: &Reason, hop: Option<&Hop>) {
        let mut state = self.state();
        for position in recipients {
            if let Recipient::Pending(obstacle) = &mut state.recipients[*position] {
                let newer = Obstacle::new(reason.clone(), hop);
                if obstacle.as_ref().is_none_or(|earlier| newer.outweighs(earlier)) {
                    *obstacle = Some(newer);
                }
            }
        }
    }

    /// Records the reply for a recipient of a transaction.
    pub(super) fn verdict(&self, position: usize, verdict: &Verdict, hop: &Hop) {
        let verdict = verdict.clone();
        if verdict.is_accepted() {
            self.settle(position, Outcome::Delivered { verdict, hop: hop.clone() });
        } else if verdict.is_transient() {
            self.hinder(&[position], &Reason::Verdict(verdict), Some(hop));
        } else {
            let refusal = Refusal::Verdict(verdict);
            self.settle(position, Outcome::Refused { refusal, hop: Some(hop.clone()) });
        }
    }

    /// Sets the outcome of those of these recipients that are pending, by what stood in their way;
    /// where nothing did, no host was found. What fails at every host fails for good, if all of them
    /// were tried.
    pub(super) fn give_up(&self, recipients: &[usize], tried_all: bool) {
        let mut state = self.state();
        for position in recipients {
            let recipient = &mut state.recipients[*position];
            if let Recipient::Pending(obstacle) = recipient {
                let outcome = obstacle.take().map(|obstacle| match tried_all {
                    true => obstacle.outcome(),
                    false => obstacle.outcome_so_far(),
                });
                *recipient =
                    Recipient::Settled(outcome.unwrap_or(Outcome::NoRoute(NoRoute::NoHost)));
            }
        }
    }

    pub(super) fn record(&self, attempt: Attempt) {
        self.state().attempts.push(attempt);
    }

    /// Returns the report. A recipient without an outcome was not dealt with.
    pub(super) fn report(&self) -> Report {
        let mut state = self.state();
        let outcomes = state.recipients.iter_mut().map(|recipient| match recipient {
            Recipient::Settled(outcome) => outcome.clone(),
            Recipient::Pending(obstacle) => obstacle
                .take()
                .unwrap_or(Obstacle { reason: Reason::Canceled, hop: None })
                .outcome_so_far(),
        });
        let outcomes = outcomes.collect();
        let attempts = std::mem::take(&mut state.attempts);
        Report::new(self.envelope.clone(), outcomes, attempts)
    }
}
