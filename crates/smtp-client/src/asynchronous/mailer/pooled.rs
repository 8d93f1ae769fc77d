//! Pooled connections: connections that a mailer gives to a caller for a while.
use std::{
    fmt,
    ops::{Deref, DerefMut},
};

use tokio::sync::oneshot;

use crate::Connection;

/// A connection that was acquired from a [`Mailer`](crate::Mailer). Dropping it returns it.
///
/// What the caller did with it has no effect on other messages: the mailer replaces a connection
/// whose session has ended, and restores the timeouts and settings that were changed.
pub struct PooledConnection(Option<Checkout>);

/// A connection that is in use by a caller, and the channel that returns it to its worker.
pub(super) struct Checkout {
    pub(super) connection: Connection,
    pub(super) return_to: oneshot::Sender<Connection>,
}

impl PooledConnection {
    pub(super) fn new(checkout: Checkout) -> Self {
        Self(Some(checkout))
    }

    fn checkout(&self) -> &Checkout {
        self.0.as_ref().unwrap_or_else(|| unreachable!("it is taken only in drop"))
    }
}

impl Deref for PooledConnection {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.checkout().connection
    }
}

impl DerefMut for PooledConnection {
    fn deref_mut(&mut self) -> &mut Connection {
        match &mut self.0 {
            Some(checkout) => &mut checkout.connection,
            None => unreachable!("it is taken only in drop"),
        }
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        if let Some(Checkout { connection, return_to }) = self.0.take() {
            // Without a worker, as after the end of its runtime, the connection is dropped and with
            // it closed.
            let _ = return_to.send(connection);
        }
    }
}

impl fmt::Debug for PooledConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.checkout().connection.fmt(f)
    }
}
