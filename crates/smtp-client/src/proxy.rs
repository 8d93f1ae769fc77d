//! Proxies: where one is, and what makes it connect to a server.
use std::{fmt, str::FromStr};

use smtp_error::{Broken, Error, ErrorKind, Field, Invalid, ProxyError, ProxyFault, Step};

use crate::{
    Address, InvalidUrl,
    sasl::Secret,
    server::to_ascii,
    url::{host_and_port, user_and_password},
};

mod http;
mod preamble;
mod socks5;

pub(crate) use preamble::Preamble;

/// A proxy that connects to the server in place of the client. It is parsed from a URL:
///
/// | URL | Protocol | Default port |
/// |---|---|---|
/// | `socks5://user:password@host:port` | SOCKS5 (RFC 1928), with a login by RFC 1929 | 1080 |
/// | `socks5h://user:password@host:port` | the same | 1080 |
/// | `http://user:password@host:port` | HTTP CONNECT (RFC 9110, 9.3.6), with a Basic login | 80 |
///
/// The login is optional, and percent-encoded. It is sent to the proxy in clear, as these protocols
/// have it, and to an HTTP proxy with the first request. `Display` and `Debug` do not show it.
///
/// ```
/// use smtp_client::Proxy;
///
/// let proxy: Proxy = "socks5://user:p%40ss@proxy.example.org".parse()?;
/// assert_eq!(proxy.to_string(), "socks5://proxy.example.org:1080");
/// # Ok::<(), smtp_client::InvalidProxy>(())
/// ```
#[derive(Clone)]
pub struct Proxy {
    protocol: Protocol,
    /// A TCP port.
    address: Address,
    login: Option<ProxyLogin>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Socks5,
    Http,
}

#[derive(Clone)]
struct ProxyLogin {
    user: String,
    password: Secret,
}

/// Why the URL or the login of a proxy was refused. No text of it shows a user name or a password.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidProxy {
    /// There is no scheme.
    #[error("proxy URL: no scheme: write socks5:// or http:// before the host of the proxy")]
    NoScheme,
    /// The scheme is not that of a proxy.
    #[error("proxy URL: unknown scheme {scheme:?}: the schemes are socks5, socks5h, http")]
    UnknownScheme {
        /// The scheme, as it was given.
        scheme: String,
    },
    /// There is no host.
    #[error("proxy URL: no host: write it after ://")]
    NoHost,
    /// The host is neither a domain nor an IP address. Offsets count from the beginning of the URL.
    #[error("proxy URL: the host is not valid: {}", .0.flaw)]
    Host(Invalid),
    /// An IPv6 address without brackets, which cannot be told from a host with a port.
    #[error("proxy URL: write an IPv6 address in brackets, such as [::1]:1080")]
    NoBrackets,
    /// The port is not a number from 1 to 65535.
    #[error("proxy URL: the port must be a number from 1 to 65535")]
    Port,
    /// Something follows the port, or the login has one of the characters `/`, `?` and `#`.
    #[error(
        "proxy URL: nothing may follow the port; in a user name or password, write / as %2F, ? as \
         %3F, # as %23, @ as %40 and % as %25"
    )]
    Path,
    /// A password without a user name.
    #[error("proxy URL: no user name before the password")]
    NoUser,
    /// A user name without a password.
    #[error("proxy URL: no password after the user name: write user:password@")]
    NoPassword,
    /// A `%` that does not begin a percent-encoded octet, or octets that are not UTF-8.
    #[error("proxy URL: invalid percent-encoding: write % as %25")]
    PercentEncoding,
    /// SOCKS5 has room for 1 to 255 octets in a user name and in a password.
    #[error("proxy URL: a user name and a password for SOCKS5 have 1 to 255 octets each")]
    LoginLength,
    /// The Basic login of HTTP has no user names with a colon (RFC 7617), and no control characters.
    #[error(
        "proxy URL: a user name for HTTP has no colon, and neither it nor the password has control \
         characters"
    )]
    LoginCharacter,
}

/// The text, which has every field; with `{:#?}` after the name of the type.
impl fmt::Debug for InvalidProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return fmt::Display::fmt(self, f);
        }
        f.debug_tuple("InvalidProxy").field(&format_args!("{self}")).finish()
    }
}

