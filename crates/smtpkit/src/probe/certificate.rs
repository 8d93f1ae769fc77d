//! Certificates: what one of them has, and what is wrong with it alone. No I/O, no clock.
use std::net::IpAddr;

use rustls::pki_types::CertificateDer;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use x509_parser::prelude::{
    AlgorithmIdentifier, FromDer as _, GeneralName, SubjectPublicKeyInfo, X509Certificate,
};
use x509_parser::public_key::PublicKey;

use super::finding::Finding;
use crate::layout::{Layout, printable};

/// Days before the end of a certificate at which it is due to be renewed.
const RENEWAL: i64 = 14;
/// The most names that people are shown.
const SHOWN: usize = 12;

/// A certificate that a server sent.
///
/// | Field | Value |
/// |---|---|
/// | `sha256` | SHA-256 of the certificate |
/// | `facts` | what it has; absent if it cannot be read |
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Certificate {
    pub(crate) sha256: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) facts: Option<Facts>,
    #[serde(skip)]
    position: usize,
}

/// What a certificate has.
///
/// | Field | Value |
/// |---|---|
/// | `subject`, `issuer` | the distinguished names |
/// | `serial` | the serial number, in hexadecimal |
/// | `names` | the subject alternative names: DNS names and IP addresses |
/// | `not_before`, `not_after` | RFC 3339 |
/// | `days_left` | whole days until `not_after`; negative after it |
/// | `key` | `algorithm`, and where they are known `bits` and `curve` |
/// | `signature_algorithm` | with its name in the RFCs, or as an OID |
/// | `key_sha256` | SHA-256 of the SubjectPublicKeyInfo |
/// | `is_authority` | whether it is that of an authority, by its basic constraints |
/// | `is_self_issued` | whether subject and issuer are equal |
/// | `for_servers` | whether its extended key usage permits TLS servers |
/// | `tlsa` | the TLSA record that matches: `3 1 1` for that of the server, `2 1 1` for an issuer |
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Facts {
    pub(crate) subject: String,
    pub(crate) issuer: String,
    pub(crate) serial: String,
    pub(crate) names: Vec<String>,
    pub(crate) not_before: String,
    pub(crate) not_after: String,
    pub(crate) days_left: i64,
    pub(crate) key: Key,
    pub(crate) signature_algorithm: String,
    pub(crate) key_sha256: String,
    pub(crate) is_authority: bool,
    pub(crate) is_self_issued: bool,
    pub(crate) for_servers: bool,
    pub(crate) tlsa: String,
    /// Seconds of Unix.
    #[serde(skip)]
    validity: (i64, i64),
    #[serde(skip)]
    has_begun: bool,
    #[serde(skip)]
    has_ended: bool,
}

/// The public key of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Key {
    pub(crate) algorithm: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bits: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) curve: Option<&'static str>,
}

impl Certificate {
    /// Reads the certificates of a server, its own first. `now` is the time of the calendar, in
    /// seconds of Unix.
    pub(crate) fn chain(certificates: &[CertificateDer<'_>], now: i64) -> Vec<Self> {
        let certificates = certificates.iter().enumerate();
        certificates.map(|(position, der)| Self::read(der, position, now)).collect()
    }

    fn read(der: &[u8], position: usize, now: i64) -> Self {
        let parsed = X509Certificate::from_der(der).ok();
        let facts = parsed.map(|(_, certificate)| Facts::of(&certificate, position, now));
        Self { sha256: hex(&Sha256::digest(der)), facts, position }
    }

    /// Returns from when to when the certificate is valid, in seconds of Unix.
    pub(crate) fn validity(&self) -> Option<(i64, i64)> {
        self.facts.as_ref().map(|facts| facts.validity)
    }

    /// Returns what is wrong with the certificate alone, without its chain.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        let at = match self.position {
            0 => "the certificate of the server".to_owned(),
            other => format!("certificate {} of the chain", other + 1),
        };
        let Some(facts) = &self.facts else {
            let text = format!("{at} cannot be read");
            return vec![Finding::problem("certificate_unreadable", text)];
        };
        let mut findings = facts.dates(&at);
        findings.extend(facts.strength(&at));
        if self.position == 0 {
            findings.extend(facts.purpose(&at));
        } else if !facts.is_authority {
            let text = format!("{at} is not that of an authority, so it issues nothing");
            findings.push(Finding::notice("chain_superfluous", text));
        }
        findings
    }

    pub(crate) fn show(&self, layout: &mut Layout, count: usize) {
        layout.gap();
        layout.heading(format_args!("certificate {} of {count}", self.position + 1));
        match &self.facts {
            Some(facts) => facts.show(layout),
            None => layout.entry("", "cannot be read"),
        }
        layout.entry("SHA-256", &self.sha256);
        if let Some(facts) = &self.facts {
            layout.entry("TLSA", &facts.tlsa);
        }
    }
}

