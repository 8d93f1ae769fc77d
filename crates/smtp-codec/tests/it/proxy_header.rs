//! The header of the PROXY protocol, octet for octet as its specification has it.
use std::net::SocketAddr;

use smtp_codec::ProxyHeader;

const SIGNATURE: &[u8] = b"\x0D\x0A\x0D\x0A\x00\x0D\x0A\x51\x55\x49\x54\x0A";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn version_1_is_a_line() {
    for (source, destination, line) in [
        (
            "192.168.0.1:56324",
            "192.168.0.11:443",
            "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n",
        ),
        (
            "255.255.255.255:65535",
            "255.255.255.255:65535",
            "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
        ),
        ("[2001:db8::1]:25", "[::1]:26", "PROXY TCP6 2001:db8::1 ::1 25 26\r\n"),
        // Families that differ, and an IPv4 address that is written as an IPv6 address.
        ("192.0.2.1:1", "[2001:db8::1]:2", "PROXY TCP6 ::ffff:c000:201 2001:db8::1 1 2\r\n"),
        ("[::ffff:192.0.2.1]:1", "192.0.2.2:2", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"),
    ] {
        let header = ProxyHeader::v1(address(source), address(destination));
        assert_eq!(header.as_bytes(), line.as_bytes());
        assert!(header.as_bytes().len() <= 107);
    }
    assert_eq!(ProxyHeader::unknown().as_bytes(), b"PROXY UNKNOWN\r\n");
}

#[test]
fn version_2_is_binary() {
    let header = ProxyHeader::v2(address("192.168.0.1:56324"), address("192.168.0.11:443"));
    let rest = b"\x21\x11\x00\x0C\xC0\xA8\x00\x01\xC0\xA8\x00\x0B\xDC\x04\x01\xBB";
    assert_eq!(header.as_bytes(), [SIGNATURE, rest].concat());

    let header = ProxyHeader::v2(address("[2001:db8::1]:25"), address("192.0.2.1:26"));
    let rest = [
        &b"\x21\x21\x00\x24"[..],
        b"\x20\x01\x0D\xB8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01",
        b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xFF\xFF\xC0\x00\x02\x01",
        b"\x00\x19\x00\x1A",
    ];
    assert_eq!(header.as_bytes(), [SIGNATURE, &rest.concat()].concat());

    assert_eq!(ProxyHeader::local().as_bytes(), [SIGNATURE, b"\x20\x00\x00\x00"].concat());
}
