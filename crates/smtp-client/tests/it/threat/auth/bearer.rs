//! OAuth: how a token is fetched, and how its refusal is reported.
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use smtp_client::{
    Advice, Broken, Ended, ErrorKind, Misbehaved, SaslFault, Step,
    sasl::{ClearText, Credentials, Login, Mechanism, Secret, Token},
    session::Dialect,
};

use super::{auth, confined, exchange};
use crate::{
    stage::{connector, opening, play, play_on},
    wait_timeout::bounds,
};

/// `{"status":"400","schemes":"Bearer"}`
const COMPLAINT: &str = "334 eyJzdGF0dXMiOiI0MDAiLCJzY2hlbWVzIjoiQmVhcmVyIn0=";
const TEXT: &str = r#"{"status":"400","schemes":"Bearer"}"#;
const XOAUTH2: &str = "AUTH XOAUTH2 dXNlcj11AWF1dGg9QmVhcmVyIHQBAQ==";
const OAUTHBEARER: &str = "AUTH OAUTHBEARER bixhPXUsAWF1dGg9QmVhcmVyIHQBAQ==";

fn bearer() -> Login {
    Login::new(Credentials::bearer("u", "t").unwrap())
}

/// The token is refused: the challenge is answered in this way, and the error has all details.
#[track_caller]
fn check_refused(mechanism: Mechanism<&str>, sent: &str, answer: &str) {
    let mut session = confined(&[&format!("AUTH {mechanism}")]);
    let dialogue = [(sent, COMPLAINT), (answer, "535 5.7.8 bad token")];
    let error = exchange(&mut session, &bearer(), &dialogue).unwrap_err();
    assert_eq!(error.reply().unwrap().to_string(), "535 5.7.8 bad token");
    assert_eq!(error.explanation(), Some(TEXT));
    assert_eq!(error.advice(), Some(Advice::CheckCredentials));
    let shown = error.to_string();
    assert!(shown.contains(TEXT) && shown.contains("bad token"), "{shown}");
    // The session is back in order, and a fresh token may do.
    exchange(&mut session, &bearer(), &[(sent, "235 yes")]).unwrap();
}

#[test]
fn a3_the_failure_of_xoauth2_is_answered_with_an_empty_line() {
    check_refused(Mechanism::XOAUTH2, XOAUTH2, "");
}

#[test]
fn a4_the_failure_of_oauthbearer_is_answered_with_its_one_octet() {
    check_refused(Mechanism::OAUTHBEARER, OAUTHBEARER, "AQ==");
}

#[test]
fn a3_success_after_a_complaint_is_no_success() {
    for (keyword, sent, answer) in
        [("AUTH XOAUTH2", XOAUTH2, ""), ("AUTH OAUTHBEARER", OAUTHBEARER, "AQ==")]
    {
        let mut session = confined(&[keyword]);
        let dialogue = [(sent, COMPLAINT), (answer, "235 2.7.0 ok")];
        let error = exchange(&mut session, &bearer(), &dialogue).unwrap_err();
        let fault = ErrorKind::Misbehaved(Misbehaved::Sasl(SaslFault::UnprovenSuccess));
        assert_eq!(format!("{:?}", error.kind()), format!("{fault:?}"));
        assert_eq!(session.authenticated_by(), None);
    }
}

#[test]
fn a3_a_second_complaint_ends_it() {
    let mut session = confined(&["AUTH XOAUTH2"]);
    let dialogue = [(XOAUTH2, COMPLAINT), ("", COMPLAINT), ("*", "501 no")];
    let error = exchange(&mut session, &bearer(), &dialogue).unwrap_err();
    let fault = ErrorKind::Misbehaved(Misbehaved::Sasl(SaslFault::SurplusChallenge));
    assert_eq!(format!("{:?}", error.kind()), format!("{fault:?}"));
}

#[test]
fn a3_any_error_in_the_challenge_can_be_shown() {
    for (complaint, shown) in [
        ("not json", "not json".to_owned()),
        ("", String::new()),
        ("a\r\nS: 235 ok\x1b[2J", "a\\r\\nS: 235 ok\\u{1b}[2J".to_owned()),
        (&"x".repeat(5000), "x".repeat(1024)),
    ] {
        let mut session = confined(&["AUTH XOAUTH2"]);
        let challenge = format!("334 {}", smtp_codec::SaslResponse::new(complaint).as_base64());
        let dialogue = [(XOAUTH2, challenge.as_str()), ("", "535 no")];
        let error = exchange(&mut session, &bearer(), &dialogue).unwrap_err();
        assert_eq!(error.explanation(), Some(shown.as_str()));
    }
}

