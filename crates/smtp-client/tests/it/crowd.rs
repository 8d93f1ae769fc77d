//! Thousands of recipients: each gets its own verdict, and nobody waits for ever.
use std::time::Instant;

use smtp_client::{Delivery, Envelope, Step, Text, session::Dialect};
use smtp_testkit::pipe;

use crate::{
    answering::answer_all,
    stage::{connector, perform},
};

const RECIPIENTS: usize = 20_000;

/// The verdicts on so many recipients of a server that takes every other one, and that does not
/// read while it cannot write.
fn deliver(
    dialect: Dialect,
    keywords: &'static str,
    recipients: usize,
    window: usize,
    padding: usize,
) -> Delivery {
    perform(async {
        let (client, server) = pipe(window);
        let padding = "x".repeat(padding);
        let mut asked = 0;
        let mut taken = Vec::new();
        let heard = answer_all(server, move |line| match line.split(':').next().unwrap() {
            "" => "220 hi\r\n".into(),
            "EHLO client.example" | "LHLO client.example" => {
                format!("250-hi\r\n250 {keywords}\r\n")
            }
            "RCPT TO" => {
                asked += 1;
                if asked % 2 == 1 {
                    taken.push(asked - 1);
                    format!("250 taken {} {padding}\r\n", asked - 1)
                } else {
                    format!("550 refused {} {padding}\r\n", asked - 1)
                }
            }
            "DATA" => "354 go\r\n".into(),
            "." if dialect == Dialect::Smtp => "250 all\r\n".into(),
            "." => taken.iter().map(|place| format!("250 delivered {place}\r\n")).collect(),
            _ => "250 ok\r\n".into(),
        });
        let mut connection = connector(dialect).connect_over(client).await.unwrap();
        let rcpts: Vec<String> = (0..recipients).map(|n| format!("r{n}@example.org")).collect();
        let envelope = Envelope::new("a@example.org", rcpts.iter().map(|rcpt| &**rcpt)).unwrap();
        let text = Text::new("text\r\n").unwrap();
        let delivery = connection.send(&envelope, &text).await.unwrap();
        connection.noop().await.unwrap();
        drop(connection);
        // EHLO, MAIL, the recipients, DATA, the text in two lines, NOOP.
        assert_eq!(heard.await.unwrap().len(), recipients + 6);
        delivery
    })
}

/// Each verdict is that of its own recipient.
#[track_caller]
fn check(dialect: Dialect, delivery: &Delivery, recipients: usize) {
    assert_eq!(delivery.verdicts().len(), recipients);
    for (place, verdict) in delivery.verdicts().iter().enumerate() {
        assert_eq!(verdict.is_accepted(), place % 2 == 0);
        let (step, word) = match (place % 2, dialect) {
            (1, _) => (Step::Rcpt, format!("refused {place} ")),
            (_, Dialect::Smtp) => (Step::EndOfText, "all".into()),
            (_, Dialect::Lmtp) => (Step::EndOfText, format!("delivered {place}")),
        };
        assert_eq!(verdict.step(), step);
        assert!(verdict.reply().as_bytes().starts_with(word.as_bytes()), "{place}: {verdict}");
    }
}

#[test]
fn a_pipelined_crowd_passes_a_small_window() {
    let begun = Instant::now();
    let delivery = deliver(Dialect::Smtp, "PIPELINING", RECIPIENTS, 4096, 0);
    check(Dialect::Smtp, &delivery, RECIPIENTS);
    println!("{RECIPIENTS} recipients in {:?}", begun.elapsed());
}

#[test]
fn long_replies_pass_the_smallest_windows() {
    for (window, recipients) in [(1, 40), (16, 200), (1024, 1000)] {
        let delivery = deliver(Dialect::Smtp, "PIPELINING", recipients, window, 400);
        check(Dialect::Smtp, &delivery, recipients);
    }
}

#[test]
fn lmtp_answers_for_each_of_a_crowd() {
    let delivery = deliver(Dialect::Lmtp, "PIPELINING", RECIPIENTS, 4096, 0);
    check(Dialect::Lmtp, &delivery, RECIPIENTS);
}

#[test]
fn a_crowd_passes_one_by_one() {
    let delivery = deliver(Dialect::Smtp, "HELP", 2000, 4096, 0);
    check(Dialect::Smtp, &delivery, 2000);
}

#[test]
fn too_many_recipients_are_a_matter_of_each() {
    let heard = perform(async {
        let (client, server) = pipe(4096);
        let mut asked = 0;
        let heard = answer_all(server, move |line| {
            asked += usize::from(line.starts_with("RCPT"));
            match line.split(' ').next().unwrap() {
                "" => "220 hi\r\n".into(),
                "EHLO" => "250-hi\r\n250 PIPELINING\r\n".into(),
                "RCPT" if asked > 100 => "452 too many\r\n".into(),
                "DATA" => "354 go\r\n".into(),
                _ => "250 ok\r\n".into(),
            }
        });
        let mut connection = connector(Dialect::Smtp).connect_over(client).await.unwrap();
        let rcpts: Vec<String> = (0..150).map(|n| format!("r{n}@example.org")).collect();
        let envelope = Envelope::new("a@example.org", rcpts.iter().map(|rcpt| &**rcpt)).unwrap();
        let delivery = connection.send(&envelope, &Text::new("text").unwrap()).await.unwrap();
        for (place, verdict) in delivery.verdicts().iter().enumerate() {
            assert_eq!(
                (verdict.is_accepted(), verdict.is_transient()),
                (place < 100, place >= 100)
            );
        }
        drop(connection);
        heard.await.unwrap()
    });
    assert!(heard.contains(&".".to_owned()));
}
