//! Thousands of recipients: each gets its own verdict, no wait is infinite, and memory is bounded.
use std::mem::size_of;

use smtp_client::{
    Capabilities, Delivery, Envelope, FirstChunk, Framing, HelloName, MailData, Reply, ReplyCode,
    ReplyLimits, Sending, Step, Verdict,
    session::{Dialect, Next, Session, Transaction},
};
use smtp_testkit::pipe;

use crate::{
    answering::answer_all,
    stage::{connector, perform},
};

const RECIPIENTS: usize = 100_000;

/// The verdicts on so many recipients of a server that takes every other one, and that does not
/// read while it cannot write.
fn deliver(
    (dialect, framing): (Dialect, Framing),
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
                format!("250-hi\r\n250-CHUNKING\r\n250 {keywords}\r\n")
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
            // The reply follows the one line of the chunk.
            "BDAT 6 LAST" => String::new(),
            "." | "text" if dialect == Dialect::Smtp => "250 all\r\n".into(),
            "." | "text" => {
                taken.iter().map(|place| format!("250 delivered {place}\r\n")).collect()
            }
            _ => "250 ok\r\n".into(),
        });
        let mut connection = connector(dialect).connect_over(client).await.unwrap();
        let mut sending = Sending::default();
        (sending.framing, sending.first_chunk) = (framing, FirstChunk::WithCommands);
        let text = MailData::new("text\r\n").unwrap();
        let envelope = envelope(recipients);
        let delivery = connection.scoped_sending(sending).send(&envelope, &text).await.unwrap();
        connection.noop().await.unwrap();
        drop(connection);
        // EHLO, MAIL, the recipients, DATA or BDAT, the text, its dot, NOOP.
        let dot = usize::from(framing == Framing::Data);
        assert_eq!(heard.await.unwrap().len(), recipients + 5 + dot);
        delivery
    })
}

fn envelope(recipients: usize) -> Envelope {
    let rcpts: Vec<String> = (0..recipients).map(|n| format!("r{n}@example.org")).collect();
    Envelope::new("a@example.org", rcpts.iter().map(|rcpt| &**rcpt)).unwrap()
}

/// Each verdict is that of its own recipient.
#[track_caller]
fn check(dialect: Dialect, delivery: &Delivery, recipients: usize) {
    assert_eq!(delivery.verdicts().len(), recipients);
    for (place, (_, verdict)) in delivery.verdicts().enumerate() {
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

/// A crowd passes a window of 4 KiB to a server that answers each line before it reads the next.
#[track_caller]
fn check_crowd(dialect: Dialect, framing: Framing) {
    let delivery = deliver((dialect, framing), "PIPELINING", RECIPIENTS, 4096, 0);
    check(dialect, &delivery, RECIPIENTS);
}

#[test]
fn a_pipelined_crowd_passes_a_small_window() {
    check_crowd(Dialect::Smtp, Framing::Data);
}

#[test]
fn a_crowd_passes_with_its_text_in_chunks() {
    check_crowd(Dialect::Smtp, Framing::Chunks);
}

#[test]
fn lmtp_answers_for_each_of_a_crowd() {
    check_crowd(Dialect::Lmtp, Framing::Data);
}

#[test]
fn lmtp_answers_for_each_of_a_crowd_in_chunks() {
    check_crowd(Dialect::Lmtp, Framing::Chunks);
}

#[test]
fn long_replies_pass_the_smallest_windows() {
    for (window, recipients) in [(1, 40), (16, 200), (1024, 1000)] {
        for framing in [Framing::Data, Framing::Chunks] {
            let delivery = deliver((Dialect::Smtp, framing), "PIPELINING", recipients, window, 400);
            check(Dialect::Smtp, &delivery, recipients);
        }
    }
}

#[test]
fn a_crowd_passes_one_by_one() {
    let delivery = deliver((Dialect::Smtp, Framing::Data), "HELP", 2000, 4096, 0);
    check(Dialect::Smtp, &delivery, 2000);
}

/// How many octets of commands wait to be written at most, while a server takes what it gets in
/// pieces of 4 KiB and answers nothing before it has read everything.
fn most_that_waits(dialect: Dialect, framing: Framing) -> usize {
    let mut session = Session::new(dialect, HelloName::localhost(), ReplyLimits::default());
    let hello = Reply::new(ReplyCode::OK, "mx.example\nPIPELINING\nCHUNKING");
    session.set_capabilities(Capabilities::from_reply(hello));
    let (envelope, text) = (envelope(RECIPIENTS), MailData::new("text\r\n").unwrap());
    let mut sending = Sending::default();
    (sending.framing, sending.first_chunk) = (framing, FirstChunk::WithCommands);
    let transaction = Transaction::new(&envelope, text.facts()).sending(sending);
    let mut run = session.run(transaction).unwrap();
    let (mut most, mut read) = (0, 0);
    loop {
        most = most.max(run.output().len());
        match run.next() {
            Next::Write => {
                let taken = run.output().first().len().min(4096);
                read += taken;
                run.wrote(taken);
            }
            Next::Request(_) => {
                run.text(text.octets().clone());
                run.end_of_text();
            }
            _ => break,
        }
    }
    assert!(read > RECIPIENTS * "RCPT TO:<r1@example.org>\r\n".len(), "all was read");
    most
}

#[test]
fn a_crowd_is_held_in_little_memory() {
    // The commands are made as they are written.
    for dialect in [Dialect::Smtp, Dialect::Lmtp] {
        for framing in [Framing::Data, Framing::Chunks] {
            let most = most_that_waits(dialect, framing);
            assert!(most <= 65 * 1024, "{dialect:?}, {framing:?}: {most} octets wait");
        }
    }
    // Of each recipient no more is held than a pending reply, whose size the session's own tests
    // check, and a verdict, which has a short reply in itself and shares a long one.
    assert!(size_of::<Option<Verdict>>() <= 56);
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
        let delivery = connection.send(&envelope, &MailData::new("text").unwrap()).await.unwrap();
        for (place, (_, verdict)) in delivery.verdicts().enumerate() {
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
