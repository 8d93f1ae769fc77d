//! RSET, NOOP, VRFY, EXPN and HELP, and the effect of 421 on every command.
use std::time::Duration;

use smtp_client::{
    Connection, Ended, Envelope, Error, ErrorKind, MailData, Misbehaved, Reply, Step,
    session::Dialect,
};

use crate::{
    operation::{OFFER, Operation},
    stage::{is_refusal, let_the_server_play, play_in, play_on},
};

/// The result of one operation when the server replies with `reply`.
#[track_caller]
fn outcome(dialect: Dialect, operation: Operation, reply: &str) -> Result<Reply, Error> {
    let rest = format!("C: {}\n{reply}", operation.line());
    let perform = async |mut connection| operation.perform(&mut connection).await;
    play_in(dialect, &OFFER, &rest, perform).0
}

#[track_caller]
fn check_answer(dialect: Dialect, operation: Operation, code: u16) {
    let reply = format!("S: {code}-first\nS: {code} second");
    let answer = outcome(dialect, operation, &reply).unwrap();
    assert_eq!((answer.code().get(), answer.as_bytes()), (code, &b"first\nsecond"[..]));
}

#[track_caller]
fn check_refused(operation: Operation, code: u16) {
    let reply = format!("S: {code}-5.0.0 first\nS: {code} second");
    let error = outcome(Dialect::Smtp, operation, &reply).unwrap_err();
    assert!(is_refusal(&error), "{error:?}");
    assert_eq!(error.step(), operation.step());
    let reply = error.reply().unwrap();
    assert_eq!((reply.code().get(), reply.as_bytes()), (code, &b"5.0.0 first\nsecond"[..]));
}

#[track_caller]
fn check_wrong_code(operation: Operation, code: u16) {
    let error = outcome(Dialect::Smtp, operation, &format!("S: {code} ok")).unwrap_err();
    match error.kind() {
        ErrorKind::Misbehaved(Misbehaved::WrongCode { step, reply }) => {
            assert_eq!((*step, reply.code().get()), (operation.step(), code));
        }
        other => panic!("{operation:?} {code}: {other:?}"),
    }
    assert_eq!(error.step(), operation.step());
}

#[test]
fn reset_and_noop_are_answered_with_250() {
    for dialect in [Dialect::Smtp, Dialect::Lmtp] {
        check_answer(dialect, Operation::Reset, 250);
        check_answer(dialect, Operation::Noop, 250);
    }
}

#[test]
fn another_2yz_or_3yz_is_the_wrong_code() {
    for operation in [Operation::Reset, Operation::Noop, Operation::Xforward, Operation::Rehlo] {
        for code in [200, 211, 220, 221, 251, 252, 354] {
            check_wrong_code(operation, code);
        }
    }
    for operation in Operation::ALL {
        check_wrong_code(operation, 354);
        check_wrong_code(operation, 334);
    }
}

#[test]
fn a_refusal_keeps_the_full_reply() {
    use Operation::{Etrn, Noop, Quit, Reset, Xforward};
    for operation in [Reset, Noop, Etrn, Xforward, Quit] {
        for code in [450, 451, 454, 500, 502, 503, 550, 554, 571] {
            check_refused(operation, code);
        }
    }
    for code in [450, 451, 454, 501, 503, 504, 550, 554] {
        check_refused(Operation::Rehlo, code);
    }
}

#[test]
fn verify_and_expand_return_every_answer_as_data() {
    for dialect in [Dialect::Smtp, Dialect::Lmtp] {
        for operation in [Operation::Verify, Operation::Expand] {
            for code in [250, 251, 252, 450, 500, 502, 504, 550, 551, 553] {
                check_answer(dialect, operation, code);
            }
        }
    }
}

#[test]
fn help_returns_every_answer_as_data() {
    for operation in [Operation::Help, Operation::HelpOn] {
        for code in [211, 214, 500, 502, 504] {
            check_answer(Dialect::Smtp, operation, code);
        }
    }
}

#[test]
fn the_members_of_a_list_are_read_line_by_line() {
    let members = [
        "Jon Postel <Postel@isi.edu>",
        "Fred Fonebone <Fonebone@physics.foo-u.edu>",
        "Sam Q. Smith <SQSmith@specific.generic.com>",
    ];
    let [first, second, third] = members;
    let reply = format!("S: 250-{first}\nS: 250-{second}\nS: 250 {third}");
    for dialect in [Dialect::Smtp, Dialect::Lmtp] {
        let answer = outcome(dialect, Operation::Expand, &reply).unwrap();
        let lines: Vec<&[u8]> = answer.lines().map(|line| line.as_bytes()).collect();
        assert_eq!(lines, members.map(str::as_bytes));
    }
}

#[test]
fn a_refusal_leaves_the_session_in_order() {
    let rest = "C: RSET\nS: 500 no\nC: NOOP\nS: 451 no\nC: NOOP\nS: 250 yes";
    play_on(&OFFER, rest, async |mut connection| {
        connection.reset().await.unwrap_err();
        connection.noop().await.unwrap_err();
        connection.noop().await.unwrap();
        assert!(connection.ended().is_none());
    });
}

