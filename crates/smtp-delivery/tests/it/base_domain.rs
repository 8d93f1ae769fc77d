//! Which names TLSA records are looked up for, and which a certificate may have (RFC 7672, 2.2.3 and
//! 3.2.2).
use std::net::IpAddr;

use smtp_delivery::{Achieved, Answer, DnsFailure, Kind, Proof, Record, Tlsa};
use smtp_testkit::{Authority, Server};

use crate::world::{AUTHORITY, TTL, World, deliver, name, words};

const HOST: &str = "mx.example.org";
const TARGET: &str = "host.example.net";

/// A signed domain whose host has a certificate for these names.
fn world(names: &[&str]) -> (World, Server) {
    let world = World::default();
    world.zone.sign(Proof::Secure);
    world.mx("example.org", 10, HOST);
    let name = |authority: Authority, name: &&str| authority.name(name).unwrap();
    let authority = names.iter().fold(AUTHORITY.clone(), name);
    let server = world.host("192.0.2.1", Server::builder().offer("STARTTLS").authority(authority));
    (world, server)
}

/// Makes the host an alias, with this proof of the alias and of the whole answer.
fn alias(world: &World, of_alias: Proof, of_all: Proof) {
    let address: IpAddr = [192, 0, 2, 1].into();
    for (kind, records) in [(Kind::A, vec![Record::Address(address)]), (Kind::Aaaa, vec![])] {
        let answer = Answer::new(records, TTL, of_all).with_alias(name(TARGET), of_alias);
        world.zone.set(HOST, kind, Ok(answer));
    }
}

/// A record of the authority, whole.
fn right() -> Tlsa {
    Tlsa::new(2, 0, 0, AUTHORITY.der())
}

/// Delivers. Returns the outcome in a word, and what protected the message.
async fn send(world: &World, rcpts: &[&str]) -> (Vec<&'static str>, Option<Achieved>) {
    let report = deliver(&world.courier(|builder| builder), rcpts).await;
    (words(&report), report.attempts().iter().find_map(|attempt| attempt.achieved))
}

#[tokio::test(start_paused = true)]
async fn records_of_the_name_behind_a_secure_alias_count() {
    let (world, server) = world(&[TARGET]);
    alias(&world, Proof::Secure, Proof::Secure);
    world.tlsa(TARGET, right()).tlsa(HOST, Tlsa::new(3, 1, 1, [7; 32]));
    let sent = send(&world, &["a@example.org"]).await;
    assert_eq!(sent, (vec!["delivered"], Some(Achieved::Dane)));
    let report = server.report();
    assert_eq!(report.connections()[0].server_name(), Some(TARGET));
}

#[tokio::test(start_paused = true)]
async fn records_of_the_host_itself_count_if_the_name_behind_has_none() {
    for of_all in [Proof::Secure, Proof::Insecure] {
        let (world, server) = world(&[HOST]);
        alias(&world, Proof::Secure, of_all);
        world.tlsa(HOST, right());
        let sent = send(&world, &["a@example.org"]).await;
        assert_eq!(sent, (vec!["delivered"], Some(Achieved::Dane)), "{of_all:?}");
        let report = server.report();
        assert_eq!(report.connections()[0].server_name(), Some(HOST));
        if of_all == Proof::Insecure {
            assert_eq!(world.zone.asked(&format!("_25._tcp.{TARGET}"), Kind::Tlsa), 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_alias_that_is_not_secure_has_no_records() {
    let (world, _server) = world(&[HOST]);
    alias(&world, Proof::Insecure, Proof::Insecure);
    world.tlsa(TARGET, right()).tlsa(HOST, right());
    let sent = send(&world, &["a@example.org"]).await;
    assert_eq!(sent, (vec!["delivered"], Some(Achieved::Pkix)));
    for base in [TARGET, HOST] {
        assert_eq!(world.zone.asked(&format!("_25._tcp.{base}"), Kind::Tlsa), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lookup_of_records_that_fails_defers_at_either_name() {
    for base in [TARGET, HOST] {
        let (world, server) = world(&[HOST, TARGET]);
        alias(&world, Proof::Secure, Proof::Secure);
        let tlsa = format!("_25._tcp.{base}");
        world.zone.set(&tlsa, Kind::Tlsa, Err(DnsFailure::TimedOut));
        assert_eq!(send(&world, &["a@example.org"]).await, (vec!["later"], None));
        assert_eq!((world.dialed().len(), server.report().messages().len()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_certificate_may_be_for_the_domain_if_its_mx_records_are_secure() {
    for (proof, expected) in [(Proof::Secure, "delivered"), (Proof::Insecure, "later")] {
        let (world, _server) = world(&["example.org"]);
        world.address(HOST, "192.0.2.1").tlsa(HOST, right());
        let mx = Record::Mx { preference: 10, exchange: name(HOST) };
        world.zone.set("example.org", Kind::Mx, Ok(Answer::new([mx], TTL, proof)));
        let (outcome, _) = send(&world, &["a@example.org"]).await;
        assert_eq!(outcome, [expected], "{proof:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_certificate_may_be_for_the_name_that_the_domain_is_an_alias_of() {
    let (world, _server) = world(&["example.net"]);
    world.address(HOST, "192.0.2.1").tlsa(HOST, right());
    let mx = Record::Mx { preference: 10, exchange: name(HOST) };
    let answer = Answer::new([mx], TTL, Proof::Secure);
    let answer = answer.with_alias(name("example.net"), Proof::Secure);
    world.zone.set("example.org", Kind::Mx, Ok(answer));
    let sent = send(&world, &["a@example.org"]).await;
    assert_eq!(sent, (vec!["delivered"], Some(Achieved::Dane)));
}

#[tokio::test(start_paused = true)]
async fn a_certificate_for_one_domain_is_not_used_for_another() {
    let domains = ["example.org", "example.net"];
    for (domain, other) in [(domains[0], domains[1]), (domains[1], domains[0])] {
        let (world, server) = world(&[domain]);
        world.address(HOST, "192.0.2.1").tlsa(HOST, right()).mx("example.net", 10, HOST);
        let [rcpt, other] = [domain, other].map(|domain| format!("a@{domain}"));
        assert_eq!(send(&world, &[&rcpt, &other]).await.0, ["later", "later"]);
        assert_eq!(server.report().messages().len(), 0);
        assert_eq!(send(&world, &[&rcpt]).await.0, ["delivered"]);
        assert_eq!(send(&world, &[&other]).await.0, ["later"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_domain_without_mx_records_has_tlsa_records_of_its_own() {
    let (world, server) = world(&["example.com"]);
    world.address("example.com", "192.0.2.1").tlsa("example.com", right());
    let sent = send(&world, &["a@example.com"]).await;
    assert_eq!(sent, (vec!["delivered"], Some(Achieved::Dane)));
    let report = server.report();
    assert_eq!(report.connections()[0].server_name(), Some("example.com"));
}
