//! Feeds: the sources of content and messages for an operation.
use std::{
    convert::Infallible,
    task::{Context, Poll, ready},
};

use smtp_error::{Cause, ErrorKind};

use crate::{
    Content,
    session::{ActiveOperation, BatchRequest, Operation, SendsContent, Transaction},
};

/// Serves the requests of an operation for content and messages.
pub(crate) trait Feed<O: Operation> {
    /// Returns which party serves this request.
    fn actor(&self, request: &O::Request) -> Actor;

    /// Gives the operation what it requests, if that is available. The loop also calls it while
    /// output is pending, so that the next content or message is ready when the transport is.
    fn poll_feed(&mut self, cx: &mut Context<'_>, run: &mut ActiveOperation<'_, O>) -> Poll<()>;

    /// Is called after octets were handed to the transport.
    fn wrote(&mut self, run: &ActiveOperation<'_, O>);
}

/// The party that serves a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Actor {
    /// The feed, within the timeout of the step.
    Feed,
    /// The feed, without a timeout: no message is in progress.
    IdleFeed,
    /// The caller of the loop, which has a result to take.
    Caller,
}

/// The feed of operations that request nothing.
pub(crate) struct Nothing;

impl<O: Operation<Request = Infallible>> Feed<O> for Nothing {
    fn actor(&self, request: &Infallible) -> Actor {
        match *request {}
    }

    fn poll_feed(&mut self, _: &mut Context<'_>, _: &mut ActiveOperation<'_, O>) -> Poll<()> {
        Poll::Pending
    }

    fn wrote(&mut self, _: &ActiveOperation<'_, O>) {}
}

impl Feed<Transaction<'_>> for Content<'_> {
    fn actor(&self, _: &<Transaction<'_> as Operation>::Request) -> Actor {
        Actor::Feed
    }

    fn poll_feed(
        &mut self,
        cx: &mut Context<'_>,
        run: &mut ActiveOperation<'_, Transaction<'_>>,
    ) -> Poll<()> {
        self.poll_content(cx, run)
    }

    fn wrote(&mut self, run: &ActiveOperation<'_, Transaction<'_>>) {
        self.report(run.text_written().map(|(_, octets)| octets));
    }
}

impl Content<'_> {
    /// Gives the operation the next piece, if it requests one and the source has it.
    pub(crate) fn poll_content<O: SendsContent>(
        &mut self,
        cx: &mut Context<'_>,
        run: &mut ActiveOperation<'_, O>,
    ) -> Poll<()> {
        let Some(request) = run.content_request() else { return Poll::Pending };
        match ready!(self.source().poll_piece(cx, request.round)) {
            Ok(Some(piece)) => run.piece(piece),
            Ok(None) => run.end_of_text(),
            Err(failure) => run.abort(ErrorKind::Source(Cause::new(failure))),
        }
        Poll::Ready(())
    }
}

impl From<&BatchRequest> for Actor {
    fn from(request: &BatchRequest) -> Self {
        match request {
            BatchRequest::Content(_) => Self::Feed,
            BatchRequest::Message => Self::IdleFeed,
            BatchRequest::Result => Self::Caller,
        }
    }
}
