//! Operations: what can be done with a session.
//!
//! [`Operation`] is what a driver sees of one. [`Protocol`] is what [`ActiveOperation`] calls to
//! write commands and to handle replies; its module is private, so that only this crate has
//! operations. [`SendsContent`] adds what concerns the content of messages.
use smtp_error::{Error, ErrorKind, KnownVerdicts, Reply, Step};

#[cfg(doc)]
use super::ActiveOperation;
use super::{
    Piece, Session,
    replies::{PendingReply, unsolicited},
};

/// Something that is done with a session: it writes commands, handles their replies, and ends with
/// an answer.
///
/// The operations are [`Hello`](super::Hello), [`StartTls`](super::StartTls),
/// [`Auth`](super::Auth), [`SimpleCommand`](super::SimpleCommand), [`Xclient`](super::Xclient),
/// [`Xforward`](super::Xforward), [`Callout`](super::Callout), [`Transaction`](super::Transaction)
/// and [`Batch`](super::Batch). [`Session::run`] starts one.
pub trait Operation: Protocol + Sized {
    /// What [`ActiveOperation::finish`] returns.
    type Answer;

    /// What the operation needs of its driver besides octets of the server. Only those that send
    /// messages need anything; for the others it is [`Infallible`](std::convert::Infallible), so
    /// that a `match` on [`Next`](super::Next) is complete without it.
    type Request;

    /// Returns the step that the operation is at while no reply is pending.
    fn step(&self) -> Step {
        self.current_step()
    }

    /// Returns what is needed, if anything. `failed` says that the operation has failed: then only
    /// results are left to take.
    #[doc(hidden)]
    fn request(&self, session: &Session, failed: bool) -> Option<Self::Request> {
        let _ = (session, failed);
        None
    }

    /// Returns the answer. Called once, when the operation is done.
    #[doc(hidden)]
    fn answer(&mut self, session: &Session) -> Result<Self::Answer, Error>;

    /// Returns the answer, or the error, of an operation that failed before it was done.
    #[doc(hidden)]
    fn failed(&mut self, error: Error) -> Result<Self::Answer, Error> {
        Err(error)
    }

    /// Returns what is known of each recipient of the messages that were being sent.
    #[doc(hidden)]
    fn verdicts(&mut self) -> Vec<KnownVerdicts> {
        Vec::new()
    }
}

/// What an active operation calls.
#[allow(unnameable_types, reason = "it seals `Operation`")]
pub trait Protocol {
    /// Returns the step that the operation is at while no reply is pending.
    fn current_step(&self) -> Step;

    /// Writes the commands that may be written now. Called again after every reply and every
    /// write.
    fn write_commands(&mut self, session: &mut Session) -> Result<(), ErrorKind>;

    /// Handles the reply that was pending. Its code is a refusal or one of those that the step
    /// allows.
    fn handle_reply(
        &mut self,
        session: &mut Session,
        pending: PendingReply,
        reply: Reply,
    ) -> Result<(), ErrorKind>;

    /// Handles a reply that no command is waiting for, received during this step.
    fn handle_unsolicited(
        &mut self,
        session: &mut Session,
        step: Step,
        reply: Reply,
    ) -> Result<(), ErrorKind> {
        let _ = (session, step);
        Err(unsolicited(reply))
    }

    /// Returns whether nothing more is to be written or received.
    fn is_done(&self, session: &Session) -> bool;

    /// Returns whether nothing is under way, though the operation is not done.
    fn is_idle(&self) -> bool {
        false
    }

    /// The connection fails at this step: everything under way is over.
    fn handle_failure(&mut self, session: &Session, step: Step, kind: &ErrorKind) {
        let _ = (session, step, kind);
    }

    /// Returns whether the content of a message was begun and its final reply is pending.
    fn is_mid_text(&self) -> bool {
        false
    }

    /// Returns whether a message may have been accepted, as things stand.
    fn is_in_doubt(&self, session: &Session) -> bool {
        let _ = session;
        false
    }

    /// Returns whether the answer rests on the number of replies alone.
    fn is_counted(&self) -> bool {
        false
    }

    /// Returns whether the answer is known, and no pending reply can change it.
    fn has_answer(&self) -> bool {
        false
    }
}

/// An operation that sends the content of messages.
pub trait SendsContent: Operation {
    /// Returns the content of which the next piece is needed.
    #[doc(hidden)]
    fn content_request(&self, session: &Session) -> Option<ContentRequest>;

    /// Takes the next piece of the content.
    #[doc(hidden)]
    fn piece(&mut self, session: &mut Session, piece: Piece) -> Result<(), ErrorKind>;

    /// Takes the end of the content.
    #[doc(hidden)]
    fn end_of_text(&mut self, session: &mut Session) -> Result<(), ErrorKind>;

    /// Returns the message whose content is under way, counted as in [`ContentRequest`], and how
    /// many octets of it were handed to the transport.
    #[doc(hidden)]
    fn text_written(&self, session: &Session) -> Option<(usize, u64)>;
}

/// The content of which the next piece is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContentRequest {
    /// Of which message: how many messages whose results were not taken yet come before it.
    pub message: usize,
    /// Which time it is asked for from its beginning, from 1.
    pub round: u32,
}
