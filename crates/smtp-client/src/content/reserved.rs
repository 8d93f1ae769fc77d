//! Contents that are given again, as the mailer does.
use smtp_codec::ContentFacts;

use super::{Content, source::Reserve};

impl Content<'_> {
    /// The same content once more, if it can be given twice. What is told of the progress of the
    /// one is not told of the other.
    pub(crate) fn again(&self) -> Option<Self> {
        Some(Self::new(self.facts, self.source.again()?))
    }
}

impl Content<'static> {
    /// The same content, and the content once more as long as no piece of this one was asked for.
    /// It is told of no progress.
    pub(crate) fn reserve(self) -> (Self, Reserved) {
        let facts = self.facts;
        let (source, reserve) = self.source.reserve();
        (Self { source, ..self }, Reserved { facts, reserve })
    }
}

/// A content that can be taken back until its first piece is asked for.
pub(crate) struct Reserved {
    facts: ContentFacts,
    reserve: Reserve,
}

impl Reserved {
    pub(crate) fn take(&self) -> Option<Content<'static>> {
        Some(Content::new(self.facts, self.reserve.take()?))
    }
}
