//! DANE end to end, in a few words; `protection` has the whole table.
use std::sync::Arc;

use smtp_client::Tls;
use smtp_delivery::{Achieved, Proof, Tlsa};
use smtp_testkit::{Authority, CertificateKind, Server};

use crate::world::{AUTHORITY, World, deliver, words};

/// A signed domain whose host has a certificate of the authority, and this record.
fn signed(tlsa: Tlsa) -> (World, Server) {
    let world = World::default();
    world.zone.sign(Proof::Secure);
    world.mx("example.org", 10, "mx.example.org").address("mx.example.org", "192.0.2.1");
    world.tlsa("mx.example.org", tlsa);
    let authority = AUTHORITY.clone().name("mx.example.org").unwrap();
    let server = Server::builder().offer("STARTTLS").authority(authority);
    let server = world.host("192.0.2.1", server);
    (world, server)
}

#[tokio::test(start_paused = true)]
async fn a_host_that_its_record_vouches_for_gets_the_message() {
    let (world, server) = signed(Tlsa::new(2, 0, 0, AUTHORITY.der()));
    let report = deliver(&world.courier(|builder| builder), &["a@example.org"]).await;
    assert_eq!(words(&report), ["delivered"], "{report:?}");
    assert_eq!(report.attempts()[0].achieved, Some(Achieved::Dane));
    assert!(server.report().messages()[0].tls().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_host_that_its_record_does_not_vouch_for_gets_nothing() {
    let (world, server) = signed(Tlsa::new(2, 0, 0, Authority::new().der()));
    let report = deliver(&world.courier(|builder| builder), &["a@example.org"]).await;
    assert_eq!(words(&report), ["later"], "{report:?}");
    assert_eq!(server.report().messages().len(), 0);
    assert_eq!(world.dialed(), ["192.0.2.1"]);
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_the_configuration_of_the_caller_refuses_is_better_than_clear_text() {
    let world = World::default();
    world.mx("example.org", 10, "mx.example.org").address("mx.example.org", "192.0.2.1");
    let server = Server::builder().offer("STARTTLS").certificate(CertificateKind::SelfSigned);
    let server = world.host("192.0.2.1", server);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(AUTHORITY.der().to_vec().into()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tls = Tls::new(Arc::new(config));
    let courier = world.courier(|builder| builder.tls(tls));
    let report = deliver(&courier, &["a@example.org"]).await;
    assert_eq!(words(&report), ["delivered"], "{report:?}");
    assert_eq!(report.attempts()[0].achieved, Some(Achieved::Unverified));
    assert!(server.report().messages()[0].tls().is_some());
}
