//! Proxies without sockets: their URLs, and every exchange however it is cut.
use std::net::IpAddr;

use proptest::prelude::*;
use smtp_error::SocksReply;

use super::*;

fn proxy(url: &str) -> Proxy {
    url.parse().unwrap()
}

fn tcp(host: &str) -> Address {
    Address::Tcp { host: host.into(), port: 25 }
}

/// What an exchange came to.
#[derive(Debug, PartialEq)]
struct Outcome {
    /// What the client wrote.
    written: Vec<u8>,
    /// How many octets of the proxy's it read.
    read: usize,
    /// The fault as it is shown.
    fault: Option<String>,
    seen_as: Option<IpAddr>,
}

/// Runs an exchange with a proxy that sends these octets, at most `cut` at once.
fn exchange(
    proxy: &Proxy,
    server: &Address,
    sent: &[u8],
    cut: &mut dyn FnMut() -> usize,
) -> Outcome {
    let mut preamble = proxy.preamble(server).unwrap();
    let (mut written, mut read, mut fault) = (Vec::new(), 0, None);
    loop {
        while !preamble.output().is_empty() {
            let octets = cut().min(preamble.output().len());
            written.extend(&preamble.output()[..octets]);
            preamble.wrote(octets);
        }
        let octets = preamble.wants().min(cut()).min(sent.len() - read);
        if octets == 0 {
            break;
        }
        let outcome = preamble.receive(&sent[read..read + octets]);
        read += octets;
        if let Err(broken) = outcome {
            fault = Some(broken.to_string());
            break;
        }
    }
    let fault = fault.or_else(|| (preamble.wants() > 0).then(|| "wants more".to_owned()));
    Outcome { written, read, fault, seen_as: preamble.seen_as() }
}

/// The result of an exchange, which is the same with every cut.
#[track_caller]
fn outcome(url: &str, host: &str, sent: &[u8]) -> Outcome {
    let (proxy, server) = (proxy(url), tcp(host));
    let whole = exchange(&proxy, &server, sent, &mut || usize::MAX);
    for cut in 1..16 {
        let cut = exchange(&proxy, &server, sent, &mut || cut);
        assert_eq!((&cut.fault, cut.seen_as), (&whole.fault, whole.seen_as));
        assert!(cut.written == whole.written && cut.read <= whole.read);
    }
    whole
}

/// Checks that the proxy connects, and that nothing after its exchange is read.
#[track_caller]
fn connects(url: &str, host: &str, sent: &[u8], written: &[u8]) -> Option<IpAddr> {
    let all = [sent, b"220 mx.example ready\r\n"].concat();
    let outcome = outcome(url, host, &all);
    assert_eq!(outcome.fault, None);
    assert_eq!(outcome.written, written, "{}", String::from_utf8_lossy(&outcome.written));
    assert_eq!(outcome.read, sent.len());
    outcome.seen_as
}

#[track_caller]
fn fails(url: &str, sent: &[u8], fault: ProxyFault) {
    let outcome = outcome(url, "mx.example", sent);
    assert_eq!(outcome.fault, Some(fault.to_string()));
}

const SOCKS: &str = "socks5://proxy.example";
const LOGIN: &str = "socks5h://us:p%40s@proxy.example";
const HTTP: &str = "http://proxy.example:3128";
const HTTP_LOGIN: &str = "http://us:p%40s@proxy.example:3128";

#[test]
fn socks5_asks_for_a_name_or_an_address() {
    let reply = b"\x05\x00\x05\x00\x00\x01\xC0\x00\x02\x07\x12\x34";
    let seen =
        connects(SOCKS, "mx.example", reply, b"\x05\x01\x00\x05\x01\x00\x03\x0Amx.example\x00\x19");
    assert_eq!(seen, Some([192, 0, 2, 7].into()));
    // Nothing is told by zeros, nor by a name.
    for reply in [
        &b"\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"[..],
        b"\x05\x00\x05\x00\x00\x03\x04here\x00\x00",
        b"\x05\x00\x05\x00\x00\x03\x00\x00\x00",
        b"\x05\x00\x05\x00\x00\x01\x7F\x00\x00\x01\x00\x00",
    ] {
        let asked = b"\x05\x01\x00\x05\x01\x00\x01\xC0\x00\x02\x01\x00\x19";
        assert_eq!(connects(SOCKS, "192.0.2.1", reply, asked), None);
    }
    let address = b"\x20\x01\x0D\xB8\0\0\0\0\0\0\0\0\0\0\0\x01";
    let reply = [&b"\x05\x00\x05\x00\x00\x04"[..], address, b"\x00\x00"].concat();
    let asked = [&b"\x05\x01\x00\x05\x01\x00\x04"[..], address, b"\x00\x19"].concat();
    let seen = connects(SOCKS, "2001:db8::1", &reply, &asked);
    assert_eq!(seen, Some("2001:db8::1".parse().unwrap()));
}

