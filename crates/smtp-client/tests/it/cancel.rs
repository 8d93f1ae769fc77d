//! Dropped futures: every operation is dropped after each of its polls, and what is called next
//! must tell the truth.
use std::{
    pin::pin,
    task::{Context, Waker},
};

use smtp_client::{Connection, Ended, Envelope, Error, ErrorKind, Reply, Text, session::Dialect};
use smtp_testkit::{Pipe, pipe};
use tokio::task::{JoinHandle, yield_now};

use crate::{
    answering::answer_all,
    operation::{Operation, attributes},
    stage::{connector, let_the_server_play, perform},
};

/// What is dropped.
#[derive(Clone, Copy, Debug)]
enum Act {
    Connect,
    Operation(Operation),
    /// XCLIENT, and the EHLO behind it.
    Xclient,
    /// ATRN.
    Turn,
    Send,
}

/// How the dropping goes.
#[derive(Clone, Copy, Debug)]
struct Case {
    act: Act,
    dialect: Dialect,
    pipelined: bool,
    /// How many octets a direction holds.
    window: usize,
    /// How many turns the server gets between two polls.
    turns: usize,
    /// After how many polls the future is dropped.
    polls: usize,
    /// Whether the server gets to answer what was written before the next call.
    late_reply: bool,
}

impl Case {
    /// The operation that comes next; never the one that was dropped.
    fn next(self) -> Operation {
        match self.act {
            Act::Operation(Operation::Noop) => Operation::Verify,
            _ => Operation::Noop,
        }
    }

    /// A server whose replies name the line that they answer.
    fn server(self) -> (Pipe, JoinHandle<Vec<String>>) {
        let (client, server) = pipe(self.window);
        let keyword = if self.pipelined { "PIPELINING" } else { "HELP" };
        let heard = answer_all(server, move |line| match line {
            "" => "220 hi\r\n".into(),
            "DATA" => "354 go\r\n".into(),
            "." if self.dialect == Dialect::Lmtp => "250 first\r\n250 second\r\n".into(),
            "QUIT" => "221 bye\r\n".into(),
            line if line.ends_with("client.example") => {
                format!(
                    "250-hi\r\n250-ETRN\r\n250-ATRN\r\n250-XFORWARD ADDR\r\n250-XCLIENT ADDR\r\n250 {keyword}\r\n"
                )
            }
            line if line.starts_with("XCLIENT") => "220 anew\r\n".into(),
            line => format!("250 to {line}\r\n"),
        });
        (client, heard)
    }
}

/// Polls by hand; whether the future completed.
async fn poll<F: Future>(future: F, polls: usize, turns: usize) -> bool {
    let mut future = pin!(future);
    for _ in 0..polls {
        if future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            return true;
        }
        for _ in 0..turns {
            yield_now().await;
        }
    }
    false
}

async fn act(act: Act, connection: &mut Connection, case: Case) -> bool {
    let Case { polls, turns, .. } = case;
    match act {
        Act::Connect => unreachable!("it makes the connection"),
        Act::Operation(operation) => poll(operation.perform(connection), polls, turns).await,
        Act::Xclient => {
            let attributes = attributes([("ADDR", "192.0.2.1")]);
            poll(connection.xclient(&attributes), polls, turns).await
        }
        Act::Turn => poll(connection.atrn(None), polls, turns).await,
        Act::Send => {
            let rcpts = ["b@example.org", "c@example.org"];
            let envelope = Envelope::new("a@example.org", rcpts).unwrap();
            let text = Text::new("Subject: hello\r\n\r\nhello\r\n").unwrap();
            poll(connection.send(&envelope, &text), polls, turns).await
        }
    }
}

