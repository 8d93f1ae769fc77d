//! Secrets: no log, no error and no value shows one.
use std::{
    fmt::{Debug, Write as _},
    sync::{Arc, Mutex},
};

use smtp_client::{
    Connector, ErrorKind, Server, Step,
    sasl::{ClearText, Credentials, Login, Mechanism, Nonce, Secret, Token},
    session::{Auth, Challenge, ChannelBinding, Event, Response, SimpleCommand},
};
use smtp_codec::SaslResponse;
use smtp_testkit::pipe;
use tracing::{
    Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use super::{
    PASSWORD, PLAIN, USER, auth, confined, drive, exchange, login, scram_server::ScramServer,
};
use crate::{answering::answer_all, stage::perform};

/// Nothing of this is in there, nor its base64, however it is aligned.
#[track_caller]
pub(super) fn check_hidden(shown: &str, secrets: &[&str]) {
    for secret in secrets {
        assert!(!shown.contains(secret), "{secret} in {shown}");
        for skipped in 0..3 {
            let encoded = SaslResponse::new(&secret[skipped..]).into_base64();
            let inner = encoded.trim_end_matches('=');
            let inner = &inner[..inner.len() - inner.len() % 4];
            assert!(!shown.contains(inner), "{secret} as {inner} in {shown}");
        }
    }
}

/// Collects everything that is traced, at every level.
#[derive(Clone, Default)]
struct Capture(Arc<Mutex<String>>);

impl Subscriber for Capture {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        attributes.record(&mut Fields(&mut self.0.lock().unwrap()));
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        values.record(&mut Fields(&mut self.0.lock().unwrap()));
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut Fields(&mut self.0.lock().unwrap()));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        writeln!(self.0, "{field}={value:?}").unwrap();
    }
}

/// What can be seen of a login from outside: everything that is traced, what an observer makes of
/// events, and the error.
fn seen(
    login: &Login,
    keywords: &'static str,
    mut answer: impl FnMut(&str) -> String + Send + 'static,
) -> String {
    let capture = Capture::default();
    let _guard = tracing::subscriber::set_default(capture.clone());
    let observed = Arc::new(Mutex::new(String::new()));
    let events = Arc::clone(&observed);
    let outcome = perform(async {
        let (client, server) = pipe(1 << 16);
        let mut greeted = false;
        let heard = answer_all(server, move |line| match line {
            "" if !std::mem::replace(&mut greeted, true) => "220 hi\r\n".into(),
            line if line.starts_with("EHLO") => format!("250-hi\r\n250 {keywords}\r\n"),
            line => answer(line),
        });
        let observer = move |event: Event<'_>| {
            writeln!(events.lock().unwrap(), "{event} {event:?}").unwrap();
            if let Event::Received(reply) = event {
                writeln!(events.lock().unwrap(), "{}", reply.as_bytes().escape_ascii()).unwrap();
            }
        };
        let connector = Connector::new(Server::tcp("localhost", 25)).observer(observer);
        let connector = connector.login(login.clone());
        let outcome = connector.connect_over(client).await;
        let shown = match &outcome {
            Ok(connection) => format!("{connection:?} {connector:?}"),
            Err(error) => format!("{error} {error:#} {error:?} {error:#?} {connector:?}"),
        };
        drop(outcome);
        heard.await.unwrap();
        shown
    });
    let traced = capture.0.lock().unwrap().clone();
    assert!(traced.contains("AUTH"), "{traced}");
    format!("{outcome}\n{traced}\n{}", observed.lock().unwrap())
}

#[test]
fn a14_a_login_by_scram_shows_nothing() {
    let mut server = ScramServer::new("SCRAM-SHA-256", PASSWORD);
    let seen = seen(&login(), "AUTH SCRAM-SHA-256", move |line| server.answer(line));
    // The exchange itself has a nonce, a salt and proofs.
    check_hidden(&seen, &[PASSWORD, "n=tim,r=", "QSXCR+Q6sek8bf92", "i=4096", "c=biws"]);
    assert!(seen.contains("C: AUTH SCRAM-SHA-256 ***"), "{seen}");
    assert!(seen.contains("S: 334 ***"), "{seen}");
}

