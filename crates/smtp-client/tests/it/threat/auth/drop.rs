//! A login whose future is dropped: the next call reports the true state.
use std::{
    pin::pin,
    task::{Context, Waker},
};

use smtp_client::{Ended, ErrorKind, session::Dialect};
use smtp_testkit::pipe;
use tokio::task::yield_now;

use super::{PASSWORD, login, scram_server::ScramServer};
use crate::{
    answering::answer_all,
    stage::{connector, perform},
};

/// Drops a login by SCRAM after so many polls, over a pipe that holds so much; whether it was
/// complete before.
#[track_caller]
fn check(polls: usize, window: usize) -> bool {
    perform(async {
        let (client, server) = pipe(window);
        let mut scram = ScramServer::new("SCRAM-SHA-256", PASSWORD).iterations(16);
        let mut greeted = false;
        let heard = answer_all(server, move |line| match line {
            "" if !std::mem::replace(&mut greeted, true) => "220 hi\r\n".into(),
            "NOOP" => "250 to NOOP\r\n".into(),
            line if line.starts_with("EHLO") => "250-hi\r\n250 AUTH SCRAM-SHA-256\r\n".into(),
            line => scram.answer(line),
        });
        let mut connection = connector(Dialect::Smtp).connect_over(client).await.unwrap();
        let login = login().iterations(16..=16);
        let completed = {
            let mut future = pin!(connection.login(&login));
            let mut completed = false;
            for _ in 0..polls {
                let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                if polled.is_ready() {
                    completed = true;
                    break;
                }
                for _ in 0..16 {
                    yield_now().await;
                }
            }
            completed
        };
        let next = connection.noop().await;
        match next {
            Ok(reply) => {
                assert_eq!(reply.to_string(), "250 to NOOP");
                assert_eq!(connection.authenticated_by().is_some(), completed);
            }
            Err(error) => {
                assert!(!completed);
                let canceled = matches!(error.kind(), ErrorKind::Ended(Ended::Canceled { .. }));
                assert!(canceled, "{error:?}");
                assert_eq!(connection.authenticated_by(), None);
            }
        }
        drop(connection);
        heard.await.unwrap();
        completed
    })
}

#[test]
fn a_login_that_is_dropped_after_any_poll_does_not_authenticate() {
    for window in [1, 16, 4096] {
        let cases = (0..).find(|&polls| check(polls, window)).unwrap();
        assert!(cases > 2, "{cases}");
    }
}
