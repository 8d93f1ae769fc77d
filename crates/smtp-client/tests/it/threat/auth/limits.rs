//! Limits of the caller's values, and of the length of lines.
use smtp_client::{
    ErrorKind, Field, Flaw, Invalid,
    sasl::{Credentials, Login, Mechanism, Secret},
};
use smtp_codec::SaslResponse;

use super::{auth, confined, drive, exchange};

#[track_caller]
fn check(made: Result<Credentials, Invalid>, field: Field, flaw: Flaw) {
    assert_eq!(made.unwrap_err(), Invalid::new(field, flaw));
}

#[test]
fn a15_a_nul_is_refused_here() {
    let nul = |offset| Flaw::Nul { offset };
    check(Credentials::password("a\0admin", "secret"), Field::User, nul(1));
    check(Credentials::password("a", "se\0cret"), Field::Password, nul(2));
    check(Credentials::bearer("\0", "token"), Field::User, nul(0));
    let identity = Credentials::password("a", "secret").unwrap().act_as("b\0");
    check(identity, Field::AuthIdentity, nul(1));
    check(Credentials::external().act_as("\0"), Field::AuthIdentity, nul(0));
}

#[test]
fn what_must_be_there_is() {
    check(Credentials::password("", "secret"), Field::User, Flaw::Empty);
    check(Credentials::password("a", ""), Field::Password, Flaw::Empty);
    check(Credentials::bearer("", "token"), Field::User, Flaw::Empty);
    check(Credentials::bearer("a", ""), Field::Token, Flaw::Empty);
    check(Credentials::external().act_as(""), Field::AuthIdentity, Flaw::Empty);
}

#[test]
fn a16_the_separator_of_oauth_fields_is_refused_here() {
    let soh = |offset| Flaw::Control { character: '\x01', offset };
    check(Credentials::bearer("user\x01auth=Bearer evil", "t"), Field::User, soh(4));
    check(Credentials::bearer("user", "t\x01\x01host=evil"), Field::Token, soh(1));
    let identity = Credentials::bearer("user", "t").unwrap().act_as("x\x01");
    check(identity, Field::AuthIdentity, soh(1));
    check(Credentials::bearer("user", "a b"), Field::Token, Flaw::Syntax { offset: 1 });
    check(Credentials::bearer("user", "t\u{e4}"), Field::Token, Flaw::NonAscii { offset: 1 });
}

#[test]
fn a16_a_comma_in_the_user_of_oauthbearer_is_written_differently() {
    let mut session = confined(&["AUTH OAUTHBEARER"]);
    let login = Login::new(Credentials::bearer("a,b=c", "t").unwrap());
    let message = SaslResponse::new("n,a=a=2Cb=3Dc,\x01auth=Bearer t\x01\x01");
    let sent = format!("AUTH OAUTHBEARER {}", message.as_base64());
    exchange(&mut session, &login, &[(&sent, "235 yes")]).unwrap();
}

#[test]
fn a_trace_is_short_text() {
    check(
        Credentials::anonymous("x".repeat(256)),
        Field::Trace,
        Flaw::TooLong { length: 256, limit: 255 },
    );
    check(
        Credentials::anonymous("a\rb"),
        Field::Trace,
        Flaw::Control { character: '\r', offset: 1 },
    );
}

/// PLAIN with a password of this many octets.
fn of_length(length: usize) -> (Login, String) {
    let password = "x".repeat(length);
    let encoded = SaslResponse::new(format!("\0u\0{password}")).into_base64();
    (Login::new(Credentials::password("u", Secret::from(password)).unwrap()), encoded)
}

#[test]
fn a17_an_initial_response_may_fill_a_command_line() {
    // 512 octets less `AUTH PLAIN ` and CRLF leave 499, of which base64 fills 496: 372 octets.
    let (login, encoded) = of_length(369);
    let mut session = confined(&["AUTH PLAIN"]);
    assert_eq!(encoded.len(), 496);
    exchange(&mut session, &login, &[(&format!("AUTH PLAIN {encoded}"), "235 yes")]).unwrap();
}

#[test]
fn a17_a_longer_one_waits_for_a_challenge() {
    for (length, prompt) in [(370, "334 "), (4096, "334"), (9000, "334 go ahead")] {
        let (login, encoded) = of_length(length);
        let mut session = confined(&["AUTH PLAIN"]);
        let dialogue = [("AUTH PLAIN", prompt), (&encoded, "235 yes")];
        exchange(&mut session, &login, &dialogue).unwrap();
        // A 235 in place of a challenge is no success.
        let mut session = confined(&["AUTH PLAIN"]);
        exchange(&mut session, &login, &[("AUTH PLAIN", "235 yes")]).unwrap_err();
        assert_eq!(session.authenticated_by(), None);
    }
}

#[test]
fn a17_a_response_beyond_every_limit_is_not_sent() {
    let (login, _) = of_length(9300);
    let mut session = confined(&["AUTH PLAIN"]);
    let dialogue = [("AUTH PLAIN", "334 "), ("*", "501 canceled")];
    let error = exchange(&mut session, &login, &dialogue).unwrap_err();
    match error.kind() {
        ErrorKind::Invalid(invalid) => assert_eq!(invalid.field, Field::AuthResponse),
        other => panic!("{other:?}"),
    }
    // The server did nothing wrong.
    assert!(session.ended().is_none());
    let (login, encoded) = of_length(10);
    exchange(&mut session, &login, &[(&format!("AUTH PLAIN {encoded}"), "235 yes")]).unwrap();
}

#[test]
fn a17_an_unexpected_reply_to_the_cancellation_ends_the_session() {
    for reply in ["235 ok", "334 ", "250 ok", "421 bye"] {
        let (login, _) = of_length(9300);
        let mut session = confined(&["AUTH PLAIN"]);
        let dialogue = [("AUTH PLAIN", "334 "), ("*", reply)];
        let error = exchange(&mut session, &login, &dialogue).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Invalid(_)), "{error:?}");
        assert!(session.ended().is_some(), "{reply}");
        assert_eq!(session.authenticated_by(), None);
    }
}

#[test]
fn a17_a_long_token_is_sent_in_two_steps() {
    let token = "t".repeat(4096);
    let login = Login::new(Credentials::bearer("u", token.as_str()).unwrap());
    let login = login.mechanisms([Mechanism::XOAUTH2]);
    let mut session = confined(&["AUTH XOAUTH2"]);
    let message = SaslResponse::new(format!("user=u\x01auth=Bearer {token}\x01\x01"));
    let dialogue = [("AUTH XOAUTH2", "334 "), (message.as_base64(), "235 yes")];
    exchange(&mut session, &login, &dialogue).unwrap();
}

#[test]
fn no_line_of_an_exchange_that_is_too_long_is_written() {
    let (login, _) = of_length(100_000);
    let mut session = confined(&["AUTH PLAIN"]);
    let auth = auth(&login, &session).unwrap();
    let (_, said) = drive(&mut session, auth, |line| match line {
        "*" => "501 no\r\n".into(),
        _ => "334 \r\n".into(),
    });
    assert_eq!(said, ["AUTH PLAIN", "*"]);
}
