//! Jobs: the entries of a mailer's queue, which are messages and waiters for a connection.
use std::task::{Context, Poll};

use smtp_error::{Delivery, Ended, Error, Step};
use tokio::{sync::oneshot, time::Instant};

use super::{pooled::Checkout, retry::Part, send_all::Ticket, stats::Counters};
use crate::{Content, content::Reserved, session::EnvelopeRef, spans::Watch};

/// A job in the queue.
pub(super) struct QueuedJob {
    pub(super) job: Job,
    /// Dropped when a worker begins with the job, which ends the caller's wait timeout. `None` for
    /// a job whose caller does not wait for that.
    pub(super) begun: Option<oneshot::Sender<()>>,
    /// Whether it was begun before, and is queued again.
    pub(super) again: bool,
    pub(super) hold: Hold,
    /// When it was queued.
    pub(super) since: Instant,
}

/// What has to happen before a queued job may begin, besides the jobs ahead of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    Nothing,
    /// It does not begin before this time.
    Until(Instant),
    /// It begins only as the first job of a connection.
    NewConnection,
}

/// What is to be done on a connection.
pub(super) enum Job {
    Send(Box<QueuedMessage>),
    Acquire(Waiter),
}

/// Where a connection for [`Mailer::acquire`](super::Mailer::acquire) goes.
pub(super) type Waiter = oneshot::Sender<Result<Checkout, Error>>;

/// A message, and where its result goes.
pub(super) struct QueuedMessage {
    pub(super) envelope: EnvelopeRef<'static>,
    /// `None` while a connection has it.
    pub(super) content: Option<Content<'static>>,
    /// The content for another attempt, if it can be produced twice.
    pub(super) copy: Option<Content<'static>>,
    /// For a content that can be produced only once: gives it back as long as no piece was taken.
    pub(super) reserved: Option<Reserved>,
    /// How many attempts were made.
    pub(super) attempts: u32,
    /// The replies to the last attempt, if the message was refused for reasons other than its own.
    /// They become the result if no further attempt can be made.
    pub(super) refused: Option<Delivery>,
    /// The error that the last attempt had instead of a delivery, where the message was refused as a
    /// whole and the caller wants all or none.
    pub(super) withheld: Option<Error>,
    /// Whether the last refusal was about the session ([`Blame::Session`](super::blame::Blame)).
    pub(super) refused_by_session: bool,
    /// When a connection began with it last.
    pub(super) begun_at: Option<Instant>,
    /// How often a connection began with it.
    pub(super) tries: u32,
    /// How many retries were made, or wait for their pause to end.
    pub(super) retries: u32,
    /// When the first refusal was received that a retry followed.
    pub(super) refused_at: Option<Instant>,
    /// Its span, a child of the caller's.
    pub(super) watch: Watch,
    pub(super) result: ResultSender,
}

/// Who asked for a message.
pub(super) enum Caller {
    /// The future of [`Mailer::send`](super::Mailer::send).
    Future(oneshot::Sender<Result<Delivery, Error>>),
    /// [`Mailer::send_all`](super::Mailer::send_all), which collects the results.
    Collected(Ticket),
}

impl Caller {
    fn is_canceled(&self) -> bool {
        match self {
            Self::Future(sender) => sender.is_closed(),
            Self::Collected(ticket) => ticket.is_canceled(),
        }
    }

    fn send(self, result: Result<Delivery, Error>) {
        match self {
            Self::Future(sender) => drop(sender.send(result)),
            Self::Collected(ticket) => ticket.put(result),
        }
    }
}

/// Where the result of a message goes.
///
/// A message that is dropped without a result, by a worker that was dropped, is in doubt. What an
/// earlier attempt has shown about other recipients is still known then.
pub(super) struct ResultSender {
    /// `None` once it has the result.
    caller: Option<Caller>,
    /// The recipients that the message is sent to, if these are not all because it is a retry.
    part: Option<Box<Part>>,
}

impl ResultSender {
    /// Returns whether the caller dropped its future.
    pub(super) fn is_canceled(&self) -> bool {
        self.caller.as_ref().is_some_and(Caller::is_canceled)
    }

    /// Is ready once the caller has dropped its future. For a message of `send_all`, the waker is
    /// not called.
    pub(super) fn poll_canceled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.caller {
            Some(Caller::Future(sender)) => sender.poll_closed(cx),
            Some(Caller::Collected(ticket)) if ticket.is_canceled() => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }

    /// Records whether the message waits for a retry.
    pub(super) fn set_paused(&mut self, paused: bool) {
        if let Some(Caller::Collected(ticket)) = &mut self.caller {
            ticket.set_paused(paused);
        }
    }
}

impl Drop for ResultSender {
    fn drop(&mut self) {
        if let (Some(caller), Some(part)) = (self.caller.take(), self.part.take()) {
            let dropped = Error::new(Step::Text, Ended::Closed).with_in_doubt(true);
            caller.send(part.merge(Err(dropped)));
        }
    }
}

