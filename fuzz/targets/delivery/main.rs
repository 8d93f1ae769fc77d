//! Reads what a domain publishes about its mail hosts, and checks certificates against it: MTA-STS
//! records and policies, names, TLSA records. The first octet selects which.
#![no_main]

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use libfuzzer_sys::fuzz_target;
use rustls::{
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, UnixTime, pem::PemObject},
    server::ParsedCertificate,
};
use sha2::{Digest, Sha256, Sha512};
use smtp_delivery::{DaneVerifier, Name, StsPolicy, StsRecord, Tlsa};
use smtp_fuzz::Input;

/// The certificate of `mx.example.net`, and that of the authority that issued it.
const CERTIFICATES: &[u8] = include_bytes!("certificates.pem");
/// A moment at which both are valid: 2030-01-01.
const VALID: u64 = 1_893_456_000;

static CHAIN: LazyLock<Vec<CertificateDer<'static>>> = LazyLock::new(|| {
    CertificateDer::pem_slice_iter(CERTIFICATES)
        .collect::<Result<_, _>>()
        .expect("the file has certificates")
});
static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    match input.octet() % 5 {
        0 => record(input.rest()),
        1 => policy(input.rest()),
        2 => name(input.rest()),
        3 => tlsa(input),
        _ => chain(input),
    }
});

/// Reads the TXT records at a name, which octets of 0 separate. A record is read again as it is
/// written.
fn record(octets: &[u8]) {
    match StsRecord::parse(octets.split(|octet| *octet == 0)) {
        Ok(None) => {}
        Ok(Some(record)) => {
            assert!((1..=StsRecord::MAX_ID).contains(&record.id().len()));
            let text = record.to_string();
            assert_eq!(StsRecord::parse([text.as_bytes()]), Ok(Some(record)));
        }
        Err(invalid) => assert!(!invalid.to_string().is_empty()),
    }
}

/// Reads a policy. It is read again as it is written, and permits the hosts that its patterns name.
fn policy(octets: &[u8]) {
    let policy = match StsPolicy::parse(octets) {
        Ok(policy) => policy,
        Err(invalid) => return assert!(!invalid.to_string().is_empty()),
    };
    assert!(policy.max_age() <= StsPolicy::MAX_AGE);
    assert_eq!(StsPolicy::parse(policy.to_string().as_bytes()).as_ref(), Ok(&policy));
    for pattern in policy.patterns() {
        let pattern = pattern.to_string();
        let host = match pattern.strip_prefix("*.") {
            Some(above) => {
                let above = Name::new(above).expect("a pattern has a name after the asterisk");
                assert!(!policy_of(&pattern).permits(&above));
                above.with_prefix("a")
            }
            None => Name::new(&pattern),
        };
        let Ok(host) = host else { continue };
        assert!(policy.permits(&host), "{pattern} {host}");
        if let Ok(below) = host.with_prefix("b") {
            assert!(!policy_of(&pattern).permits(&below), "{pattern} {below}");
        }
    }
}

/// Returns a policy with this pattern alone.
fn policy_of(pattern: &str) -> StsPolicy {
    let text = format!("version: STSv1\nmode: enforce\nmx: {pattern}\nmax_age: 1\n");
    StsPolicy::parse(text.as_bytes()).expect("the pattern is that of a policy")
}

/// Reads a name. Its text is a name, the same.
fn name(octets: &[u8]) {
    let Ok(text) = str::from_utf8(octets) else { return };
    let Ok(name) = Name::new(text) else { return };
    assert!(name.as_str().len() <= Name::MAX && name.as_str().is_ascii());
    assert_eq!(Name::new(name.as_str()).as_ref(), Ok(&name));
    assert!(!(name.is_root() && name.is_host()));
    if let Ok(longer) = name.with_prefix("_25._tcp") {
        // The root has no dot of its own.
        assert_eq!(longer.as_str().strip_prefix("_25._tcp."), Some(name.as_str()));
    }
}

