//! Hints: which kind of port it probably is.
use smtp_error::{Broken, Error, ErrorKind, Hint, Step};

use super::Connector;
use crate::{Address, Security, tls};

impl Connector {
    /// Says what is likely to be the matter if the port is for the other kind of protection.
    pub(super) fn hinted(&self, error: Error) -> Error {
        let over_tcp = matches!(self.server.address, Address::Tcp { .. });
        match (self.server.security, error.step(), error.kind()) {
            (Security::Tls, Step::Handshake, ErrorKind::Broken(broken))
                if tls::is_no_tls(broken) =>
            {
                error.hinted(Hint::NoTls)
            }
            (
                Security::Plain | Security::StartTls,
                Step::Greeting,
                ErrorKind::Broken(Broken::TimedOut { .. } | Broken::Deadline { .. }),
            ) if over_tcp => error.hinted(Hint::ImplicitTls),
            _ => error,
        }
    }
}