#[test]
fn a_socks5_login_is_sent_where_it_is_asked_for() {
    let granted = b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00";
    let request = b"\x05\x01\x00\x03\x0Amx.example\x00\x19";
    let asked = [&b"\x05\x02\x00\x02\x01\x02us\x03p@s"[..], request].concat();
    // Some proxies reply with the version of SOCKS.
    for reply in [b"\x05\x02\x01\x00", b"\x05\x02\x05\x00"] {
        connects(LOGIN, "mx.example", &[&reply[..], granted].concat(), &asked);
    }
    let asked = [&b"\x05\x02\x00\x02"[..], request].concat();
    connects(LOGIN, "mx.example", &[&b"\x05\x00"[..], granted].concat(), &asked);
}

#[test]
fn socks5_refusals_are_told_by_name() {
    fails(SOCKS, b"\x05\xFF", ProxyFault::LoginRequired);
    fails(LOGIN, b"\x05\xFF", ProxyFault::NoLoginMethod);
    fails(LOGIN, b"\x05\x02\x01\x01", ProxyFault::LoginRefused);
    // A method that was not offered, another version, a type of address that is none.
    for sent in [&b"\x05\x02"[..], b"\x05\x01", b"\x04\x00", b"HT", b"22"] {
        fails(SOCKS, sent, ProxyFault::Malformed);
    }
    fails(SOCKS, b"\x05\x00\x04\x00", ProxyFault::Malformed);
    fails(SOCKS, b"\x05\x00\x05\x00\x00\x02\x00", ProxyFault::Malformed);
    for (code, reply) in [
        (1, SocksReply::GeneralFailure),
        (2, SocksReply::NotAllowed),
        (3, SocksReply::NetworkUnreachable),
        (4, SocksReply::HostUnreachable),
        (5, SocksReply::ConnectionRefused),
        (6, SocksReply::TtlExpired),
        (7, SocksReply::CommandNotSupported),
        (8, SocksReply::AddressTypeNotSupported),
        (91, SocksReply::Other(91)),
    ] {
        // The code is enough: the rest may never come.
        fails(SOCKS, &[5, 0, 5, code], ProxyFault::Socks(reply));
    }
}

const REQUEST: &str = "CONNECT mx.example:25 HTTP/1.1\r\nHost: mx.example:25\r\n";

#[test]
fn http_asks_for_a_tunnel_and_reads_to_the_empty_line() {
    for response in [
        "HTTP/1.1 200 Connection established\r\n\r\n",
        "HTTP/1.0 200\r\n\r\n",
        "HTTP/1.1 204 \r\nVia: 1.1 x\r\nContent-Length: 10\r\n\r\n",
        "HTTP/1.1 200 OK\nVia: x\n\n",
        "HTTP/1.1 200 OK\n\n",
        "HTTP/1.1 200 OK\r\nX: \r\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    ] {
        let asked = format!("{REQUEST}\r\n");
        assert_eq!(connects(HTTP, "mx.example", response.as_bytes(), asked.as_bytes()), None);
    }
    let asked = "CONNECT [2001:db8::1]:25 HTTP/1.1\r\nHost: [2001:db8::1]:25\r\n\r\n";
    connects(HTTP, "2001:db8::1", b"HTTP/1.1 200 OK\r\n\r\n", asked.as_bytes());
    let asked = format!("{REQUEST}Proxy-Authorization: Basic dXM6cEBz\r\n\r\n");
    connects(HTTP_LOGIN, "mx.example", b"HTTP/1.1 200 OK\r\n\r\n", asked.as_bytes());
}

#[test]
fn http_refusals_are_told_by_status() {
    fails(HTTP, b"HTTP/1.1 407", ProxyFault::LoginRequired);
    fails(HTTP_LOGIN, b"HTTP/1.1 407", ProxyFault::LoginRefused);
    for status in [300, 403, 404, 500, 502, 503, 999] {
        let sent = format!("HTTP/1.1 {status}");
        fails(HTTP, sent.as_bytes(), ProxyFault::Http { status });
    }
    for sent in ["220 mx", "HTTP/2", "HTTP/1.1_", "HTTP/1.1 0", "HTTP/1.1 2x", "SSH-2.0", "\x05"] {
        fails(HTTP, sent.as_bytes(), ProxyFault::Malformed);
    }
    let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(17_000));
    fails(HTTP, endless.as_bytes(), ProxyFault::Malformed);
    let endless = "HTTP/1.1 100 a\r\n\r\n".repeat(1000);
    fails(HTTP, endless.as_bytes(), ProxyFault::Malformed);
}