/// A login whose token is fetched, and how often it was.
fn fetching(token: Result<&'static str, io::ErrorKind>) -> (Login, Arc<AtomicUsize>) {
    let fetched = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&fetched);
    let token = Token::fetched(move || {
        count.fetch_add(1, Ordering::Relaxed);
        async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            token.map(Secret::from).map_err(io::Error::from)
        }
    });
    let login = Login::new(Credentials::bearer("u", token).unwrap());
    (login.clear_text(ClearText::Allowed), fetched)
}

#[test]
fn a_token_is_fetched_for_every_login() {
    let (login, fetched) = fetching(Ok("t"));
    let rest = format!("C: {XOAUTH2}\nS: 454 later\nC: {XOAUTH2}\nS: 235 yes");
    play_on(&["AUTH XOAUTH2"], &rest, async |mut connection| {
        connection.login(&login).await.unwrap_err();
        connection.login(&login).await.unwrap();
    });
    assert_eq!(fetched.load(Ordering::Relaxed), 2);
}

#[test]
fn no_token_is_fetched_in_vain() {
    let (login, fetched) = fetching(Ok("t"));
    play_on(&["AUTH PLAIN"], "", async |mut connection| {
        connection.login(&login).await.unwrap_err();
    });
    let session = confined(&["AUTH XOAUTH2"]);
    auth(&login, &session).unwrap_err();
    assert_eq!(fetched.load(Ordering::Relaxed), 0);
}

#[test]
fn a_token_that_is_not_to_be_had_is_the_callers_matter() {
    let (login, _) = fetching(Err(io::ErrorKind::NotFound));
    play_on(&["AUTH XOAUTH2"], "C: NOOP\nS: 250 ok", async |mut connection| {
        let error = connection.login(&login).await.unwrap_err();
        assert_eq!(error.step(), Step::Auth);
        match error.kind() {
            ErrorKind::Token(cause) => {
                let cause = cause.downcast_ref::<io::Error>().unwrap();
                assert_eq!(cause.kind(), io::ErrorKind::NotFound);
            }
            other => panic!("{other:?}"),
        }
        connection.noop().await.unwrap();
    });
}

#[test]
fn an_invalid_token_is_refused() {
    for token in ["", "a b", "a\x01b", "t\u{e4}", "a\nb"] {
        let (login, _) = fetching(Ok(token));
        play_on(&["AUTH XOAUTH2"], "C: NOOP\nS: 250 ok", async |mut connection| {
            let error = connection.login(&login).await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Invalid(_)), "{error:?}");
            connection.noop().await.unwrap();
        });
    }
}

#[test]
fn a_login_that_is_dropped_while_its_token_is_fetched_has_sent_nothing() {
    let (login, _) = fetching(Ok("t"));
    let rest = format!("C: NOOP\nS: 250 ok\nC: {XOAUTH2}\nS: 235 yes");
    play_on(&["AUTH XOAUTH2"], &rest, async |mut connection| {
        let half = Duration::from_millis(500);
        tokio::time::timeout(half, connection.login(&login)).await.unwrap_err();
        connection.noop().await.unwrap();
        connection.login(&login).await.unwrap();
    });
}

#[test]
fn fetching_is_bounded_as_auth_is() {
    let never = Token::fetched(std::future::pending::<Result<Secret, io::Error>>);
    let login = Login::new(Credentials::bearer("u", never).unwrap());
    let login = login.clear_text(ClearText::Allowed);
    let connector = connector(Dialect::Smtp).timeouts(bounds()).login(login);
    let script = opening(Dialect::Smtp, &["AUTH XOAUTH2"]);
    let played = play(&script, &connector, async |connected| connected.unwrap_err());
    match played.outcome.kind() {
        ErrorKind::Broken(Broken::TimedOut { after }) => assert_eq!(*after, bounds().auth),
        other => panic!("{other:?}"),
    }
    assert_eq!(played.elapsed, bounds().auth);
}

#[test]
fn replies_during_the_fetch_of_a_token_are_noticed() {
    let (login, _) = fetching(Ok("t"));
    let rest = "[delay 500ms]\nS: 421 4.4.2 timeout\n[close]";
    play_on(&["AUTH XOAUTH2"], rest, async |mut connection| {
        let error = connection.login(&login).await.unwrap_err();
        assert_eq!(error.reply().unwrap().code().get(), 421);
        assert!(matches!(connection.ended(), Some(Ended::ServerClosing(_))));
    });
}
