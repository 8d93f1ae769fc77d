//! Failures of a proxy: the client could not reach the server through it.
use alloc::{boxed::Box, string::String};
use core::fmt;

use crate::Broken;

/// A proxy did not connect the client to the server. The server has received nothing.
#[derive(Clone, Debug, thiserror::Error)]
#[error("proxy {proxy}: {fault}")]
#[non_exhaustive]
pub struct ProxyError {
    /// The scheme, host and port of the proxy, without a login.
    pub proxy: String,
    /// What failed.
    pub fault: ProxyFault,
}

impl ProxyError {
    /// Returns this fault of `proxy`, which is displayed and must not contain a login.
    pub fn new(proxy: impl Into<String>, fault: ProxyFault) -> Self {
        Self { proxy: proxy.into(), fault }
    }

    /// Returns whether the same attempt may succeed later.
    pub fn is_transient(&self) -> bool {
        match &self.fault {
            ProxyFault::Broken(broken) => broken.is_transient(),
            ProxyFault::Socks(reply) => !matches!(
                reply,
                SocksReply::NotAllowed
                    | SocksReply::CommandNotSupported
                    | SocksReply::AddressTypeNotSupported
            ),
            ProxyFault::Http { status } => matches!(status, 408 | 425 | 429 | 500..=599),
            _ => false,
        }
    }
}

/// What failed at a proxy.
///
/// It has no text of the proxy's, which could repeat the login.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ProxyFault {
    /// The connection to the proxy failed, while connecting to it or before it had replied.
    Broken(Box<Broken>),
    /// A SOCKS5 proxy did not connect to the server.
    Socks(SocksReply),
    /// An HTTP proxy did not connect to the server.
    Http {
        /// The status code of its response.
        status: u16,
    },
    /// The proxy requires a login, and the client has none.
    LoginRequired,
    /// The proxy refused the user name or the password.
    LoginRefused,
    /// The proxy supports neither connections without a login nor a login by password.
    NoLoginMethod,
    /// What the proxy sent is not the protocol that its URL names.
    Malformed,
    /// The server listens on a Unix socket, to which no proxy connects.
    UnixSocket,
}

impl From<Broken> for ProxyFault {
    fn from(broken: Broken) -> Self {
        Self::Broken(Box::new(broken))
    }
}

impl fmt::Display for ProxyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(broken) => match &**broken {
                // The text of `Broken` is about the server.
                Broken::Closed => f.write_str("the proxy closed the connection before it replied"),
                broken => write!(f, "no connection to the proxy: {broken}"),
            },
            Self::Socks(reply) => write!(f, "did not connect to the server: {reply}"),
            Self::Http { status } => {
                let meaning = match status {
                    400 => " (bad request)",
                    403 => " (forbidden by the rules of the proxy)",
                    404 | 405 | 501 => " (no proxy, or it does not support CONNECT)",
                    429 => " (too many requests)",
                    502 => " (bad gateway: the server cannot be reached)",
                    503 => " (service unavailable)",
                    504 => " (gateway timeout: the server does not answer)",
                    _ => "",
                };
                write!(f, "did not connect to the server: HTTP status {status}{meaning}")
            }
            Self::LoginRequired => f.write_str(
                "requires a login: write user:password@ before the host in the URL of the proxy",
            ),
            Self::LoginRefused => f.write_str("refused the user name or the password of the proxy"),
            Self::NoLoginMethod => {
                f.write_str("supports neither connections without a login nor a login by password")
            }
            Self::Malformed => f.write_str(
                "did not answer in the protocol of its scheme: check the scheme and the port of the proxy",
            ),
            Self::UnixSocket => {
                f.write_str("a proxy connects to TCP ports only, and the server is a Unix socket")
            }
        }
    }
}

/// Why a SOCKS5 proxy did not connect to the server (RFC 1928, 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SocksReply {
    /// 1: general failure of the proxy.
    GeneralFailure,
    /// 2: the rules of the proxy do not allow the connection.
    NotAllowed,
    /// 3: the network cannot be reached.
    NetworkUnreachable,
    /// 4: the host cannot be reached, or its name is unknown.
    HostUnreachable,
    /// 5: the host refused the connection.
    ConnectionRefused,
    /// 6: the time to live expired.
    TtlExpired,
    /// 7: the proxy does not support CONNECT.
    CommandNotSupported,
    /// 8: the proxy does not support names, or this kind of address.
    AddressTypeNotSupported,
    /// A code that the RFC does not assign.
    Other(u8),
}

impl SocksReply {
    /// Returns the reply with this code; `None` for 0, which is success.
    pub fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => return None,
            1 => Self::GeneralFailure,
            2 => Self::NotAllowed,
            3 => Self::NetworkUnreachable,
            4 => Self::HostUnreachable,
            5 => Self::ConnectionRefused,
            6 => Self::TtlExpired,
            7 => Self::CommandNotSupported,
            8 => Self::AddressTypeNotSupported,
            other => Self::Other(other),
        })
    }
}

impl fmt::Display for SocksReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::GeneralFailure => "general failure of the proxy",
            Self::NotAllowed => "not allowed by the rules of the proxy",
            Self::NetworkUnreachable => "network unreachable",
            Self::HostUnreachable => "host unreachable or unknown",
            Self::ConnectionRefused => "connection refused by the host",
            Self::TtlExpired => "time to live expired",
            Self::CommandNotSupported => "the proxy does not support CONNECT",
            Self::AddressTypeNotSupported => "the proxy does not support this type of address",
            Self::Other(code) => return write!(f, "SOCKS reply {code}"),
        })
    }
}
