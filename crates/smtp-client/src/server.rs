//! The server to connect to: its address, its protocol and how it uses TLS.
use std::{
    borrow::Cow,
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    str::FromStr,
    sync::Arc,
};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use smtp_codec::{Deviations, Domain};
use smtp_error::{Field, Flaw, Invalid, Peer};

use crate::{
    InvalidUrl,
    session::Dialect,
    url::{ServerUrl, scheme_of},
};

/// What is percent-encoded in the path of a Unix socket, so that it is parsed again as it was.
const RESERVED_IN_PATH: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'?').add(b'#');

/// A server to connect to. It is parsed from an address of one of these forms:
///
/// | Address | Meaning | Default port |
/// |---|---|---|
/// | `smtp://host:port` | SMTP without TLS | 25 |
/// | `smtp+starttls://host:port` | SMTP, STARTTLS is required before anything else | 587 |
/// | `smtps://host:port` | SMTP inside TLS | 465 |
/// | `smtp+opportunistic://host:port` | SMTP, [TLS if it is offered](Security::Opportunistic) | 25 |
/// | `lmtp://host:port` | LMTP without TLS | 24 |
/// | `lmtp+starttls://host:port` | LMTP, STARTTLS is required | 24 |
/// | `lmtp+opportunistic://host:port` | LMTP, TLS if it is offered | 24 |
/// | `lmtp+unix:///path` | LMTP over a Unix socket | |
/// | `smtp+unix:///path` | SMTP over a Unix socket | |
///
/// An IPv6 address is written in brackets. An internationalized host name is stored with A-labels
/// (RFC 5890), which are used for the lookup and for the check of the certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Server {
    /// SMTP or LMTP.
    pub dialect: Dialect,
    /// The address it listens on.
    pub address: Address,
    /// Whether and how TLS protects the connection.
    pub security: Security,
}

/// The address that a server listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Address {
    /// A TCP port.
    Tcp {
        /// The name or address of the host, without brackets. A name outside ASCII is looked up
        /// with A-labels.
        host: String,
        /// The port.
        port: u16,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

impl Address {
    /// Returns the same address with a host in ASCII, as resolvers and proxies are given it.
    pub(crate) fn to_ascii(&self) -> Result<Self, Invalid> {
        Ok(match self {
            Self::Tcp { host, port } => {
                Self::Tcp { host: to_ascii(host)?.into_owned(), port: *port }
            }
            Self::Unix(path) => Self::Unix(path.clone()),
        })
    }
}

/// Displays `host:port`, with an IPv6 address in brackets, or the path of a Unix socket.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// Whether and how TLS protects a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Security {
    /// No TLS.
    #[default]
    Plain,
    /// TLS after STARTTLS (RFC 3207). A server that does not offer it is an error.
    StartTls,
    /// TLS from the first octet (RFC 8314).
    Tls,
    /// TLS after STARTTLS if the server offers it, whatever its certificate (RFC 7435): for delivery
    /// to MX hosts, of which some have no TLS and many have a certificate that cannot be checked.
    ///
    /// It protects against those who only listen. **An attacker on the path can remove the offer**
    /// and so disable TLS, or be the server. [`Connection::protection`] tells what was achieved. A
    /// password or token is sent only if that is at least [`Protection::Pinned`], as in a
    /// connection in clear, and REQUIRETLS is not used below that.
    ///
    /// A server that does not offer STARTTLS, or refuses it, is used in clear. A handshake that
    /// fails is an error, unless [`Connector::clear_fallback`] allows another connection in clear.
    ///
    /// [`Connection::protection`]: crate::Connection::protection
    /// [`Connector::clear_fallback`]: crate::Connector::clear_fallback
    /// [`Protection::Pinned`]: crate::Protection::Pinned
    Opportunistic,
}

/// Whether a connection in clear replaces one whose TLS handshake has failed, where TLS is
/// [opportunistic](Security::Opportunistic).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "a yes or no that has a name")]
pub enum ClearFallback {
    /// The failed handshake is the error.
    #[default]
    Forbidden,
    /// A new connection is opened, on which TLS is not tried.
    Allowed,
}

impl Security {
    /// Returns whether the session begins in clear, and TLS may follow.
    pub(crate) fn upgrades(self) -> bool {
        matches!(self, Self::StartTls | Self::Opportunistic)
    }
}

impl Server {
    /// Creates an SMTP server on a TCP port, without TLS. An IPv6 address may have brackets. An
    /// internationalized host name is stored with A-labels; one that is not valid is stored
    /// unchanged, and connecting to it fails.
    pub fn tcp(host: impl Into<String>, port: u16) -> Self {
        let host = host.into();
        let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let bare = inner.filter(|inner| inner.parse::<Ipv6Addr>().is_ok()).unwrap_or(&host);
        let ascii = to_ascii(bare).map(Cow::into_owned);
        Self::new(Address::Tcp { host: ascii.unwrap_or(host), port })
    }

    /// Creates an SMTP server on a Unix socket, without TLS.
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self::new(Address::Unix(path.into()))
    }

    fn new(address: Address) -> Self {
        Self { dialect: Dialect::Smtp, address, security: Security::Plain }
    }

    /// Sets the protocol, SMTP or LMTP.
    #[must_use]
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// Sets whether and how TLS is used.
    #[must_use]
    pub fn security(mut self, security: Security) -> Self {
        self.security = security;
        self
    }

    /// Returns this server as errors name it, with the address that is connected to.
    pub(crate) fn peer(&self, address: Option<SocketAddr>) -> Arc<Peer> {
        let peer = match &self.address {
            Address::Tcp { host, port } => Peer::tcp(host, *port),
            Address::Unix(path) => Peer::unix(&path.to_string_lossy()),
        };
        Arc::new(match address {
            Some(address) => peer.with_address(address),
            None => peer,
        })
    }

    /// Returns the host name that the certificate must be for.
    pub(crate) fn host(&self) -> &str {
        match &self.address {
            Address::Tcp { host, .. } => host,
            Address::Unix(_) => "localhost",
        }
    }
}

