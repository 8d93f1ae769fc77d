//! What waits in a mailer: messages, and those who want to borrow a connection.
use std::sync::Arc;

use smtp_caps::Envelope;
use smtp_error::{Delivery, Error};
use tokio::{sync::oneshot, time::Instant};

use super::pooled::Loan;
use crate::{Content, content::Reserved};

/// A job that waits. The caller learns that its turn has come when `turn` is dropped; what is
/// tried again has had its turn.
pub(super) struct Waiting {
    pub(super) job: Job,
    pub(super) turn: Option<oneshot::Sender<()>>,
    pub(super) hold: Hold,
}

/// What a job has to wait for, apart from its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    Nothing,
    /// It is not begun before this time.
    Until(Instant),
    /// It is the first on its connection.
    NewConnection,
}

/// What is to be done on a connection.
pub(super) enum Job {
    Send(Box<Parcel>),
    Lend(Borrower),
}

/// Where a connection that is lent goes.
pub(super) type Borrower = oneshot::Sender<Result<Loan, Error>>;

/// A message, and where its result goes.
pub(super) struct Parcel {
    pub(super) envelope: Arc<Envelope>,
    /// Gone while it is being sent.
    pub(super) content: Option<Content<'static>>,
    /// What is sent if it is tried again, where the content can be given twice.
    pub(super) spare: Option<Content<'static>>,
    /// The content, as long as nothing of it was given, where it can be given only once.
    pub(super) reserved: Option<Reserved>,
    /// How often it was tried.
    pub(super) attempts: u32,
    /// What the server replied when it was last tried, if that was refused for other reasons than
    /// its own.
    pub(super) refused: Option<Delivery>,
    /// Whether it was last refused because of the session.
    pub(super) left_session: bool,
    result: oneshot::Sender<Result<Delivery, Error>>,
}

impl Parcel {
    pub(super) fn new(
        envelope: Arc<Envelope>,
        content: Content<'static>,
        result: oneshot::Sender<Result<Delivery, Error>>,
    ) -> Self {
        Self {
            envelope,
            content: Some(content),
            spare: None,
            reserved: None,
            attempts: 0,
            refused: None,
            left_session: false,
            result,
        }
    }

    /// Gives the caller the result, if the caller still waits.
    pub(super) fn settle(self, result: Result<Delivery, Error>) {
        let _ = self.result.send(result);
    }

    /// It cannot be tried again. What the server replied the last time is its result.
    fn fail(mut self, error: &Error) {
        let result = self.refused.take().ok_or_else(|| error.clone());
        self.settle(result);
    }
}

impl Job {
    /// It cannot be done.
    pub(super) fn fail(self, error: &Error) {
        match self {
            Self::Send(parcel) => parcel.fail(error),
            Self::Lend(borrower) => drop(borrower.send(Err(error.clone()))),
        }
    }

    /// Returns whether its caller waits no more.
    pub(super) fn is_given_up(&self) -> bool {
        match self {
            Self::Send(parcel) => parcel.result.is_closed(),
            Self::Lend(borrower) => borrower.is_closed(),
        }
    }
}
