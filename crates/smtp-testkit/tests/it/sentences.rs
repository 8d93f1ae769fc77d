//! Messages with a number in them, in the singular and in the plural.

use smtp_testkit::{Lint, Mismatch, Rule, Server, ServerBuilder};

use crate::client::{Client, play};

/// The mismatch of a client that sends these octets at once and closes.
async fn shown(script: &str, octets: &str) -> String {
    let (server, mut client) = play(script);
    client.send(octets).await;
    drop(client);
    server.finish().await.unwrap_err().to_string()
}

#[track_caller]
fn check(shown: &str, expected: &str) {
    assert!(shown.contains(expected), "`{expected}` is missing:\n{shown}");
}

#[tokio::test]
async fn octets_of_a_script() {
    check(&shown("[chunk 1]", "").await, "expected  a chunk of 1 octet\n");
    check(&shown("[chunk 2]", "").await, "expected  a chunk of 2 octets\n");
    check(&shown("C: RSET", "NOOP\r\n.").await, "\"NOOP\\r\\n\" and 1 octet more\n");
    check(&shown("C: RSET", "NOOP\r\n..").await, "\"NOOP\\r\\n\" and 2 octets more\n");
}

#[tokio::test]
async fn lines_around_the_mismatch() {
    for (hidden, before, more) in
        [(1, "(1 line before) ", "(1 line more) "), (2, "(2 lines before) ", "(2 lines more) ")]
    {
        let same = "C: NOOP\n".repeat(12 + hidden);
        let script = format!("{same}C: RSET\n{}", "C: NOOP\n".repeat(4 + hidden));
        let shown = shown(&script, &"NOOP\r\n".repeat(13 + hidden)).await;
        check(&shown, before);
        check(&shown, more);
    }
}

const TRANSACTION: [&str; 4] =
    ["EHLO a\r\n", "MAIL FROM:<a@example.org>\r\n", "RCPT TO:<b@example.org>\r\n", "DATA\r\n"];

/// The mismatch of a client that sends this text to a server with rules, and then closes.
async fn after_text(builder: ServerBuilder, text: &str) -> Mismatch {
    let (server, pipe) = builder.pipe();
    let mut client = Client(pipe);
    for sent in TRANSACTION.iter().chain(&[text]) {
        client.receive_segment().await;
        client.send(sent).await;
    }
    client.receive_segment().await;
    drop(client);
    server.finish().await.unwrap_err()
}

#[tokio::test]
async fn mistakes_and_lines_of_a_text() {
    let denying = || Server::builder().deny([Lint::NoQuit, Lint::MissingDotStuffing]);
    for (lines, shown) in [(6, "        (1 line more)\n"), (7, "        (2 lines more)\n")] {
        let text = "a\r\n".repeat(lines);
        let one = after_text(denying(), &format!("{text}.\r\n")).await.to_string();
        check(&one, "the client made a mistake that this test denies\n");
        check(&one, shown);
        let two = after_text(denying(), &format!(".{text}.\r\n")).await.to_string();
        check(&two, "the client made mistakes that this test denies\n");
    }
}

#[tokio::test]
async fn the_size_that_was_announced() {
    for (octets, shown) in [("a", "SIZE=0, but the text has 1 octet\n"), ("ab", "has 2 octets\n")] {
        let builder = Server::builder().offer("SIZE").offer("CHUNKING").deny([Lint::SizeLies]);
        let (server, pipe) = builder.pipe();
        let mut client = Client(pipe);
        let chunk = format!("BDAT {} LAST\r\n{octets}", octets.len());
        let mail = "MAIL FROM:<a@example.org> SIZE=0\r\n";
        for sent in [TRANSACTION[0], mail, TRANSACTION[2], &chunk, "QUIT\r\n"] {
            client.receive_segment().await;
            client.send(sent).await;
        }
        client.receive_segment().await;
        drop(client);
        check(&server.finish().await.unwrap_err().to_string(), shown);
    }
}

#[tokio::test]
async fn octets_of_a_rule() {
    for (octets, shown) in [(1, "inside of a text, after 1 octet\n"), (2, "after 2 octets\n")] {
        let rule = Rule::inside_text(octets).reply("421 enough").required();
        let (server, pipe) = Server::builder().rule(rule).pipe();
        drop(pipe);
        check(&server.finish().await.unwrap_err().to_string(), shown);
    }
}

#[tokio::test(start_paused = true)]
async fn octets_of_an_incomplete_line() {
    for (octets, shown) in [
        ("Q", "and received only the last octet below; "),
        ("QU", "and received only the last octets below; "),
    ] {
        let (server, pipe) = Server::builder().pipe();
        let mut client = Client(pipe);
        client.receive_segment().await;
        client.send(octets).await;
        check(&server.finish().await.unwrap_err().to_string(), shown);
    }
}
