//! A server that runs for long: what it keeps, and what it passes on.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use smtp_testkit::{
    Answer, Conversation, Keep, Line, Lint, Message, MismatchKind, Pipe, Protocol, Report, Rule,
    Scope, Server, ServerBuilder,
};
use tokio::time::sleep;

use crate::client::{Client, script};

const EVERYTHING: Keep = Keep::everything();

/// Sends these lines, one after each reply, and returns the last reply.
async fn replies(client: &mut Client<Pipe>, lines: &[&str]) -> String {
    let mut reply = client.receive_segment().await;
    for line in lines {
        client.send(&format!("{line}\r\n")).await;
        reply = client.receive_segment().await;
    }
    reply
}

/// Sends a message with this text on a new connection, and returns the reply to it.
async fn deliver(client: &mut Client<Pipe>, text: &str) -> String {
    let text = format!("{text}\r\n.");
    let from = "MAIL FROM:<a@example.org>";
    replies(client, &["EHLO a", from, "RCPT TO:<b@example.org>", "DATA", &text]).await
}

/// Makes this number of connections with one message each, and returns the report.
async fn report_of(keep: Keep, connections: usize) -> Report {
    let (server, dialer) = Server::builder().keep(keep).pipes();
    for number in 1..=connections {
        deliver(&mut Client(dialer.dial()), &format!("message {number}")).await;
    }
    server.finish().await.unwrap()
}

fn numbers(report: &Report) -> (Vec<usize>, Vec<usize>) {
    let dialogues = report.connections().iter().filter(|it| !it.dialogue().is_empty());
    let messages = report.messages();
    (dialogues.map(|it| it.number()).collect(), messages.iter().map(|it| it.number()).collect())
}

#[tokio::test]
async fn everything_is_kept_by_default() {
    let report = report_of(Keep::default(), 3).await;
    assert_eq!(numbers(&report), (vec![1, 2, 3], vec![1, 2, 3]));
    assert!(report.connections().iter().all(|connection| connection.omitted() == 0));
    assert!(report.dialogue().all(|line| line.omitted == 0));
    let connections: Vec<usize> = report.messages().iter().map(|it| it.connection()).collect();
    assert_eq!(connections, [1, 2, 3]);
}

#[tokio::test]
async fn the_last_messages_are_kept_with_their_numbers() {
    let report = report_of(EVERYTHING.messages(2), 5).await;
    assert_eq!(numbers(&report), (vec![1, 2, 3, 4, 5], vec![4, 5]));
    assert_eq!(report.messages()[0].text(), b"message 4\r\n");
    assert_eq!(numbers(&report_of(EVERYTHING.messages(0), 2).await), (vec![1, 2], vec![]));
}

#[tokio::test]
async fn messages_are_kept_up_to_a_sum_of_octets() {
    // As sent with its end, and as decoded.
    let one = "message 1\r\n.\r\n".len() + "message 1\r\n".len();
    for (octets, kept) in [(3 * one, vec![3, 4, 5]), (3 * one - 1, vec![4, 5]), (one - 1, vec![])] {
        assert_eq!(numbers(&report_of(EVERYTHING.octets(octets), 5).await).1, kept, "{octets}");
    }
}

#[tokio::test]
async fn the_dialogues_that_ended_last_are_kept() {
    let report = report_of(EVERYTHING.connections(2).messages(1), 5).await;
    assert_eq!(numbers(&report), (vec![4, 5], vec![5]));
    assert_eq!(report.connections().len(), 2);
    // A message outlives the dialogue.
    let report = report_of(EVERYTHING.connections(1).messages(2), 5).await;
    assert_eq!(numbers(&report), (vec![5], vec![4, 5]));
    assert_eq!(report.connections()[0].messages()[0].text(), b"message 4\r\n");
    let report = report_of(EVERYTHING.connections(0).messages(0), 5).await;
    assert!(report.connections().is_empty());
}

