//! Lookups that fail: whether the name is unknown, or the resolver failed.
use std::io;

use smtp_error::Broken;

/// What resolvers report of a name that does not exist, or has no address: the GNU C library, musl,
/// and the systems that descend from BSD. The standard library gives no code for it, only the text,
/// which it does not translate.
const UNKNOWN: [&str; 5] = [
    "Name or service not known",
    "No address associated with hostname",
    "Name does not resolve",
    "Name has no usable address",
    "nodename nor servname provided, or not known",
];
/// The same on Windows: WSAHOST_NOT_FOUND and WSANO_DATA.
const UNKNOWN_ON_WINDOWS: [i32; 2] = [11001, 11004];

/// Classifies the failure of a lookup: whether the name is unknown, which another attempt does not
/// change, or the resolver failed. What is not recognized may be transient.
pub(crate) fn lookup_failed(broken: Broken) -> Broken {
    let Broken::Io(cause) = &broken else { return broken };
    let code = cause.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
    let text = cause.to_string();
    let unknown = match code {
        Some(code) => cfg!(windows) && UNKNOWN_ON_WINDOWS.contains(&code),
        None => UNKNOWN.iter().any(|phrase| text.contains(phrase)),
    };
    if unknown { Broken::UnknownHost(cause.clone()) } else { broken }
}

#[cfg(test)]
mod tests {
    use std::net::ToSocketAddrs;

    use super::*;

    #[test]
    fn an_unknown_host_is_told_from_a_resolver_that_fails() {
        let failed = |text: &str| lookup_failed(io::Error::other(text.to_owned()).into());
        for phrase in UNKNOWN {
            let broken = failed(&format!("failed to lookup address information: {phrase}"));
            assert!(matches!(broken, Broken::UnknownHost(_)), "{phrase}");
        }
        for phrase in ["Temporary failure in name resolution", "Try again", "Device not configured"]
        {
            let broken = failed(&format!("failed to lookup address information: {phrase}"));
            assert!(matches!(broken, Broken::Io(_)), "{phrase}");
        }
        let refused = lookup_failed(io::Error::from_raw_os_error(111).into());
        assert!(matches!(refused, Broken::Io(_)));
    }

    #[test]
    fn the_phrases_are_those_of_this_system() {
        // A name that cannot exist: a label is at most 63 octets long.
        let host = format!("{}.invalid", "x".repeat(64));
        let error = (&*host, 25).to_socket_addrs().unwrap_err();
        let broken = lookup_failed(error.into());
        assert!(matches!(broken, Broken::UnknownHost(_)), "{broken:?}");
    }
}
