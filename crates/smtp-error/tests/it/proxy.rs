//! Failures of a proxy: they name the proxy, and not the server, and tell whether to try again.
use std::io;

use smtp_error::{Broken, Cause, Error, ProxyError, ProxyFault, SocksReply, Step};

#[track_caller]
fn check(fault: ProxyFault, is_transient: bool, ends_with: &str) {
    let error = Error::new(Step::Connect, Broken::from(ProxyError::new("socks5://proxy:1", fault)));
    assert_eq!(error.is_transient(), is_transient);
    let text = error.to_string();
    assert!(text.contains("proxy socks5://proxy:1: ") && text.contains(ends_with), "{text}");
}

#[test]
fn a_failure_names_the_proxy() {
    let cause = Cause::new(io::Error::other("no route"));
    check(Broken::Io(cause.clone()).into(), true, "no connection to the proxy: no route");
    check(Broken::UnknownHost(cause).into(), false, "unknown host: no route");
    check(Broken::Closed.into(), true, "the proxy closed the connection before it replied");
    check(ProxyFault::LoginRefused, false, "refused the user name or the password of the proxy");
    check(ProxyFault::LoginRequired, false, "write user:password@ before the host");
    check(ProxyFault::Malformed, false, "check the scheme and the port of the proxy");
}

#[test]
fn a_refusal_to_connect_is_told_by_name() {
    for (code, is_transient, name) in [
        (1, true, "general failure"),
        (2, false, "not allowed by the rules"),
        (4, true, "host unreachable or unknown"),
        (5, true, "connection refused by the host"),
        (7, false, "does not support CONNECT"),
        (91, true, "SOCKS reply 91"),
    ] {
        let reply = SocksReply::from_code(code).unwrap();
        check(ProxyFault::Socks(reply), is_transient, name);
    }
    assert_eq!(SocksReply::from_code(0), None);
    for (status, is_transient) in [(403, false), (404, false), (429, true), (502, true)] {
        check(ProxyFault::Http { status }, is_transient, &format!("HTTP status {status}"));
    }
}