#[tokio::test]
async fn dialogues_are_kept_up_to_a_sum_of_octets() {
    let all = report_of(EVERYTHING, 5).await;
    let size = |connection: &Conversation| {
        let lines = connection.dialogue().iter();
        lines.map(|line| line.octets.len() + size_of::<Line>()).sum::<usize>()
    };
    let one = size(&all.connections()[0]);
    assert!(all.connections().iter().all(|connection| size(connection) == one));
    for (octets, kept) in [(3 * one, vec![3, 4, 5]), (3 * one - 1, vec![4, 5]), (0, vec![])] {
        let report = report_of(EVERYTHING.dialogue_octets(octets), 5).await;
        assert_eq!(numbers(&report), (kept, vec![1, 2, 3, 4, 5]), "{octets}");
    }
}

#[tokio::test]
async fn the_dialogue_of_an_open_connection_is_kept() {
    let (server, dialer) = Server::builder().keep(EVERYTHING.connections(1)).pipes();
    let mut open = Client(dialer.dial());
    replies(&mut open, &["EHLO a"]).await;
    for _ in 0..3 {
        replies(&mut Client(dialer.dial()), &["QUIT"]).await;
    }
    // The server notices the end of each after its reply.
    while server.report().connections().len() > 2 {
        tokio::task::yield_now().await;
    }
    let conversation = server.conversation(1).unwrap();
    assert_eq!(conversation.dialogue()[1].octets, b"EHLO a\r\n");
    assert!(server.conversation(2).is_none(), "it ended before the last one");
    assert_eq!(server.conversation(4).unwrap().number(), 4);
    assert!(server.conversation(0).is_none());
    assert!(server.conversation(5).is_none());
}

#[tokio::test]
async fn the_last_lines_are_kept_with_the_mistakes_that_they_show() {
    let (server, pipe) = Server::builder().keep(EVERYTHING.lines(6)).pipe();
    let mut client = Client(pipe);
    replies(&mut client, &["HELLO", "NOOP", "NOOP", "NOOP", "WHAT"]).await;
    drop(client);
    let report = server.finish().await.unwrap();
    let connection = &report.connections()[0];
    assert!(connection.dialogue().len() <= 6, "{connection}");
    assert_eq!(connection.omitted() + connection.dialogue().len(), 13, "{connection}");
    assert_eq!(report.lints(), [Lint::BadSyntax, Lint::NoQuit]);
    let shown: Vec<&[u8]> = connection
        .findings()
        .iter()
        .map(|finding| connection.dialogue()[finding.at].octets.as_slice())
        .collect();
    assert_eq!(shown, [b"WHAT\r\n".as_slice(), b"the client closed"]);
    let text = connection.to_string();
    assert!(text.starts_with("# 9 pieces before this one not kept\nC: WHAT\n"), "{text}");

    let (server, pipe) = Server::builder().keep(EVERYTHING.lines(0)).pipe();
    deliver(&mut Client(pipe), "hi").await;
    let report = server.finish().await.unwrap();
    assert_eq!(report.dialogue().count(), 0);
    assert_eq!(report.messages()[0].text(), b"hi\r\n");
}

#[tokio::test]
async fn long_texts_are_not_kept_twice() {
    let (server, pipe) = Server::builder().keep(EVERYTHING.line_octets(30)).pipe();
    let text = format!("Subject: hi\r\n\r\n{}", "x".repeat(900));
    deliver(&mut Client(pipe), &text).await;
    let report = server.finish().await.unwrap();
    assert_eq!(report.messages()[0].text(), format!("{text}\r\n").as_bytes());
    let line = report.dialogue().find(|line| line.omitted > 100).unwrap();
    assert_eq!((line.octets.len(), line.omitted), (30, 890));
    let shown = report.connections()[0].to_string();
    let cut = "C: Subject: hi\nC:\nC: xxxxxxxxxxxxxxx\n# 890 octets more not kept\nS: 250";
    assert!(shown.contains(cut), "{shown}");
}

