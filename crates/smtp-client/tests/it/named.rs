//! The names of the recipients: every verdict comes with the forward-path that it is about.
use smtp_client::{Delivery, Envelope, Error, Excess, MailData, Step, Verdict, session::Dialect};

use crate::stage::play_in;

const EVERYONE: [&str; 4] =
    ["b@example.org", "postmaster", "c@b\u{fc}cher.example", "b@example.org"];

/// A message to everyone, up to the replies.
const COMMANDS: &str = "
    C| MAIL FROM:<a@example.org>
    C| RCPT TO:<b@example.org>
    C| RCPT TO:<Postmaster>
    C| RCPT TO:<c@xn--bcher-kva.example>
    C| RCPT TO:<b@example.org>
    C| DATA
    S: 250 ok
";

/// Sends a message to everyone. Recipients that are too many get it in a further transaction.
fn send(dialect: Dialect, replies: &str) -> Result<Delivery, Error> {
    let script = format!("{COMMANDS}{replies}");
    let (outcome, _) = play_in(dialect, &["PIPELINING"], &script, async |mut connection| {
        connection.sending_mut().excess = Excess::Continue;
        let envelope = Envelope::new("a@example.org", EVERYONE).unwrap();
        connection.send(&envelope, &MailData::new("text\r\n").unwrap()).await
    });
    outcome
}

fn code(verdict: &Verdict) -> u16 {
    verdict.reply().code().get()
}

#[test]
fn a_delivery_names_each_recipient_as_it_was_sent() {
    let replies =
        "S: 250 ok\nS: 551 5.1.6 moved\nS: 250 ok\nS: 550 5.1.1 no\nS: 354 go\n[text]\nS: 250 ok";
    let delivery = send(Dialect::Smtp, replies).unwrap();
    let found: Vec<_> = delivery.verdicts().map(|(path, verdict)| (path, code(verdict))).collect();
    let [b, c] = ["b@example.org", "c@xn--bcher-kva.example"];
    assert_eq!(found, [(b, 250), ("Postmaster", 551), (c, 250), (b, 550)]);
    let refused: Vec<_> = delivery.refused().map(|(path, verdict)| (path, code(verdict))).collect();
    assert_eq!(refused, [("Postmaster", 551), (b, 550)]);
}

#[test]
fn recipients_of_a_further_transaction_keep_their_names() {
    let replies =
        "S: 452 4.5.3 too many\nS: 550 no\nS: 250 ok\nS: 452 4.5.3 too many\nS: 354 go\n[text]
        S: 251 first
        C| MAIL FROM:<a@example.org>
        C| RCPT TO:<b@example.org>
        C| RCPT TO:<b@example.org>
        C| DATA
        S: 250 ok\nS: 250 ok\nS: 553 no\nS: 354 go\n[text]
        S: 252 second";
    let delivery = send(Dialect::Smtp, replies).unwrap();
    let found: Vec<_> = delivery.verdicts().map(|(path, verdict)| (path, code(verdict))).collect();
    let [b, c] = ["b@example.org", "c@xn--bcher-kva.example"];
    assert_eq!(found, [(b, 252), ("Postmaster", 550), (c, 251), (b, 553)]);
}

#[test]
fn an_error_names_the_recipients_with_and_without_a_verdict() {
    let replies =
        "S: 250 ok\nS: 550 no\nS: 250 ok\nS: 250 ok\nS: 354 go\n[text]\nS: 250 ok\n[close]";
    let error = send(Dialect::Lmtp, replies).unwrap_err();
    assert_eq!((error.step(), error.in_doubt()), (Step::EndOfText, true));
    let found: Vec<_> = error.verdicts().map(|(path, known)| (path, known.map(code))).collect();
    let [b, c] = ["b@example.org", "c@xn--bcher-kva.example"];
    assert_eq!(found, [(b, Some(250)), ("Postmaster", Some(550)), (c, None), (b, None)]);
}
