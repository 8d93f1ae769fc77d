//! Connections that a mailer lends.
use std::{
    fmt,
    ops::{Deref, DerefMut},
};

use tokio::sync::oneshot;

use crate::Connection;

/// A connection that a [`Mailer`](crate::Mailer) lends. Dropping it gives it back.
///
/// Whatever was done with it does no harm to others: one whose session has ended is replaced, and
/// settings that were changed are as before.
pub struct PooledConnection(Option<Loan>);

/// A connection, and where it goes back to.
pub(super) struct Loan {
    pub(super) connection: Connection,
    pub(super) back: oneshot::Sender<Connection>,
}

impl PooledConnection {
    pub(super) fn new(loan: Loan) -> Self {
        Self(Some(loan))
    }

    fn loan(&self) -> &Loan {
        self.0.as_ref().unwrap_or_else(|| unreachable!("it is taken when it is dropped"))
    }
}

impl Deref for PooledConnection {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.loan().connection
    }
}

impl DerefMut for PooledConnection {
    fn deref_mut(&mut self) -> &mut Connection {
        match &mut self.0 {
            Some(loan) => &mut loan.connection,
            None => unreachable!("it is taken when it is dropped"),
        }
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        if let Some(Loan { connection, back }) = self.0.take() {
            // If nobody is there to take it, it is closed.
            let _ = back.send(connection);
        }
    }
}

impl fmt::Debug for PooledConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.loan().connection.fmt(f)
    }
}
