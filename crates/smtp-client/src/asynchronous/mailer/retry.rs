//! Retries: when a message is sent again to recipients that the server refused for now.
use std::{
    collections::HashSet,
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use smtp_caps::Envelope;
use smtp_codec::Rcpt;
use smtp_error::{Delivery, Error, KnownVerdicts, Peer, ReplyCode, Verdict};
use tokio::{
    sync::futures::Notified,
    time::{Instant, Sleep, sleep_until},
};

use super::{job::QueuedMessage, queue::Shared, sync::spawn, worker};
use crate::{
    clock::{backoff, later},
    session::EnvelopeRef,
};

/// When a mailer sends a message again to the recipients that the server refused for now (4yz), for
/// [`MailerBuilder::retry`](crate::MailerBuilder::retry): how often, after which pauses, for how
/// long, and after which codes.
///
/// ```
/// use smtp_client::{Connector, Mailer, ReplyCode, Retry};
/// use std::time::Duration;
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let greylisted = [ReplyCode::MAILBOX_BUSY, ReplyCode::LOCAL_ERROR];
/// let connector = Connector::new("smtps://mail.example.org".parse()?);
/// let mailer = Mailer::builder(connector)
///     .retry(Retry::new(3).within(Duration::from_secs(3600)).codes(greylisted))
///     .build();
/// # Ok(())
/// # }
/// ```
///
/// # What is sent again
///
/// After a pause, the same content goes in a transaction of its own to those recipients whose
/// verdict is a transient refusal at any step: all of them, if the message was refused as a whole.
/// The parameters of MAIL and of each RCPT are the same, also a time that counts from the command,
/// such as BY or HOLDFOR. This is repeated until each of them is accepted or refused for good, or
/// the retries are used up; then its last verdict stands. The result has all recipients, in the
/// order of the envelope.
///
/// What is accepted or in doubt is never sent again:
///
/// - A message whose first result is an error has no retries. That includes one that was withheld
///   from all recipients because some were refused
///   ([`Partial::Withhold`](crate::Partial::Withhold)).
/// - A retry that leaves the message in doubt is the last. The result is then an error that is [in
///   doubt](Error::in_doubt), and has the verdicts of the other recipients.
/// - A retry that fails with any other error was certainly not accepted: the verdicts before it
///   stand, and the next retry follows if the error is transient.
/// - An address that is twice in the envelope is not retried where the other one was accepted.
///
/// A content that can be produced only once ([`Content::read`](crate::Content::read),
/// [`Content::file`](crate::Content::file)) is retried only if no piece of it was taken, as when
/// every recipient was refused before the mail data.
///
/// # The pauses
///
/// In a pause the message has no connection, and no place in the queue. Dropping its future, or the
/// results of [`send_all`](crate::Mailer::send_all), ends the retries; closing the mailer does too,
/// and the result is then what is known.
///
/// Each retry has the [`attempts`](crate::MailerBuilder::attempts) of a new message, which come
/// first where the server refuses for its limits, and counts toward the
/// [`rate`](crate::MailerBuilder::rate).
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a policy does nothing until a mailer has it"]
pub struct Retry {
    times: u32,
    first_pause: Duration,
    longest_pause: Duration,
    within: Option<Duration>,
    /// `None` for every code.
    codes: Option<Vec<ReplyCode>>,
}

impl Retry {
    /// Creates a policy of at most so many retries after the first attempt.
    pub fn new(times: u32) -> Self {
        Self {
            times,
            first_pause: Duration::from_secs(5 * 60),
            longest_pause: Duration::from_secs(60 * 60),
            within: None,
            codes: None,
        }
    }

    /// Sets the pause before the first retry. Default: 5 minutes, which is enough for most
    /// greylisting. It doubles with each further retry, and each pause is extended at random by up to
    /// a half.
    pub fn first_pause(mut self, pause: Duration) -> Self {
        self.first_pause = pause;
        self
    }

    /// Sets the longest pause, before it is extended at random. Default: one hour.
    pub fn longest_pause(mut self, pause: Duration) -> Self {
        self.longest_pause = pause;
        self
    }

    /// Sets for how long retries follow: no pause is begun that would end later than this after the
    /// first refusal. Default: no limit.
    pub fn within(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.within = time.into();
        self
    }

    /// Sets the codes that are followed by a retry. Default: every 4yz code. Others are never.
    pub fn codes(mut self, codes: impl IntoIterator<Item = ReplyCode>) -> Self {
        self.codes = Some(codes.into_iter().collect());
        self
    }

    fn counts(&self, verdict: &Verdict) -> bool {
        let code = verdict.reply().code();
        verdict.is_transient() && self.codes.as_ref().is_none_or(|codes| codes.contains(&code))
    }

    /// Prepares a message with this result for its next retry, and returns the pause before that;
    /// `None` if none follows.
    fn prepare(&self, queued: &mut QueuedMessage, delivery: &Delivery) -> Option<Duration> {
        let retry = queued.retries + 1;
        if retry > self.times {
            return None;
        }
        let places = places(queued.envelope.rcpts(), delivery, |verdict| self.counts(verdict));
        let envelope = reduced(&queued.envelope, &places)?;
        let (now, pause) = (Instant::now(), backoff(self.first_pause, self.longest_pause, retry));
        let elapsed = now - *queued.refused_at.get_or_insert(now);
        if self.within.is_some_and(|within| elapsed.saturating_add(pause) > within) {
            return None;
        }
        queued.content = Some(queued.take_content()?);
        (queued.retries, queued.attempts) = (retry, 0);
        (queued.refused, queued.refused_by_session) = (None, false);
        let verdicts = delivery.verdicts().map(|(_, verdict)| verdict.clone()).collect();
        let part = Part::new(queued.envelope.clone(), verdicts, places);
        queued.split(envelope, part.at(delivery.server().cloned()));
        queued.watch.pausing(retry, pause, delivery);
        Some(pause)
    }
}

/// Returns the places of the recipients to which a message is sent again: those whose verdict
/// `counts`, unless the message was accepted for the same address at another place.
pub(super) fn places(
    rcpts: &[Rcpt],
    delivery: &Delivery,
    counts: impl Fn(&Verdict) -> bool,
) -> Vec<usize> {
    let verdicts = || rcpts.iter().zip(delivery.verdicts().map(|(_, verdict)| verdict));
    let accepted = verdicts().filter(|(_, verdict)| verdict.is_accepted());
    let accepted: HashSet<&str> = accepted.map(|(rcpt, _)| rcpt.path().as_str()).collect();
    let again = verdicts()
        .enumerate()
        .filter(|(_, (rcpt, verdict))| counts(verdict) && !accepted.contains(rcpt.path().as_str()));
    again.map(|(place, _)| place).collect()
}

/// Returns the envelope for the recipients at these places; `None` if there is none of them.
pub(super) fn reduced(
    whole: &EnvelopeRef<'static>,
    places: &[usize],
) -> Option<EnvelopeRef<'static>> {
    if places.len() == whole.rcpts().len() {
        return Some(whole.clone());
    }
    let rcpts = places.iter().map(|&place| whole.rcpts()[place].clone());
    Envelope::new(whole.mail().clone(), rcpts).ok().map(EnvelopeRef::from)
}

