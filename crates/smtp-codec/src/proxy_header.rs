//! The header of the PROXY protocol: what a server behind a load balancer is told about a
//! connection before anything else is sent on it.
use alloc::{format, vec::Vec};
use core::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The first octets of a connection, in version 1 or 2 of the PROXY protocol of HAProxy. They name
/// the client that a connection is made for, and the address that it had connected to.
///
/// A server that expects the header refuses connections without it, and one that does not takes it
/// for commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyHeader(Vec<u8>);

/// How a header of version 2 begins.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Version 2 with a command.
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;

/// TCP over a family of addresses.
const UNSPECIFIED: u8 = 0x00;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

impl ProxyHeader {
    /// Returns a header of version 1, a line of text. If the addresses are of different families,
    /// both are written as IPv6 addresses.
    pub fn v1(source: SocketAddr, destination: SocketAddr) -> Self {
        let ports = (source.port(), destination.port());
        let line = match pair(source, destination) {
            Pair::V4(source, destination) => {
                let [source, destination] = [source, destination].map(core::net::Ipv4Addr::from);
                format!("PROXY TCP4 {source} {destination} {} {}\r\n", ports.0, ports.1)
            }
            Pair::V6(source, destination) => {
                let [source, destination] = [source, destination].map(hexadecimal);
                format!("PROXY TCP6 {source} {destination} {} {}\r\n", ports.0, ports.1)
            }
        };
        Self(line.into_bytes())
    }

    /// Returns a header of version 2, in binary. If the addresses are of different families, both
    /// are written as IPv6 addresses.
    pub fn v2(source: SocketAddr, destination: SocketAddr) -> Self {
        let (family, mut addresses) = match pair(source, destination) {
            Pair::V4(source, destination) => (TCP4, [source, destination].concat()),
            Pair::V6(source, destination) => (TCP6, [source, destination].concat()),
        };
        addresses.extend(source.port().to_be_bytes());
        addresses.extend(destination.port().to_be_bytes());
        // At most 36 octets.
        Self::binary(PROXY, family, &addresses)
    }

    /// Returns a header of version 2 that says that the connection is the sender's own, such as a
    /// health check: its addresses are those of the connection itself.
    pub fn local() -> Self {
        Self::binary(LOCAL, UNSPECIFIED, &[])
    }

    /// Returns a header of version 1 that says that the client is unknown.
    pub fn unknown() -> Self {
        Self(b"PROXY UNKNOWN\r\n".to_vec())
    }

    fn binary(command: u8, family: u8, addresses: &[u8]) -> Self {
        let mut octets = SIGNATURE.to_vec();
        octets.extend([command, family, 0, addresses.len() as u8]);
        octets.extend(addresses);
        Self(octets)
    }

    /// Returns the octets to write.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Two addresses of one family.
enum Pair {
    V4([u8; 4], [u8; 4]),
    V6([u8; 16], [u8; 16]),
}

fn pair(source: SocketAddr, destination: SocketAddr) -> Pair {
    // An IPv4 client of a socket for both families is an IPv4 client.
    match (source.ip().to_canonical(), destination.ip().to_canonical()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            Pair::V4(source.octets(), destination.octets())
        }
        (source, destination) => Pair::V6(mapped(source).octets(), mapped(destination).octets()),
    }
}

fn mapped(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

/// The notation without dots, which is the only one that version 1 has.
fn hexadecimal(octets: [u8; 16]) -> alloc::string::String {
    let ip = Ipv6Addr::from(octets);
    match ip.to_ipv4_mapped() {
        Some(_) => format!("::ffff:{:x}:{:x}", ip.segments()[6], ip.segments()[7]),
        None => format!("{ip}"),
    }
}
