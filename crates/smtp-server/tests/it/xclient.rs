//! XCLIENT and XFORWARD: a trusted proxy names the client that it stands for.
use smtp_codec::Mechanism;
use smtp_server::{Client, Event, Settings};

use crate::host::{Answer, Host, refuse};

const NAMES: [&str; 8] = ["NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN", "DESTADDR", "DESTPORT"];

fn host() -> Host {
    let settings = Settings::smtp("mx.example.org")
        .auth([Mechanism::CRAM_MD5])
        .offer(|offer| offer.xclient(NAMES)?.xforward(["NAME", "ADDR"]));
    Host::of(settings).serves(proxy())
}

fn proxy() -> Client {
    Client::at("10.0.0.1:999".parse().unwrap()).trusted().private()
}

#[test]
fn the_session_begins_again_for_the_client_that_is_named() {
    let journal = host().play(
        r"S: 220 mx.example.org ESMTP
        C: EHLO proxy.example.org
        S: 250-mx.example.org
        S: 250-PIPELINING
        S: 250-8BITMIME
        S: 250-SMTPUTF8
        S: 250-CHUNKING
        S: 250-ENHANCEDSTATUSCODES
        S: 250-SIZE 26214400
        S: 250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT
        S: 250-XFORWARD NAME ADDR
        S: 250 AUTH CRAM-MD5
        C: XCLIENT PORT=4711 ADDR=192.0.2.7 NAME=spike.example.org
        S: 220 mx.example.org ESMTP
        C: MAIL FROM:<a@example.org>
        S: 503 5.5.1 EHLO or HELO first
        C: XCLIENT HELO=under_score PROTO=SMTP DESTADDR=IPV6:2001:db8::1 DESTPORT=25
        S: 220 mx.example.org ESMTP
        C: EHLO spike.example.org
        S: 250-*
        C: MAIL FROM:<a@example.org>
        S: 250 2.1.0 Ok",
    );
    let client = &journal.client;
    assert_eq!(client.address(), Some("192.0.2.7:4711".parse().unwrap()));
    assert_eq!(client.server_address(), Some("[2001:db8::1]:25".parse().unwrap()));
    assert_eq!(client.name(), Some("spike.example.org"));
    assert!(client.is_trusted() && !client.is_confidential());
    assert_eq!(journal.events.iter().filter(|event| *event == "Connected").count(), 3);
}

#[test]
fn a_login_is_taken_over_and_another_client_has_none() {
    let settings = Settings::smtp("mx.example.org")
        .auth([Mechanism::CRAM_MD5])
        .require_login()
        .offer(|offer| offer.xclient(NAMES));
    let host = Host::of(settings).serves(proxy());
    let journal = host.play(
        r"S: 220 mx.example.org ESMTP
        C: EHLO proxy.example.org
        S: 250-*
        C: XCLIENT LOGIN=alice+40example.org
        S: 220 mx.example.org ESMTP
        C: EHLO client.example.org
        S: 250-*
        C: MAIL FROM:<a@example.org>
        S: 250 2.1.0 Ok
        C: XCLIENT NAME=x
        S: 503 5.5.1 Not inside a mail transaction
        C: RSET
        S: 250 2.0.0 Ok
        C: AUTH CRAM-MD5
        S: 503 5.5.1 Authenticated before",
    );
    assert_eq!(journal.client.login(), Some("alice@example.org"));
    let journal = host.play(
        r"S: 220 mx.example.org ESMTP
        C: EHLO proxy.example.org
        S: 250-*
        C: XCLIENT LOGIN=alice
        S: 220 mx.example.org ESMTP
        C: XCLIENT LOGIN=[UNAVAILABLE] NAME=[TEMPUNAVAIL] ADDR=[UNAVAILABLE]
        S: 220 mx.example.org ESMTP
        C: EHLO client.example.org
        S: 250-*
        C: MAIL FROM:<a@example.org>
        S: 530 5.7.0 Authentication required",
    );
    assert_eq!(journal.client.login(), None);
    assert_eq!(journal.client.address(), None);
}

