//! The parts of a chain for TLSA records of usage 2 (DANE-TA): trust anchors and the links between.
//! No I/O.
use rustls::pki_types::{CertificateDer, TrustAnchor};
use webpki::{EndEntityCert, anchor_from_trusted_cert};

use crate::{
    Tlsa,
    tlsa::{Anchor, Associations},
};

/// A certificate that the server sent.
pub(super) struct Sent<'a> {
    der: &'a CertificateDer<'a>,
    associations: Associations,
}

impl<'a> Sent<'a> {
    pub(super) fn new(der: &'a CertificateDer<'a>) -> Self {
        Self { der, associations: Associations::of(der) }
    }

    /// Returns whether one of these records matches the certificate.
    pub(super) fn is_in<'r>(&self, mut records: impl Iterator<Item = &'r Tlsa>) -> bool {
        records.any(|record| record.is_about(&self.associations))
    }
}

/// The most trust anchors for one chain. More are ignored, so that a hostile zone cannot make the
/// verification long; a chain that needs one of those is refused.
const MAX: usize = 32;

/// Returns the trust anchors for the certificate `own` of a server, which sent `others` with it.
///
/// The certificate itself and others with its key are none: a trust anchor is no part of the path
/// that leads to it (RFC 5280, 6.1), and a path of no certificates proves nothing.
pub(super) fn anchors(
    records: &[Tlsa],
    own: &Sent<'_>,
    others: &[Sent<'_>],
) -> Vec<TrustAnchor<'static>> {
    // A certificate whose key cannot be read is no anchor either.
    let is_foreign = |key: Option<&[u8]>| key.is_some() && key != own.associations.key();
    let mut anchors = Vec::new();
    for sent in others {
        if sent.is_in(records.iter()) && is_foreign(sent.associations.key()) {
            anchors.extend(anchor(sent.der));
        }
    }
    let issuers = issuers(own, others);
    // An anchor that was sent may have name constraints, and its bare key has none.
    let is_sent = |record: &&Tlsa| others.iter().any(|sent| record.is_about(&sent.associations));
    for record in records.iter().filter(|record| !is_sent(record)) {
        match record.anchor() {
            Some(Anchor::Certificate(der)) if is_foreign(Associations::of(&der).key()) => {
                anchors.extend(anchor(&der));
            }
            Some(Anchor::Key(key)) if is_foreign(Some(key)) => {
                anchors.extend(issuers.iter().filter_map(|issuer| named(key, issuer)));
            }
            _ => {}
        }
        if anchors.len() >= MAX {
            break;
        }
    }
    anchors.truncate(MAX);
    anchors
}

/// Returns the trust anchor of a certificate.
fn anchor(certificate: &CertificateDer<'_>) -> Option<TrustAnchor<'static>> {
    anchor_from_trusted_cert(certificate).ok().map(|anchor| anchor.to_owned())
}

/// Returns the trust anchor of a key that is that of this issuer.
fn named(key: &[u8], issuer: &[u8]) -> Option<TrustAnchor<'static>> {
    Some(TrustAnchor {
        subject: issuer.to_vec().into(),
        subject_public_key_info: contents(key)?.to_vec().into(),
        name_constraints: None,
    })
}

/// The most certificates of one name in a path. An authority with two certificates of its name, of
/// two issuers or two keys, is usual. The orders of ten of one name, which webpki would all try,
/// take seconds.
const MAX_OF_NAME: usize = 3;

/// Returns the certificates that a path may lead through, of those that the server sent besides its
/// own.
pub(super) fn links<'a>(others: &'a [CertificateDer<'a>]) -> Vec<CertificateDer<'a>> {
    let mut links: Vec<(Vec<u8>, &CertificateDer<'a>)> = Vec::new();
    for der in others {
        let Ok(certificate) = EndEntityCert::try_from(der) else { continue };
        let subject = certificate.subject();
        let of_name = links.iter().filter(|(name, _)| name == subject).count();
        if of_name < MAX_OF_NAME && !links.iter().any(|(_, link)| *link == der) {
            links.push((subject.to_vec(), der));
        }
    }
    links.into_iter().map(|(_, der)| CertificateDer::from(der.as_ref())).collect()
}

/// Returns the names of the issuers of these certificates. A key without a certificate has the name
/// of the issuer whose key it is.
fn issuers(own: &Sent<'_>, others: &[Sent<'_>]) -> Vec<Vec<u8>> {
    let certificates = std::iter::once(own).chain(others);
    let parsed = certificates.filter_map(|sent| EndEntityCert::try_from(sent.der).ok());
    let mut issuers: Vec<_> = parsed.map(|certificate| certificate.issuer().to_vec()).collect();
    issuers.sort_unstable();
    issuers.dedup();
    issuers
}

/// Returns the contents of a SEQUENCE in DER of at most 65,535 octets.
fn contents(sequence: &[u8]) -> Option<&[u8]> {
    match sequence {
        [0x30, 0..=0x7f, contents @ ..]
        | [0x30, 0x81, _, contents @ ..]
        | [0x30, 0x82, _, _, contents @ ..] => Some(contents),
        _ => None,
    }
}
