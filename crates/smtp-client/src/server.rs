//! The server to connect to: its address, its protocol and how it uses TLS.
use std::{borrow::Cow, fmt, path::PathBuf, str::FromStr};

use smtp_codec::{Deviations, Domain};
use smtp_error::{Field, Flaw, Invalid};

use crate::session::Dialect;

/// A server to connect to. It is parsed from an address of one of these forms:
///
/// | Address | Meaning | Default port |
/// |---|---|---|
/// | `smtp://host:port` | SMTP without TLS | 25 |
/// | `smtp+starttls://host:port` | SMTP, STARTTLS is required before anything else | 587 |
/// | `smtps://host:port` | SMTP inside TLS | 465 |
/// | `lmtp://host:port` | LMTP without TLS | 24 |
/// | `lmtp+starttls://host:port` | LMTP, STARTTLS is required | 24 |
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

/// Whether and how TLS protects a connection. There is no "TLS if offered": an attacker on the path
/// could remove the offer and so disable TLS.
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
}

impl Server {
    /// Creates an SMTP server on a TCP port, without TLS. An internationalized host name is stored
    /// with A-labels; one that is not valid is stored unchanged, and connecting to it fails.
    pub fn tcp(host: impl Into<String>, port: u16) -> Self {
        let host = host.into();
        let ascii = to_ascii(&host).map(Cow::into_owned);
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

    /// Returns the host name that the certificate must be for.
    pub(crate) fn host(&self) -> &str {
        match &self.address {
            Address::Tcp { host, .. } => host,
            Address::Unix(_) => "localhost",
        }
    }
}

impl FromStr for Server {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let syntax = |offset| Invalid::new(Field::Server, Flaw::Syntax { offset });
        let (scheme, rest) = text.split_once("://").ok_or_else(|| syntax(text.len()))?;
        let start = scheme.len() + 3;
        let (dialect, security, port) = match scheme.to_ascii_lowercase().as_str() {
            "smtp" => (Dialect::Smtp, Security::Plain, 25),
            "smtp+starttls" => (Dialect::Smtp, Security::StartTls, 587),
            "smtps" => (Dialect::Smtp, Security::Tls, 465),
            "lmtp" => (Dialect::Lmtp, Security::Plain, 24),
            "lmtp+starttls" => (Dialect::Lmtp, Security::StartTls, 24),
            "smtp+unix" if rest.starts_with('/') => return Ok(Self::unix(rest)),
            "lmtp+unix" if rest.starts_with('/') => {
                return Ok(Self::unix(rest).dialect(Dialect::Lmtp));
            }
            "smtp+unix" | "lmtp+unix" => return Err(syntax(start)),
            _ => return Err(syntax(0)),
        };
        let (host, port) = host_and_port(rest, port).map_err(|offset| syntax(start + offset))?;
        let host = to_ascii(host).map_err(|invalid| shifted(invalid, start))?;
        if host.len() > Domain::MAX {
            let flaw = Flaw::TooLong { length: host.len(), limit: Domain::MAX };
            return Err(Invalid::new(Field::Server, flaw));
        }
        Ok(Self::tcp(host, port).dialect(dialect).security(security))
    }
}

/// Returns the host name in ASCII, with A-labels for those outside it.
///
/// # Errors
/// A label is invalid, or its characters map to ASCII: a resolver that does not map them would look
/// up another name than the one that the certificate is checked for.
pub(crate) fn to_ascii(host: &str) -> Result<Cow<'_, str>, Invalid> {
    if host.is_ascii() {
        return Ok(Cow::Borrowed(host));
    }
    let domain = Domain::tolerating(host, Deviations::UNDERSCORE);
    let domain = domain.map_err(|invalid| invalid.in_field(Field::Server))?;
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
fn shifted(invalid: Invalid, start: usize) -> Invalid {
    let flaw = match invalid.flaw {
        Flaw::Syntax { offset } => Flaw::Syntax { offset: start + offset },
        Flaw::InvalidLabel { offset } => Flaw::InvalidLabel { offset: start + offset },
        Flaw::LabelTooLong { offset, length, limit } => {
            Flaw::LabelTooLong { offset: start + offset, length, limit }
        }
        flaw => flaw,
    };
    Invalid::new(invalid.field, flaw)
}