#[tokio::test]
async fn a_test_waits_for_messages_that_are_not_kept() {
    let (server, dialer) = Server::builder().keep(EVERYTHING.messages(1)).pipes();
    for _ in 0..3 {
        deliver(&mut Client(dialer.dial()), "hi").await;
    }
    assert_eq!(server.messages(3).await.unwrap().len(), 1);
    let mismatch = server.messages(4).await.unwrap_err();
    assert!(mismatch.to_string().contains("3 messages have arrived"), "{mismatch}");
    assert!(mismatch.to_string().contains("3 connections were made"), "{mismatch}");
}

#[tokio::test]
async fn denied_mistakes_are_shown_with_the_numbers_of_all() {
    let keep = EVERYTHING.connections(1).lines(6);
    let (server, dialer) = Server::builder().keep(keep).deny([Lint::BadSyntax]).pipes();
    replies(&mut Client(dialer.dial()), &["QUIT"]).await;
    replies(&mut Client(dialer.dial()), &["NOOP", "NOOP", "NOOP", "WHAT"]).await;
    let mismatch = server.finish().await.unwrap_err();
    assert_eq!((mismatch.kind(), mismatch.connection()), (MismatchKind::Denied, 2));
    let text = mismatch.to_string();
    assert!(text.contains("connection 2, line 8: the client sent a malformed command"), "{text}");
    assert!(text.contains("connection 2 of 2\n"), "{text}");
    assert!(text.contains(">    8  C: WHAT\n"), "{text}");
}

#[tokio::test]
async fn scripts_are_compared_with_the_whole_dialogue() {
    let keep = EVERYTHING.lines(1).connections(0).messages(0);
    let (server, pipe) = Server::builder().script(script("[text]\nS: 250 OK")).keep(keep).pipe();
    let mut client = Client(pipe);
    client.send("hi\r\n.\r\n").await;
    client.receive("250 OK\r\n").await;
    drop(client);
    let report = server.finish().await.unwrap();
    assert_eq!((report.dialogue().count(), report.messages().len()), (4, 1));
}

/// A server whose messages go to a channel.
fn passing_on(builder: ServerBuilder) -> (ServerBuilder, Receiver<Message>) {
    let (send, messages) = channel();
    let builder = builder.keep(EVERYTHING.messages(0)).on_message(move |message| {
        send.send(message.clone()).unwrap();
        None
    });
    (builder, messages)
}

#[tokio::test]
async fn each_accepted_message_is_passed_on_before_its_reply() {
    let refused = Rule::text().after(1).times(1).reply("554 5.7.1 no");
    let (builder, messages) = passing_on(Server::builder().rule(refused));
    let (server, dialer) = builder.pipes();
    for (number, reply) in [(1, "250 "), (2, "554 "), (3, "250 ")] {
        let given = deliver(&mut Client(dialer.dial()), &format!("message {number}")).await;
        assert!(given.starts_with(reply), "{given}");
        // The reply is there, so the message is too.
        let passed = messages.try_recv().ok();
        assert_eq!(passed.is_some(), reply == "250 ", "{number}");
        if let Some(message) = passed {
            assert_eq!(message.text(), format!("message {number}\r\n").as_bytes());
            assert_eq!(message.connection(), number);
            assert_eq!(message.number(), number.div_ceil(2));
        }
    }
    assert!(server.finish().await.unwrap().messages().is_empty());
}

