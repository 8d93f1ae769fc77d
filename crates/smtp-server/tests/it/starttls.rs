//! STARTTLS and TLS from the first octet (RFC 3207; RFC 8314; RFC 8689).
use smtp_codec::Mechanism;
use smtp_error::Extension;
use smtp_server::{Client, Closing, Settings, StartTls};

use crate::host::{Fate, Host};

fn offered() -> Host {
    Host::of(Settings::smtp("mx.example.org").starttls(StartTls::Offered))
}

#[test]
fn what_came_before_is_forgotten() {
    let journal = offered().play(
        r"S: 220 mx.example.org ESMTP
        C: STARTTLS
        S: 503 5.5.1 EHLO or HELO first
        C: EHLO client.example.org
        S: 250-mx.example.org
        S: 250-PIPELINING
        S: 250-8BITMIME
        S: 250-SMTPUTF8
        S: 250-CHUNKING
        S: 250-ENHANCEDSTATUSCODES
        S: 250-SIZE 26214400
        S: 250 STARTTLS
        C: STARTTLS now
        S: 501 5.5.4 No argument is taken here
        C: STARTTLS
        S: 220 2.0.0 Ready to start TLS
        T:
        C: MAIL FROM:<a@example.org>
        S: 503 5.5.1 EHLO or HELO first
        C: EHLO client.example.org
        S: 250-mx.example.org
        S: 250-PIPELINING
        S: 250-8BITMIME
        S: 250-SMTPUTF8
        S: 250-CHUNKING
        S: 250-ENHANCEDSTATUSCODES
        S: 250 SIZE 26214400
        C: STARTTLS
        S: 503 5.5.1 TLS is in use
        C: MAIL FROM:<a@example.org>
        S: 250 2.1.0 Ok",
    );
    assert!(journal.client.tls().is_some());
    assert_eq!(journal.client.protocol(false), "ESMTPS");
}

#[test]
fn octets_before_the_handshake_end_the_session() {
    let journal =
        offered().receive_once(b"EHLO a.example\r\nSTARTTLS\r\nMAIL FROM:<evil@a.example>\r\n");
    assert_eq!(journal.closing, Some(Closing::EarlyOctets));
    assert!(journal.output.ends_with("421 4.7.0 Octets came before the TLS handshake\n"));
    assert!(!journal.events.iter().any(|event| event.starts_with("MAIL")));
}

#[test]
fn a_transaction_does_not_outlive_the_handshake() {
    let journal = offered().play(
        r"S: 220 mx.example.org ESMTP
        C: EHLO client.example.org
        S: 250-*
        C: MAIL FROM:<a@example.org>
        C: RCPT TO:<b@example.org>
        C: BDAT 2
        C| ab
        S: 250 2.1.0 Ok
        S: 250 2.1.5 Ok
        S: 250 2.0.0 Chunk received
        C: STARTTLS
        S: 220 2.0.0 Ready to start TLS
        T:
        C: BDAT 0 LAST
        S: 503 5.5.1 MAIL first
        C: EHLO client.example.org
        S: 250-*
        C: RCPT TO:<b@example.org>
        S: 503 5.5.1 MAIL first",
    );
    assert_eq!(journal.messages[0].fate, Fate::Reset);
    let open = "C: EHLO a.example\nC: MAIL FROM:<>\nC: RCPT TO:<b@c.example>\nC: BDAT 2\nC| ab\n";
    let journal = offered().play(&format!("{open}C: STARTTLS\nT:\nX: disconnect"));
    assert_eq!(journal.messages[0].fate, Fate::Reset);
    let journal = offered().play(&format!("{open}C: STARTTLS\nX: disconnect"));
    assert_eq!(journal.messages[0].fate, Fate::Disconnected);
}

#[test]
fn a_handshake_that_fails_ends_the_session_without_a_reply() {
    for incident in ["timeout", "shutdown", "disconnect"] {
        let journal = offered().play(&format!(
            r"S: 220 mx.example.org ESMTP
            C: EHLO client.example.org
            S: 250-*
            C: STARTTLS
            S: 220 2.0.0 Ready to start TLS
            X: {incident}"
        ));
        assert!(journal.closing.is_some());
    }
}

#[test]
fn tls_is_required_for_everything_that_matters() {
    let settings = Settings::smtp("mx.example.org")
        .starttls(StartTls::Required)
        .auth([Mechanism::PLAIN, Mechanism::CRAM_MD5]);
    Host::of(settings).play(
        r"S: 220 mx.example.org ESMTP
        C: EHLO client.example.org
        S: 250-*
        C: NOOP
        S: 250 2.0.0 Ok
        C: MAIL FROM:<a@example.org>
        S: 530 5.7.0 STARTTLS first
        C: AUTH CRAM-MD5
        S: 530 5.7.0 STARTTLS first
        C: VRFY alice
        S: 530 5.7.0 STARTTLS first
        C: EXPN list
        S: 530 5.7.0 STARTTLS first
        C: RSET
        S: 530 5.7.0 STARTTLS first
        C: BDAT 6 LAST
        C: QUIT
        S: 530 5.7.0 STARTTLS first
        C: STARTTLS
        S: 220 2.0.0 Ready to start TLS
        T:
        C: EHLO client.example.org
        S: 250-*
        C: MAIL FROM:<a@example.org>
        S: 250 2.1.0 Ok
        C: QUIT
        S: 221 2.0.0 Bye",
    );
}

#[test]
fn implicit_tls_comes_before_the_greeting() {
    let settings = Settings::smtp("mx.example.org")
        .implicit_tls()
        .offer(|offer| offer.extensions([Extension::RequireTls]));
    let journal = Host::of(settings).play(
        r"T:
        S: 220 mx.example.org ESMTP
        C: EHLO client.example.org
        S: 250-mx.example.org
        S: 250-PIPELINING
        S: 250-8BITMIME
        S: 250-SMTPUTF8
        S: 250-CHUNKING
        S: 250-ENHANCEDSTATUSCODES
        S: 250-SIZE 26214400
        S: 250 REQUIRETLS
        C: MAIL FROM:<a@example.org> REQUIRETLS
        S: 250 2.1.0 Ok",
    );
    assert_eq!(journal.client.protocol(true), "UTF8SMTPS");
}

#[test]
fn requiretls_is_offered_inside_tls_only() {
    let settings = Settings::smtp("mx.example.org")
        .starttls(StartTls::Offered)
        .offer(|offer| offer.extensions([Extension::RequireTls]));
    let journal = Host::of(settings).play(
        r"S: 220 mx.example.org ESMTP
        C: EHLO client.example.org
        S: 250-*
        C: MAIL FROM:<a@example.org> REQUIRETLS
        S: 555 5.5.4 Parameter not offered
        C: STARTTLS
        S: 220 2.0.0 Ready to start TLS
        T:
        C: EHLO client.example.org
        S: 250-*
        C: MAIL FROM:<a@example.org> REQUIRETLS
        S: 250 2.1.0 Ok",
    );
    assert_eq!(journal.output.matches("250 REQUIRETLS").count(), 1);
}

#[test]
fn where_tls_is_required_no_login_is_offered_before_it() {
    let offer = |starttls| {
        let settings = Settings::smtp("mx.example.org").starttls(starttls);
        let settings = settings.auth([Mechanism::SCRAM_SHA_256]).build().unwrap();
        settings.hello(&Client::new()).to_string()
    };
    assert!(offer(StartTls::Offered).contains("AUTH SCRAM-SHA-256"));
    assert!(!offer(StartTls::Required).contains("AUTH"));
}
