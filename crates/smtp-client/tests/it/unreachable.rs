//! A server that a mailer cannot connect to: what is repeated, and the error of what waits.
use std::time::Duration;

use smtp_client::{
    Advice, Broken, Connector, Credentials, ErrorKind, Login, Step, session::ClearText,
};
use tokio::time::Instant;

use crate::{
    host::{
        Answer::{self, Close, Say, Stall},
        Host,
    },
    mailer::{pool, send, spawn},
    stage::perform,
};

/// Sends three messages at once over one connection, to a server that cannot be used. Returns the
/// number of connections that this took, and the seconds.
#[track_caller]
fn attempts(
    answer: impl Fn(usize, &str) -> Answer + Send + Sync + 'static,
    prepare: fn(Connector) -> Connector,
    expected: Step,
) -> (usize, u64) {
    perform(async move {
        let (host, connector) = Host::new(answer);
        let mailer = pool(prepare(connector), 1).build();
        let begun = Instant::now();
        for sent in ["a", "b", "c"].map(|name| spawn(&mailer, name)) {
            let error = sent.await.unwrap().unwrap_err();
            assert_eq!((error.step(), error.in_doubt(), error.waited()), (expected, false, None));
        }
        (host.heard().len(), begun.elapsed().as_secs())
    })
}

fn with_login(connector: Connector) -> Connector {
    let login = Login::new(Credentials::password("tim", "wrong").unwrap());
    connector.login(login.clear_text(ClearText::Allowed))
}

#[test]
fn what_another_attempt_cannot_mend_fails_all_that_waits_at_once() {
    let refuses_clients = |_: usize, line: &str| match line {
        "" => Say("554 5.7.1 not you\r\n"),
        line => Host::good(line),
    };
    assert_eq!(attempts(refuses_clients, |connector| connector, Step::Greeting), (1, 0));
    let refuses_passwords = |_: usize, line: &str| match line {
        line if line.starts_with("EHLO") => Say("250-hi\r\n250 AUTH PLAIN\r\n"),
        line if line.starts_with("AUTH") => Say("535 5.7.8 wrong\r\n"),
        line => Host::good(line),
    };
    assert_eq!(attempts(refuses_passwords, with_login, Step::Auth), (1, 0));
    // The settings ask for a login, and the server offers none.
    assert_eq!(attempts(|_, line| Host::good(line), with_login, Step::Auth), (1, 0));
}

#[test]
fn what_may_pass_is_repeated() {
    let closes = |_: usize, line: &str| match line {
        "" => Close,
        line => Host::good(line),
    };
    let (connections, seconds) = attempts(closes, |connector| connector, Step::Greeting);
    assert_eq!(connections, 3);
    assert!((3..=4).contains(&seconds), "{seconds}");
}

#[test]
fn the_end_of_the_wait_shows_the_connection_that_failed() {
    perform(async {
        let (host, connector) = Host::new(|_, line| match line {
            line if line.starts_with("EHLO") => Say("250-hi\r\n250 AUTH PLAIN\r\n"),
            line if line.starts_with("AUTH") => Say("454 4.7.0 not now\r\n"),
            line => Host::good(line),
        });
        let wait = Duration::from_secs(20);
        let mailer = pool(with_login(connector), 1).attempts(100).wait_timeout(wait).build();
        let begun = Instant::now();
        let error = send(&mailer).await.unwrap_err();
        assert_eq!((error.step(), error.in_doubt()), (Step::Auth, false));
        assert_eq!(error.reply().unwrap().code().get(), 454);
        assert_eq!(error.advice(), Some(Advice::TryLater));
        assert_eq!((error.waited(), begun.elapsed()), (Some(wait), wait));
        assert!(host.heard().len() > 2);
    });
}

#[test]
fn an_earlier_failure_is_not_shown_for_a_later_wait() {
    perform(async {
        let (_, connector) = Host::new(|number, line| match line {
            "" if number == 0 => Say("554 not yet\r\n"),
            "" => Stall,
            line => Host::good(line),
        });
        let mailer = pool(connector, 1).wait_timeout(Duration::from_secs(20)).build();
        assert_eq!(send(&mailer).await.unwrap_err().step(), Step::Greeting);
        let error = send(&mailer).await.unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Broken(Broken::StillConnecting { .. })),
            "{error:?}"
        );
        assert_eq!(error.server().unwrap().host(), "localhost");
    });
}
