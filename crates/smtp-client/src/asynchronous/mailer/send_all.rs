//! Many messages over all connections of a mailer, each with a tag that its result gives back.
//!
//! A queue hop for each message would cost more than the message. So the messages are put into the
//! queue in batches, and their results are collected in one place that is emptied as a whole.
use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    mem,
    pin::Pin,
    sync::{Arc, PoisonError, atomic::Ordering},
    task::{Context, Poll, Waker},
};

use futures_core::Stream;
use smtp_error::{Delivery, Ended, Error, Step};
use tokio::time::Instant;
use tracing::Span;

use super::{
    Mailer,
    job::{Caller, Hold, Job, QueuedJob, QueuedMessage},
    sync::{AtomicBool, AtomicUsize, Mutex, MutexGuard},
    worker,
};
use crate::{Message, spans::Watch};

/// The most messages per connection that were taken and whose results were not.
const WINDOW: usize = 32;
/// Messages are taken when there is room for this part of the window.
const REFILL: usize = 4;

type Outcome = Result<Delivery, Error>;

/// Messages for [`Mailer::send_all`], each with a tag. Every iterator of pairs converts into it.
pub struct TaggedMessages<'s, T> {
    origin: Origin<'s, T>,
}

enum Origin<'s, T> {
    Iterator(Box<dyn Iterator<Item = (T, Message<'static>)> + Send + 's>),
    Stream(Pin<Box<dyn Stream<Item = (T, Message<'static>)> + Send + 's>>),
    /// It has ended, and is not polled again.
    Ended,
}

impl<'s, T> TaggedMessages<'s, T> {
    /// Creates it from a stream of pairs.
    pub fn stream(messages: impl Stream<Item = (T, Message<'static>)> + Send + 's) -> Self {
        Self { origin: Origin::Stream(Box::pin(messages)) }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<(T, Message<'static>)>> {
        let next = match &mut self.origin {
            Origin::Iterator(messages) => Poll::Ready(messages.next()),
            Origin::Stream(messages) => messages.as_mut().poll_next(cx),
            Origin::Ended => return Poll::Ready(None),
        };
        if matches!(next, Poll::Ready(None)) {
            self.origin = Origin::Ended;
        }
        next
    }

    fn has_ended(&self) -> bool {
        matches!(self.origin, Origin::Ended)
    }
}

impl<'s, T, I> From<I> for TaggedMessages<'s, T>
where
    I: IntoIterator<Item = (T, Message<'static>), IntoIter: Send + 's>,
{
    fn from(messages: I) -> Self {
        Self { origin: Origin::Iterator(Box::new(messages.into_iter())) }
    }
}

impl<T> fmt::Debug for TaggedMessages<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaggedMessages").field("ended", &self.has_ended()).finish_non_exhaustive()
    }
}

impl Mailer {
    /// Sends all these messages over the connections of the mailer, and gives the result of each
    /// with its tag as soon as it is known: the order is that of the results.
    ///
    /// Every message that is taken has exactly one result, and the guarantees are those of
    /// [`send`](Self::send): what is in doubt is not sent again. Messages are taken only as the
    /// connections need them, at most 32 per connection whose results were not taken: the rest
    /// stays in the iterator or the stream. They share the connections with everything else that
    /// the mailer does, and have places of their own besides the
    /// [queue](super::MailerBuilder::queue_limit). Those that wait for a
    /// [retry](super::MailerBuilder::retry) do not count toward the 32, up to as many as the queue
    /// may hold.
    ///
    /// A connection that fails is replaced. While none can be opened, and another attempt may mend
    /// that, the messages wait for up to [`wait_timeout`](super::MailerBuilder::wait_timeout),
    /// however many attempts that takes. After a failure that no attempt can mend, such as a wrong
    /// password, the messages of the next minute have its error at once: 100,000 messages make one
    /// attempt to log in, not 100,000.
    ///
    /// Nothing happens before the results are asked for, and messages are taken only while they
    /// are. Dropping the returned value ends it: no further message is taken, those that were not
    /// begun are not sent, and those that were begun are sent to their end, without anybody being
    /// told their results. A program that has to know the state of each message takes the results
    /// to their end, and ends its iterator or stream to stop early. After a crash, what was taken and
    /// has no result may have been sent: up to 32 messages per connection.
    ///
    /// # Panics
    /// The results are asked for outside of a tokio runtime, or in one without I/O or time.
    ///
    /// ```
    /// # #[cfg(feature = "tokio")]
    /// # async fn example(mailer: smtp_client::Mailer) -> Result<(), Box<dyn std::error::Error>> {
    /// use smtp_client::{Envelope, MailData, Message};
    ///
    /// let text = MailData::new("Subject: news\r\n\r\nHello.\r\n")?;
    /// let to = ["ann@example.com", "bob@example.net"].map(String::from);
    /// let messages = to.into_iter().filter_map(|to| {
    ///     let envelope = Envelope::new("news@example.org", [&*to]).ok()?;
    ///     Some((to, Message::new(envelope, text.clone())))
    /// });
    /// let mut results = mailer.send_all(messages);
    /// while let Some((to, result)) = results.next().await {
    ///     match result {
    ///         Ok(delivery) if delivery.all_accepted() => println!("{to}: sent"),
    ///         Ok(delivery) => println!("{to}: {}", delivery[0]),
    ///         Err(error) if error.in_doubt() => println!("{to}: in doubt: {error}"),
    ///         Err(error) => println!("{to}: not sent: {error}"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn send_all<'s, T>(&self, messages: impl Into<TaggedMessages<'s, T>>) -> SendAll<'s, T> {
        let window = self.shared().options.connections.saturating_mul(WINDOW);
        SendAll {
            mailer: self.clone(),
            messages: messages.into(),
            parent: Span::current(),
            window,
            tags: Tags { places: Vec::new(), free: Vec::new() },
            outbox: Arc::default(),
            ready: VecDeque::new(),
        }
    }
}

/// The results of [`Mailer::send_all`], each with the tag of its message. It is a stream too.
#[must_use = "nothing is sent before the results are asked for"]
pub struct SendAll<'s, T> {
    mailer: Mailer,
    messages: TaggedMessages<'s, T>,
    /// The span of the caller, in which each message has its own.
    parent: Span,
    /// The most messages that were taken and whose results were not.
    window: usize,
    tags: Tags<T>,
    outbox: Arc<Outbox>,
    /// The results that were taken from the outbox, the oldest first.
    ready: VecDeque<(usize, Outcome)>,
}

