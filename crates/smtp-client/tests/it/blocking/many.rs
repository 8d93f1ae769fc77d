//! Many messages on one connection that blocks.
use smtp_client::{
    Ahead, Content, Ended, Envelope, ErrorKind, MailData, Message, Step, blocking::Connection,
};

use super::play_on;

/// A message to a recipient of this name.
fn message(name: &str) -> Message<'static> {
    let envelope = Envelope::new("s@example.org", [&*format!("{name}@example.org")]).unwrap();
    Message::new(envelope, MailData::new(format!("{name}\r\n")).unwrap())
}

/// What became of each message: its code, or whether it is in doubt.
fn outcomes<'m>(
    connection: &mut Connection,
    messages: impl IntoIterator<Item = Message<'m>, IntoIter: Send + 'm>,
) -> Vec<Result<u16, bool>> {
    let results = connection.send_many(messages).unwrap();
    let outcome = |delivery: smtp_client::Delivery| delivery[0].reply().code().get();
    let results = results.enumerate().map(|(place, (index, result))| {
        assert_eq!(index, place);
        result.map(outcome).map_err(|error| error.in_doubt())
    });
    results.collect()
}

/// The commands of a message up to the text.
fn group(name: &str) -> String {
    format!("C| MAIL FROM:<s@example.org>\nC| RCPT TO:<{name}@example.org>\n")
}

/// A message that is accepted.
fn taken(name: &str) -> String {
    group(name) + "C| DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n[text]\nS: 250 taken\n"
}

/// A message whose recipient is refused.
fn refused(name: &str) -> String {
    group(name) + "C| DATA\nS: 250 ok\nS: 550 unknown\nS: 554 nobody\n"
}

#[test]
fn a_refused_message_in_the_middle_disturbs_no_other() {
    let script = taken("a")
        + &refused("b")
        + "C| RSET\n"
        + &taken("c").replacen("S: 250 ok\n", "S: 250 reset\nS: 250 ok\n", 1);
    let expected = [Ok(250), Ok(550), Ok(250)];
    play_on(&["PIPELINING"], &script, |connection| {
        assert_eq!(outcomes(connection, ["a", "b", "c"].map(message)), expected);
        assert!(connection.ended().is_none());
    });
}

#[test]
fn messages_run_ahead_with_the_text_before_them() {
    let script = group("a")
        + "C| DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n[text]\n"
        + &group("b")
        + "C| DATA\nS: 250 taken\nS: 250 ok\nS: 250 ok\nS: 354 go\n[text]\nS: 250 taken";
    play_on(&["PIPELINING"], &script, |connection| {
        connection.sending_mut().ahead = Some(Ahead::default());
        assert_eq!(outcomes(connection, ["a", "b"].map(message)), [Ok(250), Ok(250)]);
    });
}

#[test]
fn a_message_that_has_to_be_awaited_is_refused_in_its_place() {
    let script = taken("a") + &taken("c");
    play_on(&["PIPELINING"], &script, |connection| {
        let envelope = Envelope::new("s@example.org", ["b@example.org"]).unwrap();
        let awaited = || Message::new(envelope.clone(), Content::read(&b"b\r\n"[..]));
        let messages = [awaited(), message("a"), awaited(), awaited(), message("c"), awaited()];
        let (ok, refused) = (Ok(250), Err(false));
        assert_eq!(outcomes(connection, messages), [refused, ok, refused, refused, ok, refused]);
        assert!(connection.ended().is_none());
    });
}

#[test]
fn the_end_of_the_connection_is_not_taken_for_the_end_of_the_messages() {
    let script = taken("a") + &group("b") + "C| DATA\nS: 421 closing\n[close]";
    play_on(&["PIPELINING"], &script, |connection| {
        let found = outcomes(connection, ["a", "b", "c", "d"].map(message));
        assert_eq!(found[..2], [Ok(250), Ok(421)]);
        assert_eq!(found[2..], [Err(false)], "the next one tells it");
        assert!(matches!(connection.ended(), Some(Ended::ServerClosing(_))));
    });
}

#[test]
fn no_result_is_asked_for_twice_and_results_come_one_by_one() {
    let script = taken("a") + &taken("b");
    play_on(&["PIPELINING"], &script, |connection| {
        let mut sending = connection.send_many(["a", "b"].map(message)).unwrap();
        assert!(sending.next().unwrap().1.unwrap().all_accepted());
        assert!(sending.next().unwrap().1.unwrap().all_accepted());
        assert!(sending.next().is_none() && sending.next().is_none());
    });
}

#[test]
fn dropping_it_between_two_messages_leaves_the_connection_in_order() {
    let script = taken("a") + "C: NOOP\nS: 250 ok";
    play_on(&["PIPELINING"], &script, |connection| {
        let mut sending = connection.send_many(["a", "b"].map(message)).unwrap();
        assert!(sending.next().unwrap().1.unwrap().all_accepted());
        drop(sending);
        connection.noop().unwrap();
    });
}

#[test]
fn what_was_known_of_a_message_that_is_given_up_is_kept() {
    let script = group("a")
        + "C| DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n[text]\n"
        + &group("b")
        + "C| RCPT TO:<c@example.org>\nC| DATA\n"
        + "[raw \"250 taken\\r\\n250 ok\\r\\n550 no\\r\\n\"]\n[stall]";
    play_on(&["PIPELINING"], &script, |connection| {
        connection.sending_mut().ahead = Some(Ahead::default());
        let two = Envelope::new("s@example.org", ["b@example.org", "c@example.org"]).unwrap();
        let other = Message::new(two, MailData::new("b\r\n").unwrap());
        let mut sending = connection.send_many([message("a"), other]).unwrap();
        assert!(sending.next().unwrap().1.unwrap().all_accepted());
        drop(sending);
        let ended = connection.noop().unwrap_err();
        assert!(
            matches!(ended.kind(), ErrorKind::Ended(Ended::Canceled { in_doubt: false, .. })),
            "{ended:?}"
        );
        let known: Vec<_> = connection.canceled_verdicts().collect();
        let [(first, Some(refused)), (second, None)] = known[..] else { panic!("{known:?}") };
        assert_eq!((first, second), ("b@example.org", "c@example.org"));
        assert_eq!(refused.reply().code(), 550);
    });
}

#[test]
fn a_session_that_has_ended_takes_none() {
    play_on(&[], "C: QUIT\nS: 221 bye", |connection| {
        connection.quit().unwrap();
        let error = connection.send_many([message("a")]).map(drop).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Ended(Ended::Quit)));
        assert_eq!(error.step(), Step::Mail);
    });
}
