//! Many messages on one connection: where they come from, and what becomes of them.
use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use smtp_error::{Delivery, Error};

use crate::{
    Content, Sending,
    clock::Clock,
    drive::Wire,
    feed::Feed,
    session::{Batch, EnvelopeOf, Next, Run, Transaction},
};

/// A message: its envelope and its content.
#[derive(Debug)]
pub struct Message<'a> {
    envelope: EnvelopeOf<'a>,
    content: Content<'a>,
}

impl<'a> Message<'a> {
    /// The message of this envelope, owned, shared or borrowed, and content.
    pub fn new(envelope: impl Into<EnvelopeOf<'a>>, content: impl Into<Content<'a>>) -> Self {
        Self { envelope: envelope.into(), content: content.into() }
    }
}

/// Messages, one after the other.
pub struct Messages<'m>(Origin<'m>);

enum Origin<'m> {
    Iterator(Box<dyn Iterator<Item = Message<'m>> + Send + 'm>),
    Stream(Pin<Box<dyn Stream<Item = Message<'m>> + Send + 'm>>),
}

impl<'m> Messages<'m> {
    /// The messages of a stream. One is taken when there is room for it.
    pub fn stream(messages: impl Stream<Item = Message<'m>> + Send + 'm) -> Self {
        Self(Origin::Stream(Box::pin(messages)))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message<'m>>> {
        match &mut self.0 {
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
        Self(Origin::Iterator(Box::new(messages.into_iter())))
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
    run: Run<'c, Batch<'m>>,
    wire: &'c mut Wire,
    clock: Clock,
    queue: Queue<'m>,
}

impl<'c, 'm> SendMany<'c, 'm> {
    pub(crate) fn new(
        run: Run<'c, Batch<'m>>,
        wire: &'c mut Wire,
        clock: Clock,
        queue: Queue<'m>,
    ) -> Self {
        Self { run, wire, clock, queue }
    }

    /// What became of the next message, in the order in which they were given; `None` when there
    /// are no more. It can be dropped and called again: that loses nothing.
    ///
    /// If the connection fails, the messages that are under way have results that say so, each
    /// whether it is in doubt, and then there are no more: what was not taken from the iterator or
    /// the stream by then was not begun.
    pub async fn next(&mut self) -> Option<Result<Delivery, Error>> {
        loop {
            if let Some(result) = self.run.take_result() {
                self.queue.contents.pop_front();
                self.clock.restart();
                return Some(result);
            }
            if self.run.next() == Next::Done {
                return None;
            }
            self.wire.advance(&mut self.run, &mut self.clock, &mut self.queue).await;
        }
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
    /// Of the messages whose results were not taken, the oldest first.
    contents: VecDeque<Content<'m>>,
}

impl<'m> Queue<'m> {
    pub(crate) fn new(messages: Messages<'m>, sending: Sending) -> Self {
        Self { messages, sending, contents: VecDeque::new() }
    }

    fn push(&mut self, message: Message<'m>, run: &mut Run<'_, Batch<'m>>) {
        let Message { envelope, content } = message;
        let transaction = Transaction::new(envelope, content.facts());
        run.push(transaction.sending(content.sending(self.sending)));
        self.contents.push_back(content);
    }
}

impl<'m> Feed<Batch<'m>> for Queue<'m> {
    fn poll_feed(&mut self, cx: &mut Context<'_>, run: &mut Run<'_, Batch<'m>>) -> Poll<()> {
        if let Some(wanted) = run.wanted()
            && let Some(content) = self.contents.get_mut(wanted.message)
            && content.poll_feed(cx, run).is_ready()
        {
            return Poll::Ready(());
        }
        if !run.wants_message() {
            return Poll::Pending;
        }
        match ready!(self.messages.poll_next(cx)) {
            Some(message) => self.push(message, run),
            None => run.no_more_messages(),
        }
        Poll::Ready(())
    }

    fn came_forward(&mut self, run: &Run<'_, Batch<'m>>) {
        if let Some((message, _)) = run.text_written()
            && let Some(content) = self.contents.get_mut(message)
        {
            content.came_forward(run);
        }
    }
}
