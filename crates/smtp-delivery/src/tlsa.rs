//! TLSA records (RFC 6698), and which of them count for SMTP (RFC 7672, 3.1). No I/O.
use std::fmt;

use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use sha2::{Digest as _, Sha256, Sha512};
use webpki::{RawPublicKeyEntity, anchor_from_trusted_cert, spki_for_anchor};

/// A TLSA record: a certificate or a key that a host uses, or its digest.
///
/// It displays in presentation form (RFC 6698, 2.2), such as `3 1 1 8cb0fc6c…` with all digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tlsa {
    usage: u8,
    selector: u8,
    matching: u8,
    data: Vec<u8>,
}

/// Why octets are not a TLSA record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTlsa {
    /// The usage, the selector and the matching type take an octet each.
    #[error(
        "the TLSA record has {length} octets; usage, selector and matching type need {}",
        Tlsa::HEADER
    )]
    TooShort {
        /// The octets of the record.
        length: usize,
    },
}

impl Tlsa {
    /// The usage DANE-TA: the record has the trust anchor that a chain of certificates leads to.
    pub const DANE_TA: u8 = 2;
    /// The usage DANE-EE: the record has the certificate of the server itself.
    pub const DANE_EE: u8 = 3;
    /// The octets before the certificate association data.
    const HEADER: usize = 3;

    /// Returns the record with these fields, known or not.
    pub fn new(usage: u8, selector: u8, matching: u8, data: impl Into<Vec<u8>>) -> Self {
        Self { usage, selector, matching, data: data.into() }
    }

    /// Parses the RDATA of a record (RFC 6698, 2.1). Fields with values that are not known, or
    /// without data, are parsed: [`is_usable`](Self::is_usable) tells whether the record counts.
    ///
    /// # Errors
    /// The octets end before the data.
    pub fn parse(rdata: &[u8]) -> Result<Self, InvalidTlsa> {
        match rdata {
            [usage, selector, matching, data @ ..] => {
                Ok(Self::new(*usage, *selector, *matching, data))
            }
            _ => Err(InvalidTlsa::TooShort { length: rdata.len() }),
        }
    }

    /// Returns the RDATA of the record.
    pub fn rdata(&self) -> Vec<u8> {
        [&[self.usage, self.selector, self.matching], self.data.as_slice()].concat()
    }

    /// Returns the certificate usage.
    pub fn usage(&self) -> u8 {
        self.usage
    }

    /// Returns the selector: 0 for the whole certificate, 1 for its SubjectPublicKeyInfo.
    pub fn selector(&self) -> u8 {
        self.selector
    }

    /// Returns the matching type: 0 for the octets themselves, 1 for SHA-256, 2 for SHA-512.
    pub fn matching(&self) -> u8 {
        self.matching
    }

    /// Returns the certificate association data.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Returns whether the record can authenticate an SMTP server.
    ///
    /// Others are as if they were not there: those with a usage, selector or matching type that is
    /// not known, with a digest of another length than that of its algorithm, with data of matching
    /// type 0 that is neither a certificate nor a key, and those of the usages 0 and 1, which need
    /// an agreement on public authorities that SMTP servers do not have (RFC 7672, 3.1.3). If
    /// records are there and none is usable, the connection is encrypted and the server not
    /// authenticated (RFC 7672, 2.2).
    pub fn is_usable(&self) -> bool {
        matches!(self.usage, Self::DANE_TA | Self::DANE_EE)
            && match (Selector::of(self), Matching::of(self)) {
                (Some(_), Some(Matching::Sha256)) => self.data.len() == 32,
                (Some(_), Some(Matching::Sha512)) => self.data.len() == 64,
                (Some(Selector::Certificate), Some(Matching::Full)) => {
                    let certificate = CertificateDer::from(self.data.as_slice());
                    anchor_from_trusted_cert(&certificate).is_ok()
                }
                (Some(Selector::Key), Some(Matching::Full)) => {
                    let key = SubjectPublicKeyInfoDer::from(self.data.as_slice());
                    RawPublicKeyEntity::try_from(&key).is_ok()
                }
                _ => false,
            }
    }

    /// Returns the records that count: the usable ones without weaker digests.
    ///
    /// If records of one usage and selector have digests of several algorithms, only those of the
    /// strongest count (RFC 7671, 9). Records of matching type 0 always count.
    ///
    /// ```
    /// use smtp_delivery::Tlsa;
    ///
    /// let strong = Tlsa::new(3, 1, 2, [0x5a; 64]);
    /// let weak = Tlsa::new(3, 1, 1, [0x5a; 32]);
    /// let public_authority = Tlsa::new(1, 1, 1, [0x5a; 32]);
    /// assert_eq!(Tlsa::effective(&[weak, public_authority, strong.clone()]), [strong]);
    /// ```
    pub fn effective(records: &[Self]) -> Vec<Self> {
        let usable: Vec<_> = records.iter().filter(|record| record.is_usable()).collect();
        let counts = |one: &&&Self| {
            one.is_full()
                || !usable.iter().any(|other| {
                    let same = (one.usage, one.selector) == (other.usage, other.selector);
                    same && other.matching > one.matching
                })
        };
        usable.iter().filter(counts).copied().cloned().collect()
    }

