//! The versions and cipher suites of a ClientHello, parsed from the octets that the client wrote.
use rustls::{CipherSuite, ProtocolVersion};

/// The versions and cipher suites that a client offers, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Offered {
    pub(super) versions: Vec<&'static str>,
    pub(super) suites: Vec<&'static str>,
}

/// The extension that lists the versions (RFC 8446, 4.2.1).
const SUPPORTED_VERSIONS: u16 = 43;

impl Offered {
    /// Parses a ClientHello (RFC 8446, 4.1.2) with the header of its record. Returns `None` if it
    /// is incomplete.
    pub(super) fn read(octets: &[u8]) -> Option<Self> {
        let mut hello = Reader(octets);
        // Record header, message header, version, random.
        hello.take(5 + 4)?;
        let version = hello.number()?;
        hello.take(32)?;
        hello.short_vector()?;
        let suites = hello.vector()?;
        hello.short_vector()?;
        let mut extensions = hello.vector()?;
        let mut versions = vec![version];
        while let Some(kind) = extensions.number() {
            let mut content = extensions.vector()?;
            if kind == SUPPORTED_VERSIONS {
                versions = content.short_vector()?.numbers();
            }
        }
        let versions: Vec<_> = versions.into_iter().map(ProtocolVersion::from).collect();
        // A suite is usable only with its version. Those of TLS 1.3 begin with the octet 0x13.
        let counts = |suite: &u16| match suite >> 8 {
            0x13 => versions.contains(&ProtocolVersion::TLSv1_3),
            _ => versions.contains(&ProtocolVersion::TLSv1_2),
        };
        let suites = suites.numbers().into_iter().filter(counts).map(CipherSuite::from);
        // This value signals secure renegotiation (RFC 5746) and is not a suite.
        let no_suite = CipherSuite::TLS_EMPTY_RENEGOTIATION_INFO_SCSV;
        let suites = suites.filter(|suite| *suite != no_suite);
        Some(Self {
            suites: suites.filter_map(|suite| suite.as_str()).collect(),
            versions: versions.iter().filter_map(ProtocolVersion::as_str).collect(),
        })
    }
}

/// Reads the fields of a message from its front.
#[derive(Clone, Copy)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<Self> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(Self(taken))
    }

    fn number(&mut self) -> Option<u16> {
        let octets = self.take(2)?;
        Some(u16::from_be_bytes(octets.0.try_into().ok()?))
    }

    /// Reads a vector whose length field has two octets.
    fn vector(&mut self) -> Option<Self> {
        let length = self.number()?;
        self.take(length.into())
    }

    /// Reads a vector whose length field has one octet.
    fn short_vector(&mut self) -> Option<Self> {
        let length = self.take(1)?.0[0];
        self.take(length.into())
    }

    fn numbers(mut self) -> Vec<u16> {
        std::iter::from_fn(|| self.number()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_that_are_no_client_hello_offer_nothing() {
        let mut octets = [0; 200];
        for length in 0..octets.len() {
            octets[length] = u8::try_from(length).unwrap();
            // The result is not specified, but it must not panic.
            let _ = Offered::read(&octets[..length]);
        }
        assert_eq!(Offered::read(b""), None);
        assert_eq!(Offered::read(b"220 mx.example.org ESMTP\r\n"), None);
    }
}