#[test]
fn a_surplus_reply_is_noticed_before_the_next_command() {
    for operation in Operation::ALL.into_iter().filter(|one| *one != Operation::Quit) {
        for reply in [operation.good(), 550] {
            // In the same segment, and in one of its own.
            for surplus in ["S: 250 extra", "[raw \"250 extra\\r\\n\"]", "[raw \"2\"]"] {
                let rest = format!("C: {}\nS: {reply} said\n{surplus}", operation.line());
                play_on(&OFFER, &rest, async |mut connection| {
                    let outcome = operation.perform(&mut connection).await;
                    assert_eq!(outcome.is_ok(), reply < 400 || operation.takes_any());
                    let_the_server_play().await;
                    let error = connection.noop().await.unwrap_err();
                    assert!(matches!(error.kind(), ErrorKind::Misbehaved(_)), "{error:?}");
                    check_ended(&mut connection, &Ended::Failed { step: Step::Noop }).await;
                });
            }
        }
    }
}

#[test]
fn after_a_wrong_code_nothing_more_is_written() {
    for operation in Operation::ALL {
        let rest = format!("C: {}\nS: 354 go on", operation.line());
        play_on(&OFFER, &rest, async |mut connection| {
            operation.perform(&mut connection).await.unwrap_err();
            check_ended(&mut connection, &Ended::Failed { step: operation.step() }).await;
        });
    }
}

/// Every operation fails with that error, and the script checks that nothing is written.
pub(crate) async fn check_ended(connection: &mut Connection, expected: &Ended) {
    assert_eq!(connection.ended(), Some(expected));
    for next in Operation::ALL {
        let error = next.perform(connection).await.unwrap_err();
        assert_eq!(error.step(), next.step());
        match error.kind() {
            ErrorKind::Ended(ended) => assert_eq!(ended, expected),
            other => panic!("{next:?} after the end: {other:?}"),
        }
    }
    let envelope = Envelope::new("a@example.org", ["b@example.org"]).unwrap();
    let text = MailData::new("text").unwrap();
    let error = connection.send(&envelope, &text).await.unwrap_err();
    assert_eq!((error.step(), error.in_doubt()), (Step::Mail, false));
    assert!(matches!(error.kind(), ErrorKind::Ended(ended) if ended == expected), "{error:?}");
}

#[test]
fn after_421_to_any_command_the_session_is_over() {
    for operation in Operation::ALL {
        let rest = format!("C: {}\nS: 421-4.3.2 closing\nS: 421 now", operation.line());
        play_on(&OFFER, &rest, async |mut connection| {
            let error = operation.perform(&mut connection).await.unwrap_err();
            assert!(is_refusal(&error), "{error:?}");
            assert_eq!(error.step(), operation.step());
            let reply = error.reply().unwrap().clone();
            assert_eq!(reply.as_bytes(), b"4.3.2 closing\nnow");
            check_ended(&mut connection, &Ended::ServerClosing(reply)).await;
        });
    }
}

#[test]
fn a_waiting_421_is_noticed_before_the_next_command() {
    for close in ["", "[close]"] {
        for operation in Operation::ALL {
            let rest = format!("C: NOOP\nS: 250 ok\n[delay 10s]\nS: 421 idle\n{close}");
            play_on(&OFFER, &rest, async |mut connection| {
                connection.noop().await.unwrap();
                tokio::time::advance(Duration::from_secs(10)).await;
                let_the_server_play().await;
                let error = operation.perform(&mut connection).await.unwrap_err();
                let reply = error.reply().unwrap().clone();
                check_ended(&mut connection, &Ended::ServerClosing(reply)).await;
                assert_eq!(error.step(), operation.step());
                assert!(
                    matches!(error.kind(), ErrorKind::Ended(Ended::ServerClosing(_))),
                    "{error:?}"
                );
            });
        }
    }
}

#[test]
fn a_connection_closed_while_idle_is_noticed_before_the_next_command() {
    for operation in Operation::ALL {
        play_on(&OFFER, "C: NOOP\nS: 250 ok\n[close]", async |mut connection| {
            connection.noop().await.unwrap();
            let_the_server_play().await;
            let error = operation.perform(&mut connection).await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Ended(Ended::Closed)), "{error:?}");
            check_ended(&mut connection, &Ended::Closed).await;
        });
    }
}

#[test]
fn a_reply_that_waits_for_no_command_is_unsolicited() {
    for operation in Operation::ALL {
        for (waiting, whole) in [("250 ok\\r\\n", true), ("250 o", false), ("\\n", false)] {
            let rest = format!("C: NOOP\nS: 250 ok\n[raw \"{waiting}\"]");
            play_on(&OFFER, &rest, async |mut connection| {
                connection.noop().await.unwrap();
                let_the_server_play().await;
                let error = operation.perform(&mut connection).await.unwrap_err();
                assert_eq!(error.step(), operation.step());
                match error.kind() {
                    ErrorKind::Misbehaved(Misbehaved::Unsolicited(_)) => assert!(whole),
                    ErrorKind::Misbehaved(_) => assert!(!whole),
                    other => panic!("{operation:?} {waiting}: {other:?}"),
                }
                let failed = Ended::Failed { step: operation.step() };
                check_ended(&mut connection, &failed).await;
            });
        }
    }
}