    /// Returns whether the record is about this certificate, by its selector and matching type. The
    /// usage, which tells what follows from that, makes no difference.
    ///
    /// A certificate that cannot be parsed has no key to match.
    pub fn matches(&self, certificate: &CertificateDer<'_>) -> bool {
        self.is_about(&Associations::of(certificate))
    }

    /// The same for a certificate that several records are compared with.
    pub(crate) fn is_about(&self, certificate: &Associations) -> bool {
        let selected = match Selector::of(self) {
            Some(Selector::Certificate) => Some(&certificate.whole),
            Some(Selector::Key) => certificate.key.as_ref(),
            None => None,
        };
        selected.is_some_and(|selected| match Matching::of(self) {
            Some(Matching::Full) => selected.octets == self.data,
            Some(Matching::Sha256) => selected.sha256 == *self.data,
            Some(Matching::Sha512) => selected.sha512 == *self.data,
            None => false,
        })
    }

    /// Returns whether the record has the octets themselves, and no digest.
    pub(crate) fn is_full(&self) -> bool {
        Matching::of(self) == Some(Matching::Full)
    }

    /// Returns the trust anchor that the record has whole: a certificate, or a key without a name.
    pub(crate) fn anchor(&self) -> Option<Anchor<'_>> {
        if !self.is_full() {
            return None;
        }
        match Selector::of(self)? {
            Selector::Certificate => Some(Anchor::Certificate(self.data.as_slice().into())),
            Selector::Key => Some(Anchor::Key(&self.data)),
        }
    }
}

impl fmt::Display for Tlsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} ", self.usage, self.selector, self.matching)?;
        self.data.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for Tlsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tlsa").field(&format_args!("{self}")).finish()
    }
}

