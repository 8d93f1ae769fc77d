//! Feeds: where a conversation gets what it asks its caller for.
use std::task::{Context, Poll, ready};

use smtp_error::{Cause, ErrorKind};

use crate::{
    Content,
    session::{Conversation, Run},
};

/// Where a conversation gets what it asks its caller for.
pub(crate) trait Feed<C: Conversation> {
    /// Gives the run what it wants, if that is there.
    fn poll_feed(&mut self, cx: &mut Context<'_>, run: &mut Run<'_, C>) -> Poll<()>;

    /// Something was handed to the transport.
    fn came_forward(&mut self, run: &Run<'_, C>);
}

/// For conversations that ask for nothing.
pub(crate) struct Nothing;

impl<C: Conversation> Feed<C> for Nothing {
    fn poll_feed(&mut self, _: &mut Context<'_>, _: &mut Run<'_, C>) -> Poll<()> {
        Poll::Pending
    }

    fn came_forward(&mut self, _: &Run<'_, C>) {}
}

impl<C: Conversation> Feed<C> for Content<'_> {
    fn poll_feed(&mut self, cx: &mut Context<'_>, run: &mut Run<'_, C>) -> Poll<()> {
        let Some(wanted) = run.wanted() else { return Poll::Pending };
        match ready!(self.source().poll_piece(cx, wanted.round)) {
            Ok(Some(piece)) => run.piece(piece),
            Ok(None) => run.end_of_text(),
            Err(failure) => run.give_up(ErrorKind::Source(Cause::new(failure))),
        }
        Poll::Ready(())
    }

    fn came_forward(&mut self, run: &Run<'_, C>) {
        self.report(run.text_written().map(|(_, octets)| octets));
    }
}