impl Facts {
    fn of(certificate: &X509Certificate<'_>, position: usize, now: i64) -> Self {
        let validity = certificate.validity();
        let (begins, ends) = (validity.not_before.timestamp(), validity.not_after.timestamp());
        let key_sha256 = hex(&Sha256::digest(certificate.public_key().raw));
        let usage = certificate.extended_key_usage().ok().flatten();
        Self {
            subject: printable(&certificate.subject().to_string()),
            issuer: printable(&certificate.issuer().to_string()),
            serial: hex(certificate.raw_serial()),
            names: names(certificate),
            not_before: date(begins),
            not_after: date(ends),
            days_left: (ends - now).div_euclid(86_400),
            key: Key::of(certificate.public_key()),
            signature_algorithm: algorithm(&certificate.signature_algorithm),
            is_authority: certificate.is_ca(),
            is_self_issued: certificate.subject().as_raw() == certificate.issuer().as_raw(),
            for_servers: usage.is_none_or(|usage| usage.value.any || usage.value.server_auth),
            tlsa: format!("{} 1 1 {key_sha256}", if position == 0 { 3 } else { 2 }),
            key_sha256,
            validity: (begins, ends),
            has_begun: begins <= now,
            has_ended: ends < now,
        }
    }

    fn dates(&self, at: &str) -> Vec<Finding> {
        let Self { not_before, not_after, days_left, .. } = self;
        if self.has_ended {
            let text = format!("{at} expired on {}", day(not_after));
            return vec![Finding::problem("certificate_expired", text)];
        }
        if !self.has_begun {
            let text = format!("{at} is not valid before {}", day(not_before));
            return vec![Finding::problem("certificate_not_yet_valid", text)];
        }
        if *days_left < RENEWAL {
            let text = format!("{at} expires on {}, in {days_left} days", day(not_after));
            return vec![Finding::notice("certificate_expires_soon", text)];
        }
        Vec::new()
    }

    fn strength(&self, at: &str) -> Vec<Finding> {
        let mut findings = Vec::new();
        let signed = self.signature_algorithm.to_ascii_lowercase();
        // The signature of a trust anchor proves nothing and weakens nothing.
        if !self.is_self_issued && ["md5", "sha1"].iter().any(|weak| signed.contains(weak)) {
            let text = format!("{at} has a weak signature: {}", self.signature_algorithm);
            findings.push(Finding::problem("signature_weak", text));
        }
        if let Some(bits) = self.key.bits.filter(|bits| self.key.is_rsa() && *bits < 2048) {
            let text = format!("{at} has a weak key: RSA with {bits} bits");
            findings.push(Finding::problem("key_weak", text));
        }
        findings
    }

    fn purpose(&self, at: &str) -> Vec<Finding> {
        let mut findings = Vec::new();
        if !self.for_servers {
            let text =
                format!("{at} is not for servers: its extended key usage permits others only");
            findings.push(Finding::problem("certificate_not_for_servers", text));
        }
        if self.is_authority {
            let text = format!("{at} is marked as that of an authority, which clients refuse");
            findings.push(Finding::problem("certificate_of_authority", text));
        }
        if self.names.is_empty() {
            let text =
                format!("{at} has no subject alternative name; a common name does not count");
            findings.push(Finding::problem("certificate_without_names", text));
        }
        findings
    }

    fn show(&self, layout: &mut Layout) {
        layout.entry("subject", &self.subject);
        let more = self.names.len().saturating_sub(SHOWN);
        let names = self.names.iter().take(SHOWN).cloned();
        layout.list("names", names.chain((more > 0).then(|| format!("and {more} more"))));
        let issuer = if self.is_self_issued { "itself" } else { &self.issuer };
        layout.entry("issuer", issuer);
        let left = match self.days_left {
            days if self.has_ended => format!("expired {} days ago", -days),
            _ if !self.has_begun => "not valid yet".to_owned(),
            days => format!("{days} days left"),
        };
        let (from, to) = (day(&self.not_before), day(&self.not_after));
        layout.entry("valid", format_args!("{from} to {to}, {left}"));
        layout.entry("key", format_args!("{}, signed with {}", self.key, self.signature_algorithm));
    }
}