/// A trust anchor that a record has whole.
pub(crate) enum Anchor<'a> {
    Certificate(CertificateDer<'a>),
    /// A SubjectPublicKeyInfo.
    Key(&'a [u8]),
}

/// What a record is about.
#[derive(Clone, Copy)]
enum Selector {
    Certificate,
    Key,
}

impl Selector {
    fn of(record: &Tlsa) -> Option<Self> {
        match record.selector {
            0 => Some(Self::Certificate),
            1 => Some(Self::Key),
            _ => None,
        }
    }
}

/// How a record has it.
#[derive(Clone, Copy, PartialEq)]
enum Matching {
    Full,
    Sha256,
    Sha512,
}

impl Matching {
    fn of(record: &Tlsa) -> Option<Self> {
        match record.matching {
            0 => Some(Self::Full),
            1 => Some(Self::Sha256),
            2 => Some(Self::Sha512),
            _ => None,
        }
    }
}

/// What records may have of a certificate. It is computed once: a hostile zone may have more than a
/// thousand records.
pub(crate) struct Associations {
    whole: Association,
    key: Option<Association>,
}

struct Association {
    octets: Vec<u8>,
    sha256: [u8; 32],
    sha512: [u8; 64],
}

impl Associations {
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Self {
        // As an anchor, so that roots of X.509 version 1 have a key too.
        let key = anchor_from_trusted_cert(certificate).ok();
        let key = key.map(|anchor| Association::of(&spki_for_anchor(&anchor)));
        Self { whole: Association::of(certificate), key }
    }

    /// Returns the SubjectPublicKeyInfo, if the certificate can be parsed.
    pub(crate) fn key(&self) -> Option<&[u8]> {
        self.key.as_ref().map(|key| key.octets.as_slice())
    }
}

impl Association {
    fn of(octets: &[u8]) -> Self {
        let (sha256, sha512) = (Sha256::digest(octets).into(), Sha512::digest(octets).into());
        Self { octets: octets.to_vec(), sha256, sha512 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertifiedKey, PublicKeyData as _, generate_simple_self_signed};

    use super::*;

    #[test]
    fn records_too_short_are_refused() {
        for length in 0..3 {
            let parsed = Tlsa::parse(&[3, 1, 1][..length]);
            assert_eq!(parsed, Err(InvalidTlsa::TooShort { length }));
        }
        assert!(!Tlsa::parse(&[3, 1, 1]).unwrap().is_usable());
    }

    #[test]
    fn records_display_in_presentation_form() {
        let record = Tlsa::parse(&[3, 1, 1, 0x0a, 0xbc]).unwrap();
        assert_eq!(record.to_string(), "3 1 1 0abc");
        assert_eq!(format!("{record:?}"), "Tlsa(3 1 1 0abc)");
    }

    #[test]
    fn records_are_usable_or_not() {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["mx.example".to_owned()]).unwrap();
        let (certificate, key) = (cert.der().to_vec(), signing_key.subject_public_key_info());
        let truncated = &certificate[..certificate.len() - 1];
        for (usage, selector, matching, data, is_usable) in [
            (3, 1, 1, &[7; 32][..], true),
            (3, 0, 1, &[7; 32], true),
            (3, 1, 2, &[7; 64], true),
            (2, 0, 1, &[7; 32], true),
            (2, 1, 2, &[7; 64], true),
            (3, 0, 0, &certificate, true),
            (2, 0, 0, &certificate, true),
            (3, 1, 0, &key, true),
            (2, 1, 0, &key, true),
            // SMTP has no use for PKIX-TA, PKIX-EE and PrivCert.
            (0, 1, 1, &[7; 32], false),
            (1, 1, 1, &[7; 32], false),
            (4, 1, 1, &[7; 32], false),
            (255, 1, 1, &[7; 32], false),
            (3, 2, 1, &[7; 32], false),
            (3, 255, 1, &[7; 32], false),
            (3, 1, 3, &[7; 64], false),
            (3, 1, 255, &[7; 32], false),
            // Digests of another length.
            (3, 1, 1, &[7; 31], false),
            (3, 1, 1, &[7; 64], false),
            (3, 1, 2, &[7; 32], false),
            (2, 0, 2, &[7; 65], false),
            (3, 1, 1, &[], false),
            // Not what the selector says.
            (3, 0, 0, &key, false),
            (3, 1, 0, &certificate, false),
            (2, 0, 0, truncated, false),
            (2, 1, 0, &key[..key.len() - 1], false),
            (3, 0, 0, &[], false),
            (3, 1, 0, &[], false),
            (2, 1, 0, &[0x30, 0], false),
        ] {
            let record = Tlsa::new(usage, selector, matching, data);
            assert_eq!(record.is_usable(), is_usable, "{record}");
        }
    }

    #[test]
    fn records_match_by_selector_and_matching_type() {
        let names = || ["mx.example".to_owned()];
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names()).unwrap();
        let other = generate_simple_self_signed(names()).unwrap();
        let (certificate, key) = (cert.der().to_vec(), signing_key.subject_public_key_info());
        for (selector, octets) in [(0, certificate), (1, key)] {
            let sha256 = Sha256::digest(&octets).to_vec();
            let sha512 = Sha512::digest(&octets).to_vec();
            for (matching, data) in [(0, octets), (1, sha256), (2, sha512)] {
                let mut other_data = data.clone();
                *other_data.last_mut().unwrap() ^= 1;
                let record = Tlsa::new(3, selector, matching, data.clone());
                assert!(record.matches(cert.der()), "{record}");
                assert!(!record.matches(other.cert.der()), "{record}");
                for record in [
                    Tlsa::new(3, selector, matching, other_data),
                    Tlsa::new(3, selector, matching, &data[1..]),
                    Tlsa::new(3, selector + 2, matching, data.clone()),
                    Tlsa::new(3, selector, matching + 3, data.clone()),
                    Tlsa::new(3, 1 - selector, matching, data.clone()),
                ] {
                    assert!(!record.matches(cert.der()), "{record}");
                }
            }
        }
    }

    #[test]
    fn only_the_strongest_digest_of_a_usage_and_selector_counts() {
        let sha256 = |usage, selector| Tlsa::new(usage, selector, 1, [7; 32]);
        let sha512 = |usage, selector| Tlsa::new(usage, selector, 2, [7; 64]);
        let key = rcgen::KeyPair::generate().unwrap().subject_public_key_info();
        let full = Tlsa::new(3, 1, 0, key);
        for (records, expected) in [
            (vec![sha256(3, 1), sha512(3, 1)], vec![sha512(3, 1)]),
            (vec![sha512(3, 1), sha256(3, 1)], vec![sha512(3, 1)]),
            // Another selector or usage is another choice.
            (vec![sha256(3, 0), sha512(3, 1)], vec![sha256(3, 0), sha512(3, 1)]),
            (vec![sha256(2, 1), sha512(3, 1)], vec![sha256(2, 1), sha512(3, 1)]),
            // A digest that is not usable does not count against the weaker.
            (vec![sha256(3, 1), Tlsa::new(3, 1, 2, [7; 63])], vec![sha256(3, 1)]),
            (vec![sha256(3, 1), Tlsa::new(3, 1, 9, [7; 99])], vec![sha256(3, 1)]),
            (vec![full.clone(), sha256(3, 1), sha512(3, 1)], vec![full.clone(), sha512(3, 1)]),
            (vec![full.clone(), sha256(3, 1)], vec![full, sha256(3, 1)]),
            (vec![sha256(1, 1), sha256(0, 1)], vec![]),
        ] {
            assert_eq!(Tlsa::effective(&records), expected, "{records:?}");
        }
    }

    proptest! {
        #[test]
        fn parsing_is_the_inverse_of_rdata(rdata in proptest::collection::vec(any::<u8>(), 0..200)) {
            match Tlsa::parse(&rdata) {
                Ok(record) => {
                    prop_assert_eq!(record.rdata(), rdata);
                    record.is_usable();
                    prop_assert!(!record.matches(&CertificateDer::from(&[0x30, 0][..])));
                }
                Err(InvalidTlsa::TooShort { length }) => prop_assert!(length < 3),
            }
        }
    }
}
