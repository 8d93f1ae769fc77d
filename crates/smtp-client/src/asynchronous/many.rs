//! Many messages on one connection, from an iterator or a stream.
use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;
use smtp_error::{Delivery, Error};

use crate::{
    Message,
    asynchronous::drive::Driver,
    messages::{Dispatch, Supply},
};

/// Messages, one after the other.
pub struct Messages<'m> {
    origin: Origin<'m>,
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
}

impl<'m> Supply<'m> for Messages<'m> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message<'m>>> {
        match &mut self.origin {
            Origin::Iterator(messages) => Poll::Ready(messages.next()),
            Origin::Stream(messages) => messages.as_mut().poll_next(cx),
        }
    }

    fn is_kept(&self) -> bool {
        self.kept
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
    driver: &'c mut Driver,
    dispatch: Dispatch<'c, 'm, Messages<'m>>,
}

impl<'c, 'm> SendMany<'c, 'm> {
    pub(crate) fn new(driver: &'c mut Driver, dispatch: Dispatch<'c, 'm, Messages<'m>>) -> Self {
        Self { driver, dispatch }
    }

    /// The index of the next message, from 0, and its result; `None` when every message that was
    /// taken from the iterator or the stream has had its result. The results come in the order of the
    /// messages, without a gap. The future can be dropped and `next` called again: that loses
    /// nothing.
    ///
    /// If the connection fails, the messages under way have results that report the failure, each
    /// with whether it is in doubt, and no further message is taken: what is left in the iterator
    /// or the stream was not begun. If no message is under way to report the failure, the next one
    /// does, which is taken if it is there, so that the end of the connection is never mistaken for
    /// the end of the messages.
    pub async fn next(&mut self) -> Option<(usize, Result<Delivery, Error>)> {
        let Self { driver, dispatch } = self;
        loop {
            if let Some(result) = dispatch.take_result() {
                return Some(result);
            }
            if dispatch.is_done() {
                return poll_fn(|cx| Poll::Ready(dispatch.failure_of_next(cx))).await;
            }
            driver.advance(&mut dispatch.run, &mut dispatch.clock, &mut dispatch.queue).await;
        }
    }

    /// Returns the most recipients that the server accepts in a mail transaction, if it has shown
    /// that.
    pub(crate) fn learned_rcpt_max(&self) -> Option<usize> {
        self.dispatch.run.learned_rcpt_max()
    }
}

impl fmt::Debug for SendMany<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendMany").field("under_way", &self.dispatch.under_way()).finish()
    }
}
