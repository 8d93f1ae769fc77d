//! Dialing: the addresses of a name, tried one after the other.
use std::{io, net::SocketAddr};

use smtp_error::{Attempt, Broken};

/// The addresses that could not be connected to.
#[derive(Default)]
pub(crate) struct Attempts {
    failed: Vec<Attempt>,
}

impl Attempts {
    /// Notes that connecting to this address has failed. Returns whether the next one may be
    /// tried: not when the operation as a whole has run out of time.
    pub(crate) fn failed(&mut self, address: SocketAddr, broken: Broken) -> bool {
        let may_go_on = !matches!(broken, Broken::Deadline { .. });
        self.failed.push(Attempt::new(address, broken));
        may_go_on
    }

    /// What it means that none of them could be connected to.
    pub(crate) fn into_broken(mut self) -> Broken {
        match self.failed.pop() {
            None => io::Error::from(io::ErrorKind::NotFound).into(),
            Some(only) if self.failed.is_empty() => only.broken,
            Some(last) => {
                self.failed.push(last);
                Broken::Unreachable(self.failed)
            }
        }
    }
}