impl From<InvalidUrl> for InvalidProxy {
    fn from(invalid: InvalidUrl) -> Self {
        match invalid {
            InvalidUrl::NoHost => Self::NoHost,
            InvalidUrl::Host(invalid) => Self::Host(invalid),
            InvalidUrl::NoBrackets | InvalidUrl::Zone => Self::NoBrackets,
            InvalidUrl::Port => Self::Port,
            InvalidUrl::NoUser => Self::NoUser,
            InvalidUrl::NoPassword => Self::NoPassword,
            InvalidUrl::PercentEncoding => Self::PercentEncoding,
            _ => Self::Path,
        }
    }
}

impl Proxy {
    /// Returns a SOCKS5 proxy, without a login.
    pub fn socks5(host: impl Into<String>, port: u16) -> Self {
        Self::new(Protocol::Socks5, host.into(), port)
    }

    /// Returns an HTTP proxy that supports CONNECT, without a login.
    pub fn http(host: impl Into<String>, port: u16) -> Self {
        Self::new(Protocol::Http, host.into(), port)
    }

    fn new(protocol: Protocol, host: String, port: u16) -> Self {
        Self { protocol, address: Address::Tcp { host, port }, login: None }
    }

    /// Sets the login.
    ///
    /// # Errors
    /// The protocol has no room for it: [`InvalidProxy::LoginLength`] or
    /// [`InvalidProxy::LoginCharacter`].
    pub fn login(
        mut self,
        user: impl Into<String>,
        password: impl Into<Secret>,
    ) -> Result<Self, InvalidProxy> {
        let (user, password) = (user.into(), password.into());
        let both = [&*user, password.expose()];
        match self.protocol {
            Protocol::Socks5 if both.iter().any(|text| !(1..=255).contains(&text.len())) => {
                return Err(InvalidProxy::LoginLength);
            }
            Protocol::Http
                if user.contains(':')
                    || both.iter().any(|text| text.contains(char::is_control)) =>
            {
                return Err(InvalidProxy::LoginCharacter);
            }
            Protocol::Socks5 | Protocol::Http => {}
        }
        self.login = Some(ProxyLogin { user, password });
        Ok(self)
    }

    /// Where the proxy listens.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// What makes the proxy connect to this server.
    pub(crate) fn preamble(&self, server: &Address) -> Result<Preamble, Error> {
        let Address::Tcp { host, port } = server else {
            return Err(self.error(ProxyFault::UnixSocket));
        };
        let invalid = |invalid: Invalid| Error::new(Step::Connect, invalid.in_field(Field::Server));
        let host = to_ascii(host).map_err(invalid)?;
        Ok(Preamble::through(self, &host, *port))
    }

    /// An error of connecting to this address, which is the proxy's and not the server's.
    pub(crate) fn blamed(&self, error: Error) -> Error {
        match error.kind() {
            ErrorKind::Broken(broken) => self.error(broken.clone().into()),
            _ => error,
        }
    }

    fn error(&self, fault: ProxyFault) -> Error {
        Error::new(Step::Connect, Broken::from(ProxyError::new(self.to_string(), fault)))
    }
}

impl FromStr for Proxy {
    type Err = InvalidProxy;

    fn from_str(text: &str) -> Result<Self, InvalidProxy> {
        let (scheme, rest) = text.split_once("://").ok_or(InvalidProxy::NoScheme)?;
        let (protocol, default) = match &*scheme.to_ascii_lowercase() {
            // The name is resolved by the proxy in either case.
            "socks5" | "socks5h" => (Protocol::Socks5, 1080),
            "http" => (Protocol::Http, 80),
            other
                if !other.is_empty()
                    && other.bytes().all(|octet| octet.is_ascii_alphanumeric()) =>
            {
                return Err(InvalidProxy::UnknownScheme { scheme: other.to_owned() });
            }
            _ => return Err(InvalidProxy::NoScheme),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#']) {
            return Err(InvalidProxy::Path);
        }
        let (login, host) = match authority.rsplit_once('@') {
            Some((login, host)) => (Some(user_and_password(login)?), host),
            None => (None, authority),
        };
        let start = scheme.len() + 3 + authority.len() - host.len();
        let (host, port) = host_and_port(host, default, start)?;
        let proxy = Self::new(protocol, host.into_owned(), port);
        match login {
            Some((user, password)) => proxy.login(user, &*password),
            None => Ok(proxy),
        }
    }
}

/// Displays the URL without the login.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.protocol {
            Protocol::Socks5 => "socks5",
            Protocol::Http => "http",
        };
        write!(f, "{scheme}://{}", self.address)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("url", &format_args!("{self}"))
            .field("has_login", &self.login.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests;