#[test]
fn a14_mechanisms_that_send_the_password_show_nothing() {
    for verdict in ["235 ok", "535 5.7.8 no", "250 ok", "334 dGVzdA==", "421 bye", "junk"] {
        for mechanism in [Mechanism::PLAIN, Mechanism::LOGIN, Mechanism::CRAM_MD5] {
            let login = login().mechanisms([mechanism]).clear_text(ClearText::Allowed);
            let mut asked = 0;
            let seen = seen(&login, "AUTH PLAIN LOGIN CRAM-MD5", move |line| {
                asked += usize::from(line != "*");
                match (mechanism.as_str(), asked) {
                    ("LOGIN", 1 | 2) | ("CRAM-MD5", 1) => "334 PDE4OTYuNjk3MTcwOTUyQD4=\r\n".into(),
                    _ => format!("{verdict}\r\n"),
                }
            });
            check_hidden(&seen, &[PASSWORD, "PDE4OTYuNjk3MTcwOTUyQD4=", "<1896.697170952@>"]);
            assert!(!seen.contains(PLAIN), "{seen}");
        }
    }
}

#[test]
fn a14_a_token_shows_nothing() {
    let token = "ya29.vF9dft4qmTc2Nvb3Rl";
    for mechanism in [Mechanism::XOAUTH2, Mechanism::OAUTHBEARER] {
        let login = Login::new(Credentials::bearer("u", token).unwrap());
        let login = login.mechanisms([mechanism]).clear_text(ClearText::Allowed);
        let complaint = format!("{{\"status\":\"400\",\"token\":\"{token}\"}}");
        let complaint = SaslResponse::new(complaint).into_base64();
        let seen = seen(&login, "AUTH XOAUTH2 OAUTHBEARER", move |line| match line {
            line if line.starts_with("AUTH") => format!("334 {complaint}\r\n"),
            _ => format!("535 5.7.8 {token} is no good\r\n"),
        });
        check_hidden(&seen, &[token]);
        assert!(seen.contains("***"), "{seen}");
    }
}

#[test]
fn a14_a_server_that_repeats_a_secret_does_not_make_it_visible() {
    for reply in ["500 5.5.1 Command unrecognized: \"{}\"", "250 {}", "501-{}\r\n501 {}"] {
        for mechanism in [Mechanism::PLAIN, Mechanism::LOGIN] {
            let login = login().mechanisms([mechanism]).clear_text(ClearText::Allowed);
            let mut asked = 0;
            let seen = seen(&login, "AUTH PLAIN LOGIN", move |line| {
                asked += 1;
                match (mechanism.as_str(), asked) {
                    ("LOGIN", 1 | 2) => "334 \r\n".into(),
                    _ => format!("{}\r\n", reply.replace("{}", &format!("{line} {PASSWORD}"))),
                }
            });
            check_hidden(&seen, &[PASSWORD]);
            assert!(!seen.contains(PLAIN), "{seen}");
        }
    }
}

#[test]
fn a14_a_reply_that_breaks_off_shows_no_secret() {
    for echo in ["500 5.5.1 what? AUTH PLAIN {}", "* BAD {}", "535-no\r\n535 {}", "334 {}", "{}"] {
        let sent = [PLAIN, PASSWORD, "\0tim\0tanstaaftanstaaf"];
        for octets in sent.map(|sent| echo.replace("{}", sent)) {
            for cut in 0..=octets.len() {
                let mut session = confined(&["AUTH PLAIN"]);
                let auth = auth(&login(), &session).unwrap();
                let (outcome, _) = drive(&mut session, auth, |_| octets[..cut].into());
                let error = outcome.unwrap_err();
                assert!(matches!(error.kind(), ErrorKind::Broken(_)), "{error:?}");
                assert_eq!(error.excerpt().is_some(), cut > 0);
                let shown = format!(
                    "{error} {error:?} {:?}",
                    error.excerpt().map(|one| one.as_bytes().escape_ascii().to_string())
                );
                // Three octets of it are found in any text.
                check_hidden(&shown, &[PASSWORD]);
                assert!(!shown.contains(&PLAIN[..4]) && !shown.contains("tans"), "{shown}");
            }
        }
    }
}

