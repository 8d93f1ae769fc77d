//! The advice for refusals.
use smtp_client::{
    Advice, Envelope, Error, MailData, Step,
    sasl::{Credentials, Login},
    session::Session,
};

use super::{PLAIN, auth, confined, exchange, exposed, login};
use crate::stage::play_on;

/// AUTH is refused in this way.
fn refused(reply: &str) -> Error {
    let mut session = confined(&["AUTH PLAIN"]);
    let sent = format!("AUTH PLAIN {PLAIN}");
    exchange(&mut session, &login(), &[(&sent, reply)]).unwrap_err()
}

#[test]
fn a19_each_refusal_of_auth_has_advice() {
    for (reply, advice) in [
        ("535 5.7.8 Authentication credentials invalid", Advice::CheckCredentials),
        ("535 Incorrect authentication data", Advice::CheckCredentials),
        ("535 5.7.13 disabled", Advice::AskAdministrator),
        ("535-5.7.8 Username and Password not accepted.\n535 5.7.8 Learn more", {
            Advice::CheckCredentials
        }),
        ("534 5.7.9 Authentication mechanism is too weak", Advice::UseStrongerMechanism),
        ("534-5.7.9 Application-specific password required.\n534 5.7.9 x", {
            Advice::UseStrongerMechanism
        }),
        ("454 4.7.0 Temporary authentication failure", Advice::TryLater),
        ("454 later", Advice::TryLater),
        ("432 4.7.12 A password transition is needed", Advice::RenewPassword),
        ("538 5.7.11 Encryption required", Advice::BeginTls),
        ("530 5.7.0 Must issue a STARTTLS command first", Advice::BeginTls),
        ("523 5.7.10 Encryption needed", Advice::BeginTls),
        ("524 5.7.11 Encryption required", Advice::BeginTls),
        ("525 5.7.13 User account disabled", Advice::AskAdministrator),
        ("500 5.5.6 Authentication exchange line is too long", Advice::ShortenResponse),
        ("504 5.5.4 Unrecognized authentication type", Advice::UseAnotherMechanism),
        ("504 what?", Advice::UseAnotherMechanism),
    ] {
        let error = refused(reply);
        assert_eq!(error.advice(), Some(advice), "{reply}");
        assert_eq!(error.step(), Step::Auth);
        assert!(!advice.to_string().is_empty());
    }
}

#[test]
fn a19_other_refusals_advise_nothing() {
    for reply in ["501 5.5.2 bad base64", "503 5.5.1 no", "421 bye", "500 what?", "550 5.7.1 no"] {
        assert_eq!(refused(reply).advice(), None, "{reply}");
    }
}

#[test]
fn a19_a_refusal_of_mail_for_lack_of_authentication_has_advice() {
    for (step, rest) in [
        (Step::Mail, "C: MAIL FROM:<a@b.example>\nS: 530 5.7.0 Authentication required"),
        (
            Step::Rcpt,
            "C: MAIL FROM:<a@b.example>\nS: 250 ok\nC: RCPT TO:<c@d.example>\n\
             S: 530 5.7.0 Authentication required",
        ),
    ] {
        play_on(&[], rest, async |mut connection| {
            let envelope = Envelope::new("a@b.example", ["c@d.example"]).unwrap();
            let text = MailData::new("a: b\r\n").unwrap();
            let delivery = connection.send(&envelope, &text).await.unwrap();
            let verdict = &delivery[0];
            assert_eq!(verdict.step(), step);
            assert_eq!(verdict.advice(), Some(Advice::Authenticate));
        });
    }
}

#[test]
fn a19_mail_can_be_refused_in_the_words_of_auth() {
    for (reply, advice) in [
        ("530 5.7.0 Authentication required", Advice::Authenticate),
        ("530 5.7.10 Encryption needed", Advice::BeginTls),
        ("534 5.7.9 Too weak", Advice::UseStrongerMechanism),
        ("535 5.7.8 Invalid", Advice::CheckCredentials),
        ("538 5.7.11 Encryption required", Advice::BeginTls),
        ("454 4.7.0 Temporary authentication failure", Advice::TryLater),
        ("432 4.7.12 A password transition is needed", Advice::RenewPassword),
    ] {
        let rest = format!("C: MAIL FROM:<a@b.example>\nS: {reply}");
        play_on(&[], &rest, async |mut connection| {
            let envelope = Envelope::new("a@b.example", ["c@d.example"]).unwrap();
            let text = MailData::new("a: b\r\n").unwrap();
            let delivery = connection.send(&envelope, &text).await.unwrap();
            assert_eq!(delivery[0].advice(), Some(advice), "{reply}");
        });
    }
}

#[test]
fn a19_a_refusal_of_a_command_for_lack_of_authentication_has_advice() {
    play_on(&[], "C: NOOP\nS: 530 5.7.0 no", async |mut connection| {
        let error = connection.noop().await.unwrap_err();
        assert_eq!(error.advice(), Some(Advice::Authenticate));
    });
}

#[test]
fn a_mechanism_that_cannot_be_used_is_reported_with_advice() {
    let advice = |login: &Login, session: Session| auth(login, &session).unwrap_err().advice();
    assert_eq!(advice(&login(), exposed(&["AUTH PLAIN"])), Some(Advice::BeginTls));
    // Authentication may be disabled here, inside TLS or not.
    assert_eq!(advice(&login(), exposed(&[])), None);
    assert_eq!(advice(&login(), confined(&["AUTH NTLM"])), Some(Advice::UseAnotherMechanism));
    let external = Login::new(Credentials::external());
    assert_eq!(advice(&external, confined(&["AUTH PLAIN"])), Some(Advice::UseAnotherMechanism));
}
