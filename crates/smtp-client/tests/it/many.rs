//! Many messages on one connection: their order, and their results.
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_core::Stream;
use smtp_client::{
    Ahead, Broken, Connection, Delivery, Ended, Envelope, Error, ErrorKind, Extension, MailData,
    Message, Messages, Step, Unsupported,
};

use crate::stage::{early_chunks, let_the_server_play, play_on};

/// A message to a recipient of this name.
fn message(name: &str) -> Message<'static> {
    let envelope = Envelope::new("s@example.org", [&*format!("{name}@example.org")]).unwrap();
    Message::new(envelope, MailData::new(format!("{name}\r\n")).unwrap())
}

/// The result of each message: its final or first code, or nothing.
type Outcome = Result<u16, bool>;

/// The code for one recipient, or whether the error is in doubt.
fn outcome((_, result): (usize, Result<Delivery, Error>)) -> Outcome {
    match result {
        Ok(delivery) => Ok(delivery[0].reply().code().get()),
        Err(error) => Err(error.in_doubt()),
    }
}

async fn send_all(connection: &mut Connection, names: &[&str]) -> Vec<Outcome> {
    let mut sending = connection.send_many(names.iter().map(|name| message(name))).await.unwrap();
    let mut outcomes = Vec::new();
    while let Some(result) = sending.next().await {
        assert_eq!(result.0, outcomes.len(), "the index");
        outcomes.push(outcome(result));
    }
    outcomes
}

/// Sends to these names, ahead or not, against this script: in chunks that leave with the commands
/// where CHUNKING is offered.
#[track_caller]
fn check(offer: &[&str], ahead: Option<Ahead>, names: &[&str], script: &str, expected: &[Outcome]) {
    let (outcomes, _) = play_on(offer, script, async |mut connection| {
        if offer.contains(&"CHUNKING") {
            *connection.sending_mut() = early_chunks();
        }
        connection.sending_mut().ahead = ahead;
        send_all(&mut connection, names).await
    });
    assert_eq!(outcomes, expected);
}

fn ahead() -> Option<Ahead> {
    Some(Ahead::default())
}

/// The commands of a message up to the text, as they stand in a script.
fn group(name: &str) -> String {
    format!("C| MAIL FROM:<s@example.org>\nC| RCPT TO:<{name}@example.org>\n")
}

const TAKEN: &str = "S: 250 sender\nS: 250 recipient\nS: 354 go\n";

#[test]
fn one_is_answered_before_the_next_begins() {
    let one = |name: &str| group(name) + "C| DATA\n" + TAKEN + "[text]\nS: 250 taken\n";
    let script = one("a") + &one("b") + &one("c");
    let mut none = Ahead::default();
    none.messages = 0;
    for ahead in [None, Some(none)] {
        check(&["PIPELINING"], ahead, &["a", "b", "c"], &script, &[Ok(250); 3]);
    }
}

#[test]
fn commands_run_ahead_with_the_text_before_them() {
    let script = group("a")
        + "C| DATA\n"
        + TAKEN
        + "[text]\n"
        + &group("b")
        + "C| DATA\nS: 250 a\n"
        + TAKEN
        + "[text]\n"
        + &group("c")
        + "C| DATA\nS: 554 b\n"
        + TAKEN
        + "[text]\nS: 250 c\n";
    check(&["PIPELINING"], ahead(), &["a", "b", "c"], &script, &[Ok(250), Ok(554), Ok(250)]);
}

#[test]
fn in_chunks_all_leave_at_once() {
    let one = |name: &str| group(name) + "C| BDAT 3 LAST\n[chunk 3]\n";
    let script = one("a")
        + "C| RSET\n"
        + &one("b")
        + "C| RSET\n"
        + &one("c")
        + "S: 250 a\nS: 250 a\nS: 250 a\nS: 250 reset\nS: 250 b\nS: 550 b\nS: 503 b\nS: 250 reset
S: 250 c\nS: 250 c\nS: 250 c\n";
    let offer = ["PIPELINING", "CHUNKING"];
    check(&offer, ahead(), &["a", "b", "c"], &script, &[Ok(250), Ok(550), Ok(250)]);
}

