//! Which certificates TLSA records accept (RFC 7672, 3; RFC 7671, 5).
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use proptest::prelude::*;
use rcgen::CertificateParams;
use rustls::{
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, UnixTime},
    server::ParsedCertificate,
};
use sha2::{Digest as _, Sha256, Sha512};
use smtp_delivery::{DaneFailure, DaneSetupError, DaneVerifier, Name, Tlsa};

mod certificates;
mod handshakes;

use certificates::{Authority, Der, Make};

/// The MX host, which is the TLSA base domain.
const HOST: &str = "mx.example.net";
/// The domain of the recipients.
const DOMAIN: &str = "example.org";
const MATCHING: [u8; 3] = [0, 1, 2];
const SELECTORS: [u8; 2] = [0, 1];

/// Makes the certificate of a server of this name.
type Params = fn(&str) -> CertificateParams;

fn names() -> [Name; 2] {
    [HOST, DOMAIN].map(|name| name.parse().unwrap())
}

/// Returns the record of a certificate.
fn record(usage: u8, selector: u8, matching: u8, certificate: &Der) -> Tlsa {
    let octets = match selector {
        0 => certificate.to_vec(),
        _ => ParsedCertificate::try_from(certificate).unwrap().subject_public_key_info().to_vec(),
    };
    Tlsa::new(
        usage,
        selector,
        matching,
        match matching {
            0 => octets,
            1 => Sha256::digest(octets).to_vec(),
            _ => Sha512::digest(octets).to_vec(),
        },
    )
}

fn verifier(records: &[Tlsa]) -> DaneVerifier {
    DaneVerifier::new(records, &names(), Arc::new(aws_lc_rs::default_provider())).unwrap()
}

/// The moment of the tests: 2026-01-01.
fn now() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(1_767_225_600))
}

/// The name of the outcome.
#[track_caller]
fn outcome(records: &[Tlsa], sent: &[&Der]) -> &'static str {
    let sent: Vec<_> = sent.iter().map(|&der| der.clone()).collect();
    match verifier(records).check(&sent, now()) {
        Ok(()) => "accepted",
        Err(DaneFailure::NoMatch) => "no match",
        Err(DaneFailure::OwnCertificate) => "own certificate",
        Err(DaneFailure::Chain(_)) => "chain",
        Err(DaneFailure::Name { .. }) => "name",
        Err(DaneFailure::Expired { .. }) => "expired",
        Err(DaneFailure::NotYetValid { .. }) => "not yet valid",
        Err(other) => panic!("{other}"),
    }
}

#[track_caller]
fn check(records: impl AsRef<[Tlsa]>, sent: &[&Der], expected: &str) {
    let records = records.as_ref();
    assert_eq!(outcome(records, sent), expected, "{records:?}");
}

/// Returns the records of a trust anchor, each selector with each matching type.
fn of_anchor(certificate: &Der) -> impl Iterator<Item = Tlsa> {
    let kinds = SELECTORS.into_iter().flat_map(|one| MATCHING.map(|matching| (one, matching)));
    kinds.map(|(selector, matching)| record(2, selector, matching, certificate))
}

#[test]
fn dane_ee_accepts_the_certificate_whatever_else_it_says() {
    let root = Authority::root("root");
    let intermediate = root.intermediate("intermediate");
    let makes: [Params; 5] = [
        certificates::server_params,
        certificates::expired,
        certificates::not_yet_valid,
        certificates::for_clients,
        certificates::marked_as_authority,
    ];
    let issued = makes.map(|make| intermediate.issue_of(make("other.example")));
    let [self_signed, _] = certificates::self_signed_twice("other.example");
    for leaf in issued.iter().chain([&self_signed]) {
        for selector in SELECTORS {
            for matching in MATCHING {
                let record = record(3, selector, matching, leaf);
                check([record.clone()], &[leaf], "accepted");
                check([record], &[leaf, &intermediate.der(), &root.der()], "accepted");
            }
        }
    }
}

#[test]
fn dane_ee_refuses_other_certificates() {
    let root = Authority::root("root");
    let (leaf, other) = (root.issue(HOST), root.issue(HOST));
    for selector in SELECTORS {
        for matching in MATCHING {
            check([record(3, selector, matching, &other)], &[&leaf, &root.der()], "no match");
            // It is about the first certificate alone.
            check([record(3, selector, matching, &root.der())], &[&leaf, &root.der()], "no match");
            check([record(3, selector, matching, &other)], &[&leaf, &other], "no match");
        }
    }
    check([record(3, 1, 1, &leaf)], &[], "no match");
}

