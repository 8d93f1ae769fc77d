//! Many messages on one connection, from an iterator.
use std::{
    fmt,
    iter::FusedIterator,
    task::{Context, Poll, Waker},
};

use smtp_error::{Delivery, Error};

use crate::{
    Message,
    blocking::drive::Driver,
    messages::{Dispatch, Supply},
};

/// Many messages that are being sent on one connection: an iterator of their results, each with the
/// index of its message, from 0.
///
/// The results come in the order of the messages, without a gap; the iterator ends when every
/// message that was taken has had its result. If the connection fails, the messages under way have
/// results that report the failure, each with whether it is in doubt, and no further message is
/// taken: what is left was not begun. If no message is under way to report the failure, the next
/// one does, which is taken if it is there, so that the end of the connection is never mistaken for
/// the end of the messages.
///
/// Dropping it leaves the connection in order if no message is under way; otherwise the session
/// has ended.
pub struct SendMany<'c, 'm> {
    driver: &'c mut Driver,
    dispatch: Dispatch<'c, 'm, Given<'m>>,
}

/// Messages that an iterator gives.
pub(super) struct Given<'m>(Box<dyn Iterator<Item = Message<'m>> + Send + 'm>);

impl<'m> Supply<'m> for Given<'m> {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Message<'m>>> {
        Poll::Ready(self.0.next())
    }
}

impl<'c, 'm> SendMany<'c, 'm> {
    pub(super) fn supply(
        messages: impl IntoIterator<Item = Message<'m>, IntoIter: Send + 'm>,
    ) -> Given<'m> {
        Given(Box::new(messages.into_iter()))
    }

    pub(super) fn new(driver: &'c mut Driver, dispatch: Dispatch<'c, 'm, Given<'m>>) -> Self {
        Self { driver, dispatch }
    }
}

impl Iterator for SendMany<'_, '_> {
    type Item = (usize, Result<Delivery, Error>);

    fn next(&mut self) -> Option<Self::Item> {
        let Self { driver, dispatch } = self;
        loop {
            if let Some(result) = dispatch.take_result() {
                return Some(result);
            }
            if dispatch.is_done() {
                let cx = &mut Context::from_waker(Waker::noop());
                return dispatch.failure_of_next(cx);
            }
            driver.advance(&mut dispatch.run, &mut dispatch.clock, &mut dispatch.queue);
        }
    }
}

impl FusedIterator for SendMany<'_, '_> {}

impl fmt::Debug for SendMany<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendMany").field("under_way", &self.dispatch.under_way()).finish()
    }
}
