//! The options of a server URL, each by the name of the method or field that it sets.
use std::{borrow::Cow, str::FromStr, time::Duration};

use smtp_error::Cause;

use super::InvalidUrl;
#[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
use crate::content::in_file;
use crate::{EightBit, Proxy, Security, dialing::Order, settings::Settings};

/// One option of a `T`.
pub(crate) struct UrlOption<T> {
    pub(crate) name: &'static str,
    /// What its value must be, as errors say it.
    pub(crate) expected: &'static str,
    pub(crate) set: fn(&mut T, &str) -> Result<(), Rejected>,
}

/// A value that an option refuses.
pub(crate) enum Rejected {
    /// It is not what is expected.
    Value,
    /// It is, but there is more to tell.
    Because(Cause),
    /// It is about TLS, and the scheme asks for none.
    NoTls,
}

/// An option as a URL gives it, name and value.
pub(crate) type Given<'a> = (Cow<'a, str>, Cow<'a, str>);

/// Applies those options to `target` that are in its table, and returns the others.
pub(crate) fn apply<'a, T>(
    table: &[UrlOption<T>],
    target: &mut T,
    given: Vec<Given<'a>>,
) -> Result<Vec<Given<'a>>, InvalidUrl> {
    let mut seen: Vec<&'static str> = Vec::new();
    let mut others = Vec::new();
    for (given, value) in given {
        let Some(option) = table.iter().find(|option| option.name == given) else {
            others.push((given, value));
            continue;
        };
        let UrlOption { name, expected, set } = *option;
        if seen.contains(&name) {
            return Err(InvalidUrl::RepeatedOption { name });
        }
        seen.push(name);
        set(target, &value).map_err(|rejected| match rejected {
            Rejected::Value => InvalidUrl::Option { name, expected, cause: None },
            Rejected::Because(cause) => InvalidUrl::Option { name, expected, cause: Some(cause) },
            Rejected::NoTls => InvalidUrl::NoTls { name },
        })?;
    }
    Ok(others)
}

/// The names of the options that only a mailer has.
pub(crate) const MAILER: [&str; 8] = [
    "connections",
    "messages-per-connection",
    "idle-timeout",
    "rate",
    "queue-limit",
    "wait-timeout",
    "attempts",
    "retry",
];

/// Refuses the first of these options, which are in none of the tables.
pub(crate) fn refuse_others(others: &[Given<'_>], of_mailer: bool) -> Result<(), InvalidUrl> {
    let Some((name, _)) = others.first() else { return Ok(()) };
    if let Some(name) = MAILER.into_iter().find(|known| known == name) {
        return Err(InvalidUrl::ForMailer { name });
    }
    let mut known: Vec<_> = CONNECTOR.iter().map(|option| option.name).collect();
    known.extend(MAILER.iter().filter(|_| of_mailer));
    Err(InvalidUrl::UnknownOption { name: name.to_string(), known })
}

/// What to write in place of an option with this name.
pub(super) fn instead(name: &str, known: &[&'static str]) -> String {
    let near = known.iter().find(|known| distance(name.as_bytes(), known.as_bytes()) <= 2);
    match name {
        "tls" | "ssl" | "starttls" | "secure" | "encryption" => {
            "TLS is in the scheme: smtps:// or smtp+starttls://".into()
        }
        _ => match near {
            Some(near) => format!("did you mean {near}? The options are {}", known.join(", ")),
            None => format!("the options are {}", known.join(", ")),
        },
    }
}

/// Returns how many octets have to be added, removed or replaced to make `b` from `a`, both short.
fn distance(a: &[u8], b: &[u8]) -> usize {
    if a.len().abs_diff(b.len()) > 2 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (at, octet) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (place, other) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(octet != other);
            diagonal = row[place + 1];
            row[place + 1] = replaced.min(diagonal + 1).min(row[place] + 1);
        }
    }
    row[b.len()]
}

/// The value as another type.
pub(crate) fn parsed<V: FromStr>(value: &str) -> Result<V, Rejected> {
    value.parse().map_err(|_| Rejected::Value)
}

/// A duration such as `500ms`, `30s` or `2m`; zero is refused.
pub(crate) fn duration(value: &str) -> Result<Duration, Rejected> {
    let duration = humantime::parse_duration(value).map_err(|_| Rejected::Value)?;
    if duration.is_zero() { Err(Rejected::Value) } else { Ok(duration) }
}

/// What `duration` expects.
pub(crate) const DURATION: &str = "a duration such as 500ms, 30s or 2m";

/// The options of a connector.
pub(crate) const CONNECTOR: &[UrlOption<Settings>] = &[
    UrlOption {
        name: "hello",
        expected: "a domain or an address literal such as [192.0.2.1]",
        set: |settings, value| {
            settings.hello_name = Some(parsed(value)?);
            Ok(())
        },
    },
    UrlOption {
        name: "timeout",
        expected: DURATION,
        set: |settings, value| {
            let operation = settings.timeouts.operation;
            settings.timeouts = crate::Timeouts::every_step(duration(value)?);
            settings.timeouts.operation = operation;
            Ok(())
        },
    },
    UrlOption {
        name: "operation-timeout",
        expected: DURATION,
        set: |settings, value| {
            settings.timeouts.operation = Some(duration(value)?);
            Ok(())
        },
    },
    UrlOption {
        name: "race",
        expected: "true or false",
        set: |settings, value| {
            settings.route.order = if parsed(value)? { Order::Racing } else { Order::OneByOne };
            Ok(())
        },
    },
    UrlOption {
        name: "source-address",
        expected: "an IP address, or one for each family with a comma between them",
        set: |settings, value| {
            for address in value.split(',') {
                settings.route.set_source(parsed(address)?);
            }
            Ok(())
        },
    },
    UrlOption {
        name: "proxy",
        expected: "the URL of a proxy, such as socks5://host:1080",
        set: |settings, value| {
            let proxy = value.parse::<Proxy>();
            let proxy = proxy.map_err(|invalid| Rejected::Because(Cause::new(invalid)))?;
            settings.route.proxy = Some(proxy);
            Ok(())
        },
    },
    UrlOption {
        name: "rcpt-max",
        expected: "a number above 0",
        set: |settings, value| {
            let most = parsed::<std::num::NonZeroUsize>(value)?.get();
            settings.sending.rcpt_max = Some(most);
            settings.sending.excess = crate::Excess::Continue;
            Ok(())
        },
    },
    UrlOption {
        name: "eight-bit",
        expected: "send or refuse",
        set: |settings, value| {
            settings.sending.eight_bit = match value {
                "send" => EightBit::Send,
                "refuse" => EightBit::Refuse,
                _ => return Err(Rejected::Value),
            };
            Ok(())
        },
    },
    UrlOption {
        name: "tls-ca",
        expected: "the path of a file with certificates in PEM",
        set: |settings, value| {
            if settings.server.security == Security::Plain {
                return Err(Rejected::NoTls);
            }
            settings.tls = Some(authorities(value)?);
            Ok(())
        },
    },
];

#[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
fn authorities(path: &str) -> Result<crate::Tls, Rejected> {
    let pem = std::fs::read(path);
    let pem = pem.map_err(|error| Rejected::Because(Cause::new(in_file(path.as_ref(), error))))?;
    crate::Tls::authorities_pem(&pem).map_err(|error| Rejected::Because(Cause::new(error)))
}

#[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
fn authorities(_: &str) -> Result<crate::Tls, Rejected> {
    Err(Rejected::Because(Cause::new(crate::TrustError::NoProvider)))
}
