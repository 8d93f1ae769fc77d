//! EHLO again: what it replaces, what it keeps, and the name it sends.
use smtp_client::{Capabilities, Ended, ErrorKind, Extension, session::Dialect};

use crate::stage::{connector, hello, play, play_in, play_on};

#[test]
fn fresh_capabilities_replace_the_old_ones() {
    for dialect in [Dialect::Smtp, Dialect::Lmtp] {
        let rest = hello(dialect, &["VRFY", "SIZE 20"]);
        play_in(dialect, &["PIPELINING", "SIZE 10"], &rest, async |mut connection| {
            assert_eq!(connection.capabilities().size_limit(), Some(10));
            let fresh = connection.rehlo().await.unwrap();
            assert!(fresh.has(Extension::Vrfy));
            assert!(!fresh.has(Extension::Pipelining));
            assert_eq!(connection.capabilities().size_limit(), Some(20));
        });
    }
}

#[test]
fn capabilities_that_were_set_last_until_then() {
    let rest = hello(Dialect::Smtp, &["PIPELINING"]);
    play_on(&["PIPELINING"], &rest, async |mut connection| {
        connection.set_capabilities(Capabilities::none());
        assert!(!connection.capabilities().has(Extension::Pipelining));
        connection.rehlo().await.unwrap();
        assert!(connection.capabilities().has(Extension::Pipelining));
    });
}

#[test]
fn the_new_name_is_used() {
    let rest = "C: EHLO other.example\nS: 250 hello\nC: EHLO [192.0.2.7]\nS: 250 hello";
    play_on(&[], rest, async |mut connection| {
        connection.set_hello_name("other.example".parse().unwrap());
        connection.rehlo().await.unwrap();
        connection.set_hello_name("[192.0.2.7]".parse().unwrap());
        connection.rehlo().await.unwrap();
    });
}

#[test]
fn a_session_that_fell_back_sends_helo_again() {
    let script = "
        S: 220 old.example
        C: EHLO client.example
        S: 500 what?
        C: HELO client.example
        S: 250 old.example
        C: HELO client.example
        S: 250 old.example
    ";
    let played = play(script, &connector(Dialect::Smtp), async |connected| {
        let mut connection = connected.unwrap();
        assert_eq!(connection.rehlo().await.unwrap(), &Capabilities::none());
    });
    played.verdict.unwrap();
}

#[test]
fn a_refusal_keeps_the_old_capabilities() {
    for code in [450, 500, 501, 502, 503, 504, 550, 554] {
        let rest = format!("C: EHLO client.example\nS: {code} no\nC: NOOP\nS: 250 ok");
        play_on(&["PIPELINING", "SIZE 10"], &rest, async |mut connection| {
            let error = connection.rehlo().await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Refused(_)), "{error:?}");
            assert_eq!(error.reply().unwrap().code().get(), code);
            assert!(connection.capabilities().has(Extension::Pipelining));
            assert_eq!(connection.capabilities().size_limit(), Some(10));
            connection.noop().await.unwrap();
        });
    }
}

#[test]
fn a_wrong_code_ends_the_session() {
    play_on(&["SIZE 10"], "C: EHLO client.example\nS: 251 hm", async |mut connection| {
        let error = connection.rehlo().await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Misbehaved(_)), "{error:?}");
        assert_eq!(connection.capabilities().size_limit(), Some(10));
        assert!(matches!(connection.ended(), Some(Ended::Failed { .. })));
    });
}
