//! Many messages on one connection: where they come from, and what becomes of them.
use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use smtp_error::{Delivery, Error};

use crate::{
    Content, Message, Sending,
    asynchronous::{
        drive::Wire,
        feed::{Actor, Feed},
    },
    clock::Clock,
    session::{ActiveOperation, Batch, BatchRequest, Next, Transaction},
    tls::hinted,
};

/// Messages, one after the other.
pub struct Messages<'m> {
    origin: Origin<'m>,
    /// Whether those that are not sent are left where they are, and nobody has to be told.
    kept: bool,
}

enum Origin<'m> {
    Iterator(Box<dyn Iterator<Item = Message<'m>> + Send + 'm>),
    Stream(Pin<Box<dyn Stream<Item = Message<'m>> + Send + 'm>>),
}

impl<'m> Messages<'m> {
    /// The messages of a stream. One is taken when there is room for it.
    pub fn stream(messages: impl Stream<Item = Message<'m>> + Send + 'm) -> Self {
        Self { origin: Origin::Stream(Box::pin(messages)), kept: false }
    }

    /// The same, and the stream knows what becomes of those that are not taken.
    pub(crate) fn kept(messages: impl Stream<Item = Message<'m>> + Send + 'm) -> Self {
        Self { kept: true, ..Self::stream(messages) }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message<'m>>> {
        match &mut self.origin {
            Origin::Iterator(messages) => Poll::Ready(messages.next()),
            Origin::Stream(messages) => messages.as_mut().poll_next(cx),
        }
    }
}

impl<'m, I> From<I> for Messages<'m>
where
    I: IntoIterator<Item = Message<'m>, IntoIter: Send + 'm>,
{
    fn from(messages: I) -> Self {
        Self { origin: Origin::Iterator(Box::new(messages.into_iter())), kept: false }
    }
}

impl fmt::Debug for Messages<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages").finish_non_exhaustive()
    }
}

/// Many messages that are being sent on one connection.
///
/// Dropping it leaves the connection in order if no message is under way; otherwise the session
/// has ended, as when the future of any operation is dropped.
pub struct SendMany<'c, 'm> {
    run: ActiveOperation<'c, Batch<'m>>,
    wire: &'c mut Wire,
    clock: Clock,
    queue: Queue<'m>,
    /// Whether the caller knows that the connection has failed.
    told: bool,
}

impl<'c, 'm> SendMany<'c, 'm> {
    pub(crate) fn new(
        run: ActiveOperation<'c, Batch<'m>>,
        wire: &'c mut Wire,
        clock: Clock,
        queue: Queue<'m>,
    ) -> Self {
        Self { run, wire, clock, queue, told: false }
    }

    /// The result of the next message, in the order in which they were given; `None` when every
    /// message that was taken from the iterator or the stream has had its result. The future can be
    /// dropped and `next` called again: that loses nothing.
    ///
    /// If the connection fails, the messages under way have results that report the failure, each
    /// with whether it is in doubt, and no further message is taken: what is left in the iterator
    /// or the stream was not begun. If no message is under way to report the failure, the next one
    /// does, which is taken if it is there, so that the end of the connection is never mistaken for
    /// the end of the messages.
    pub async fn next(&mut self) -> Option<Result<Delivery, Error>> {
        loop {
            if let Some(result) = self.run.take_result() {
                self.queue.contents.pop_front();
                self.clock.restart();
                self.told |= result.is_err() && self.run.failure().is_some();
                return Some(result.map_err(hinted));
            }
            if self.run.next() == Next::Done {
                debug_assert!(self.queue.contents.is_empty(), "a message has no result");
                return self.tell().await.map(hinted).map(Err);
            }
            self.wire.advance(&mut self.run, &mut self.clock, &mut self.queue).await;
        }
    }

    /// That the connection has failed, for the next message, if there is one and nobody knows.
    async fn tell(&mut self) -> Option<Error> {
        let error = self.run.error()?;
        let kept = self.queue.messages.kept || self.queue.over;
        if std::mem::replace(&mut self.told, true) || kept {
            return None;
        }
        let next = poll_fn(|cx| Poll::Ready(self.queue.messages.poll_next(cx))).await;
        let none = matches!(next, Poll::Ready(None));
        (!none).then_some(error)
    }
}

impl fmt::Debug for SendMany<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendMany").field("under_way", &self.queue.contents.len()).finish()
    }
}

/// The messages that are to be sent, and the content of those that are under way.
pub(crate) struct Queue<'m> {
    messages: Messages<'m>,
    sending: Sending,
    /// Whether there are no more messages.
    over: bool,
    /// Of the messages whose results were not taken, the oldest first.
    contents: VecDeque<Content<'m>>,
}

impl<'m> Queue<'m> {
    pub(crate) fn new(messages: Messages<'m>, sending: Sending) -> Self {
        Self { messages, sending, over: false, contents: VecDeque::new() }
    }

    fn push(&mut self, message: Message<'m>, run: &mut ActiveOperation<'_, Batch<'m>>) {
        let Message { envelope, content } = message;
        let transaction = Transaction::new(envelope, content.facts());
        run.push(transaction.sending(content.sending(self.sending)));
        self.contents.push_back(content);
    }
}

impl<'m> Feed<Batch<'m>> for Queue<'m> {
    fn actor(&self, request: &BatchRequest) -> Actor {
        request.into()
    }

    fn poll_feed(
        &mut self,
        cx: &mut Context<'_>,
        run: &mut ActiveOperation<'_, Batch<'m>>,
    ) -> Poll<()> {
        if let Some(request) = run.content_request()
            && let Some(content) = self.contents.get_mut(request.message)
            && content.poll_content(cx, run).is_ready()
        {
            return Poll::Ready(());
        }
        if !run.wants_message() {
            return Poll::Pending;
        }
        match ready!(self.messages.poll_next(cx)) {
            Some(message) => self.push(message, run),
            None => {
                self.over = true;
                run.no_more_messages();
            }
        }
        Poll::Ready(())
    }

    fn wrote(&mut self, run: &ActiveOperation<'_, Batch<'m>>) {
        if let Some((message, octets)) = run.text_written()
            && let Some(content) = self.contents.get_mut(message)
        {
            content.report(Some(octets));
        }
    }
}
