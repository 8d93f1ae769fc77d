//! The header of the PROXY protocol: what a server behind a load balancer is told about a
//! connection before anything else is sent on it.
use alloc::{format, vec::Vec};
use core::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str,
};

/// The first octets of a connection, in version 1 or 2 of the PROXY protocol of HAProxy. They name
/// the client that a connection is made for, and the address that it had connected to.
///
/// A server that expects the header refuses connections without it, and one that does not takes it
/// for commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyHeader(Vec<u8>);

/// The connection that a decoded [`ProxyHeader`] describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProxiedConnection {
    /// The address of the client; `None` if it is not known, or if the connection is the proxy's
    /// own.
    pub source: Option<SocketAddr>,
    /// The address that the client had connected to; `None` as for the source.
    pub destination: Option<SocketAddr>,
    /// The number of octets of the header.
    pub length: usize,
}

/// The octets are not a header of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "no more is known")]
pub struct InvalidProxyHeader;

impl fmt::Display for InvalidProxyHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection does not begin with a valid header of the PROXY protocol")
    }
}

impl core::error::Error for InvalidProxyHeader {}

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
                let [source, destination] = [source, destination].map(Ipv4Addr::from);
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

    /// Decodes a header of either version at the beginning of `input`; `None` while its end is not
    /// in there.
    ///
    /// # Errors
    /// The octets are not such a header. A server that expects one closes the connection without a
    /// reply.
    pub fn decode(input: &[u8]) -> Result<Option<ProxiedConnection>, InvalidProxyHeader> {
        let is_begun = |signature: &[u8]| input.iter().zip(signature).all(|(one, two)| one == two);
        if is_begun(&SIGNATURE) {
            binary_header(input)
        } else if is_begun(b"PROXY ") {
            text_header(input)
        } else {
            Err(InvalidProxyHeader)
        }
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

/// The longest header of version 1, in octets.
const MAX_TEXT: usize = 107;

/// The most octets that may follow the first 16 of version 2: addresses, and attributes, which are
/// skipped.
const MAX_BINARY: usize = 2048;

fn text_header(input: &[u8]) -> Result<Option<ProxiedConnection>, InvalidProxyHeader> {
    let head = &input[..input.len().min(MAX_TEXT)];
    let Some(end) = memchr::memchr(b'\n', head) else {
        return if head.len() < MAX_TEXT { Ok(None) } else { Err(InvalidProxyHeader) };
    };
    let line = head[..end].strip_suffix(b"\r").ok_or(InvalidProxyHeader)?;
    let line = str::from_utf8(line).map_err(|_| InvalidProxyHeader)?;
    let length = end + 1;
    let mut words = line.split(' ').skip(1);
    let family = words.next();
    if family == Some("UNKNOWN") {
        // A receiver ignores what follows.
        return Ok(Some(ProxiedConnection { source: None, destination: None, length }));
    }
    let mut word = || words.next().ok_or(InvalidProxyHeader);
    let [source, destination] = [word()?, word()?];
    let [source_port, destination_port] = [word()?, word()?];
    let address = |ip: &str, port: &str| {
        let ip: IpAddr = ip.parse().ok()?;
        let right_family = ip.is_ipv4() == (family == Some("TCP4"));
        let plain = port.bytes().all(|octet| octet.is_ascii_digit());
        let canonical = plain && (port == "0" || !port.starts_with('0'));
        let port = port.parse().ok().filter(|_| canonical)?;
        right_family.then_some(SocketAddr::new(ip.to_canonical(), port))
    };
    let known = matches!(family, Some("TCP4" | "TCP6")) && words.next().is_none();
    let source = address(source, source_port).filter(|_| known).ok_or(InvalidProxyHeader)?;
    let destination = address(destination, destination_port).ok_or(InvalidProxyHeader)?;
    Ok(Some(ProxiedConnection { source: Some(source), destination: Some(destination), length }))
}

fn binary_header(input: &[u8]) -> Result<Option<ProxiedConnection>, InvalidProxyHeader> {
    let Some((head, rest)) = input.split_first_chunk::<16>() else { return Ok(None) };
    let [command, family, high, low] = [head[12], head[13], head[14], head[15]];
    let size = usize::from(u16::from_be_bytes([high, low]));
    if !matches!(command, LOCAL | PROXY) || size > MAX_BINARY {
        return Err(InvalidProxyHeader);
    }
    let Some(body) = rest.get(..size) else { return Ok(None) };
    let length = head.len() + size;
    let unknown = ProxiedConnection { source: None, destination: None, length };
    let addresses = match (command, family) {
        (PROXY, TCP4) => addresses::<4>(body, |octets| Ipv4Addr::from(octets).into()),
        (PROXY, TCP6) => addresses::<16>(body, |octets| Ipv6Addr::from(octets).to_canonical()),
        // The proxy's own connection, or addresses that are not those of TCP.
        _ => return Ok(Some(unknown)),
    };
    let (source, destination) = addresses.ok_or(InvalidProxyHeader)?;
    Ok(Some(ProxiedConnection { source: Some(source), destination: Some(destination), length }))
}

/// Reads two addresses of `N` octets, and then their ports.
fn addresses<const N: usize>(
    body: &[u8],
    ip: impl Fn([u8; N]) -> IpAddr,
) -> Option<(SocketAddr, SocketAddr)> {
    let (source, rest) = body.split_first_chunk::<N>()?;
    let (destination, rest) = rest.split_first_chunk::<N>()?;
    let [a, b, c, d] = *rest.first_chunk::<4>()?;
    let port = |high, low| u16::from_be_bytes([high, low]);
    let source = SocketAddr::new(ip(*source), port(a, b));
    Some((source, SocketAddr::new(ip(*destination), port(c, d))))
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn decoded(octets: &[u8]) -> Result<Option<ProxiedConnection>, InvalidProxyHeader> {
        ProxyHeader::decode(octets)
    }

    #[test]
    fn what_is_encoded_is_decoded_at_its_last_octet() {
        let four = (([192, 0, 2, 1], 4711).into(), ([192, 0, 2, 25], 25).into());
        let six = ("[2001:db8::1]:4711".parse().unwrap(), "[2001:db8::25]:25".parse().unwrap());
        for (source, destination) in [four, six] {
            for header in
                [ProxyHeader::v1(source, destination), ProxyHeader::v2(source, destination)]
            {
                let length = header.as_bytes().len();
                for end in 0..length {
                    assert_eq!(decoded(&header.as_bytes()[..end]), Ok(None), "{end}");
                }
                let (source, destination) = (Some(source), Some(destination));
                let connection = ProxiedConnection { source, destination, length };
                let mut octets = header.as_bytes().to_vec();
                octets.extend(b"EHLO there\r\n");
                assert_eq!(decoded(&octets), Ok(Some(connection)));
            }
        }
    }

    #[test]
    fn an_unknown_client_has_no_address() {
        for header in [ProxyHeader::unknown(), ProxyHeader::local()] {
            let connection = decoded(header.as_bytes()).unwrap().unwrap();
            assert_eq!((connection.source, connection.destination), (None, None));
            assert_eq!(connection.length, header.as_bytes().len());
        }
    }

    #[test]
    fn what_is_no_header_is_refused_at_its_first_wrong_octet() {
        let endless = [b"PROXY TCP4 ".to_vec(), vec![b'1'; 200]].concat();
        let mut oversized = SIGNATURE.to_vec();
        oversized.extend([PROXY, TCP4, 0xff, 0xff]);
        let mut short = SIGNATURE.to_vec();
        short.extend([PROXY, TCP4, 0, 1, 0]);
        let mut version = SIGNATURE.to_vec();
        version.extend([0x11, TCP4, 0, 0]);
        for octets in [
            &b"EHLO client.example.org\r\n"[..],
            b"PROXX",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
            b"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n",
            b"PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n",
            &endless,
            &oversized,
            &short,
            &version,
        ] {
            assert_eq!(decoded(octets), Err(InvalidProxyHeader), "{}", octets.escape_ascii());
        }
    }
}
