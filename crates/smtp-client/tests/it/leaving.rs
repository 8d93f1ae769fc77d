//! A connection that could not be used while both sides are in step is closed with QUIT, and no
//! caller waits for that.
use std::time::Duration;

use smtp_client::{
    Connector, Credentials, Envelope, Error, Login, MailData, Security, Server,
    sasl::{ClearText, Secret, Token},
    session::Dialect,
};
use smtp_testkit::{Authority, Lint, Report, Rule, Server as TestServer, ServerBuilder};

use crate::{
    stage::{Played, connector, perform, play},
    starttls::trusting,
};

/// A way in which connecting fails after the greeting.
struct Failure {
    name: &'static str,
    server: ServerBuilder,
    security: Security,
    login: Option<Login>,
}

fn password() -> Login {
    Login::new(Credentials::password("tim", "wrong").unwrap()).clear_text(ClearText::Allowed)
}

fn failures() -> Vec<Failure> {
    let server = TestServer::builder;
    let plain = |name, server| Failure { name, server, security: Security::Plain, login: None };
    let starttls = |name, server| Failure { security: Security::StartTls, ..plain(name, server) };
    let login = |name, server, login| Failure { login: Some(login), ..plain(name, server) };
    let auth = || server().offer("AUTH PLAIN").user("tim", "tanstaaftanstaaf");
    let fetch = || async { Err::<Secret, _>(std::io::Error::other("no token today")) };
    let no_token = Login::new(Credentials::bearer("tim", Token::fetched(fetch)).unwrap());
    vec![
        plain("greeting 554", server().rule(Rule::greeting().reply("554 5.3.2 no service"))),
        plain("greeting 450", server().rule(Rule::greeting().reply("450 4.3.2 not now"))),
        plain("EHLO refused", server().rule(Rule::on("EHLO *").reply("550 5.7.1 not you"))),
        plain(
            "HELO refused",
            server()
                .rule(Rule::on("EHLO *").reply("502 5.5.1 no"))
                .rule(Rule::on("HELO *").reply("502 5.5.1 no")),
        ),
        starttls("no STARTTLS offered", server()),
        starttls(
            "STARTTLS refused",
            server().offer("STARTTLS").rule(Rule::on("STARTTLS").reply("454 4.7.0 not now")),
        ),
        starttls(
            "EHLO refused inside TLS",
            server().offer("STARTTLS").rule(Rule::on("EHLO *").after(1).reply("550 5.7.1 no")),
        ),
        login("no AUTH offered", server(), password()),
        login("no mechanism in common", server().offer("AUTH X-OTHER"), password()),
        login("a secret in clear", auth(), password().clear_text(ClearText::Refused)),
        login("wrong password", auth(), password()),
        login(
            "no token",
            server().offer("AUTH OAUTHBEARER"),
            no_token.clear_text(ClearText::Allowed),
        ),
    ]
}

/// Connects in vain; the error, and what the server noted.
async fn failed(failure: Failure, over_tcp: bool) -> (Error, Report) {
    let Failure { name, server, security, login } = failure;
    let authority = Authority::new();
    let mut connector = trusting(&authority, Dialect::Smtp, security);
    if let Some(login) = login {
        connector = connector.login(login);
    }
    let server = server.authority(authority);
    let (server, connected) = if over_tcp {
        let server = server.tcp().unwrap();
        let stream = tokio::net::TcpStream::connect(server.addr()).await.unwrap();
        (server, connector.connect_over(stream).await)
    } else {
        let (server, pipe) = server.pipe();
        (server, connector.connect_over(pipe).await)
    };
    let report = server.finish().await.unwrap();
    (connected.map(drop).expect_err(name), report)
}

#[track_caller]
fn check(name: &str, error: &Error, report: &Report) {
    assert!(!report.lints().contains(&Lint::NoQuit), "{name}: {error}: {report:#?}");
    let said = |line: &[u8]| report.dialogue().any(|one| one.octets.eq_ignore_ascii_case(line));
    assert!(said(b"QUIT\r\n"), "{name}: {error}: {report:#?}");
}

#[test]
fn connecting_in_vain_ends_with_quit() {
    for failure in failures() {
        let name = failure.name;
        let (error, report) = perform(failed(failure, false));
        check(name, &error, &report);
    }
}

#[test]
fn connecting_in_vain_over_tcp_ends_with_quit() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for failure in failures() {
        let name = failure.name;
        let (error, report) = runtime.block_on(failed(failure, true));
        check(name, &error, &report);
    }
}

#[test]
fn no_caller_waits_for_the_reply_to_quit() {
    for script in [
        "S: 554 no\nC: QUIT\n[stall]",
        "S: 220 hi\nC: EHLO client.example\nS: 550 no\nC: QUIT\n[delay 1h]\nS: 221 bye",
    ] {
        let Played { outcome, elapsed, verdict } =
            play(script, &connector(Dialect::Smtp), async |connected| connected.unwrap_err());
        verdict.unwrap();
        assert_eq!(elapsed, Duration::ZERO, "{outcome}");
    }
}

#[test]
fn no_caller_waits_for_room_to_write() {
    perform(async {
        // The server reads no octet more than it was sent before the refusal.
        let script = "S: 220 hi\nC: EHLO client.example\nS: 550 no\n[stall]".parse().unwrap();
        let (server, pipe) = TestServer::builder().window(4).script(script).pipe();
        let begun = tokio::time::Instant::now();
        connector(Dialect::Smtp).connect_over(pipe).await.unwrap_err();
        assert_eq!(begun.elapsed(), Duration::ZERO);
        drop(server);
    });
}

/// Nothing follows what this script has.
#[track_caller]
fn check_silent(script: &str) {
    let played = play(script, &connector(Dialect::Smtp), async |connected| {
        connected.map(drop).expect_err(script)
    });
    let report = played.verdict.unwrap();
    let last = report.dialogue().filter(|one| one.octets.starts_with(b"QUIT")).count();
    assert_eq!(last, 0, "{script}");
}

#[test]
fn nothing_is_sent_to_a_server_that_ended_the_session_or_is_out_of_step() {
    for script in [
        "S: 421 not now\n[expect-close]",
        "S: 220 hi\nC: EHLO client.example\nS: 421 not now\n[expect-close]",
        "S: 354 what\n[expect-close]",
        "S: SSH-2.0-OpenSSH\n[expect-close]",
        "[raw \"554 no\\r\\n554 no\\r\\n\"]\n[expect-close]",
        "[raw \"554 no\\r\\n421 and good bye\\r\\n\"]\n[expect-close]",
        "S: 220 hi\nC: EHLO client.example\nS: 354 what\n[expect-close]",
    ] {
        check_silent(script);
    }
}

#[test]
fn a_delivery_that_fails_in_step_ends_with_quit() {
    perform(async {
        let (server, dialer) = TestServer::builder().offer("SIZE 10").deny(Lint::ALL).pipes();
        let dialer = std::sync::Mutex::new(dialer);
        let connector = Connector::new(Server::tcp("localhost", 25)).dialer(move |_| {
            let pipe = dialer.lock().unwrap().dial();
            async { Ok::<_, std::io::Error>(pipe) }
        });
        let envelope = Envelope::new("a@example.org", ["b@example.org"]).unwrap();
        let text = MailData::new("more than ten octets\r\n").unwrap();
        let error = connector.deliver(&envelope, &text).await.map(drop).unwrap_err();
        drop(connector);
        check("too big", &error, &server.finish().await.unwrap());
    });
}
