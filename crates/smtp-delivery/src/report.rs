//! Reports: what became known of each recipient, and what was tried. No I/O.
use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use smtp_caps::Envelope;
use smtp_client::TlsFacts;
use smtp_codec::Rcpt;
use smtp_error::{Error, Verdict};

use crate::{Achieved, DnsError, Hop, NoRoute, Unprotected};

/// The result of a delivery: one [`Outcome`] for each recipient, in the order of the envelope, and
/// what was tried.
///
/// Each recipient appears exactly once.
#[derive(Clone, Debug)]
pub struct Report {
    envelope: Envelope,
    outcomes: Vec<Outcome>,
    attempts: Vec<Attempt>,
}

/// What became of the message for one recipient.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// A host of the domain accepted it.
    Delivered {
        /// Its reply.
        verdict: Verdict,
        /// The host.
        hop: Hop,
    },
    /// It was refused for good: the same message will be refused again.
    Refused {
        /// Why.
        refusal: Refusal,
        /// The host, if it was a host that refused.
        hop: Option<Hop>,
    },
    /// There is no host for the domain, for good.
    NoRoute(NoRoute),
    /// It was certainly not accepted, and may be sent again.
    Later {
        /// What stood in the way last.
        reason: Reason,
        /// After how long another attempt makes sense.
        retry_after: Duration,
    },
    /// It may have been accepted: the connection was lost, or the reply did not come, after the end
    /// of the mail data was handed to the transport. **Another attempt may deliver it twice.**
    InDoubt {
        /// What happened.
        error: Option<Error>,
        /// The host that may have accepted it.
        hop: Hop,
    },
}

/// Why a recipient was refused for good.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A host refused the recipient or the message (5yz).
    #[error("{0}")]
    Verdict(Verdict),
    /// No host takes such a message, or no client may send it: an extension that it needs is not
    /// offered, it is too large, its content cannot be read.
    #[error(transparent)]
    Error(#[from] Error),
}

/// Why a message was not accepted yet.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// A host refused the recipient or the message for now (4yz).
    #[error("{0}")]
    Verdict(Verdict),
    /// A connection, or the session on it, failed.
    #[error(transparent)]
    Error(#[from] Error),
    /// A lookup failed.
    #[error(transparent)]
    Dns(#[from] DnsError),
    /// No host can be connected to with the protection that is due.
    #[error(transparent)]
    Unprotected(#[from] Unprotected),
    /// The host failed a short while ago, and is left alone for this long.
    #[error("the host failed a short while ago; it is tried again in {} seconds", .for_at_least.as_secs())]
    HostDeferred {
        /// The rest of the time.
        for_at_least: Duration,
    },
    /// The future of the delivery was dropped before this recipient was dealt with.
    #[error("the delivery was canceled before this recipient was tried")]
    Canceled,
}

/// One attempt to deliver to one address, or to find out how.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// The host.
    pub hop: Hop,
    /// Its address; `None` if it was not known, or not connected to.
    pub address: Option<SocketAddr>,
    /// The positions in the envelope of the recipients that it was for.
    pub recipients: Arc<[usize]>,
    /// What protected the connection; `None` if there was none.
    pub achieved: Option<Achieved>,
    /// The TLS session of the connection: its version, its cipher suite, the certificates of the
    /// host. `None` without TLS.
    pub tls: Option<TlsFacts>,
    /// Whether the connection had been used before.
    pub is_reused: bool,
    /// When it began, after the beginning of the delivery.
    pub began: Duration,
    /// How long it took.
    pub took: Duration,
    /// What stood in the way; `None` if the host replied for every recipient.
    pub failure: Option<Reason>,
}

impl Outcome {
    /// Returns whether a host accepted the message for the recipient.
    pub fn is_delivered(&self) -> bool {
        matches!(self, Self::Delivered { .. })
    }

    /// Returns whether the message was certainly not accepted, and will not be.
    pub fn is_permanent_failure(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::NoRoute(_))
    }

    /// Returns whether the message may have been accepted, without a reply that tells.
    pub fn is_in_doubt(&self) -> bool {
        matches!(self, Self::InDoubt { .. })
    }

    /// Returns after how long another attempt makes sense, if the message was certainly not
    /// accepted and may be sent again.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Later { retry_after, .. } => Some(*retry_after),
            _ => None,
        }
    }
}

/// One line: what became of the message, and why.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delivered { verdict, hop } => {
                write!(f, "delivered to {hop}: {}", verdict.reply())
            }
            Self::Refused { refusal, hop: Some(hop) } => write!(f, "refused by {hop}: {refusal}"),
            Self::Refused { refusal, hop: None } => write!(f, "refused: {refusal}"),
            Self::NoRoute(no_route) => write!(f, "not deliverable: {no_route}"),
            Self::Later { reason, .. } => write!(f, "not delivered yet: {reason}"),
            Self::InDoubt { error: Some(error), hop } => {
                write!(f, "in doubt, {hop} may have accepted it: {error}")
            }
            Self::InDoubt { error: None, hop } => {
                write!(f, "in doubt, {hop} may have accepted it when the delivery was canceled")
            }
        }
    }
}

impl Report {
    /// Returns a report of these outcomes, one per recipient.
    pub(crate) fn new(envelope: Envelope, outcomes: Vec<Outcome>, attempts: Vec<Attempt>) -> Self {
        Self { envelope, outcomes, attempts }
    }

    /// Returns the envelope of the message.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// Returns each recipient with its outcome, in the order of the envelope.
    pub fn outcomes(
        &self,
    ) -> impl ExactSizeIterator<Item = (&Rcpt, &Outcome)> + DoubleEndedIterator + Clone {
        self.envelope.rcpts().iter().zip(&self.outcomes)
    }

    /// Returns what was tried, in the order in which it ended.
    pub fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }

    /// Returns whether every recipient has the message.
    pub fn all_delivered(&self) -> bool {
        self.outcomes.iter().all(Outcome::is_delivered)
    }

    /// Returns whether nothing is left to try: no recipient may be sent the message again.
    pub fn is_final(&self) -> bool {
        self.outcomes.iter().all(|outcome| outcome.retry_after().is_none())
    }

    /// Returns the envelope of those that may be sent the message again, and after how long; `None`
    /// if there is none. Recipients in doubt are not among them.
    pub fn remainder(&self) -> Option<(Envelope, Duration)> {
        let again = self
            .outcomes()
            .filter_map(|(rcpt, outcome)| outcome.retry_after().map(|after| (rcpt.clone(), after)));
        let (rcpts, after): (Vec<_>, Vec<_>) = again.unzip();
        let after = after.into_iter().min()?;
        Some((Envelope::new(self.envelope.mail().clone(), rcpts).ok()?, after))
    }
}