#[test]
fn a_login_of_the_proxy_is_not_one_of_its_client() {
    let settings = Settings::smtp("mx.example.org")
        .auth([Mechanism::PLAIN])
        .passwords_in_clear()
        .require_login()
        .offer(|offer| offer.xclient(NAMES));
    let host = Host::of(settings).serves(proxy());
    let journal = host.play(
        r"S: 220 mx.example.org ESMTP
        C: EHLO proxy.example.org
        S: 250-*
        C: AUTH PLAIN AHByb3h5AHBhc3M=
        S: 235 2.7.0 Authentication succeeded
        C: XCLIENT NAME=spike.example.org
        S: 220 mx.example.org ESMTP
        C: EHLO client.example.org
        S: 250-*
        C: MAIL FROM:<a@example.org>
        S: 530 5.7.0 Authentication required",
    );
    assert_eq!(journal.client.login(), None);
    let journal = host.play(
        r"S: 220 mx.example.org ESMTP
        C: XCLIENT LOGIN=alice
        S: 220 mx.example.org ESMTP
        C: XCLIENT NAME=spike.example.org
        S: 220 mx.example.org ESMTP
        C: EHLO client.example.org
        S: 250-*
        C: MAIL FROM:<a@example.org>
        S: 250 2.1.0 Ok",
    );
    assert_eq!(journal.client.login(), Some("alice"));
    assert_eq!(journal.client.name(), Some("spike.example.org"));
}

#[test]
fn what_is_not_offered_or_not_valid_is_refused() {
    for (attributes, name) in [
        ("TTL=1", "TTL"),
        ("ADDR=192.0.2.300", "ADDR"),
        ("ADDR=somewhere", "ADDR"),
        ("PORT=70000", "PORT"),
        ("PROTO=UUCP", "PROTO"),
        ("DESTADDR=x", "DESTADDR"),
        ("NAME=a+0Db", "NAME"),
        ("LOGIN=+FF", "LOGIN"),
        ("NAME=a ADDR=", ""),
    ] {
        let octets = format!("EHLO a.example\r\nXCLIENT {attributes}\r\n");
        let journal = host().receive(octets.as_bytes());
        let reply = journal.output.lines().last().unwrap();
        assert!(
            reply.starts_with("501 5.5.4 Bad") && reply.contains(name),
            "{attributes}: {reply}"
        );
        assert_eq!(journal.client.address(), proxy().address());
        assert_eq!(journal.client.name(), None);
    }
}

#[test]
fn clients_that_are_not_trusted_do_not_have_it() {
    let mut host = host();
    host.client = Client::at("192.0.2.1:1".parse().unwrap());
    let journal = host.play(
        r"S: 220 mx.example.org ESMTP
        C: EHLO client.example.org
        S: 250-*
        C: XCLIENT ADDR=127.0.0.1
        S: 502 5.5.1 Command not implemented
        C: XFORWARD ADDR=127.0.0.1
        S: 502 5.5.1 Command not implemented",
    );
    assert!(!journal.output.contains("XCLIENT") && !journal.output.contains("XFORWARD"));
}

#[test]
fn a_server_can_refuse_it() {
    let host = host().decides(|event| match event {
        Event::Xclient(_) | Event::Xforward(_) => Answer::Decide(Err(refuse(550, "5.7.0 Not you"))),
        _ => Answer::Usual,
    });
    let journal = host.play(
        r"S: 220 mx.example.org ESMTP
        C: XCLIENT NAME=a
        S: 550 5.7.0 Not you
        C: EHLO proxy.example.org
        S: 250-*
        C: XFORWARD NAME=a
        S: 550 5.7.0 Not you
        C: MAIL FROM:<>
        S: 250 2.1.0 Ok",
    );
    assert_eq!(journal.client.name(), None);
}

#[test]
fn attributes_are_forwarded() {
    let journal = host().play(
        r"S: 220 mx.example.org ESMTP
        C: EHLO proxy.example.org
        S: 250-*
        C: XFORWARD NAME=spike.example.org ADDR=192.0.2.7
        S: 250 2.0.0 Ok
        C: XFORWARD PROTO=SMTP
        S: 501 5.5.4 Bad attribute PROTO
        C: MAIL FROM:<>
        S: 250 2.1.0 Ok
        C: XFORWARD NAME=a
        S: 503 5.5.1 Not inside a mail transaction",
    );
    assert_eq!(journal.client.address(), proxy().address());
}