/// The tags do not move after they are stored, and nothing here is pinned.
impl<T> Unpin for SendAll<'_, T> {}

impl<T> SendAll<'_, T> {
    /// Returns the next tag and result; `None` if the messages have ended and each of them has had
    /// its result. The future can be dropped and `next` called again: that loses nothing.
    pub async fn next(&mut self) -> Option<(T, Outcome)> {
        poll_fn(|cx| self.poll_result(cx)).await
    }

    /// Returns how many messages were taken and have given no result yet.
    pub fn pending(&self) -> usize {
        self.tags.len()
    }

    /// Returns how many more messages may be taken. Those that wait for a retry keep no connection
    /// from its work, and leave room for others until they are as many as the queue may hold.
    fn room(&self) -> usize {
        let most = self.mailer.shared().options.queue_limit;
        let paused = self.outbox.paused.load(Ordering::Acquire).min(most);
        self.window.saturating_sub(self.tags.len().saturating_sub(paused))
    }

    fn poll_result(&mut self, cx: &mut Context<'_>) -> Poll<Option<(T, Outcome)>> {
        let room = self.room();
        if self.ready.is_empty() || room >= self.window / REFILL {
            self.take_messages(room, cx);
        }
        if self.ready.is_empty() {
            self.outbox.take_results(&mut self.ready, cx.waker());
        }
        while let Some((place, outcome)) = self.ready.pop_front() {
            if let Some(tag) = self.tags.remove(place) {
                return Poll::Ready(Some((tag, outcome)));
            }
        }
        if self.tags.len() == 0 && self.messages.has_ended() {
            return Poll::Ready(None);
        }
        Poll::Pending
    }

    /// Takes messages, and puts them into the queue.
    fn take_messages(&mut self, room: usize, cx: &mut Context<'_>) {
        let mut jobs = Vec::new();
        let now = Instant::now();
        while jobs.len() < room
            && let Poll::Ready(Some((tag, message))) = self.messages.poll_next(cx)
        {
            let place = self.tags.insert(tag);
            let Message { envelope, content } = message;
            let caller = Caller::Collected(Ticket::new(&self.outbox, place));
            let watch = Watch::send_in(&self.parent, &envelope, content.facts());
            let queued = QueuedMessage::new(envelope, content, watch, caller);
            let job = Job::Send(Box::new(queued));
            jobs.push(QueuedJob {
                job,
                begun: None,
                again: false,
                hold: Hold::Nothing,
                since: now,
            });
        }
        if jobs.is_empty() {
            return;
        }
        let shared = self.mailer.shared();
        match shared.push_all(jobs) {
            Ok(Some(id)) => worker::start(shared, id),
            Ok(None) => {}
            Err((error, jobs)) => jobs.into_iter().for_each(|one| shared.fail(one.job, &error)),
        }
    }
}

