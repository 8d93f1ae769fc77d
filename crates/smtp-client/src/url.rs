//! Server URLs: the schemes, the parts of a URL, and what can be wrong with them.
use std::{borrow::Cow, fmt, net::Ipv6Addr};

use percent_encoding::percent_decode_str;
use smtp_codec::Domain;
use smtp_error::{Cause, Field, Flaw, Invalid};

use crate::{
    Security, Server,
    server::{shifted, to_ascii},
    session::Dialect,
};

pub(crate) mod options;

/// Why a server URL was refused. No text of it shows a user name or a password.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidUrl {
    /// There is no scheme, so it is not known whether TLS is wanted.
    #[error(
        "server URL: no scheme: write smtps:// (TLS, port 465), smtp+starttls:// (STARTTLS, port \
         587) or smtp:// (no TLS, port 25) before the host"
    )]
    NoScheme,
    /// The URL is empty: an environment variable that is set to nothing, for example.
    #[error("server URL: empty: write one such as smtps://user:password@mail.example.org")]
    Empty,
    /// White space, or a line end, before or after the URL.
    #[error("server URL: white space before or after it, perhaps a line end: remove it")]
    WhiteSpace,
    /// The scheme is not followed by `://`.
    #[error("server URL: write :// after {scheme}, such as {scheme}://{example}")]
    NoSlashes {
        /// The scheme.
        scheme: &'static str,
        /// What may follow.
        example: &'static str,
    },
    /// The scheme is not one for mail.
    #[error(
        "server URL: unknown scheme {scheme:?}: write smtps:// (TLS, port 465) or smtp+starttls:// \
         (STARTTLS, port 587); all schemes are {}",
        schemes()
    )]
    UnknownScheme {
        /// The scheme, as it was given.
        scheme: String,
    },
    /// There is no host.
    #[error("server URL: no host: write it after ://")]
    NoHost,
    /// The host is neither a domain nor an IP address. Offsets count from the beginning of the URL.
    #[error("server URL: the host is not valid: {}", .0.flaw)]
    Host(Invalid),
    /// An IPv6 address without brackets, which cannot be told from a host with a port, or brackets
    /// around anything else.
    #[error(
        "server URL: write an IPv6 address in brackets, such as [::1] or [::1]:587, and an IPv4 address without them"
    )]
    NoBrackets,
    /// An IPv6 address with a zone, such as `%eth0`.
    #[error("server URL: an IPv6 address with a zone (%) is not supported: use a name")]
    Zone,
    /// The port is not a number from 1 to 65535.
    #[error("server URL: the port must be a number from 1 to 65535")]
    Port,
    /// There is a path after the host. Only a Unix socket has one.
    #[error("server URL: nothing but a port and options may follow the host, there is no path")]
    Path,
    /// The path of a Unix socket does not begin at the root.
    #[error("server URL: write the whole path of a Unix socket, such as smtp+unix:///run/smtp")]
    SocketPath,
    /// A user name or a password for a [`Server`], which has none.
    #[error(
        "server URL: a user name and a password are not allowed here: use Connector::from_url or \
         Mailer::from_url"
    )]
    Credentials,
    /// Options for a [`Server`], which has none.
    #[error(
        "server URL: options are not allowed here: use Connector::from_url or Mailer::from_url"
    )]
    Options,
    /// A password without a user name.
    #[error("server URL: no user name before the password")]
    NoUser,
    /// A user name without a password.
    #[error(
        "server URL: no password after the user name: write user:password@, or leave out the user \
         and use Connector::login"
    )]
    NoPassword,
    /// The user name or the password cannot be used.
    #[error("server URL: {0}")]
    Login(Invalid),
    /// The user name or the password has one of the characters `/`, `?` and `#`.
    #[error(
        "server URL: write / in a user name or password as %2F, ? as %3F, # as %23 and % as %25"
    )]
    Reserved,
    /// A `#`, which nothing may follow, where no user name and password are.
    #[error("server URL: # and what follows it are not allowed")]
    Fragment,
    /// A `%` that does not begin a percent-encoded octet, or octets that are not UTF-8.
    #[error("server URL: invalid percent-encoding: write % as %25")]
    PercentEncoding,
    /// An option with a name that is not known.
    #[error("server URL: unknown option {name:?}: {}", options::instead(name, known))]
    UnknownOption {
        /// The name, as it was given.
        name: String,
        /// The names that are known.
        known: Vec<&'static str>,
    },
    /// An option of a mailer, for a connector.
    #[error("server URL: option {name} is for a mailer: use Mailer::from_url, or leave it out")]
    ForMailer {
        /// The name.
        name: &'static str,
    },
    /// An option that is given twice.
    #[error("server URL: option {name} is given twice")]
    RepeatedOption {
        /// The name.
        name: &'static str,
    },
    /// The value of an option cannot be used.
    #[error(
        "server URL: option {name} must be {expected}{}",
        cause.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default()
    )]
    Option {
        /// The name of the option.
        name: &'static str,
        /// What is expected.
        expected: &'static str,
        /// What the file or the value was refused for, where there is more to tell.
        cause: Option<Cause>,
    },
    /// An option for TLS, where the scheme asks for none.
    #[error(
        "server URL: option {name} has no effect without TLS: use smtps:// or smtp+starttls://"
    )]
    NoTls {
        /// The name of the option.
        name: &'static str,
    },
}