/// Parses `host`, `host:port` or `[address]:port`. The error is the offset of the first wrong
/// octet.
fn host_and_port(text: &str, default: u16) -> Result<(&str, u16), usize> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(inner) => {
            let (host, rest) = inner.split_once(']').ok_or(text.len())?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| 1_usize)?;
            (host, rest)
        }
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    // Octets outside ASCII are checked by `to_ascii`.
    let allowed =
        |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | 0x80..);
    if !text.starts_with('[')
        && let Some(offset) = host.bytes().position(|octet| !allowed(octet))
    {
        return Err(offset);
    }
    if host.is_empty() {
        return Err(0);
    }
    let at = text.len() - rest.len();
    match rest.strip_prefix(':') {
        None if rest.is_empty() => Ok((host, default)),
        None => Err(at),
        Some(port) if port.bytes().all(|octet| octet.is_ascii_digit()) => {
            Ok((host, port.parse().ok().filter(|&port| port > 0).ok_or(at + 1)?))
        }
        Some(_) => Err(at + 1),
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dialect = if self.dialect == Dialect::Smtp { "smtp" } else { "lmtp" };
        let security = match self.security {
            Security::Plain => "",
            Security::StartTls => "+starttls",
            Security::Tls => "s",
        };
        match &self.address {
            Address::Unix(path) => write!(f, "{dialect}+unix://{}", path.display()),
            Address::Tcp { host, port } if host.contains(':') => {
                write!(f, "{dialect}{security}://[{host}]:{port}")
            }
            Address::Tcp { host, port } => write!(f, "{dialect}{security}://{host}:{port}"),
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
    fn an_invalid_host_is_reported_with_its_flaw() {
        for (given, flaw) in [
            ("smtp://b\u{3002}example", Flaw::Syntax { offset: 8 }),
            ("smtp://b\u{2024}example:25", Flaw::Syntax { offset: 8 }),
            ("smtp://a.b\u{200b}.example", Flaw::InvalidLabel { offset: 10 }),
            ("smtp://mx.localho\u{17f}t", Flaw::InvalidLabel { offset: 10 }),
            ("smtp://\u{ff4d}x.example", Flaw::InvalidLabel { offset: 7 }),
            ("smtp://-\u{fc}", Flaw::Syntax { offset: 7 }),
            (&format!("smtp://{}", "a".repeat(256)), Flaw::TooLong { length: 256, limit: 255 }),
            (
                &format!("smtp://{}", "\u{e9}".repeat(100)),
                Flaw::LabelTooLong { offset: 7, length: 106, limit: 63 },
            ),
        ] {
            let found = given.parse::<Server>().unwrap_err();
            assert_eq!(found.field, Field::Server, "{given}");
            match (found.flaw, flaw) {
                (Flaw::TooLong { limit, .. }, Flaw::TooLong { limit: expected, .. }) => {
                    assert_eq!(limit, expected, "{given}");
                }
                (found, expected) => assert_eq!(found, expected, "{given}"),
            }
        }
    }

    #[test]
    fn invalid_addresses_are_reported_with_an_offset() {
        for (given, offset) in [
            ("mx.example:25", 13),
            ("http://mx.example", 0),
            ("smtp://", 7),
            ("smtp://:25", 7),
            ("smtp://host:0", 12),
            ("smtp://host:x", 12),
            ("smtp://host:99999", 12),
            ("smtp://user@host", 11),
            ("smtp://host/path", 11),
            ("smtp://[::1", 11),
            ("smtp://[1.2.3.4]", 8),
            ("smtp://[::1]x", 12),
            ("lmtp+unix://run", 12),
        ] {
            let invalid = Invalid::new(Field::Server, Flaw::Syntax { offset });
            assert_eq!(given.parse::<Server>().unwrap_err(), invalid, "{given}");
        }
    }
}