#[test]
fn unanswered_messages_stay_within_the_limit() {
    let one = |name: &str| group(name) + "C| BDAT 3 LAST\n[chunk 3]\n";
    let answers = "S: 250 s\nS: 250 r\nS: 250 taken\n";
    // The first answer makes room for the third message.
    let script = one("a") + "C| RSET\n" + &one("b") + answers + "C| RSET\n" + &one("c");
    let script = script + &("S: 250 reset\n".to_owned() + answers).repeat(2);
    let offer = ["PIPELINING", "CHUNKING"];
    let mut two = Ahead::default();
    two.messages = 2.try_into().unwrap();
    check(&offer, Some(two), &["a", "b", "c"], &script, &[Ok(250); 3]);
    let mut six = Ahead::default();
    six.octets = 6;
    check(&offer, Some(six), &["a", "b", "c"], &script, &[Ok(250); 3]);
}

#[test]
fn one_reply_too_many_leaves_the_message_before_it_in_doubt() {
    let script = group("a")
        + "C| BDAT 3 LAST\n[chunk 3]\nS: 250 s\nS: 250 again\nS: 250 r\n[raw \"554 no\\r\\n\"]\n";
    let offer = ["PIPELINING", "CHUNKING"];
    check(&offer, None, &["a", "b"], &script, &[Err(true)]);
}

/// Sends two messages in early chunks, ahead, to a server that replies with these octets.
#[track_caller]
fn check_replies(raws: &[&str], expected: &[Outcome]) {
    let one = |name: &str| group(name) + "C| BDAT 3 LAST\n[chunk 3]\n";
    let raw = |octets: &&str| format!("[raw \"{}\"]\n[delay 1ms]\n", octets.escape_default());
    let script = one("a") + "C| RSET\n" + &one("b") + &raws.iter().map(raw).collect::<String>();
    check(&["PIPELINING", "CHUNKING"], ahead(), &["a", "b"], &script, expected);
}

#[test]
fn each_message_has_its_result_wherever_the_replies_are_cut() {
    let replies = "250 s\r\n250 a\r\n250 taken\r\n250 reset\r\n250 s\r\n550 b\r\n503 nobody\r\n";
    for cut in 0..replies.len() {
        let (first, second) = replies.split_at(cut);
        check_replies(&[first, second], &[Ok(250), Ok(550)]);
    }
}

#[test]
fn each_message_has_its_result_where_a_read_ends_with_the_replies_to_the_one_before() {
    // As many octets as are read at once, and some more or less.
    for octets in 16_380..=16_390 {
        let (before, last) = ("250 s\r\n250 a\r\n", "250 taken\r\n");
        let mut padded = before.to_owned();
        while padded.len() < octets - last.len() {
            let left = octets - last.len() - padded.len();
            let line = if left > 2000 { 1000 } else { left };
            padded += &format!("250-{}\r\n", "x".repeat(line - 6));
        }
        let rest = "250 reset\r\n250 s\r\n250 b\r\n250 taken\r\n";
        check_replies(&[&(padded + last + rest)], &[Ok(250); 2]);
    }
}

#[test]
fn a_refused_reset_ends_the_connection_and_refuses_no_message() {
    let script = group("a") + "C| DATA\nS: 250 s\nS: 550 a\nS: 503 x\nC| RSET\n" + &group("b");
    let script = script + "C| DATA\nS: 502 what?\nS: 503 x\nS: 503 x\nS: 503 x\n[expect-close]";
    play_on(&["PIPELINING"], &script, async |mut connection| {
        let messages = ["a", "b", "c"].into_iter().map(message);
        let mut sending = connection.send_many(messages).await.unwrap();
        assert_eq!(outcome(sending.next().await.unwrap()), Ok(550));
        let error = sending.next().await.unwrap().1.unwrap_err();
        assert!(error.is_transient() && !error.in_doubt(), "{error:?}");
        assert!(matches!(error.kind(), ErrorKind::Ended(Ended::NotReset(_))), "{error:?}");
        assert!(sending.next().await.is_none());
    });
}