#[tokio::test]
async fn a_message_is_passed_on_with_the_mistakes_since_the_one_before() {
    let (builder, messages) = passing_on(Server::builder().tolerate(Lint::BareLf));
    let (server, pipe) = builder.pipe();
    let mut client = Client(pipe);
    let envelope = ["MAIL FROM:<a@example.org>", "RCPT TO:<b@example.org>", "DATA"];
    let text = |text: &'static str| [envelope.as_slice(), &[text]].concat();
    replies(&mut client, &[&["EHLO a"], text("a\nb\r\n.").as_slice()].concat()).await;
    for line in text("good\r\n.") {
        client.send(&format!("{line}\r\n")).await;
        client.receive_segment().await;
    }
    let mut lints =
        messages.try_iter().map(|it| it.findings().iter().map(|it| it.lint).collect::<Vec<_>>());
    assert_eq!(lints.next(), Some(vec![Lint::BareLf]));
    assert_eq!(lints.next(), Some(vec![]));
    drop(client);
    server.finish().await.unwrap();
}

#[tokio::test]
async fn the_answer_to_a_message_replaces_the_replies_that_accept_it() {
    let full = Rule::text_for("full@*").reply("452 4.2.2 full");
    let refusing = |_: &Message| Some(Answer::reply("451 4.3.0 the disk is full"));
    let builder = Server::builder().protocol(Protocol::Lmtp).rule(full).on_message(refusing);
    let (server, pipe) = builder.pipe();
    let mut client = Client(pipe);
    let lines = [
        "LHLO a",
        "MAIL FROM:<a@example.org>",
        "RCPT TO:<full@example.org>",
        "RCPT TO:<b@example.org>",
        "DATA",
    ];
    replies(&mut client, &lines).await;
    client.send("hi\r\n.\r\n").await;
    client.receive("452 4.2.2 full\r\n451 4.3.0 the disk is full\r\n").await;
    drop(client);
    assert!(server.finish().await.unwrap().messages().is_empty(), "it was refused");
}

#[tokio::test]
async fn a_message_whose_reply_is_withheld_is_passed_on() {
    let lost = Rule::text().answer("[close]".parse().unwrap());
    let (builder, messages) = passing_on(Server::builder().rule(lost));
    let (server, pipe) = builder.pipe();
    assert_eq!(deliver(&mut Client(pipe), "hi").await, "");
    assert_eq!(messages.try_iter().count(), 1);
    server.finish().await.unwrap();
}

#[tokio::test]
#[should_panic(expected = "no such message")]
async fn a_panic_of_the_closure_fails_the_test() {
    let (server, pipe) = Server::builder().on_message(|_| panic!("no such message")).pipe();
    deliver(&mut Client(pipe), "hi").await;
    let _ = server.finish().await;
}

#[tokio::test]
async fn rules_are_replaced_on_open_connections() {
    let grey = || Rule::on("NOOP").counted(Scope::Envelope).times(1).reply("451 4.7.1 later");
    let (server, pipe) = Server::builder().rule(grey().required()).pipe();
    let mut client = Client(pipe);
    assert_eq!(replies(&mut client, &["NOOP"]).await, "451 4.7.1 later\r\n");
    client.send("NOOP\r\n").await;
    client.receive("250 OK\r\n").await;
    for rules in [vec![grey()], vec![grey(), Rule::on("NOOP").reply("250 other")]] {
        let last = if rules.len() == 1 { "250 OK\r\n" } else { "250 other\r\n" };
        server.set_rules(rules);
        for reply in ["451 4.7.1 later\r\n", last] {
            client.send("NOOP\r\n").await;
            client.receive(reply).await;
        }
    }
    server.add_rules(vec![Rule::on("NOOP").reply("250 never"), Rule::on("HELP").reply("214 no")]);
    for (line, reply) in [("NOOP", "250 other\r\n"), ("HELP", "214 no\r\n")] {
        client.send(&format!("{line}\r\n")).await;
        client.receive(reply).await;
    }
    server.set_rules(vec![Rule::on("VRFY *").required()]);
    client.send("NOOP\r\nQUIT\r\n").await;
    drop(client);
    let mismatch = server.finish().await.unwrap_err();
    assert_eq!(mismatch.kind(), MismatchKind::UnusedRule);
    assert!(mismatch.to_string().contains("never used: on `VRFY *`\n"), "{mismatch}");
}

