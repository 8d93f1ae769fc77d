//! Tests of certificates: those of openssl, and those that the testkit makes.
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use smtp_testkit::{Authority, CertificateKind};

use super::*;

const WEAK: &[u8] = include_bytes!("weak.pem");
const P521: &[u8] = include_bytes!("p521.pem");
const ED25519: &[u8] = include_bytes!("ed.pem");
/// The validity of `p521.pem`, as openssl shows it.
const BEGINS: i64 = 1_795_954_527;
const ENDS: i64 = 4_949_554_527;

fn der(pem: &[u8]) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem).unwrap()
}

fn read(pem: &[u8], now: i64) -> Certificate {
    Certificate::chain(&[der(pem)], now).remove(0)
}

fn codes(certificate: &Certificate) -> Vec<&'static str> {
    certificate.findings().iter().map(|finding| finding.code).collect()
}

/// The digests are those of `openssl x509 -fingerprint -sha256` and of
/// `openssl x509 -pubkey -noout | openssl pkey -pubin -outform DER | sha256sum`.
#[test]
fn facts_are_those_that_openssl_shows() {
    let certificate = read(P521, BEGINS);
    let digest = "edd192cac37e9b68019ea6d79fe66f974f321f039609b4ffe9ae02ebd0443571";
    assert_eq!(certificate.sha256, digest);
    let facts = certificate.facts.unwrap();
    let key = "3436c8ffb33fcaf80c09d61696cc3847183eea1d4e709c46fc704116ee4d73d9";
    assert_eq!((&*facts.key_sha256, facts.tlsa), (key, format!("3 1 1 {key}")));
    assert_eq!((&*facts.subject, &*facts.issuer), ("CN=p521.example", "CN=p521.example"));
    assert_eq!(facts.names, ["p521.example", "192.0.2.1", "2001:db8::1"]);
    assert_eq!(facts.not_before, "2026-11-29T12:15:27Z");
    assert_eq!(facts.not_after, "2126-11-05T12:15:27Z");
    assert_eq!(facts.key.to_string(), "EC P-521");
    assert_eq!(facts.key.bits, Some(521));
    assert_eq!(facts.signature_algorithm, "ecdsa-with-SHA256");
    assert!(facts.is_authority && facts.is_self_issued && facts.for_servers);
    let key = read(ED25519, BEGINS).facts.unwrap().key;
    assert_eq!((key.to_string(), key.bits), ("Ed25519".to_owned(), None));
}

#[test]
fn a_weak_certificate_is_named_as_such() {
    let certificate = read(WEAK, BEGINS);
    let facts = certificate.facts.as_ref().unwrap();
    assert_eq!(facts.key.to_string(), "RSA 1024 bits");
    assert_eq!(facts.signature_algorithm, "sha1WithRSAEncryption");
    assert_eq!(facts.issuer, "O=Test, CN=Weak authority");
    assert_eq!(codes(&certificate), ["signature_weak", "key_weak", "certificate_without_names"]);
}

#[test]
fn the_dates_decide_to_the_second() {
    let dates = |now| {
        let certificate = read(P521, now);
        let found = codes(&certificate);
        let dated =
            ["certificate_expired", "certificate_not_yet_valid", "certificate_expires_soon"];
        let found = found.into_iter().find(|code| dated.contains(code));
        (found, certificate.facts.unwrap().days_left)
    };
    let day = 86_400;
    assert_eq!(dates(BEGINS - 1).0, Some("certificate_not_yet_valid"));
    assert_eq!(dates(BEGINS).0, None);
    assert_eq!(dates(ENDS - 14 * day), (None, 14));
    assert_eq!(dates(ENDS - 14 * day + 1), (Some("certificate_expires_soon"), 13));
    assert_eq!(dates(ENDS), (Some("certificate_expires_soon"), 0));
    assert_eq!(dates(ENDS + 1), (Some("certificate_expired"), -1));
}

#[test]
fn the_place_in_the_chain_decides_what_matters() {
    let authority = Authority::new();
    let own =
        CertificateDer::from(authority.issue(CertificateKind::Good).certificate_der().to_vec());
    let issuer = CertificateDer::from(authority.der().to_vec());
    let chain = Certificate::chain(&[own.clone(), issuer.clone()], BEGINS);
    assert!(chain.iter().all(|one| one.findings().is_empty()), "{chain:#?}");
    let tlsa: Vec<_> = chain.iter().map(|one| &one.facts.as_ref().unwrap().tlsa[..5]).collect();
    assert_eq!(tlsa, ["3 1 1", "2 1 1"]);

    let reversed = Certificate::chain(&[issuer, own], BEGINS);
    assert!(codes(&reversed[0]).contains(&"certificate_of_authority"));
    assert_eq!(codes(&reversed[1]), ["chain_superfluous"]);
}

#[test]
fn what_is_no_certificate_is_shown_by_its_digest() {
    let certificate = Certificate::chain(&[CertificateDer::from(b"no".to_vec())], 0).remove(0);
    assert!(certificate.facts.is_none());
    assert_eq!(codes(&certificate), ["certificate_unreadable"]);
    assert_eq!(certificate.sha256.len(), 64);
}