#[test]
fn a_message_that_was_not_begun_is_not_refused_by_the_421_of_the_one_before() {
    let script = group("a") + "C| DATA\nS: 250 s\nS: 421 enough\n[expect-close]";
    play_on(&["PIPELINING"], &script, async |mut connection| {
        let messages = ["a", "b", "c"].into_iter().map(message);
        let mut sending = connection.send_many(messages).await.unwrap();
        let first = sending.next().await.unwrap().1.unwrap();
        assert_eq!((first[0].step(), first[0].reply().code().get()), (Step::Rcpt, 421));
        let next = sending.next().await.unwrap().1.unwrap_err();
        assert!(matches!(next.kind(), ErrorKind::Ended(Ended::ServerClosing(_))), "{next:?}");
        assert_eq!((next.step(), next.in_doubt(), next.verdicts().len()), (Step::Mail, false, 0));
        assert!(sending.next().await.is_none());
    });
}

#[test]
fn a_server_that_has_lost_the_login_refuses_no_message() {
    for refusal in ["503 5.5.1 MAIL first? AUTH first", "530 5.7.0 authentication required"] {
        let script = group("a")
            + "C| DATA\nS: 250 s\nS: 550 a\nS: 503 x\nC| RSET\n"
            + &group("b")
            + &format!("C| DATA\nS: 250 reset\nS: {refusal}\nS: 503 x\nS: 503 x\n[expect-close]");
        play_on(&["PIPELINING"], &script, async |mut connection| {
            let messages = ["a", "b", "c"].into_iter().map(message);
            let mut sending = connection.send_many(messages).await.unwrap();
            assert_eq!(outcome(sending.next().await.unwrap()), Ok(550));
            let error = sending.next().await.unwrap().1.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Ended(Ended::OutOfSequence(_))), "{error:?}");
            assert!(error.is_transient() && !error.in_doubt(), "{error:?}");
            assert!(sending.next().await.is_none());
        });
        // The first MAIL of a session is refused for what it is.
        let script = group("a") + &format!("C| DATA\nS: {refusal}\nS: 503 x\nS: 503 x\n");
        play_on(&["PIPELINING"], &script, async |mut connection| {
            let outcomes = send_all(&mut connection, &["a"]).await;
            assert_eq!(outcomes, [Ok(refusal[..3].parse().unwrap())]);
        });
    }
}

#[test]
fn a_refused_message_in_the_middle_disturbs_no_other() {
    let script = group("a")
        + "C| DATA\n"
        + TAKEN
        + "[text]\n"
        + &group("b")
        + "C| DATA\nS: 250 a\nS: 250 sender\nS: 550 b\nS: 503 nobody\n"
        + "C| RSET\n"
        + &group("c")
        + "C| DATA\nS: 250 reset\n"
        + TAKEN
        + "[text]\nS: 250 c\n";
    check(&["PIPELINING"], ahead(), &["a", "b", "c"], &script, &[Ok(250), Ok(550), Ok(250)]);
}

#[test]
fn a_message_that_was_sent_too_early_is_sent_again_in_order() {
    let one = |name: &str| group(name) + "C| DATA\n" + TAKEN + "[text]\n";
    let script = one("a")
        + &group("b")
        + "C| DATA\nS: 250 a\nS: 503 after end of data\nS: 503 no\nS: 503 no\n"
        + &one("b")
        + "S: 250 b\n"
        + &one("c")
        + "S: 250 c\n";
    check(&["PIPELINING"], ahead(), &["a", "b", "c"], &script, &[Ok(250); 3]);
}

#[test]
fn chunks_that_were_sent_too_early_are_sent_again_in_order() {
    let one = |name: &str| group(name) + "C| BDAT 3 LAST\n[chunk 3]\n";
    let answers = "S: 250 s\nS: 250 r\nS: 250 taken\n";
    let script = one("a")
        + "C| RSET\n"
        + &one("b")
        + "C| RSET\n"
        + &one("c")
        + answers
        + &"S: 250 reset\nS: 503 no\nS: 503 no\nS: 503 no\n".repeat(2)
        + &one("b")
        + answers
        + &one("c")
        + answers;
    let offer = ["PIPELINING", "CHUNKING"];
    check(&offer, ahead(), &["a", "b", "c"], &script, &[Ok(250); 3]);
}