/// The part of its recipients that a message is sent to again.
pub(super) struct Part {
    whole: EnvelopeRef<'static>,
    /// The last verdict for each recipient of the whole.
    verdicts: Vec<Verdict>,
    /// The places of the part's recipients in the whole, in order.
    places: Vec<usize>,
    /// The server that gave the verdicts.
    server: Option<Arc<Peer>>,
}

impl Part {
    pub(super) fn new(
        whole: EnvelopeRef<'static>,
        verdicts: Vec<Verdict>,
        places: Vec<usize>,
    ) -> Self {
        Self { whole, verdicts, places, server: None }
    }

    /// Sets the server that gave the verdicts.
    pub(super) fn at(self, server: Option<Arc<Peer>>) -> Self {
        Self { server, ..self }
    }

    /// Returns the envelope with all recipients.
    pub(super) fn whole(&self) -> &EnvelopeRef<'static> {
        &self.whole
    }

    /// Returns the result for all recipients, without another attempt.
    pub(super) fn into_delivery(self) -> Delivery {
        let delivery = Delivery::new(self.whole.forward_paths(), self.verdicts);
        named(delivery, self.server.as_ref())
    }

    /// Makes the result for all recipients from that of the part.
    ///
    /// An error that is not in doubt changes no verdict but those that it has: what was refused
    /// before and certainly not accepted since is still refused. In doubt, a recipient of the part
    /// without a verdict has none any more.
    pub(super) fn merge(self, result: Result<Delivery, Error>) -> Result<Delivery, Error> {
        let found: Vec<Option<Verdict>> = match &result {
            Ok(delivery) => delivery.verdicts().map(|(_, one)| Some(one.clone())).collect(),
            Err(error) => error.verdicts().map(|(_, one)| one.cloned()).collect(),
        };
        let in_doubt = result.err().filter(Error::in_doubt);
        let mut known: Vec<_> = self.verdicts.into_iter().map(Some).collect();
        let mut found = found.into_iter();
        for place in self.places {
            let verdict = found.next().flatten();
            if verdict.is_some() || in_doubt.is_some() {
                known[place] = verdict;
            }
        }
        let paths = self.whole.forward_paths();
        match in_doubt {
            Some(error) => Err(error.with_verdicts(KnownVerdicts::new(paths, known))),
            None => {
                let delivery = Delivery::new(paths, known.into_iter().flatten().collect());
                Ok(named(delivery, self.server.as_ref()))
            }
        }
    }
}

