//! Messages that are sent ahead while a previous one is pending: no command gets into the text of
//! another message, and no text under another envelope.
use smtp_client::{
    Ahead, Connection, Content, Delivery, Envelope, Error, Excess, MailData, Message, Partial,
    Step, session::Dialect,
};

use crate::stage::{early_chunks, play_in, play_on};

/// A message to recipients of these names.
fn message(names: &[&str], content: impl Into<Content<'static>>) -> Message<'static> {
    Message::new(envelope(names), content)
}

fn envelope(names: &[&str]) -> Envelope {
    let rcpts: Vec<String> = names.iter().map(|name| format!("{name}@example.org")).collect();
    Envelope::new("s@example.org", rcpts.iter().map(|rcpt| &**rcpt)).unwrap()
}

fn text(text: &str) -> MailData {
    MailData::new(format!("{text}\r\n")).unwrap()
}

/// The codes for the recipients of each message, or whether it is in doubt.
type Outcome = Result<Vec<u16>, bool>;

fn outcome(result: Result<Delivery, Error>) -> Outcome {
    let codes = |delivery: Delivery| {
        delivery.verdicts().map(|(_, verdict)| verdict.reply().code().get()).collect()
    };
    result.map(codes).map_err(|error| error.in_doubt())
}

/// Sends these messages ahead of each other against this script.
#[track_caller]
fn check(
    offer: &[&str],
    set: fn(&mut Connection),
    messages: Vec<Message<'static>>,
    script: &str,
    expected: &[Outcome],
) {
    let (outcomes, _) = play_on(offer, script, async |mut connection| {
        if offer.contains(&"CHUNKING") {
            *connection.sending_mut() = early_chunks();
        }
        connection.sending_mut().ahead = Some(Ahead::default());
        set(&mut connection);
        let mut sending = connection.send_many(messages).await.unwrap();
        let mut outcomes = Vec::new();
        while let Some((index, result)) = sending.next().await {
            assert_eq!(index, outcomes.len());
            outcomes.push(outcome(result));
        }
        outcomes
    });
    assert_eq!(outcomes, expected);
}

/// The commands of a message up to the text, as they stand in a script.
fn group(names: &[&str]) -> String {
    let rcpt = |name: &&str| format!("C| RCPT TO:<{name}@example.org>\n");
    "C| MAIL FROM:<s@example.org>\n".to_owned() + &names.iter().map(rcpt).collect::<String>()
}

const OFFER: [&str; 2] = ["PIPELINING", "CHUNKING"];
const ANSWERS: &str = "S: 250 s\nS: 250 r\nS: 250 taken\n";

fn in_chunk(name: &str) -> String {
    group(&[name]) + "C| BDAT 3 LAST\n[chunk 3]\n"
}

#[test]
fn a_message_of_several_rounds_is_over_before_the_next_begins() {
    let script = group(&["a", "b"])
        + "C| DATA\nS: 250 s\nS: 250 a\nS: 452 too many\nS: 354 go\n[text]\nS: 250 a\n"
        + &group(&["b"])
        + "C| DATA\nS: 250 s\nS: 250 b\nS: 354 go\n[text]\n"
        + &group(&["c"])
        + "C| DATA\nS: 250 b\nS: 250 s\nS: 250 c\nS: 354 go\n[text]\nS: 250 c\n";
    let messages = vec![message(&["a", "b"], text("ab")), message(&["c"], text("c"))];
    let set = |connection: &mut Connection| connection.sending_mut().excess = Excess::Continue;
    check(&["PIPELINING"], set, messages, &script, &[Ok(vec![250, 250]), Ok(vec![250])]);
}

#[test]
fn in_chunks_too_a_message_of_several_rounds_is_over_before_the_next_begins() {
    let chunk = "C| BDAT 4 LAST\n[chunk 4]\n";
    let script = group(&["a", "b"])
        + chunk
        + "S: 250 s\nS: 250 a\nS: 452 too many\nS: 250 a\n"
        + &group(&["b"])
        + chunk
        + "S: 250 s\nS: 250 b\nS: 250 b\n"
        + &in_chunk("c")
        + ANSWERS;
    let messages = vec![message(&["a", "b"], text("ab")), message(&["c"], text("c"))];
    let set = |connection: &mut Connection| connection.sending_mut().excess = Excess::Continue;
    check(&OFFER, set, messages, &script, &[Ok(vec![250, 250]), Ok(vec![250])]);
}

#[test]
fn one_that_is_sent_again_waits_for_those_that_are_under_way() {
    // The text of `c` waits for the answers to its recipients.
    let script = in_chunk("a")
        + "C| RSET\n"
        + &in_chunk("b")
        + "C| RSET\n"
        + &group(&["c"])
        + ANSWERS
        + "S: 250 reset\nS: 503 early\nS: 503 no\nS: 503 no\n"
        + "S: 250 reset\nS: 250 s\nS: 250 c\n"
        + "C| BDAT 3\n[chunk 3]\nC| BDAT 2 LAST\n[chunk 2]\nS: 250 part\nS: 250 c\n"
        + &in_chunk("b")
        + ANSWERS;
    let messages =
        vec![message(&["a"], text("a")), message(&["b"], text("b")), message(&["c"], text("ccc"))];
    let set = |connection: &mut Connection| {
        connection.sending_mut().chunk = 3;
    };
    check(&OFFER, set, messages, &script, &[Ok(vec![250]), Ok(vec![250]), Ok(vec![250])]);
}

#[test]
fn a_reset_that_came_too_early_costs_a_retry() {
    let script = in_chunk("a")
        + "C| RSET\n"
        + &in_chunk("b")
        + "C| RSET\n"
        + &in_chunk("c")
        + ANSWERS
        + &"S: 503 no\nS: 503 no\nS: 503 no\nS: 503 no\n".repeat(2)
        + &in_chunk("b")
        + ANSWERS
        + &in_chunk("c")
        + ANSWERS;
    let messages = ["a", "b", "c"].map(|name| message(&[name], text(name))).into();
    check(&OFFER, |_| {}, messages, &script, &[Ok(vec![250]), Ok(vec![250]), Ok(vec![250])]);
}

#[test]
fn what_was_refused_as_too_early_and_accepted_all_the_same_is_in_doubt() {
    let script = in_chunk("a")
        + "C| RSET\n"
        + &in_chunk("b")
        + ANSWERS
        + "S: 250 reset\nS: 503 early\nS: 250 b\nS: 250 taken\n";
    let messages = ["a", "b"].map(|name| message(&[name], text(name))).into();
    check(&OFFER, |_| {}, messages, &script, &[Ok(vec![250]), Err(true)]);
}

#[test]
fn no_chunk_follows_a_reset_that_may_be_refused() {
    // Whatever `b` is, a server that keeps its transaction must not get the text of `c` for `a`.
    let script = group(&["a", "b"])
        + "S: 250 s\nS: 250 a\nS: 550 b\n"
        + "C| RSET\n"
        + &group(&["c"])
        + "S: 502 no\nS: 503 nested\nS: 250 c\n[expect-close]";
    play_on(&OFFER, &script, async |mut connection| {
        *connection.sending_mut() = early_chunks();
        connection.sending_mut().partial = Partial::Withhold;
        let [ab, c] = [&["a", "b"][..], &["c"]].map(envelope);
        assert!(connection.send(&ab, text("ab")).await.is_err());
        connection.sending_mut().partial = Partial::Deliver;
        let error = connection.send(&c, text("c")).await.unwrap_err();
        assert_eq!((error.step(), error.in_doubt()), (Step::Reset, false));
    });
}

#[test]
fn over_lmtp_nothing_follows_several_final_replies_that_are_expected() {
    // One too many among them would pass for the reply to the next MAIL.
    let script = group(&["a", "b"])
        + "C| DATA\nS: 250 s\nS: 250 a\nS: 250 b\nS: 354 go\n[text]\n"
        + "[raw \"250 a\\r\\n250 a\\r\\n554 b\\r\\n\"]\n[expect-close]";
    play_in(Dialect::Lmtp, &["PIPELINING"], &script, async |mut connection| {
        connection.sending_mut().ahead = Some(Ahead::default());
        let messages = [message(&["a", "b"], text("ab")), message(&["c"], text("c"))];
        let mut sending = connection.send_many(messages).await.unwrap();
        let error = sending.next().await.unwrap().1.unwrap_err();
        let known: Vec<bool> = error.verdicts().map(|(_, one)| one.is_some()).collect();
        assert_eq!((error.in_doubt(), &known[..]), (true, &[true, false][..]));
    });
}