#[test]
fn a_line_that_breaks_leaves_doubt_only_where_the_text_was_handed_over() {
    let script = group("a") + "C| DATA\n" + TAKEN + "[text]\n" + &group("b") + "C| DATA\n[close]";
    check(&["PIPELINING"], ahead(), &["a", "b", "c"], &script, &[Err(true), Err(false)]);
    let one = |name: &str| group(name) + "C| BDAT 3 LAST\n[chunk 3]\n";
    let script = one("a") + "C| RSET\n" + &one("b") + "S: 250 s\nS: 250 a\nS: 250 a\n[close]";
    check(&["PIPELINING", "CHUNKING"], ahead(), &["a", "b"], &script, &[Ok(250), Err(true)]);
}

#[test]
fn after_421_every_remaining_message_has_a_result() {
    let script = group("a")
        + "C| DATA\n"
        + TAKEN
        + "[text]\n"
        + &group("b")
        + "C| DATA\nS: 250 a\nS: 421 closing\n[close]";
    check(&["PIPELINING"], ahead(), &["a", "b", "c"], &script, &[Ok(250), Ok(421), Err(false)]);
    check(&["PIPELINING"], ahead(), &["a", "b"], &script, &[Ok(250), Ok(421)]);
}

#[test]
fn without_pipelining_nothing_runs_ahead() {
    let one = |name: &str| {
        format!(
            "C: MAIL FROM:<s@example.org>\nS: 250 s\nC: RCPT TO:<{name}@example.org>\nS: 250 r
C: DATA\nS: 354 go\n[text]\nS: 250 taken\n"
        )
    };
    check(&[], ahead(), &["a", "b"], &(one("a") + &one("b")), &[Ok(250); 2]);
}

#[test]
fn a_message_that_cannot_be_sent_is_an_error_of_its_own() {
    let one = |name: &str| group(name) + "C| DATA\n" + TAKEN + "[text]\nS: 250 taken\n";
    let script = one("a") + &one("c") + "C: QUIT\nS: 221 bye";
    for ahead in [None, ahead()] {
        let script = match ahead {
            None => script.clone(),
            Some(_) => {
                group("a")
                    + "C| DATA\n"
                    + TAKEN
                    + "[text]\n"
                    + &group("c")
                    + "C| DATA\nS: 250 taken\n"
                    + TAKEN
                    + "[text]\nS: 250 taken\nC: QUIT\nS: 221 bye"
            }
        };
        play_on(&["PIPELINING"], &script, async |mut connection| {
            connection.sending_mut().ahead = ahead;
            let envelope = Envelope::new("s@example.org", ["b@example.org"]).unwrap();
            let odd = Message::new(envelope, MailData::new("\u{e9}\r\n").unwrap());
            let messages = [message("a"), odd, message("c")];
            let mut sending = connection.send_many(messages).await.unwrap();
            assert_eq!(outcome(sending.next().await.unwrap()), Ok(250));
            let (index, result) = sending.next().await.unwrap();
            assert_eq!(index, 1);
            let error = result.unwrap_err();
            let lacking = Unsupported::Extension(Extension::EightBitMime);
            assert!(matches!(error.kind(), ErrorKind::Unsupported(found) if *found == lacking));
            assert_eq!(outcome(sending.next().await.unwrap()), Ok(250));
            assert!(sending.next().await.is_none());
            drop(sending);
            connection.quit().await.unwrap();
        });
    }
}

#[test]
fn between_messages_it_can_be_left() {
    let one = |name: &str| group(name) + "C| DATA\n" + TAKEN + "[text]\nS: 250 taken\n";
    let script = one("a") + "C: NOOP\nS: 250 ok\n";
    play_on(&["PIPELINING"], &script, async |mut connection| {
        let names = ["a", "b"].into_iter().map(message);
        let mut sending = connection.send_many(names).await.unwrap();
        assert_eq!(outcome(sending.next().await.unwrap()), Ok(250));
        drop(sending);
        connection.noop().await.unwrap();
    });
}