impl<T> Stream for SendAll<'_, T> {
    type Item = (T, Outcome);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_result(cx)
    }
}

impl<T> Drop for SendAll<'_, T> {
    fn drop(&mut self) {
        self.outbox.canceled.store(true, Ordering::Release);
        self.mailer.shared().pause_ends.notify_waiters();
    }
}

impl<T> fmt::Debug for SendAll<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendAll").field("pending", &self.pending()).finish_non_exhaustive()
    }
}

/// The tags of the messages that have no result yet, by place.
struct Tags<T> {
    places: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> Tags<T> {
    fn insert(&mut self, tag: T) -> usize {
        match self.free.pop() {
            Some(place) => {
                self.places[place] = Some(tag);
                place
            }
            None => {
                self.places.push(Some(tag));
                self.places.len() - 1
            }
        }
    }

    fn remove(&mut self, place: usize) -> Option<T> {
        let tag = self.places[place].take()?;
        self.free.push(place);
        Some(tag)
    }

    fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }
}

/// Where the results of one [`SendAll`] are collected.
#[derive(Default)]
struct Outbox {
    collected: Mutex<Collected>,
    /// Whether nothing takes the results any more.
    canceled: AtomicBool,
    /// How many messages wait for a retry.
    paused: AtomicUsize,
}

#[derive(Default)]
struct Collected {
    results: VecDeque<(usize, Outcome)>,
    waker: Option<Waker>,
}

impl Outbox {
    fn collected(&self) -> MutexGuard<'_, Collected> {
        self.collected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes all results. If there are none, `waker` is called when there is one.
    fn take_results(&self, into: &mut VecDeque<(usize, Outcome)>, waker: &Waker) {
        let mut collected = self.collected();
        if collected.results.is_empty() {
            match &mut collected.waker {
                Some(known) => known.clone_from(waker),
                none => *none = Some(waker.clone()),
            }
        } else {
            mem::swap(&mut collected.results, into);
        }
    }

    fn put(&self, place: usize, outcome: Outcome) {
        let mut collected = self.collected();
        collected.results.push_back((place, outcome));
        let waker = collected.waker.take();
        drop(collected);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Counts a message that begins to wait for a retry, which makes room for another one.
    fn begin_pause(&self) {
        self.paused.fetch_add(1, Ordering::AcqRel);
        let waker = self.collected().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Where the result of one message goes. One that is dropped without a result, by a worker that
/// was dropped, leaves the message in doubt.
pub(super) struct Ticket {
    outbox: Arc<Outbox>,
    place: usize,
    done: bool,
    paused: bool,
}

impl Ticket {
    fn new(outbox: &Arc<Outbox>, place: usize) -> Self {
        Self { outbox: Arc::clone(outbox), place, done: false, paused: false }
    }

    pub(super) fn put(mut self, outcome: Outcome) {
        self.done = true;
        self.outbox.put(self.place, outcome);
    }

    /// Records whether the message waits for a retry.
    pub(super) fn set_paused(&mut self, paused: bool) {
        match (mem::replace(&mut self.paused, paused), paused) {
            (false, true) => self.outbox.begin_pause(),
            (true, false) => {
                self.outbox.paused.fetch_sub(1, Ordering::AcqRel);
            }
            _ => {}
        }
    }

    pub(super) fn is_canceled(&self) -> bool {
        self.outbox.canceled.load(Ordering::Acquire)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.done && !self.is_canceled() {
            let dropped = Error::new(Step::Text, Ended::Closed).with_in_doubt(true);
            self.outbox.put(self.place, Err(dropped));
        }
    }
}