#[test]
fn any_record_suffices_of_those_that_count() {
    let root = Authority::root("root");
    let (leaf, other) = (root.issue(HOST), root.issue(HOST));
    let sent: [&Der; 2] = [&leaf, &root.der()];
    // A change of keys, and of usages.
    check([record(3, 1, 1, &other), record(3, 1, 1, &leaf)], &sent, "accepted");
    check([record(3, 1, 1, &other), record(2, 1, 1, &root.der())], &sent, "accepted");
    check([record(2, 1, 1, &other), record(3, 0, 1, &leaf)], &sent, "accepted");
    // The weaker digest does not count beside the stronger of the same usage and selector.
    check([record(3, 1, 1, &leaf), record(3, 1, 2, &other)], &sent, "no match");
    check([record(3, 0, 1, &leaf), record(3, 1, 2, &other)], &sent, "accepted");
    check([record(2, 1, 1, &root.der()), record(2, 1, 2, &other)], &sent, "no match");
    check([record(3, 1, 0, &leaf), record(3, 1, 2, &other)], &sent, "accepted");
    // Records that are not usable.
    check([record(1, 1, 1, &leaf), record(3, 1, 1, &other)], &sent, "no match");
    let none = [record(1, 1, 1, &leaf), record(0, 1, 1, &root.der())];
    let provider = Arc::new(aws_lc_rs::default_provider());
    let error = DaneVerifier::new(&none, &names(), provider).unwrap_err();
    assert_eq!(error, DaneSetupError::Unusable);
}

#[test]
fn dane_ta_accepts_any_anchor_of_the_chain() {
    let root = Authority::root("root");
    let intermediate = root.intermediate("intermediate");
    let issuing = intermediate.intermediate("issuing");
    let leaf = issuing.issue(HOST);
    let [root, intermediate, issuing] = [root, intermediate, issuing].map(|one| one.der());
    for anchor in [&root, &intermediate, &issuing] {
        for record in of_anchor(anchor) {
            let records = [record];
            check(&records, &[&leaf, &issuing, &intermediate, &root], "accepted");
            // The order makes no difference, and neither do certificates of no use.
            let garbage = Der::from(&[0x30, 0x03, 1, 2, 3][..]);
            check(&records, &[&leaf, &root, &garbage, &issuing, &intermediate], "accepted");
        }
    }
    for record in of_anchor(&root) {
        // A link is missing.
        check([record], &[&leaf, &intermediate, &root], "chain");
    }
}

#[test]
fn dane_ta_needs_no_anchor_from_the_server_if_the_record_has_it() {
    let root = Authority::root("root");
    let intermediate = root.intermediate("intermediate");
    let leaf = intermediate.issue(HOST);
    for (anchor, sent) in [
        (&root.der(), &[&leaf, &intermediate.der()][..]),
        (&intermediate.der(), &[&leaf]),
        // The server sends an issuer that the path does not need.
        (&intermediate.der(), &[&leaf, &root.der()]),
    ] {
        for record in of_anchor(anchor) {
            let expected = if record.matching() == 0 { "accepted" } else { "no match" };
            check([record], sent, expected);
        }
    }
    // Another authority of the same name.
    let impostor = Authority::root("root").intermediate("intermediate");
    for record in of_anchor(&impostor.der()).filter(|record| record.matching() == 0) {
        check([record], &[&leaf], "chain");
    }
}

#[test]
fn dane_ta_checks_the_names() {
    let root = Authority::root("root");
    let anchor = root.der();
    for (name, expected) in [
        (HOST, "accepted"),
        ("MX.Example.NET", "accepted"),
        (DOMAIN, "accepted"),
        ("*.example.net", "accepted"),
        ("*.example.org", "name"),
        ("*.net", "name"),
        ("m*.example.net", "name"),
        ("mx.example.net.evil.example", "name"),
        ("example.net", "name"),
        ("192.0.2.1", "name"),
    ] {
        let leaf = root.issue(name);
        for record in of_anchor(&anchor) {
            assert_eq!(outcome(&[record], &[&leaf, &anchor]), expected, "{name}");
        }
    }
    let verifier = DaneVerifier::new(
        &[record(2, 1, 1, &anchor)],
        &[],
        Arc::new(aws_lc_rs::default_provider()),
    );
    let failure = verifier.unwrap().check(&[root.issue(HOST), anchor], now()).unwrap_err();
    assert_eq!(failure.to_string(), "the certificate is for mx.example.net, and not for no name");
}

