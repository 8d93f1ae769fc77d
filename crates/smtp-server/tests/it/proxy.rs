//! The header of the PROXY protocol before a session.
use smtp_codec::{Mechanism, ProxyHeader};
use smtp_server::{Client, Closing, Settings};

use crate::host::Host;

fn host() -> Host {
    let settings = Settings::smtp("mx.example.org")
        .proxy_header()
        .passwords_in_clear()
        .auth([Mechanism::PLAIN])
        .offer(|offer| offer.xclient(["ADDR"]));
    let proxy = Client::at("10.0.0.1:1".parse().unwrap())
        .connected_to("10.0.0.2:25".parse().unwrap())
        .trusted()
        .private();
    Host::of(settings).serves(proxy)
}

#[test]
fn the_header_says_who_the_client_is() {
    let (source, destination) =
        ("192.0.2.1:40000".parse().unwrap(), "192.0.2.2:25".parse().unwrap());
    for header in [ProxyHeader::v1(source, destination), ProxyHeader::v2(source, destination)] {
        let journal = host().receive(&[header.as_bytes(), b"EHLO a.example\r\n"].concat());
        let client = &journal.client;
        assert_eq!(client.address(), Some(source));
        assert_eq!(client.server_address(), Some(destination));
        assert!(!client.is_trusted(), "the proxy is, and its client is not");
        assert!(!client.is_confidential());
        assert!(!journal.output.contains("XCLIENT"));
        assert!(journal.output.starts_with("220 mx.example.org ESMTP\n250-"));
    }
}

#[test]
fn a_proxy_can_speak_for_itself() {
    for header in [ProxyHeader::local(), ProxyHeader::unknown()] {
        let journal = host().receive(&[header.as_bytes(), b"EHLO a.example\r\n"].concat());
        assert_eq!(journal.client.address(), Some("10.0.0.1:1".parse().unwrap()));
        assert_eq!(journal.client.server_address(), Some("10.0.0.2:25".parse().unwrap()));
        assert!(journal.client.is_trusted());
    }
}

#[test]
fn without_a_header_nothing_is_written() {
    let endless = [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff"[..], &[0; 5000]].concat();
    for octets in [&b"EHLO a.example\r\n"[..], b"PROXY TCP4 x\r\n", b"\r\nQUIT\r\n", &endless] {
        let journal = host().receive(octets);
        assert_eq!(journal.output, "");
        assert_eq!(journal.closing, Some(Closing::NoProxyHeader), "{}", octets.escape_ascii());
        assert!(journal.events.is_empty());
    }
    for incident in ["timeout", "shutdown", "disconnect"] {
        let journal = host().play(&format!("C| PROXY TCP4\nX: {incident}"));
        assert_eq!(journal.output, "");
        assert!(journal.closing.is_some());
    }
}

#[test]
fn tls_comes_after_the_header() {
    let settings = Settings::smtp("mx.example.org").proxy_header().implicit_tls();
    let journal = Host::of(settings).play(
        r"C| PROXY TCP4 192.0.2.1 192.0.2.2 40000 465\r\n
        T:
        S: 220 mx.example.org ESMTP
        C: EHLO client.example.org
        S: 250-*",
    );
    assert_eq!(journal.client.address(), Some("192.0.2.1:40000".parse().unwrap()));
    assert!(journal.client.tls().is_some());
}

#[test]
fn a_header_that_is_not_expected_is_no_command() {
    let (source, destination) = ("192.0.2.9:1".parse().unwrap(), "192.0.2.2:25".parse().unwrap());
    let address = "192.0.2.1:4711".parse().unwrap();
    let host = Host::smtp().serves(Client::at(address));
    for header in [ProxyHeader::v1(source, destination), ProxyHeader::v2(source, destination)] {
        let journal = host.receive(&[header.as_bytes(), b"EHLO a.example\r\n"].concat());
        assert_eq!(journal.client.address(), Some(address));
        assert!(
            journal.output.starts_with("220 mx.example.org ESMTP\n500 5.5."),
            "{}",
            journal.output
        );
    }
}
