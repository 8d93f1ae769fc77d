//! Which servers are trusted: by an authority, by their key, or any.
use std::sync::Arc;

use rustls::{
    crypto::aws_lc_rs::sign::any_supported_type,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use sha2::{Digest, Sha256};
use smtp_client::{
    Broken, Connection, Connector, Error, ErrorKind, KeyPin, Protection, Security, Server, Step,
    Tls, TlsFailure,
};
use smtp_testkit::{Authority, CertificateKind, Identity};

use crate::{
    secured::{connect_to, server_config},
    stage::perform,
    tls::BAD,
};

/// What comes of connecting to a server with this certificate.
fn connect(tls: &Tls, identity: &Identity) -> Result<Protection, Error> {
    let connector = connector(tls);
    let config = Arc::new(server_config(identity));
    let connected = perform(async { connect_to(&connector, config).await.0 });
    connected.as_ref().map(Connection::protection).map_err(Clone::clone)
}

fn connector(tls: &Tls) -> Connector {
    let server = Server::tcp("localhost", 465).security(Security::Tls);
    Connector::new(server).tls(tls.clone()).hello_name("client.example".parse().unwrap())
}

#[track_caller]
fn check_refused(outcome: Result<Protection, Error>, case: &str) {
    let error = outcome.expect_err(case);
    let ErrorKind::Broken(Broken::Tls(cause)) = error.kind() else { panic!("{case}: {error:?}") };
    assert!(cause.downcast_ref::<TlsFailure>().is_some(), "{case}");
    assert_eq!((error.step(), error.is_transient()), (Step::Handshake, false), "{case}");
}

fn key_of(identity: &Identity) -> PrivateKeyDer<'static> {
    PrivatePkcs8KeyDer::from(identity.key_der().to_vec()).into()
}

fn pin(identity: &Identity) -> KeyPin {
    KeyPin::from_certificate(&CertificateDer::from(identity.certificate_der())).unwrap()
}

#[test]
fn authorities_come_from_a_text_with_several_certificates() {
    let (authority, other) = (Authority::new(), Authority::new());
    let identity = authority.issue(CertificateKind::Good);
    let pem = format!("# internal\n{}\n{}", other.pem(), authority.pem());
    let tls = Tls::authorities_pem(pem.as_bytes()).unwrap();
    assert_eq!(connect(&tls, &identity).unwrap(), Protection::Verified);
    let tls = Tls::authorities_pem(other.pem().as_bytes()).unwrap();
    check_refused(connect(&tls, &identity), "another authority");
}

#[test]
fn of_a_pinned_certificate_the_key_alone_decides() {
    let authority = Authority::new();
    for kind in BAD.into_iter().chain([CertificateKind::Good]) {
        let (identity, other) = (authority.issue(kind), authority.issue(kind));
        let tls = Tls::pinned([pin(&other), pin(&identity)]).unwrap();
        assert_eq!(connect(&tls, &identity).unwrap(), Protection::Pinned, "{kind:?}");
        let tls = Tls::pinned([pin(&other)]).unwrap();
        check_refused(connect(&tls, &identity), &format!("{kind:?}"));
    }
}

#[test]
fn a_pin_is_the_digest_of_the_public_key() {
    let identity = Authority::new().issue(CertificateKind::Good);
    let key = any_supported_type(&key_of(&identity)).unwrap().public_key().unwrap().to_vec();
    let digest = Sha256::digest(key);
    assert_eq!(KeyPin::sha256(digest.into()), pin(&identity));
}

#[test]
fn any_certificate_is_accepted_where_the_caller_says_so() {
    let authority = Authority::new();
    let tls = Tls::dangerous_accept_any_certificate().unwrap();
    for kind in BAD {
        let identity = authority.issue(kind);
        assert_eq!(connect(&tls, &identity).unwrap(), Protection::Unverified, "{kind:?}");
    }
}

/// Shows a certificate to which it has no key.
#[derive(Debug)]
struct Impostor(Arc<CertifiedKey>);

impl ResolvesServerCert for Impostor {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

#[test]
fn a_server_without_the_key_is_refused_by_all() {
    let authority = Authority::new();
    let shown = authority.issue(CertificateKind::Good);
    let own = authority.issue(CertificateKind::Good);
    let chain = vec![CertificateDer::from(shown.certificate_der().to_vec())];
    let key = any_supported_type(&key_of(&own)).unwrap();
    let mut config = server_config(&own);
    config.cert_resolver = Arc::new(Impostor(Arc::new(CertifiedKey::new(chain, key))));
    let config = Arc::new(config);
    for tls in [
        Tls::pinned([pin(&shown)]).unwrap(),
        Tls::dangerous_accept_any_certificate().unwrap(),
        Tls::authorities([authority.der().to_vec().into()]).unwrap(),
    ] {
        let config = Arc::clone(&config);
        let connected = perform(async { connect_to(&connector(&tls), config).await.0 });
        check_refused(connected.map(|connection| connection.protection()), "impostor");
    }
}