fn named(delivery: Delivery, server: Option<&Arc<Peer>>) -> Delivery {
    match server {
        Some(server) => delivery.with_server(server),
        None => delivery,
    }
}

/// Completes a message with the result of its last attempt, or begins the pause before a retry.
pub(super) fn finish(
    shared: &Arc<Shared>,
    mut queued: Box<QueuedMessage>,
    result: Result<Delivery, Error>,
) {
    let Some(retry) = &shared.options.retry else {
        return queued.complete(result, &shared.counters);
    };
    let hopeless = result.as_ref().is_err_and(|error| !error.is_transient());
    let result = queued.rejoin(result);
    if let Ok(delivery) = &result
        && !hopeless
        && !queued.result.is_canceled()
        && shared.begin_pause()
    {
        if let Some(pause) = retry.prepare(&mut queued, delivery) {
            let until = later(Instant::now(), pause);
            spawn(Paused::new(Arc::clone(shared), queued).run(until));
            return;
        }
        shared.end_pause();
    }
    queued.complete(result, &shared.counters);
}

/// A message that waits for a retry. If it is dropped before that, it has the result that is known:
/// at the end of the runtime, too.
struct Paused {
    shared: Arc<Shared>,
    /// `None` after the pause.
    queued: Option<Box<QueuedMessage>>,
}

impl Paused {
    /// Creates it for a message whose pause was counted.
    fn new(shared: Arc<Shared>, mut queued: Box<QueuedMessage>) -> Self {
        queued.result.set_paused(true);
        Self { shared, queued: Some(queued) }
    }

    /// Waits until this time, and queues the message.
    async fn run(mut self, until: Instant) {
        let mut alarm = pin!(sleep_until(until));
        let shared = Arc::clone(&self.shared);
        loop {
            let mut ended = pin!(shared.pause_ends.notified());
            // Registered before the check, or a notification could be missed.
            ended.as_mut().enable();
            if shared.is_closed() {
                return;
            }
            match poll_fn(|cx| self.poll(cx, ended.as_mut(), alarm.as_mut())).await {
                Wake::Notified => {}
                Wake::Canceled => return,
                Wake::Due => break,
            }
        }
        self.resume();
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        ended: Pin<&mut Notified<'_>>,
        alarm: Pin<&mut Sleep>,
    ) -> Poll<Wake> {
        if let Some(queued) = &mut self.queued
            && queued.result.poll_canceled(cx).is_ready()
        {
            return Poll::Ready(Wake::Canceled);
        }
        match ended.poll(cx) {
            Poll::Ready(()) => Poll::Ready(Wake::Notified),
            Poll::Pending => alarm.poll(cx).map(|()| Wake::Due),
        }
    }

    fn resume(&mut self) {
        let Some(mut queued) = self.queued.take() else { return };
        queued.result.set_paused(false);
        match self.shared.resume(queued) {
            Ok(Some(id)) => worker::start(&self.shared, id),
            Ok(None) => {}
            Err((error, queued)) => {
                queued.watch.retry_failed(queued.retries, &error);
                queued.give_up(&self.shared.counters);
            }
        }
    }
}

/// Why a message that waits looks again.
enum Wake {
    Notified,
    Canceled,
    Due,
}

impl Drop for Paused {
    fn drop(&mut self) {
        if let Some(mut queued) = self.queued.take() {
            queued.result.set_paused(false);
            queued.give_up(&self.shared.counters);
        }
        // After the result, so that a mailer that was closed has given it.
        self.shared.end_pause();
    }
}
