//! Hints: the likely cause of a failure to connect, such as a port for another kind of TLS.
use std::io;

use smtp_error::{
    Broken, Cause, Error, ErrorKind, Excerpt, Extension, Hint, Misbehaved, OtherProtocol,
    ProxyFault, Step, Unsupported,
};

use crate::{Address, Security, Server, session::Dialect, tls};

impl Server {
    /// Adds a hint to an error of connecting to this server: what is probably wrong with its
    /// address, or why TLS failed.
    pub(crate) fn hinted(&self, error: Error) -> Error {
        let hint = match error.step() {
            Step::Connect => self.hint_on_dialing(error.kind()),
            Step::Handshake => self.hint_on_handshake(&error),
            Step::Greeting => self.hint_on_greeting(&error),
            Step::Hello => self.hint_on_hello(&error),
            Step::StartTls => lacks(&error, Extension::StartTls).then_some(Hint::NoStartTls),
            Step::Auth if lacks(&error, Extension::Auth) => self.hint_on_missing_auth(),
            _ => None,
        };
        match hint {
            Some(hint) if error.hint().is_none() => error.with_hint(hint),
            _ => tls::hinted(error),
        }
    }

    fn hint_on_dialing(&self, kind: &ErrorKind) -> Option<Hint> {
        let ErrorKind::Broken(broken) = kind else { return None };
        let port = match (broken, &self.address) {
            (Broken::Proxy(proxy), _) => {
                let ProxyFault::Broken(broken) = &proxy.fault else { return None };
                return is_nothing_there(broken).then_some(Hint::Proxy);
            }
            (broken, Address::Unix { .. }) => {
                return is_nothing_there(broken).then_some(Hint::UnixSocket);
            }
            (_, Address::Tcp { port, .. }) => port,
        };
        if let Broken::UnknownHost(_) = broken {
            return Some(Hint::UnknownHost);
        }
        let all = match broken {
            Broken::Unreachable(attempts) => attempts.iter().map(|one| &one.broken).collect(),
            broken => vec![broken],
        };
        if all.iter().any(|broken| is_timeout(broken)) {
            return Some(if *port == 25 { Hint::Port25Blocked } else { Hint::ConnectTimedOut });
        }
        all.iter().all(|broken| is_refusal(broken)).then_some(Hint::ConnectionRefused)
    }

    fn hint_on_handshake(&self, error: &Error) -> Option<Hint> {
        // A handshake has an excerpt only if the octets received were not TLS.
        let received = error.excerpt()?.as_bytes();
        match self.security {
            Security::Tls => {
                Some(OtherProtocol::of_greeting(received).map_or(Hint::NoTls, Hint::OtherProtocol))
            }
            Security::StartTls | Security::Opportunistic => Some(Hint::NoTlsAfterStartTls),
            Security::Plain => None,
        }
    }

    fn hint_on_greeting(&self, error: &Error) -> Option<Hint> {
        let is_fault_of_octets = matches!(
            error.kind(),
            ErrorKind::Broken(_) | ErrorKind::Misbehaved(Misbehaved::Malformed(_))
        );
        let received = error.excerpt().map(Excerpt::as_bytes).filter(|_| is_fault_of_octets);
        if let Some(protocol) = received.and_then(OtherProtocol::of_greeting) {
            return Some(Hint::OtherProtocol(protocol));
        }
        if self.security == Security::Tls {
            return None;
        }
        let over_tcp = matches!(self.address, Address::Tcp { .. });
        match (received, error.kind()) {
            (Some(octets), _) => tls::is_tls(octets).then_some(Hint::ImplicitTls),
            (None, ErrorKind::Broken(broken)) if over_tcp && is_timeout(broken) => {
                Some(Hint::ImplicitTls)
            }
            _ => None,
        }
    }

    fn hint_on_hello(&self, error: &Error) -> Option<Hint> {
        // That a server speaks LMTP shows only where it knows HELO as little as EHLO, which the
        // session has seen.
        let ErrorKind::Refused(reply) = error.kind() else { return None };
        let is_unknown = matches!(reply.code().get(), 500 | 502);
        (is_unknown && self.dialect == Dialect::Lmtp).then_some(Hint::Smtp)
    }