impl FromStr for Server {
    type Err = InvalidUrl;

    /// Parses the URL of a server. A user name, a password and options belong to a connector:
    /// [`Connector::from_url`](crate::Connector::from_url).
    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let url = ServerUrl::parse(text)?;
        match (url.login, &url.options[..]) {
            (Some(_), _) => Err(InvalidUrl::Credentials),
            (None, [_, ..]) => Err(InvalidUrl::Options),
            (None, []) => Ok(url.server),
        }
    }
}

/// Returns the host name in ASCII, with A-labels for those outside it.
///
/// # Errors
/// It is neither a domain nor an IP address. Or its characters map to ASCII: a resolver that does
/// not map them would look up another name than the one that the certificate is checked for.
pub(crate) fn to_ascii(host: &str) -> Result<Cow<'_, str>, Invalid> {
    if host.is_empty() {
        return Err(Invalid::new(Field::Server, Flaw::Empty));
    }
    if host.parse::<IpAddr>().is_ok() {
        return Ok(Cow::Borrowed(host));
    }
    // A domain that ends with a dot is looked up without the search list of the resolver.
    let relative = host.strip_suffix('.').unwrap_or(host);
    let domain = Domain::tolerating(relative, Deviations::UNDERSCORE);
    let domain = domain.map_err(|invalid| invalid.in_field(Field::Server))?;
    if host.is_ascii() {
        return Ok(Cow::Borrowed(host));
    }
    let ascii = domain.to_ascii();
    let mut offset = 0;
    for (given, label) in host.split('.').zip(ascii.split('.')) {
        if !given.is_ascii() && !label.starts_with("xn--") {
            return Err(Invalid::new(Field::Server, Flaw::InvalidLabel { offset }));
        }
        offset += given.len() + 1;
    }
    Ok(Cow::Owned(ascii.into_owned()))
}

/// Moves the offset of a flaw to a text in which the value begins at `start`.
pub(crate) fn shifted(invalid: Invalid, start: usize) -> Invalid {
    let flaw = match invalid.flaw {
        Flaw::EmptyLabel { offset } => Flaw::EmptyLabel { offset: start + offset },
        Flaw::Unexpected { character, offset } => {
            Flaw::Unexpected { character, offset: start + offset }
        }
        Flaw::InvalidLabel { offset } => Flaw::InvalidLabel { offset: start + offset },
        Flaw::LabelTooLong { offset, length, limit } => {
            Flaw::LabelTooLong { offset: start + offset, length, limit }
        }
        flaw => flaw,
    };
    Invalid::new(invalid.field, flaw)
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Unix(path) => {
                let path = path.to_string_lossy();
                let path = utf8_percent_encode(&path, RESERVED_IN_PATH);
                write!(f, "{}://{path}", scheme_of(self, false))
            }
            tcp => write!(f, "{}://{tcp}", scheme_of(self, true)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_parsed_and_displayed() {
        for (given, shown) in [
            ("smtp://mx.example", "smtp://mx.example:25"),
            ("smtp://127.0.0.1:2525", "smtp://127.0.0.1:2525"),
            ("SMTPS://[::1]", "smtps://[::1]:465"),
            ("smtp+starttls://mail", "smtp+starttls://mail:587"),
            ("lmtp://[2001:db8::1]:24", "lmtp://[2001:db8::1]:24"),
            ("lmtp+unix:///run/lmtp", "lmtp+unix:///run/lmtp"),
            ("smtp+unix:///run/a%20b%25", "smtp+unix:///run/a%20b%25"),
            ("smtps://mx.example:465/", "smtps://mx.example:465"),
            ("smtps://mx.example.", "smtps://mx.example.:465"),
            ("smtp://b\u{fc}cher.example:2525", "smtp://xn--bcher-kva.example:2525"),
            ("smtps://mx_1.B\u{dc}CHER.example", "smtps://mx_1.xn--bcher-kva.example:465"),
        ] {
            assert_eq!(given.parse::<Server>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn a_host_outside_ascii_is_stored_with_a_labels() {
        assert_eq!(Server::tcp("b\u{fc}cher.example", 25).host(), "xn--bcher-kva.example");
        assert_eq!(Server::tcp("b\u{3002}example", 25).host(), "b\u{3002}example");
    }

    #[test]
    fn brackets_and_names_are_told_apart() {
        assert_eq!(Server::tcp("[::1]", 25).host(), "::1");
        assert_eq!(Server::tcp("[mx]", 25).host(), "[mx]");
    }

    #[test]
    fn what_is_no_host_is_refused_before_it_is_looked_up() {
        let unexpected = |character, offset| Flaw::Unexpected { character, offset };
        for (host, flaw) in [
            ("", Flaw::Empty),
            ("mx.example:25", unexpected(':', 10)),
            ("[mx]", unexpected('[', 0)),
            ("x..y", Flaw::EmptyLabel { offset: 2 }),
            ("b\u{3002}example", unexpected('\u{3002}', 1)),
        ] {
            assert_eq!(to_ascii(host).unwrap_err(), Invalid::new(Field::Server, flaw), "{host}");
        }
        for host in ["127.0.0.1", "::1", "mx", "mx_1.example", "mx.example."] {
            assert_eq!(to_ascii(host).unwrap(), host);
        }
    }
}