/// Drops a future, and says whether it had completed before.
#[track_caller]
fn check(case: Case) -> bool {
    let (completed, dropped, heard) = perform(async {
        let (pipe, heard) = case.server();
        let connector = connector(case.dialect);
        if let Act::Connect = case.act {
            let completed = poll(connector.connect_over(pipe), case.polls, case.turns).await;
            return (completed, None, heard.await.unwrap());
        }
        let mut connection = connector.connect_over(pipe).await.unwrap();
        let completed = act(case.act, &mut connection, case).await;
        if case.late_reply {
            let_the_server_play().await;
        }
        let next = case.next().perform(&mut connection).await;
        let ended = connection.ended().cloned();
        drop(connection);
        (completed, Some((next, ended)), heard.await.unwrap())
    });
    if let (false, Some((next, ended))) = (completed, dropped) {
        check_next(case, next, ended.as_ref(), &heard);
    }
    completed
}

/// `heard` is what the server heard in all, the first line being EHLO or LHLO.
#[track_caller]
fn check_next(case: Case, next: Result<Reply, Error>, ended: Option<&Ended>, heard: &[String]) {
    let line = case.next().line();
    match next {
        // Nothing was written, or else the replies would be out of step.
        Ok(reply) => {
            assert_eq!(heard[1..], [line], "{case:?}");
            assert_eq!(reply.as_bytes(), format!("to {line}").as_bytes(), "{case:?}");
            assert_eq!(ended, None, "{case:?}");
        }
        Err(error) => {
            assert!(heard.len() > 1, "{case:?}: nothing was written, and yet {error:?}");
            assert!(!heard.iter().any(|heard| heard.contains(line)), "{case:?}: {heard:?}");
            let dot = heard.last().is_some_and(|last| last.starts_with('.'));
            match error.kind() {
                ErrorKind::Ended(Ended::Cancelled { in_doubt, .. }) => {
                    assert_eq!(*in_doubt, dot, "{case:?}: {heard:?}");
                }
                ErrorKind::Ended(Ended::Quit) => {
                    let quit = matches!(case.act, Act::Operation(Operation::Quit));
                    assert!(quit && heard[1..] == ["QUIT"], "{case:?}: {heard:?}");
                }
                other => panic!("{case:?}: {other:?}"),
            }
        }
    }
}

/// How many octets a direction holds, and how many turns the server gets between two polls.
const PACES: [(usize, usize); 8] =
    [(1, 1), (1, 3), (7, 1), (7, 3), (7, 40), (65_536, 1), (65_536, 3), (65_536, 40)];

/// Drops an act after each of its polls, in every way, and says how often that was.
#[track_caller]
fn sweep(act: Act, dialect: Dialect, pipelined: bool) -> usize {
    let mut cases = 0;
    for (window, turns) in PACES {
        for late_reply in [false, true] {
            let case = Case { act, dialect, pipelined, window, turns, polls: 0, late_reply };
            let completed = (0..10_000).find(|&polls| check(Case { polls, ..case }));
            cases += completed.unwrap_or_else(|| panic!("{case:?} never completes"));
        }
    }
    cases
}

#[test]
fn connecting_is_dropped() {
    for dialect in [Dialect::Smtp, Dialect::Lmtp] {
        println!("{dialect:?}: dropped {} times", sweep(Act::Connect, dialect, false));
    }
}

#[test]
fn a_session_command_is_dropped() {
    for operation in Operation::ALL {
        let cases = sweep(Act::Operation(operation), Dialect::Smtp, false);
        println!("{operation:?}: dropped {cases} times");
    }
}

#[test]
fn a_change_of_the_client_or_of_the_roles_is_dropped() {
    for act in [Act::Xclient, Act::Turn] {
        let cases = sweep(act, Dialect::Smtp, false);
        println!("{act:?}: dropped {cases} times");
    }
}

#[test]
fn sending_over_smtp_is_dropped() {
    for pipelined in [false, true] {
        let cases = sweep(Act::Send, Dialect::Smtp, pipelined);
        println!("SMTP, pipelined {pipelined}: dropped {cases} times");
    }
}

#[test]
fn sending_over_lmtp_is_dropped() {
    for pipelined in [false, true] {
        let cases = sweep(Act::Send, Dialect::Lmtp, pipelined);
        println!("LMTP, pipelined {pipelined}: dropped {cases} times");
    }
}
