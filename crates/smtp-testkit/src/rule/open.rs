//! Counts the open connections, for rules that limit their number.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The connections that were greeted with 2yz and have not ended. A clone is the same set.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenConnections(Arc<Mutex<BTreeSet<usize>>>);

impl OpenConnections {
    /// Returns the number of open connections, including `connection` even if it is not counted.
    pub(crate) fn count_with(&self, connection: usize) -> usize {
        let open = self.lock();
        open.len() + usize::from(!open.contains(&connection))
    }

    /// Counts `connection` as open until the returned value is dropped.
    pub(crate) fn admit(&self, connection: usize) -> Admission {
        self.lock().insert(connection);
        Admission { all: self.clone(), connection }
    }

    /// A panic elsewhere cannot leave the set inconsistent: each change is one call.
    fn lock(&self) -> MutexGuard<'_, BTreeSet<usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that counts as open.
#[derive(Debug)]
pub(crate) struct Admission {
    all: OpenConnections,
    connection: usize,
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.all.lock().remove(&self.connection);
    }
}