    fn hint_on_missing_auth(&self) -> Option<Hint> {
        match &self.address {
            Address::Tcp { .. } if self.security == Security::Plain => Some(Hint::AuthInsideTls),
            Address::Tcp { port: 25, .. } => Some(Hint::SubmissionPort),
            _ => None,
        }
    }
}

fn is_timeout(broken: &Broken) -> bool {
    match broken {
        Broken::TimedOut { .. } | Broken::Deadline { .. } => true,
        // The system gave up first.
        Broken::Io(cause) => is_of_kind(cause, io::ErrorKind::TimedOut),
        _ => false,
    }
}

/// Returns whether there is no host, port or socket of this name.
fn is_nothing_there(broken: &Broken) -> bool {
    match broken {
        Broken::UnknownHost(_) => true,
        Broken::Unreachable(attempts) => attempts.iter().all(|one| is_refusal(&one.broken)),
        Broken::Io(cause) if is_of_kind(cause, io::ErrorKind::NotFound) => true,
        broken => is_refusal(broken),
    }
}

fn is_refusal(broken: &Broken) -> bool {
    matches!(broken, Broken::Io(cause) if is_of_kind(cause, io::ErrorKind::ConnectionRefused))
}

fn is_of_kind(cause: &Cause, kind: io::ErrorKind) -> bool {
    cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == kind)
}

/// Returns whether the server does not offer this extension.
fn lacks(error: &Error, extension: Extension) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Unsupported(Unsupported::Extension(lacking)) if *lacking == extension
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use smtp_error::{Attempt, ProxyError};

    use super::*;

    fn refused() -> Broken {
        io::Error::from(io::ErrorKind::ConnectionRefused).into()
    }

    fn timed_out() -> Broken {
        Broken::TimedOut { after: Duration::from_secs(30) }
    }

    fn unreachable(all: impl IntoIterator<Item = Broken>) -> Broken {
        let address = ([192, 0, 2, 1], 25).into();
        Broken::Unreachable(all.into_iter().map(|broken| Attempt::new(address, broken)).collect())
    }

    #[test]
    fn failures_to_reach_a_host_have_hints() {
        let unknown = Broken::UnknownHost(Cause::new(io::Error::other("no such name")));
        let denied = || Broken::from(io::Error::from(io::ErrorKind::PermissionDenied));
        for (port, broken, hint) in [
            (587, unknown, Some(Hint::UnknownHost)),
            (587, refused(), Some(Hint::ConnectionRefused)),
            (587, timed_out(), Some(Hint::ConnectTimedOut)),
            (25, timed_out(), Some(Hint::Port25Blocked)),
            (25, io::Error::from(io::ErrorKind::TimedOut).into(), Some(Hint::Port25Blocked)),
            (25, unreachable([refused(), timed_out()]), Some(Hint::Port25Blocked)),
            (25, unreachable([refused(), refused()]), Some(Hint::ConnectionRefused)),
            (25, unreachable([refused(), denied()]), None),
            (25, denied(), None),
        ] {
            let error =
                Server::tcp("mail.example.org", port).hinted(Error::new(Step::Connect, broken));
            assert_eq!(error.hint(), hint, "{error}");
        }
        let missing = || Broken::from(io::Error::from(io::ErrorKind::NotFound));
        let hint_of = |broken| Server::unix("/run/smtp").hinted(Error::new(Step::Connect, broken));
        assert_eq!(hint_of(refused()).hint(), Some(Hint::UnixSocket));
        assert_eq!(hint_of(missing()).hint(), Some(Hint::UnixSocket));
        assert_eq!(hint_of(denied()).hint(), None);
        let through = |broken: Broken| {
            let fault = ProxyError::new("socks5://proxy:1080", broken.into());
            let error = Error::new(Step::Connect, Broken::from(fault));
            Server::tcp("mail.example.org", 25).hinted(error).hint()
        };
        assert_eq!(through(refused()), Some(Hint::Proxy));
        assert_eq!(through(timed_out()), None);
    }
}