#[tokio::test]
async fn open_connections_stay_counted_when_rules_are_replaced() {
    let (server, dialer) = Server::builder().pipes();
    let mut open = Client(dialer.dial());
    replies(&mut open, &["EHLO a"]).await;
    server.set_rules(vec![Rule::connections_above(1).reply("421 4.7.0 too many")]);
    assert_eq!(Client(dialer.dial()).receive_segment().await, "421 4.7.0 too many\r\n");
    drop(open);
    server.finish().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_new_rule_applies_to_silence_and_inside_of_texts() {
    const MINUTE: Duration = Duration::from_secs(60);
    let (server, dialer) = Server::builder().rule(Rule::idle(MINUTE).reply("421 old")).pipes();
    let mut client = Client(dialer.dial());
    replies(&mut client, &["EHLO a"]).await;
    server.set_rules(vec![
        Rule::idle(2 * MINUTE).answer("S: 421 4.4.2 idle\n[close]".parse().unwrap()),
        Rule::inside_text(3).times(1).reply("451 early"),
    ]);
    // The wait of the old rule ends without an effect.
    sleep(MINUTE).await;
    let lines = ["MAIL FROM:<a@example.org>", "RCPT TO:<b@example.org>", "DATA", "abcdef"];
    for (line, code) in lines.into_iter().zip(["250", "250", "354", "451"]) {
        client.send(&format!("{line}\r\n")).await;
        assert!(client.receive_segment().await.starts_with(code), "{line}");
    }
    client.send(".\r\n").await;
    assert!(client.receive_segment().await.starts_with("250"));
    client.receive("421 4.4.2 idle\r\n").await;
    client.receive_end().await;
    server.finish().await.unwrap();
}

#[tokio::test]
async fn counts_of_each_connection_begin_with_it() {
    let first = Rule::on("NOOP").counted(Scope::Connection).times(1).reply("451 first");
    let (server, dialer) = Server::builder().rule(first).pipes();
    for _ in 0..3 {
        let mut client = Client(dialer.dial());
        assert_eq!(replies(&mut client, &["NOOP"]).await, "451 first\r\n");
        client.send("NOOP\r\n").await;
        client.receive("250 OK\r\n").await;
    }
    drop(dialer);
    server.finish().await.unwrap();
}

#[tokio::test]
async fn input_beyond_the_limit_ends_the_connection() {
    const TOO_LONG: &str =
        "552 this line or message text is too long, and the connection is closed\r\n";
    let envelope = "EHLO a\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\n";
    let long = "x".repeat(2_001);
    for (name, octets, replies) in [
        ("a line", long.clone(), 0),
        ("a text", format!("{envelope}DATA\r\n{long}"), 4),
        ("a chunk", format!("{envelope}BDAT 2001 LAST\r\n"), 3),
        ("chunks", format!("{envelope}BDAT 1000\r\n{}BDAT 1001 LAST\r\n", &long[..1_000]), 4),
    ] {
        let (server, pipe) =
            Server::builder().offer("CHUNKING").offer("PIPELINING").input_limit(2_000).pipe();
        let mut client = Client(pipe);
        client.send(&octets).await;
        let mut seen = String::new();
        while !seen.contains("552 ") {
            seen.push_str(&client.receive_segment().await);
        }
        client.receive_end().await;
        assert!(seen.ends_with(TOO_LONG), "{name}: {seen}");
        let codes = seen.lines().filter(|line| &line[3..4] == " ").count();
        // With the greeting and the 552.
        assert_eq!(codes, replies + 2, "{name}: {seen}");
        assert!(server.finish().await.unwrap().messages().is_empty(), "{name}");
    }
    let (server, pipe) = Server::builder().input_limit(2_000).pipe();
    let reply = deliver(&mut Client(pipe), &"x\r\n".repeat(600)).await;
    assert!(reply.starts_with("250 "), "{reply}");
    server.finish().await.unwrap();
}
