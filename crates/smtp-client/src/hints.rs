//! Hints: the likely cause of a failure to connect, such as a port for another kind of TLS.
use smtp_error::{Broken, Error, ErrorKind, Excerpt, Hint, Misbehaved, Step};

use crate::{Address, Security, Server, tls};

impl Server {
    /// Adds a hint to an error of connecting to this server: that the port probably uses the other
    /// kind of TLS, or why TLS failed.
    pub(crate) fn hinted(&self, error: Error) -> Error {
        let over_tcp = matches!(self.address, Address::Tcp { .. });
        match (self.security, error.step(), error.kind()) {
            // A handshake has an excerpt only if the octets received were not TLS.
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
