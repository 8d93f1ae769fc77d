//! Hints: which kind of port it probably is, and what is likely to be the matter with TLS.
use smtp_error::{Broken, Error, ErrorKind, Excerpt, Hint, Misbehaved, Step};

use crate::{Address, Security, Server, tls};

impl Server {
    /// Adds a hint to an error of connecting to this server: the port is probably for the other
    /// kind of protection, or why TLS failed.
    pub(crate) fn hinted(&self, error: Error) -> Error {
        let over_tcp = matches!(self.address, Address::Tcp { .. });
        match (self.security, error.step(), error.kind()) {
            // What came was not TLS: nothing else is shown of a handshake.
            (Security::Tls, Step::Handshake, _) if error.excerpt().is_some() => {
                error.with_hint(Hint::NoTls)
            }
            (Security::StartTls, Step::Handshake, _) if error.excerpt().is_some() => {
                error.with_hint(Hint::NoTlsAfterStartTls)
            }
            (
                Security::Plain | Security::StartTls,
                Step::Greeting,
                ErrorKind::Broken(_) | ErrorKind::Misbehaved(Misbehaved::Malformed(_)),
            ) if error.excerpt().map(Excerpt::as_bytes).is_some_and(tls::is_tls) => {
                error.with_hint(Hint::ImplicitTls)
            }
            (
                Security::Plain | Security::StartTls,
                Step::Greeting,
                ErrorKind::Broken(Broken::TimedOut { .. } | Broken::Deadline { .. }),
            ) if over_tcp && error.excerpt().is_none() => error.with_hint(Hint::ImplicitTls),
            _ => tls::hinted(error),
        }
    }
}