proptest! {
    /// Whatever a proxy sends, and however it is cut, the result is the same.
    #[test]
    fn no_cut_changes_the_result(
        start in prop::sample::select(vec![
            &b""[..], b"\x05\x00", b"\x05\x02\x01\x00", b"\x05\x00\x05\x00\x00", b"HTTP/1.1 200",
            b"HTTP/1.1 200 OK\r\n",
        ]),
        rest in prop::collection::vec(
            prop_oneof![any::<u8>(), Just(b'\r'), Just(b'\n'), Just(0), Just(5)],
            0..300,
        ),
        cuts in prop::collection::vec(1..9_usize, 1..40),
        url in prop::sample::select(vec![SOCKS, LOGIN, HTTP, HTTP_LOGIN]),
    ) {
        let sent = [start, &rest].concat();
        let (proxy, server) = (proxy(url), tcp("mx.example"));
        let whole = exchange(&proxy, &server, &sent, &mut || usize::MAX);
        let mut cuts = cuts.into_iter().cycle();
        let cut = exchange(&proxy, &server, &sent, &mut || cuts.next().unwrap());
        prop_assert_eq!((&cut.fault, cut.seen_as), (&whole.fault, whole.seen_as));
        prop_assert_eq!(cut.written, whole.written);
        if whole.fault.is_none() {
            prop_assert_eq!(cut.read, whole.read);
        }
    }
}

#[test]
fn urls_are_parsed_and_displayed_without_the_login() {
    for (url, shown) in [
        ("socks5://proxy.example", "socks5://proxy.example:1080"),
        ("SOCKS5H://proxy.example:9/", "socks5://proxy.example:9"),
        ("http://us:pw@[::1]", "http://[::1]:80"),
        ("socks5://us:p%3A%40@b\u{fc}cher.example", "socks5://xn--bcher-kva.example:1080"),
    ] {
        let proxy = proxy(url);
        assert_eq!(proxy.to_string(), shown);
        let debug = format!("{proxy:?}");
        assert!(!debug.contains("us:") && !debug.contains("pw"), "{debug}");
        assert_eq!(debug.contains("has_login: true"), url.contains('@'));
    }
}

#[test]
fn wrong_urls_are_refused_without_showing_the_login() {
    let long = format!("socks5://{}:sesame@x", "u".repeat(256));
    for (url, expected) in [
        ("proxy.example:1080", "no scheme"),
        ("us:sesame@proxy://x", "no scheme"),
        ("smtp://proxy.example", "the schemes are socks5, socks5h, http"),
        ("socks5://", "no host"),
        ("socks5://us:sesame@:1", "no host"),
        ("socks5://a b", "host is not valid"),
        ("socks5://::1", "brackets"),
        ("socks5://x:0", "port"),
        ("socks5://us:sesame@x:port", "port"),
        ("socks5://x/path", "nothing may follow"),
        ("socks5://us:ses/ame@x", "nothing may follow"),
        ("socks5://:sesame@x", "no user name"),
        ("socks5://us@x", "no password"),
        ("socks5://us:sesame%@x", "percent-encoding"),
        (&*long, "1 to 255 octets"),
        ("http://u%3As:sesame@x", "no colon"),
        ("http://us:sesame%0D@x", "control characters"),
    ] {
        let error = url.parse::<Proxy>().unwrap_err().to_string();
        assert!(error.contains(expected), "{url}: {error}");
        assert!(!error.contains("sesame"), "{error}");
    }
}

#[test]
fn a_host_that_could_end_the_request_is_refused() {
    for host in ["mx.example\r\nX: y", "mx example", "", "mx.example/x", "a@b"] {
        for url in [SOCKS, HTTP] {
            let error = proxy(url).preamble(&tcp(host)).err().unwrap();
            assert!(matches!(error.kind(), ErrorKind::Invalid(_)), "{host:?}: {error}");
        }
    }
    let error = proxy(SOCKS).preamble(&Address::Unix("/run/smtp".into())).err().unwrap();
    let ErrorKind::Broken(Broken::Proxy(proxy)) = error.kind() else { panic!("{error:?}") };
    assert!(matches!(proxy.fault, ProxyFault::UnixSocket));
}
