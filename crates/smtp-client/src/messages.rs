//! Many messages on one connection: where they come from, and the content of those under way.
use std::{
    collections::VecDeque,
    task::{Context, Poll, ready},
};

use smtp_error::{Delivery, Error};
use tracing::Span;

use crate::{
    Content, Message, Sending,
    clock::Clock,
    feed::{Actor, Feed},
    session::{ActiveOperation, Batch, BatchRequest, Next, Transaction},
    spans::Watch,
    tls::hinted,
};

/// Where messages come from.
pub(crate) trait Supply<'m> {
    /// The next message; `None` at their end.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message<'m>>>;

    /// Returns whether the messages that are not taken are kept elsewhere, so that the failure of
    /// the connection need not be reported for them.
    fn is_kept(&self) -> bool {
        false
    }
}

/// Many messages that are being sent on one connection.
pub(crate) struct Dispatch<'c, 'm, S> {
    pub(crate) run: ActiveOperation<'c, Batch<'m>>,
    pub(crate) clock: Clock,
    pub(crate) queue: Queue<'m, S>,
    /// Whether the caller knows that the connection has failed.
    told: bool,
    /// How many results were given, which is the index of the next one.
    given: usize,
}

/// The index of a message among those that were given, from 0, and its result.
pub(crate) type IndexedResult = (usize, Result<Delivery, Error>);

impl<'c, 'm, S: Supply<'m>> Dispatch<'c, 'm, S> {
    pub(crate) fn new(
        run: ActiveOperation<'c, Batch<'m>>,
        clock: Clock,
        queue: Queue<'m, S>,
    ) -> Self {
        Self { run, clock, queue, told: false, given: 0 }
    }

    /// The result of the next message, if it is there.
    pub(crate) fn take_result(&mut self) -> Option<IndexedResult> {
        if let Some(refused) = self.queue.take_refused() {
            return Some(self.indexed(Err(refused)));
        }
        let result = self.run.take_result()?;
        let content = self.queue.contents.pop_front();
        self.queue.answered += 1;
        self.clock.restart();
        self.told |= result.is_err() && self.run.failure().is_some();
        let result = result.map_err(hinted);
        if let Some(watch) = content.and_then(|content| content.watch) {
            watch.sent(&result, None);
        }
        Some(self.indexed(result))
    }

    /// Counts the result, which is that of the next message: results come in the order of messages,
    /// and each message has one.
    fn indexed(&mut self, result: Result<Delivery, Error>) -> IndexedResult {
        let index = self.given;
        self.given += 1;
        (index, result)
    }

    /// Returns whether no further result comes.
    pub(crate) fn is_done(&mut self) -> bool {
        let done = self.run.next() == Next::Done;
        debug_assert!(!done || self.queue.contents.is_empty(), "a message has no result");
        done
    }

    /// Returns the failure of the connection as the result of the next message, if there is one
    /// and no result has reported the failure.
    pub(crate) fn failure_of_next(&mut self, cx: &mut Context<'_>) -> Option<IndexedResult> {
        let error = self.run.error_of_next()?;
        let kept = self.queue.supply.is_kept() || self.queue.over;
        if std::mem::replace(&mut self.told, true) || kept {
            return None;
        }
        let none = matches!(self.queue.supply.poll_next(cx), Poll::Ready(None));
        (!none).then(|| self.indexed(Err(hinted(error))))
    }

    /// How many messages have no result yet.
    pub(crate) fn under_way(&self) -> usize {
        self.queue.contents.len()
    }
}

/// The messages that are to be sent, and the content of those that are under way.
pub(crate) struct Queue<'m, S> {
    supply: S,
    sending: Sending,
    /// Whether the client can send a content that has to be awaited.
    awaits: bool,
    /// Whether there are no more messages.
    over: bool,
    /// Of the messages whose results were not taken, the oldest first.
    contents: VecDeque<UnderWay<'m>>,
    /// How many messages that were begun have had their results.
    answered: usize,
    /// The messages that were not begun because this client cannot send them, each with how many
    /// that were begun come before it.
    refused: VecDeque<(usize, Error)>,
    /// The span of the caller, in which each message has its own.
    parent: Span,
}

/// The content of a message that has no result yet.
struct UnderWay<'m> {
    content: Content<'m>,
    /// `None` if the messages are kept elsewhere: their spans are too.
    watch: Option<Watch>,
}

impl<'m, S: Supply<'m>> Queue<'m, S> {
    pub(crate) fn new(supply: S, sending: Sending, awaits: bool) -> Self {
        let (contents, refused) = (VecDeque::new(), VecDeque::new());
        let parent = Span::current();
        Self { supply, sending, awaits, over: false, contents, answered: 0, refused, parent }
    }

    fn push(&mut self, message: Message<'m>, run: &mut ActiveOperation<'_, Batch<'m>>) {
        let Message { envelope, mut content } = message;
        let watch = || Watch::send_in(&self.parent, &envelope, content.facts());
        let watch = (!self.supply.is_kept()).then(watch);
        if let Err(error) = content.check(self.awaits) {
            let unsent = Err(error.clone());
            if let Some(watch) = watch {
                watch.sent(&unsent, None);
            }
            self.refused.push_back((self.answered + self.contents.len(), error));
            return;
        }
        let transaction = Transaction::new(envelope, content.facts());
        run.push(transaction.sending(content.sending(self.sending)));
        self.contents.push_back(UnderWay { content, watch });
    }

    /// The error of the next message, if it is one that this client cannot send.
    fn take_refused(&mut self) -> Option<Error> {
        let (before, _) = self.refused.front()?;
        if *before > self.answered {
            return None;
        }
        self.refused.pop_front().map(|(_, error)| error)
    }
}

impl<'m, S: Supply<'m>> Feed<Batch<'m>> for Queue<'m, S> {
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
            && content.content.poll_content(cx, run).is_ready()
        {
            return Poll::Ready(());
        }
        if !run.wants_message() {
            return Poll::Pending;
        }
        match ready!(self.supply.poll_next(cx)) {
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
            content.content.report(Some(octets));
        }
    }
}