impl QueuedMessage {
    pub(super) fn new(
        envelope: EnvelopeRef<'static>,
        content: Content<'static>,
        watch: Watch,
        caller: Caller,
    ) -> Self {
        Self {
            envelope,
            content: Some(content),
            copy: None,
            reserved: None,
            attempts: 0,
            refused: None,
            withheld: None,
            refused_by_session: false,
            begun_at: None,
            tries: 0,
            retries: 0,
            refused_at: None,
            watch,
            result: ResultSender { caller: Some(caller), part: None },
        }
    }

    /// Sends the result to the caller. A caller that dropped its future gets none.
    pub(super) fn complete(mut self, result: Result<Delivery, Error>, counters: &Counters) {
        let result = match (self.rejoin(result), self.withheld.take()) {
            (Ok(delivery), Some(error)) if !delivery.any_accepted() => Err(error),
            (result, _) => result,
        };
        counters.count_result(&result);
        self.watch.mailed(&result, self.tries, self.retries);
        if let Some(caller) = self.result.caller.take() {
            caller.send(result);
        }
    }

    /// Begins to send to a part of the recipients only.
    pub(super) fn split(&mut self, envelope: EnvelopeRef<'static>, part: Part) {
        self.envelope = envelope;
        self.result.part = Some(Box::new(part));
    }

    /// Makes the result for all recipients from that of the last attempt, if that was a retry for a
    /// part of them.
    pub(super) fn rejoin(&mut self, result: Result<Delivery, Error>) -> Result<Delivery, Error> {
        let Some(part) = self.result.part.take() else { return result };
        if let Err(error) = &result {
            self.watch.retry_failed(self.retries, error);
        }
        self.envelope = part.whole().clone();
        part.merge(result)
    }

    /// Completes a message that waits for a retry, without that retry.
    pub(super) fn give_up(mut self, counters: &Counters) {
        self.retries -= 1;
        if let Some(part) = self.result.part.take() {
            self.complete(Ok(part.into_delivery()), counters);
        }
    }

    /// Returns the result of a message that no attempt can be made for because of this error. The
    /// replies to the last attempt say more to the caller, so that they take precedence.
    pub(super) fn result_of_failure(&mut self, error: &Error) -> Result<Delivery, Error> {
        self.refused.take().ok_or_else(|| error.clone())
    }

    /// Takes the content for another attempt. One that can be produced only once is there if no
    /// piece of it was taken.
    pub(super) fn take_content(&mut self) -> Option<Content<'static>> {
        let kept = self.content.take().or_else(|| self.copy.take());
        kept.or_else(|| self.reserved.take()?.take())
    }
}

impl Job {
    /// Completes the job with this error.
    pub(super) fn fail(self, error: &Error, counters: &Counters) {
        match self {
            Self::Send(mut message) => {
                let result = message.result_of_failure(error);
                message.complete(result, counters);
            }
            Self::Acquire(waiter) => drop(waiter.send(Err(error.clone()))),
        }
    }

    /// Returns whether it waits for a connection however many attempts that takes, up to the wait
    /// timeout: a message of [`Mailer::send_all`](super::Mailer::send_all).
    pub(super) fn is_patient(&self) -> bool {
        matches!(self, Self::Send(message) if matches!(message.result.caller, Some(Caller::Collected(_))))
    }

    /// Returns whether the caller dropped its future.
    pub(super) fn is_canceled(&self) -> bool {
        match self {
            Self::Send(message) => message.result.is_canceled(),
            Self::Acquire(waiter) => waiter.is_closed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use smtp_caps::Envelope;
    use smtp_codec::MailData;
    use smtp_error::{Reply, ReplyCode, Verdict};

    use super::*;

    /// A worker may be dropped at any time, by the end of its runtime or by a panic.
    #[test]
    fn a_dropped_retry_leaves_only_its_part_in_doubt() {
        let path = |number: usize| format!("r{number}@example.org");
        let envelope = |places: &[usize]| {
            let paths: Vec<_> = places.iter().map(|&place| path(place)).collect();
            let envelope = Envelope::new("s@example.org", paths.iter().map(|path| &**path));
            EnvelopeRef::from(envelope.unwrap())
        };
        let verdict =
            |code, step| Verdict::new(step, Reply::new(ReplyCode::new(code).unwrap(), ""));
        let whole = envelope(&[0, 1, 2]);
        let (sender, mut result) = oneshot::channel();
        let content = Content::from(MailData::new("a: b\r\n").unwrap());
        let watch = Watch::send(&whole, content.facts());
        let mut queued = QueuedMessage::new(whole.clone(), content, watch, Caller::Future(sender));
        let verdicts =
            vec![verdict(550, Step::Rcpt), verdict(450, Step::Rcpt), verdict(250, Step::EndOfText)];
        queued.split(envelope(&[1]), Part::new(whole, verdicts, vec![1]));
        drop(queued);
        let error = result.try_recv().unwrap().unwrap_err();
        assert!(error.in_doubt());
        let known = error.verdicts().map(|(path, one)| (path.to_owned(), one.map(Verdict::step)));
        let expected = [Some(Step::Rcpt), None, Some(Step::EndOfText)];
        let expected = expected.into_iter().enumerate().map(|(at, step)| (path(at), step));
        assert!(known.eq(expected), "{error:?}");
    }
}