#[test]
fn dane_ta_checks_dates_and_purposes() {
    let root = Authority::root("root");
    let anchor = root.der();
    let makes: [(Params, &str); 4] = [
        (certificates::expired, "expired"),
        (certificates::not_yet_valid, "not yet valid"),
        (certificates::for_clients, "chain"),
        (certificates::marked_as_authority, "chain"),
    ];
    for (make, expected) in makes {
        let leaf = root.issue_of(make(HOST));
        for record in of_anchor(&anchor) {
            check([record], &[&leaf, &anchor], expected);
        }
    }
    let expired = root.intermediate_of("expired", Make { expired: true, ..Make::default() });
    check([record(2, 1, 1, &anchor)], &[&expired.issue(HOST), &expired.der(), &anchor], "expired");
    // What a trust anchor says of itself makes no difference, except name constraints.
    check([record(2, 1, 1, &expired.der())], &[&expired.issue(HOST), &expired.der()], "accepted");
}

#[test]
fn dane_ta_checks_constraints() {
    let root = Authority::root("root");
    let anchor = root.der();
    let [issuer, leaf] = certificates::issued_by_server(&root, HOST);
    check([record(2, 1, 1, &anchor)], &[&leaf, &issuer, &anchor], "chain");

    let last = root.intermediate_of("last", Make { is_last: true, ..Make::default() });
    let beyond = last.intermediate("beyond");
    let sent: [&Der; 4] = [&beyond.issue(HOST), &beyond.der(), &last.der(), &anchor];
    check([record(2, 1, 1, &anchor)], &sent, "chain");
    check([record(2, 1, 1, &anchor)], &[&last.issue(HOST), &last.der(), &anchor], "accepted");

    for (domain, expected) in [("example.net", "accepted"), ("example.com", "chain")] {
        let make = Make { domain: Some(domain), ..Make::default() };
        let limited = Authority::root_of("limited", make);
        // The bare key has no constraints, and does not free the certificate of its own.
        for record in of_anchor(&limited.der()) {
            check([record], &[&limited.issue(HOST), &limited.der()], expected);
        }
    }
}

#[test]
fn dane_ta_checks_signatures() {
    let (root, impostor) = (Authority::root("root"), Authority::root("root"));
    let forged = impostor.issue(HOST);
    for record in of_anchor(&root.der()) {
        check([record.clone()], &[&forged, &root.der()], "chain");
        check([record.clone()], &[&forged, &impostor.der(), &root.der()], "chain");
        let forged = impostor.intermediate("intermediate");
        check([record], &[&forged.issue(HOST), &forged.der(), &root.der()], "chain");
    }
}

/// RFC 5280, 6.1: a trust anchor is no part of the path that leads to it.
#[test]
fn no_certificate_is_its_own_anchor() {
    let root = Authority::root("root");
    let leaf = root.issue(HOST);
    let [one, two] = certificates::self_signed_twice(HOST);
    for record in of_anchor(&one) {
        check([record.clone()], &[&one], "own certificate");
        check([record.clone()], &[&one, &one], "own certificate");
        check([record], &[&one, &two], "own certificate");
    }
    // The certificate that the record has is another, with the same key.
    check([record(2, 0, 0, &two)], &[&one], "no match");
    check([record(2, 0, 1, &two)], &[&one, &two], "no match");
    for own in of_anchor(&leaf) {
        let sent: [&Der; 2] = [&leaf, &root.der()];
        check([own.clone()], &sent, "own certificate");
        check([own, record(2, 1, 0, &root.der())], &sent, "accepted");
    }
}

#[test]
fn certificates_beyond_the_limit_are_not_considered() {
    let root = Authority::root("root");
    let leaf = root.issue(HOST);
    let filling = Authority::root("other").der();
    for (certificates, expected) in [
        (DaneVerifier::MAX_CERTIFICATES, "accepted"),
        (DaneVerifier::MAX_CERTIFICATES + 1, "no match"),
    ] {
        let anchor = root.der();
        let mut sent = vec![&leaf];
        sent.resize(certificates - 1, &filling);
        sent.push(&anchor);
        check([record(2, 1, 1, &anchor)], &sent, expected);
    }
}

#[test]
fn certificates_of_one_name_are_considered_up_to_a_limit() {
    let root = Authority::root("root");
    let intermediates: Vec<_> = (0..4).map(|_| root.intermediate("intermediate")).collect();
    let ders: Vec<_> = intermediates.iter().map(Authority::der).collect();
    for (intermediate, expected) in
        intermediates.iter().zip(["accepted", "accepted", "accepted", "chain"])
    {
        let (leaf, root) = (intermediate.issue(HOST), root.der());
        // A certificate that is sent twice counts once.
        let sent: Vec<_> = [&leaf, &root, &ders[0]].into_iter().chain(&ders).collect();
        check([record(2, 1, 1, &root)], &sent, expected);
    }
}