/// The text, which has every field; with `{:#?}` after the name of the type.
impl fmt::Debug for InvalidUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return fmt::Display::fmt(self, f);
        }
        f.debug_tuple("InvalidUrl").field(&format_args!("{self}")).finish()
    }
}

/// What a scheme stands for.
struct Scheme {
    name: &'static str,
    dialect: Dialect,
    security: Security,
    /// The port where the URL has none; `None` for a Unix socket.
    port: Option<u16>,
}

const SCHEMES: [Scheme; 9] = [
    scheme("smtp", Dialect::Smtp, Security::Plain, Some(25)),
    scheme("smtps", Dialect::Smtp, Security::Tls, Some(465)),
    scheme("smtp+starttls", Dialect::Smtp, Security::StartTls, Some(587)),
    scheme("smtp+opportunistic", Dialect::Smtp, Security::Opportunistic, Some(25)),
    scheme("smtp+unix", Dialect::Smtp, Security::Plain, None),
    scheme("lmtp", Dialect::Lmtp, Security::Plain, Some(24)),
    scheme("lmtp+starttls", Dialect::Lmtp, Security::StartTls, Some(24)),
    scheme("lmtp+opportunistic", Dialect::Lmtp, Security::Opportunistic, Some(24)),
    scheme("lmtp+unix", Dialect::Lmtp, Security::Plain, None),
];

const fn scheme(
    name: &'static str,
    dialect: Dialect,
    security: Security,
    port: Option<u16>,
) -> Scheme {
    Scheme { name, dialect, security, port }
}

fn schemes() -> String {
    SCHEMES.map(|scheme| scheme.name).join(", ")
}

/// The scheme of an address like this one, as [`Server`] displays it.
pub(crate) fn scheme_of(server: &Server, over_tcp: bool) -> &'static str {
    let fits = |scheme: &&Scheme| {
        scheme.dialect == server.dialect
            && scheme.port.is_some() == over_tcp
            && (!over_tcp || scheme.security == server.security)
    };
    SCHEMES.iter().find(fits).map_or("lmtps", |scheme| scheme.name)
}

