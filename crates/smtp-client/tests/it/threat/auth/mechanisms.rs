//! Each mechanism: used, not offered, refused.
use smtp_client::{
    ErrorKind, Extension, Step, Unsupported,
    sasl::{Credentials, Login, Mechanism},
};

use super::{PASSWORD, PLAIN, USER, auth, confined, exchange, exposed, login};

/// Lines, and the answer to each.
type Dialogue = Vec<(String, &'static str)>;

/// A login by each mechanism that needs no server that computes, and the dialogue up to the
/// verdict.
fn each() -> Vec<(Mechanism<&'static str>, Login, Dialogue)> {
    let line = |mechanism: Mechanism<&str>, response: &str| {
        format!("AUTH {} {response}", mechanism.as_str())
    };
    let anonymous = || Login::new(Credentials::anonymous("sirhc").unwrap());
    let bearer = || Login::new(Credentials::bearer("u", "t").unwrap());
    let m = |mechanism| move |login: Login| (mechanism, login.mechanisms([mechanism]));
    let one = |(mechanism, login): (Mechanism<&'static str>, Login), response: &str| {
        (mechanism, login, vec![(line(mechanism, response), "")])
    };
    vec![
        one(m(Mechanism::PLAIN)(login()), PLAIN),
        (
            Mechanism::LOGIN,
            login().mechanisms([Mechanism::LOGIN]),
            vec![
                ("AUTH LOGIN".into(), "334 VXNlciBOYW1lAA=="),
                ("dGlt".into(), "334 UGFzc3dvcmQA"),
                ("dGFuc3RhYWZ0YW5zdGFhZg==".into(), ""),
            ],
        ),
        (
            Mechanism::CRAM_MD5,
            login().mechanisms([Mechanism::CRAM_MD5]),
            vec![
                (
                    "AUTH CRAM-MD5".into(),
                    "334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+",
                ),
                ("dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw".into(), ""),
            ],
        ),
        one(m(Mechanism::OAUTHBEARER)(bearer()), "bixhPXUsAWF1dGg9QmVhcmVyIHQBAQ=="),
        one(m(Mechanism::XOAUTH2)(bearer()), "dXNlcj11AWF1dGg9QmVhcmVyIHQBAQ=="),
        one(m(Mechanism::EXTERNAL)(Login::new(Credentials::external())), "="),
        one(m(Mechanism::ANONYMOUS)(anonymous()), "c2lyaGM="),
    ]
}

/// The dialogue, with this verdict at its end.
fn ended<'a>(dialogue: &'a [(String, &'a str)], verdict: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut dialogue: Vec<_> =
        dialogue.iter().map(|(line, answer)| (line.as_str(), *answer)).collect();
    dialogue.last_mut().unwrap().1 = verdict;
    dialogue
}

#[test]
fn each_mechanism_authenticates() {
    for (mechanism, login, dialogue) in each() {
        let mut session = confined(&[&format!("AUTH X-OTHER {}", mechanism.as_str())]);
        exchange(&mut session, &login, &ended(&dialogue, "235 2.7.0 yes")).unwrap();
        assert_eq!(session.authenticated_by(), Some(mechanism.as_str()));
        assert!(session.ended().is_none());
    }
}

#[test]
fn each_mechanism_that_is_not_offered_is_an_error_before_the_first_octet() {
    for (mechanism, login, _) in each() {
        for (keywords, offered) in [
            (&["AUTH X-OTHER GSSAPI"][..], Some(&["X-OTHER", "GSSAPI"][..])),
            (&["AUTH"], Some(&[])),
            (&["PIPELINING"], None),
        ] {
            let session = confined(keywords);
            let error = auth(&login, &session).unwrap_err();
            assert_eq!(error.step(), Step::Auth);
            match (error.kind(), offered) {
                (ErrorKind::Unsupported(Unsupported::Mechanism(none)), Some(offered)) => {
                    let names: Vec<&str> = none.offered().iter().map(|one| &*one.name).collect();
                    assert_eq!(names, offered);
                    assert!(none.usable().any(|name| name == mechanism.as_str()), "{none}");
                }
                (ErrorKind::Unsupported(Unsupported::Extension(Extension::Auth)), None) => {}
                other => panic!("{mechanism}: {other:?}"),
            }
        }
    }
}

#[test]
fn each_mechanism_can_be_refused_and_the_session_goes_on() {
    for (mechanism, login, dialogue) in each() {
        for verdict in ["535 5.7.8 no", "454 4.7.0 later", "504 5.5.4 what?", "500 no"] {
            let mut session = confined(&[&format!("AUTH {}", mechanism.as_str())]);
            let error = exchange(&mut session, &login, &ended(&dialogue, verdict)).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Refused(_)), "{mechanism}: {error:?}");
            assert_eq!(error.step(), Step::Auth);
            assert_eq!(error.reply().unwrap().to_string(), verdict);
            assert_eq!(session.authenticated_by(), None);
            // Another attempt is possible.
            exchange(&mut session, &login, &ended(&dialogue, "235 yes")).unwrap();
        }
    }
}

#[test]
fn the_names_of_mechanisms_are_taken_in_any_case() {
    for offer in ["AUTH plain", "auth Plain", "AUTH=PLAIN", "AUTH  X  pLaIn "] {
        let mut session = confined(&[offer]);
        let dialogue = [(format!("AUTH PLAIN {PLAIN}"), "235 yes")];
        exchange(&mut session, &login(), &ended(&dialogue, "235 yes")).unwrap();
    }
}

#[test]
fn the_identity_to_act_as_goes_where_it_can() {
    let acting = || Credentials::password(USER, PASSWORD).unwrap().act_as("kurt").unwrap();
    let mut session = confined(&["AUTH CRAM-MD5 LOGIN PLAIN"]);
    let sent = "AUTH PLAIN a3VydAB0aW0AdGFuc3RhYWZ0YW5zdGFhZg==";
    exchange(&mut session, &Login::new(acting()), &[(sent, "235 yes")]).unwrap();

    let mut session = exposed(&["AUTH EXTERNAL"]);
    let external = Login::new(Credentials::external().act_as("kurt").unwrap());
    exchange(&mut session, &external, &[("AUTH EXTERNAL a3VydA==", "235 yes")]).unwrap();

    for keywords in ["AUTH LOGIN CRAM-MD5", "AUTH XOAUTH2", "AUTH ANONYMOUS"] {
        let error = auth(&Login::new(acting()), &confined(&[keywords])).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Unsupported(Unsupported::Mechanism(_))));
    }
}

#[test]
fn nobody_in_particular_needs_no_trace() {
    let mut session = exposed(&["AUTH ANONYMOUS"]);
    let login = Login::new(Credentials::anonymous("").unwrap());
    exchange(&mut session, &login, &[("AUTH ANONYMOUS =", "235 welcome")]).unwrap();
}

#[test]
fn a_session_is_authenticated_once() {
    let mut session = confined(&["AUTH PLAIN"]);
    let sent = format!("AUTH PLAIN {PLAIN}");
    exchange(&mut session, &login(), &[(&sent, "235 yes")]).unwrap();
    let error = auth(&login(), &session).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unsupported(Unsupported::Authenticated)));
    assert!(session.ended().is_none());
}