impl Key {
    fn of(key: &SubjectPublicKeyInfo<'_>) -> Self {
        let oid = key.algorithm.algorithm.to_id_string();
        let (algorithm, bits, curve) = match key.parsed() {
            Ok(PublicKey::RSA(rsa)) => ("RSA".to_owned(), Some(bits(rsa.modulus)), None),
            Ok(PublicKey::EC(point)) => {
                let named = key.algorithm.parameters.as_ref();
                let oid = named.and_then(|named| named.as_oid().ok());
                let curve = oid.and_then(|oid| curve(&oid.to_id_string()));
                ("EC".to_owned(), Some(point.key_size()), curve)
            }
            _ => (named(&oid).map_or(oid, str::to_owned), None, None),
        };
        let bits = match curve {
            // Its coordinates have 66 octets.
            Some("P-521") => Some(521),
            _ => bits.filter(|bits| *bits > 0),
        };
        Self { algorithm, bits, curve }
    }

    fn is_rsa(&self) -> bool {
        self.algorithm == "RSA"
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { algorithm, bits, curve } = self;
        match (curve, bits) {
            (Some(curve), _) => write!(f, "{algorithm} {curve}"),
            (None, Some(bits)) => write!(f, "{algorithm} {bits} bits"),
            (None, None) => f.write_str(algorithm),
        }
    }
}

/// Returns the number of bits of a number in DER.
fn bits(number: &[u8]) -> usize {
    let mut octets = number.iter().skip_while(|octet| **octet == 0);
    octets.next().map_or(0, |first| {
        let high = 8 - first.leading_zeros();
        high as usize + 8 * octets.count()
    })
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let extension = certificate.subject_alternative_name().ok().flatten();
    let names = extension.map(|extension| extension.value.general_names.as_slice());
    names
        .unwrap_or_default()
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(printable(name)),
            GeneralName::IPAddress(octets) => address(octets).map(|address| address.to_string()),
            _ => None,
        })
        .collect()
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(octets) {
        return Some(four.into());
    }
    <[u8; 16]>::try_from(octets).ok().map(IpAddr::from)
}

fn algorithm(identifier: &AlgorithmIdentifier<'_>) -> String {
    let oid = identifier.algorithm.to_id_string();
    named(&oid).map_or(oid, str::to_owned)
}

fn named(oid: &str) -> Option<&'static str> {
    Some(match oid {
        "1.2.840.113549.1.1.4" => "md5WithRSAEncryption",
        "1.2.840.113549.1.1.5" => "sha1WithRSAEncryption",
        "1.2.840.113549.1.1.10" => "RSASSA-PSS",
        "1.2.840.113549.1.1.11" => "sha256WithRSAEncryption",
        "1.2.840.113549.1.1.12" => "sha384WithRSAEncryption",
        "1.2.840.113549.1.1.13" => "sha512WithRSAEncryption",
        "1.2.840.10045.4.1" => "ecdsa-with-SHA1",
        "1.2.840.10045.4.3.2" => "ecdsa-with-SHA256",
        "1.2.840.10045.4.3.3" => "ecdsa-with-SHA384",
        "1.2.840.10045.4.3.4" => "ecdsa-with-SHA512",
        "1.3.101.112" => "Ed25519",
        "1.3.101.113" => "Ed448",
        "2.16.840.1.101.3.4.3.17" => "ML-DSA-44",
        "2.16.840.1.101.3.4.3.18" => "ML-DSA-65",
        "2.16.840.1.101.3.4.3.19" => "ML-DSA-87",
        _ => return None,
    })
}

fn curve(oid: &str) -> Option<&'static str> {
    Some(match oid {
        "1.2.840.10045.3.1.7" => "P-256",
        "1.3.132.0.34" => "P-384",
        "1.3.132.0.35" => "P-521",
        _ => return None,
    })
}

fn date(seconds: i64) -> String {
    let date = OffsetDateTime::from_unix_timestamp(seconds).ok();
    let date = date.and_then(|date| date.format(&Rfc3339).ok());
    date.unwrap_or_else(|| format!("second {seconds} of Unix"))
}

/// Returns the day of a date in the form of RFC 3339.
fn day(date: &str) -> &str {
    date.split_once('T').map_or(date, |(day, _)| day)
}

fn hex(octets: &[u8]) -> String {
    use std::fmt::Write as _;
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