#[test]
fn trust_anchors_are_considered_up_to_a_limit() {
    let root = Authority::root("root");
    for (before, expected) in [(31, "accepted"), (32, "chain")] {
        for selector in SELECTORS {
            let others = (0..before).map(|_| Authority::root("root").der());
            let ders: Vec<_> = others.chain([root.der()]).collect();
            let records: Vec<_> = ders.iter().map(|der| record(2, selector, 0, der)).collect();
            check(records, &[&root.issue(HOST)], expected);
        }
    }
}

/// Many orders of these certificates are paths, and none leads to an anchor. To try all orders of
/// the first takes 20 seconds.
#[test]
fn searches_for_a_path_are_short() {
    let of_one_name: Vec<_> = (0..9).map(|_| Authority::root("maze")).collect();
    let names = ["a", "b", "c"];
    let issuers = names.map(Authority::root);
    let of_three_names: Vec<_> =
        (0..9).map(|number| issuers[(number + 1) % 3].intermediate(names[number % 3])).collect();
    let foreign: Vec<_> = (0..100).map(|_| Authority::root("foreign").der()).collect();
    for maze in [of_one_name, of_three_names] {
        let leaf = maze[0].issue(HOST);
        let maze: Vec<_> = maze.iter().map(Authority::der).collect();
        let sent: Vec<_> = std::iter::once(&leaf).chain(&maze).collect();
        for selector in SELECTORS {
            let records: Vec<_> = foreign.iter().map(|der| record(2, selector, 0, der)).collect();
            let begun = Instant::now();
            check(&records, &sent, "chain");
            assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        }
    }
}

#[test]
fn failures_tell_what_to_look_at() {
    let root = Authority::root("root");
    let verifier = verifier(&[record(2, 1, 1, &root.der())]);
    let failure = |leaf: Der| verifier.check(&[leaf, root.der()], now()).unwrap_err().to_string();
    let (expired, early) = (certificates::expired(HOST), certificates::not_yet_valid(HOST));
    assert_eq!(
        failure(root.issue_of(expired)),
        "a certificate of the chain expired on 2001-01-01T00:00:00Z"
    );
    assert_eq!(
        failure(root.issue_of(early)),
        "a certificate of the chain is not valid before 2998-01-01T00:00:00Z"
    );
    let many: Vec<_> = (0..1000).map(|number| format!("{number}.example")).collect();
    let leaf = root.issue_of(CertificateParams::new(many).unwrap());
    let Err(DaneFailure::Name { expected, presented }) = verifier.check(&[leaf, root.der()], now())
    else {
        panic!("a name");
    };
    assert_eq!((expected.as_slice(), presented.len()), (&names()[..], DaneFailure::MAX_NAMES));
    assert_eq!(
        failure(root.issue("other.example")),
        "the certificate is for other.example, and not for mx.example.net, example.org"
    );
}

proptest! {
    /// An octet of a certificate is changed, removed or added.
    #[test]
    fn changed_certificates_are_refused(
        which in 0..3_usize,
        at in any::<prop::sample::Index>(),
        octet in any::<u8>(),
        kind in 0..3,
    ) {
        let root = Authority::root("root");
        let intermediate = root.intermediate("intermediate");
        let original = [intermediate.issue(HOST), intermediate.der(), root.der()];
        let mut octets = original[which].to_vec();
        let at = at.index(octets.len());
        match kind {
            0 => octets[at] = octet,
            1 => drop(octets.remove(at)),
            _ => octets.insert(at, octet),
        }
        prop_assume!(octets != original[which].to_vec());
        let mut sent = original.clone();
        sent[which] = octets.into();
        let refused = |record| verifier(&[record]).check(&sent, now()).is_err();
        prop_assert!(refused(record(2, 0, 1, &original[2])));
        prop_assert_eq!(refused(record(3, 0, 1, &original[0])), which == 0);
        // Keys may still match; this must not panic.
        refused(record(2, 1, 1, &original[1]));
        refused(record(2, 1, 0, &original[2]));
        refused(record(3, 1, 0, &original[0]));
    }

    #[test]
    fn octets_that_are_no_certificate_are_refused(
        octets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 0..12),
    ) {
        let sent: Vec<_> = octets.iter().map(|one| CertificateDer::from(one.as_slice())).collect();
        let root = Authority::root("root").der();
        for record in of_anchor(&root).chain([record(3, 1, 1, &root)]) {
            prop_assert!(verifier(&[record]).check(&sent, now()).is_err());
        }
    }
}