/// A URL, taken apart. It has no `Debug`, because of the password.
pub(crate) struct ServerUrl<'a> {
    pub(crate) server: Server,
    /// User name and password.
    pub(crate) login: Option<(Cow<'a, str>, Cow<'a, str>)>,
    /// The options in the order of the URL.
    pub(crate) options: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> ServerUrl<'a> {
    /// Parses `scheme://user:password@host:port/?option=value&option=value` (RFC 3986).
    pub(crate) fn parse(text: &'a str) -> Result<Self, InvalidUrl> {
        if text.is_empty() {
            return Err(InvalidUrl::Empty);
        }
        if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
            return Err(InvalidUrl::WhiteSpace);
        }
        let (name, rest) = text.split_once("://").ok_or_else(|| no_slashes(text))?;
        let grammar = |octet: u8| octet.is_ascii_alphanumeric() || b"+-.".contains(&octet);
        if name.is_empty() || !name.bytes().all(grammar) {
            return Err(InvalidUrl::NoScheme);
        }
        let scheme = SCHEMES.iter().find(|scheme| scheme.name.eq_ignore_ascii_case(name));
        let scheme = scheme.ok_or_else(|| InvalidUrl::UnknownScheme { scheme: name.to_owned() })?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        let start = text.len() - rest.len() - authority.len();
        Self::split(scheme, authority, rest, start).map_err(|error| match error {
            // What looks like the end of the host was in the user name or the password.
            InvalidUrl::Port
            | InvalidUrl::Host(_)
            | InvalidUrl::NoHost
            | InvalidUrl::NoBrackets
                if !authority.contains('@') && rest.contains('@') =>
            {
                InvalidUrl::Reserved
            }
            error => error,
        })
    }

    fn split(
        scheme: &Scheme,
        authority: &'a str,
        rest: &'a str,
        start: usize,
    ) -> Result<Self, InvalidUrl> {
        // A host has no `@`, so one in the password is no matter.
        let (user_info, host) = match authority.rsplit_once('@') {
            Some((user_info, host)) => (Some(user_info), host),
            None => (None, authority),
        };
        let (rest, fragment) = rest.split_once('#').map_or((rest, None), |(a, b)| (a, Some(b)));
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let server = match scheme.port {
            None if !host.is_empty() || path.is_empty() => return Err(InvalidUrl::SocketPath),
            None => Server::unix(&*decoded(path)?),
            Some(default) => {
                let (host, port) =
                    host_and_port(host, default, start + authority.len() - host.len())?;
                if !matches!(path, "" | "/") {
                    return Err(InvalidUrl::Path);
                }
                Server::tcp(host, port)
            }
        };
        if fragment.is_some() {
            let secret = user_info.is_some() || rest.contains('@');
            return Err(if secret { InvalidUrl::Reserved } else { InvalidUrl::Fragment });
        }
        let options = query.split('&').filter(|option| !option.is_empty()).map(|option| {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            Ok((decoded(name)?, decoded(value)?))
        });
        Ok(Self {
            server: server.dialect(scheme.dialect).security(scheme.security),
            login: user_info.map(user_and_password).transpose()?,
            options: options.collect::<Result<_, InvalidUrl>>()?,
        })
    }
}

/// Returns what is wrong with a text that has no `://`.
fn no_slashes(text: &str) -> InvalidUrl {
    let name = text.split_once(':').map_or("", |(name, _)| name);
    let scheme = SCHEMES.iter().find(|scheme| scheme.name.eq_ignore_ascii_case(name));
    scheme.map_or(InvalidUrl::NoScheme, |scheme| InvalidUrl::NoSlashes {
        scheme: scheme.name,
        example: if scheme.port.is_some() { "mail.example.org" } else { "/run/smtp" },
    })
}

pub(crate) fn user_and_password(text: &str) -> Result<(Cow<'_, str>, Cow<'_, str>), InvalidUrl> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    match (user, password) {
        ("", _) => Err(InvalidUrl::NoUser),
        (_, "") => Err(InvalidUrl::NoPassword),
        (user, password) => Ok((decoded(user)?, decoded(password)?)),
    }
}

/// Decodes percent-encoded octets.
fn decoded(text: &str) -> Result<Cow<'_, str>, InvalidUrl> {
    for (at, _) in text.match_indices('%') {
        let digits = text.as_bytes().get(at + 1..at + 3);
        if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            return Err(InvalidUrl::PercentEncoding);
        }
    }
    percent_decode_str(text).decode_utf8().map_err(|_| InvalidUrl::PercentEncoding)
}

