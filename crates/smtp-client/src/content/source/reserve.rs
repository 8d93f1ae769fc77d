//! Sources that can be given again, or taken back.
use std::sync::{Arc, Mutex, PoisonError};

use super::{Origin, Source};

impl Source<'_> {
    /// The same source from its beginning, if it can be given twice.
    pub(in crate::content) fn again(&self) -> Option<Self> {
        match &self.origin {
            Origin::Held { pieces, .. } => Some(Self::held(pieces.clone())),
            _ => None,
        }
    }
}

impl Source<'static> {
    /// The same source, and where it can be taken back.
    pub(in crate::content) fn reserve(self) -> (Self, Reserve) {
        let reserve = Reserve(Arc::new(Mutex::new(Some(self))));
        (Self::new(Origin::Reserved(reserve.clone())), reserve)
    }
}

/// Where a source is kept until its first piece is asked for.
#[derive(Clone)]
pub(crate) struct Reserve(Arc<Mutex<Option<Source<'static>>>>);

impl Reserve {
    /// Takes the source, if none of it was given.
    pub(in crate::content) fn take(&self) -> Option<Source<'static>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