/// Reads TLSA records, the length of each before it, and compares them with arbitrary octets and with a
/// certificate.
fn tlsa(mut input: Input<'_>) {
    let mut records = Vec::new();
    for length in input.cuts().lengths().take_while(|length| *length != usize::MAX).take(8) {
        let octets: Vec<u8> = (0..length).map(|_| input.octet()).collect();
        match Tlsa::parse(&octets) {
            Ok(record) => {
                assert_eq!(record.rdata(), octets);
                records.push(record);
            }
            Err(invalid) => assert!(octets.len() < 3, "{invalid}"),
        }
    }
    let sent = CertificateDer::from(input.rest());
    for record in &records {
        let (usable, _, _) = (record.is_usable(), record.matches(&sent), record.to_string());
        assert!(!usable || matches!(record.usage(), Tlsa::DANE_TA | Tlsa::DANE_EE));
        // Digests of the certificate are not found by chance.
        assert!(!record.matches(&CHAIN[0]) || record.selector() < 2);
    }
    let effective = Tlsa::effective(&records);
    assert!(effective.iter().all(|record| record.is_usable() && records.contains(record)));
    assert_eq!(Tlsa::effective(&effective), effective);
    assert_eq!(effective.is_empty(), !records.iter().any(Tlsa::is_usable));
    check(&records, &[sent.clone()], VALID);
    check(&records, &[CHAIN[0].clone(), sent], VALID);
}

fn check(records: &[Tlsa], sent: &[CertificateDer<'_>], now: u64) -> bool {
    let names = [Name::new("mx.example.net").expect("it is a name")];
    let Ok(verifier) = DaneVerifier::new(records, &names, Arc::clone(&PROVIDER)) else {
        return false;
    };
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
    match verifier.check(sent, now) {
        Ok(()) => true,
        Err(failure) => {
            assert!(!failure.to_string().is_empty());
            false
        }
    }
}

/// Checks a chain that was changed in some octets against the records of the one that was not.
fn chain(mut input: Input<'_>) {
    let (usage, selector, matching) = (2 + input.octet() % 2, input.octet() % 2, input.octet() % 3);
    let now = match input.octet() % 8 {
        0 => u64::from(input.octet()) << 26,
        _ => VALID,
    };
    let of = usize::from(usage == Tlsa::DANE_TA);
    let record = Tlsa::new(usage, selector, matching, association(&CHAIN[of], selector, matching));
    let mut sent: Vec<Vec<u8>> = CHAIN.iter().map(|one| one.to_vec()).collect();
    let which = usize::from(input.octet() % 2);
    for _ in 0..input.octet() % 4 {
        let place = usize::from(input.octet()) << 8 | usize::from(input.octet());
        let length = sent[which].len();
        sent[which][place % length] ^= input.octet();
    }
    if input.octet() % 8 == 0 {
        sent[which].extend(input.rest());
    }
    let is_same = |at: usize| *sent[at] == *CHAIN[at];
    let certificates: Vec<_> = sent.iter().map(|one| CertificateDer::from(&one[..])).collect();
    let accepted = check(&[record], &certificates, now);
    let is_valid = (VALID - 86_400..=VALID).contains(&now);
    match (usage, selector) {
        (Tlsa::DANE_EE, 0) => assert_eq!(accepted, is_same(0)),
        (Tlsa::DANE_EE, _) => assert!(accepted || !is_same(0)),
        // The signature is over all of the certificate that the server sent first.
        _ => assert!(!accepted || is_same(0)),
    }
    if usage == Tlsa::DANE_TA && is_same(0) && is_same(1) && is_valid {
        assert!(accepted);
    }
    // A digest of a certificate, and not of its key, is of all of it.
    if usage == Tlsa::DANE_TA && selector == 0 && matching > 0 && accepted {
        assert!(is_same(1));
    }
}

/// Returns the data of a record about this certificate.
fn association(certificate: &CertificateDer<'_>, selector: u8, matching: u8) -> Vec<u8> {
    let octets = match selector {
        0 => certificate.to_vec(),
        _ => {
            let parsed = ParsedCertificate::try_from(certificate).expect("it is a certificate");
            parsed.subject_public_key_info().to_vec()
        }
    };
    match matching {
        0 => octets,
        1 => Sha256::digest(octets).to_vec(),
        _ => Sha512::digest(octets).to_vec(),
    }
}