/// Parses `host`, `host:port` or `[address]:port`, which begins at octet `start` of the URL.
pub(crate) fn host_and_port(
    text: &str,
    default: u16,
    start: usize,
) -> Result<(Cow<'_, str>, u16), InvalidUrl> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(inner) => {
            let (host, rest) = inner.split_once(']').ok_or(InvalidUrl::NoBrackets)?;
            if host.split_once('%').is_some_and(|(host, _)| host.parse::<Ipv6Addr>().is_ok()) {
                return Err(InvalidUrl::Zone);
            }
            host.parse::<Ipv6Addr>().map_err(|_| InvalidUrl::NoBrackets)?;
            (Cow::Borrowed(host), rest)
        }
        None if text.matches(':').count() > 1 => return Err(InvalidUrl::NoBrackets),
        None => {
            let (host, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
            if host.is_empty() {
                return Err(InvalidUrl::NoHost);
            }
            let host = to_ascii(host);
            (host.map_err(|invalid| InvalidUrl::Host(shifted(invalid, start)))?, rest)
        }
    };
    if host.len() > Domain::MAX {
        let flaw = Flaw::TooLong { length: host.len(), limit: Domain::MAX };
        return Err(InvalidUrl::Host(Invalid::new(Field::Server, flaw)));
    }
    let port = match rest.strip_prefix(':') {
        None => match rest.chars().next() {
            None => Some(default),
            Some(character) => {
                let offset = start + text.len() - rest.len();
                let flaw = Flaw::Unexpected { character, offset };
                return Err(InvalidUrl::Host(Invalid::new(Field::Server, flaw)));
            }
        },
        Some(port) if port.bytes().all(|octet| octet.is_ascii_digit()) => port.parse().ok(),
        Some(_) => None,
    };
    Ok((host, port.filter(|&port| port > 0).ok_or(InvalidUrl::Port)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(url: &str) -> String {
        match ServerUrl::parse(url) {
            Ok(_) => panic!("{url} is accepted"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn every_part_is_taken_apart_and_decoded() {
        let url =
            ServerUrl::parse("smtps://us%65r:p%40s:s@[2001:db8::1]:466/?a=b%26c&d&e=").unwrap();
        assert_eq!(url.server.to_string(), "smtps://[2001:db8::1]:466");
        assert_eq!(url.login, Some(("user".into(), "p@s:s".into())));
        let options = [("a", "b&c"), ("d", ""), ("e", "")];
        let found = url.options.iter().map(|(name, value)| (&**name, &**value));
        assert!(found.eq(options));
        let url = ServerUrl::parse("lmtp+unix://a:p@ss@/run/lmtp%20x?timeout=1s").unwrap();
        assert_eq!(url.server, Server::unix("/run/lmtp x").dialect(Dialect::Lmtp));
        assert_eq!(url.login, Some(("a".into(), "p@ss".into())));
        assert_eq!(url.options.len(), 1);
    }

    #[test]
    fn the_flaw_of_a_host_is_kept() {
        let unexpected = |character, offset| Flaw::Unexpected { character, offset };
        for (given, flaw) in [
            ("smtp://b\u{3002}example", unexpected('\u{3002}', 8)),
            ("smtp://b\u{2024}example:25", unexpected('\u{2024}', 8)),
            ("smtp://u:p@a.b\u{200b}.example", Flaw::InvalidLabel { offset: 14 }),
            ("smtp://mx.localho\u{17f}t", Flaw::InvalidLabel { offset: 10 }),
            ("smtp://\u{ff4d}x.example", Flaw::InvalidLabel { offset: 7 }),
            ("smtp://-\u{fc}", unexpected('-', 7)),
            ("smtp://x..y", Flaw::EmptyLabel { offset: 9 }),
            ("smtp://[::1]x", unexpected('x', 12)),
        ] {
            let Err(InvalidUrl::Host(found)) = ServerUrl::parse(given) else { panic!("{given}") };
            assert_eq!(found, Invalid::new(Field::Server, flaw), "{given}");
        }
        let Err(InvalidUrl::Host(found)) =
            ServerUrl::parse(&format!("smtp://{}", "\u{e9}".repeat(100)))
        else {
            panic!("a label of 100 characters is accepted")
        };
        assert_eq!(found.flaw, Flaw::LabelTooLong { offset: 7, length: 106, limit: 63 });
    }

    #[test]
    fn beginners_are_told_what_to_write() {
        for (given, says) in [
            ("", "empty: write one such as smtps://"),
            (" smtps://u:hunter2@mail.example.org", "white space before or after it"),
            ("smtps://mail.example.org\n", "white space before or after it, perhaps a line end"),
            ("smtp:u:hunter2@mail.example.org", "write :// after smtp, such as smtp://mail."),
            ("lmtp+unix:/run/x", "write :// after lmtp+unix, such as lmtp+unix:///run/smtp"),
            ("smtp://[fe80::1%eth0]:25", "an IPv6 address with a zone (%) is not supported"),
            ("mail.example.org", "no scheme: write smtps://"),
            ("mail.example.org:587", "no scheme: write smtps://"),
            ("user:hunter2@mail.example.org", "no scheme: write smtps://"),
            ("://mail.example.org", "no scheme: write smtps://"),
            ("mail?proxy=socks5://u:hunter2@p", "no scheme: write smtps://"),
            (
                "http://mail.example.org",
                "unknown scheme \"http\": write smtps:// (TLS, port 465) or",
            ),
            ("smtp://", "no host: write it after ://"),
            ("smtp:///", "no host"),
            ("smtp://:25", "no host"),
            ("smtp://::1", "write an IPv6 address in brackets, such as [::1]"),
            ("smtp://::1:25", "write an IPv6 address in brackets"),
            ("smtp://[::1", "write an IPv6 address in brackets"),
            (
                "smtp://[1.2.3.4]",
                "write an IPv6 address in brackets, such as [::1] or [::1]:587, and an IPv4",
            ),
            (
                "smtp://mx..example",
                "the host is not valid: a label of the domain is empty, at octet 10",
            ),
            ("smtp://host:0", "the port must be a number from 1 to 65535"),
            ("smtp://host:", "the port must be a number from 1 to 65535"),
            ("smtp://host:smtp", "the port must be a number"),
            ("smtp://host:99999", "the port must be a number"),
            ("smtp://host:+25", "the port must be a number"),
            ("smtp://host/path", "there is no path"),
            ("smtp://user@host", "no password after the user name: write user:password@"),
            ("smtp://user:@host", "no password after the user name"),
            ("smtp://:hunter2@host", "no user name before the password"),
            ("smtp://u:hunter2%@host", "invalid percent-encoding: write % as %25"),
            ("smtp://u:hunter2%ff@host", "invalid percent-encoding"),
            ("smtp://u:hunter2/@host", "write / in a user name or password as %2F"),
            ("smtp://u:hunter2#x@host", "# as %23"),
            ("smtp://u:hunter2?x@host:25", "? as %3F"),
            ("smtp://host#x", "# and what follows it are not allowed"),
            ("smtp://u:p@host#x", "# as %23"),
            ("lmtp+unix://run", "write the whole path of a Unix socket"),
            ("lmtp+unix://run/lmtp", "write the whole path of a Unix socket"),
            ("smtp+unix://", "write the whole path of a Unix socket"),
        ] {
            let message = message(given);
            assert!(message.starts_with("server URL: "), "{given}: {message}");
            assert!(message.contains(says), "{given}: {message}");
            assert!(!message.contains("hunter2"), "{given}: {message}");
        }
    }

    #[test]
    fn a_server_has_no_login_and_no_options() {
        let refused = |url: &str| url.parse::<Server>().unwrap_err().to_string();
        for url in ["smtp://u:hunter2@host", "smtp://u:hunter2@host?hello=a"] {
            assert!(refused(url).contains("use Connector::from_url"), "{}", refused(url));
        }
        assert!(refused("smtp://host?hello=a").contains("options are not allowed here"));
    }
}