#[test]
fn to_leave_a_message_under_way_ends_the_session() {
    let script = group("a")
        + "C| DATA\n"
        + TAKEN
        + "[text]\n"
        + &group("b")
        + "C| DATA\nS: 250 a\n[expect-close]";
    play_on(&["PIPELINING"], &script, async |mut connection| {
        connection.sending_mut().ahead = ahead();
        let mut sending = connection.send_many(["a", "b"].into_iter().map(message)).await.unwrap();
        assert_eq!(outcome(sending.next().await.unwrap()), Ok(250));
        drop(sending);
        let error = connection.noop().await.unwrap_err();
        let canceled = Ended::Canceled { step: Step::Mail, in_doubt: false };
        assert!(matches!(error.kind(), ErrorKind::Ended(found) if *found == canceled), "{error:?}");
    });
}

#[test]
fn a_session_that_has_ended_accepts_no_operation() {
    play_on(&[], "C: QUIT\nS: 221 bye", async |mut connection| {
        connection.quit().await.unwrap();
        assert!(connection.send_many([message("a")]).await.is_err());
    });
}

#[test]
fn a_deadline_covers_each_message() {
    let script = group("a") + "C| DATA\n" + TAKEN + "[text]\nS: 250 a\n" + &group("b");
    let script = script + "C| DATA\n" + TAKEN + "[text]\n[stall]";
    for ahead in [None, ahead()] {
        // What runs ahead leaves in another order, which is not what this is about.
        let names: &[&str] = if ahead.is_some() { &["a"] } else { &["a", "b"] };
        let script = match ahead {
            None => script.clone(),
            Some(_) => group("a") + "C| DATA\n" + TAKEN + "[text]\n[stall]",
        };
        let limit = Duration::from_secs(7);
        play_on(&["PIPELINING"], &script, async |mut connection| {
            connection.sending_mut().ahead = ahead;
            connection.timeouts_mut().operation = Some(limit);
            let messages = names.iter().map(|name| message(name));
            let mut sending = connection.send_many(messages).await.unwrap();
            let mut last = sending.next().await.unwrap();
            while let Some(next) = sending.next().await {
                last = next;
            }
            let error = last.1.unwrap_err();
            let late = |broken: &Broken| matches!(broken, Broken::Deadline { limit: found } if *found == limit);
            assert!(matches!(error.kind(), ErrorKind::Broken(broken) if late(broken)), "{error:?}");
        });
    }
}

#[test]
fn what_came_unasked_between_messages_ends_the_session() {
    for unasked in ["[raw \"250 what\\r\\n\"]", "[raw \"what\\r\\n\"]", "[close]"] {
        let script = format!("[delay 1s]\n{unasked}\n[expect-close]");
        let script = script.replace("[close]\n[expect-close]", "[close]");
        play_on(&["PIPELINING"], &script, async |mut connection| {
            let never = Messages::stream(Never);
            let mut sending = connection.send_many(never).await.unwrap();
            let _ = sending.next().await;
            drop(sending);
            assert_eq!(connection.ended(), Some(&Ended::Failed { step: Step::Mail }));
        });
    }
}

/// A stream of messages that never come.
struct Never;

impl Stream for Never {
    type Item = Message<'static>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Pending
    }
}

#[test]
fn a_connection_that_fails_between_messages_is_an_error_of_the_next() {
    let one = |name: &str| group(name) + "C| DATA\n" + TAKEN + "[text]\nS: 250 taken\n";
    for end in ["[close]", "S: 421 enough\n[close]"] {
        let script = one("a") + end;
        check(&["PIPELINING"], None, &["a"], &script, &[Ok(250)]);
        play_on(&["PIPELINING"], &script, async |mut connection| {
            let taken = Arc::new(AtomicUsize::new(0));
            let counter = Arc::clone(&taken);
            let messages = ["a", "b", "c"].into_iter().map(message);
            let messages = messages.inspect(move |_| {
                counter.fetch_add(1, Ordering::SeqCst);
            });
            let mut sending = connection.send_many(messages).await.unwrap();
            assert_eq!(outcome(sending.next().await.unwrap()), Ok(250));
            let_the_server_play().await;
            assert_eq!(outcome(sending.next().await.unwrap()), Err(false));
            assert!(sending.next().await.is_none());
            assert_eq!(taken.load(Ordering::SeqCst), 2);
        });
    }
}