#[test]
fn a14_a_late_echo_shows_no_secret() {
    let sent = format!("AUTH PLAIN {PLAIN}");
    for echo in [PLAIN, PASSWORD, "\0tim\0tanstaaftanstaaf"] {
        for verdict in ["235 ok", "535 no"] {
            // It comes with the reply to AUTH, and while nothing is under way.
            let mut session = confined(&["AUTH PLAIN"]);
            let answer = format!("{verdict}\r\n500 what? {echo}\r\n");
            let _ = exchange(&mut session, &login(), &[(&sent, &answer)]);
            let error = session.check(Step::Noop).unwrap_err();
            assert!(error.reply().is_some(), "{error:?}");
            check_hidden(&format!("{error} {error:?} {session:?}"), &[PASSWORD]);
            assert!(!error.to_string().contains(PLAIN));
            // It comes in place of the reply to the next command.
            let mut session = confined(&["AUTH PLAIN"]);
            let _ = exchange(&mut session, &login(), &[(&sent, verdict)]);
            let (outcome, _) =
                drive(&mut session, SimpleCommand::noop(), |_| format!("500 what? {echo}\r\n"));
            let error = outcome.unwrap_err();
            check_hidden(&format!("{error} {error:?} {session:?}"), &[PASSWORD]);
            assert!(!error.to_string().contains(PLAIN));
        }
    }
}

#[test]
fn a14_the_words_of_the_server_are_shown_whatever_the_password() {
    for reply in
        ["535 these credentials are wrong", "535 5.7.8 Error: authentication failed: wrong"]
    {
        for password in
            ["wrong", "credentials", "these", "Authentication", "failed", "error", "are"]
        {
            let login = Login::new(Credentials::password(USER, password).unwrap());
            for mechanism in [Mechanism::PLAIN, Mechanism::LOGIN] {
                let mut session = confined(&["AUTH PLAIN LOGIN"]);
                let auth = auth(&login.clone().mechanisms([mechanism]), &session).unwrap();
                let mut asked = 0;
                let (outcome, _) = drive(&mut session, auth, |_| {
                    asked += 1;
                    match (mechanism.as_str(), asked) {
                        ("LOGIN", 1 | 2) => "334 \r\n".into(),
                        _ => format!("{reply}\r\n"),
                    }
                });
                assert_eq!(outcome.unwrap_err().reply().unwrap().to_string(), reply, "{password}");
            }
        }
    }
}

#[test]
fn a14_no_value_shows_a_secret() {
    let password = || Credentials::password(USER, PASSWORD).unwrap();
    let session = confined(&["AUTH PLAIN SCRAM-SHA-256"]);
    let login = Login::new(password());
    let values: Vec<Box<dyn Debug>> = vec![
        Box::new(Secret::from(PASSWORD)),
        Box::new(Token::from(PASSWORD)),
        Box::new(password()),
        Box::new(Credentials::bearer("u", PASSWORD).unwrap()),
        Box::new(login.clone()),
        Box::new(Connector::new(Server::tcp("localhost", 25)).login(login.clone())),
        Box::new(auth(&login, &session).unwrap()),
        Box::new(auth(&login.mechanisms([Mechanism::PLAIN]), &session).unwrap()),
        Box::new(Response::from(PASSWORD.as_bytes())),
        Box::new(Challenge::new(PASSWORD.as_bytes())),
        Box::new(Nonce::new(PASSWORD)),
        Box::new(ChannelBinding::tls_exporter(*b"tanstaaftanstaaftanstaaftanstaaf")),
        Box::new(session),
    ];
    for value in values {
        check_hidden(&format!("{value:?} {value:#?}"), &[PASSWORD]);
    }
}

#[test]
fn a14_an_unexpected_challenge_is_not_shown_either() {
    let mut session = confined(&["AUTH PLAIN"]);
    let sent = format!("AUTH PLAIN {PLAIN}");
    let dialogue = [(sent.as_str(), "235 ok\n334 dGFuc3RhYWZ0YW5zdGFhZg==")];
    exchange(&mut session, &login(), &dialogue).unwrap();
    let next = session.check(Step::Noop).unwrap_err();
    check_hidden(&format!("{next:?} {next} {session:?}"), &[PASSWORD]);
    for early in ["334 dGFuc3RhYWZ0YW5zdGFhZg==\r\n", "250 ok\r\n334 dGFuc3RhYWZ0YW5zdGFhZg==\r\n"]
    {
        let mut session = confined(&["AUTH PLAIN"]);
        let (outcome, _) = drive(&mut session, SimpleCommand::noop(), |_| early.into());
        let next = session.check(Step::Noop);
        check_hidden(&format!("{outcome:?} {next:?} {session:?}"), &[PASSWORD]);
    }
}

#[test]
fn an_auth_that_was_never_begun_can_be_dropped() {
    let session = confined(&["AUTH PLAIN"]);
    let auth: Auth = auth(&login(), &session).unwrap();
    drop(auth);
}
