//! The order of a script is asserted.

use std::io::IoSlice;

use smtp_testkit::{MismatchKind, Server};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::client::{Client, departure, play, script};

const ONE_BY_ONE: &str = "
    C: MAIL FROM:<a@example.org>
    S: 250 OK
    C: RCPT TO:<b@example.org>
    S: 250 OK
";

const TOGETHER: &str = "
    C: MAIL FROM:<a@example.org>
    C: RCPT TO:<b@example.org>
    S: 250 OK
    S: 250 OK
";

const GROUP: &str = "
    C: NOOP
    C| MAIL FROM:<a@example.org>
    C| RCPT TO:<b@example.org>
    S: 250 OK
";

#[tokio::test]
async fn one_by_one_holds_for_a_client_that_waits() {
    let (server, mut client) = play(ONE_BY_ONE);
    client.send("MAIL FROM:<a@example.org>\r\n").await;
    client.receive("250 OK\r\n").await;
    client.send("RCPT TO:<b@example.org>\r\n").await;
    client.receive("250 OK\r\n").await;
    drop(client);
    server.finish().await.unwrap();
}

#[tokio::test]
async fn one_by_one_fails_for_a_client_that_runs_ahead() {
    let together = "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\n";
    assert_eq!(departure(ONE_BY_ONE, together).await, Some(MismatchKind::SentAhead));
}

#[tokio::test]
async fn two_writes_in_a_row_run_ahead_as_well() {
    let (server, mut client) = play(ONE_BY_ONE);
    client.send("MAIL FROM:<a@example.org>\r\n").await;
    tokio::task::yield_now().await;
    client.send("RCPT TO:<b@example.org>\r\n").await;
    client.receive_end().await;
    assert_eq!(server.finish().await.unwrap_err().kind(), MismatchKind::SentAhead);
}

#[tokio::test]
async fn a_client_that_runs_ahead_is_caught_over_tcp() {
    let server = Server::tcp(script(ONE_BY_ONE)).unwrap();
    let mut client = Client(TcpStream::connect(server.addr()).await.unwrap());
    client.send("MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\n").await;
    assert_eq!(server.finish().await.unwrap_err().kind(), MismatchKind::SentAhead);
}

#[tokio::test]
async fn a_client_that_sends_before_the_greeting_is_caught() {
    assert_eq!(departure("S: 220 ready", "EHLO a\r\n").await, Some(MismatchKind::SentAhead));
}

#[tokio::test]
async fn together_holds_for_a_client_that_pipelines() {
    let (server, mut client) = play(TOGETHER);
    client.send("MAIL FROM:<a@example.org>\r\n").await;
    client.send("RCPT TO:<b@example.org>\r\n").await;
    assert_eq!(client.receive_segment().await, "250 OK\r\n250 OK\r\n");
    drop(client);
    server.finish().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn together_fails_for_a_client_that_waits() {
    let (server, mut client) = play(TOGETHER);
    client.send("MAIL FROM:<a@example.org>\r\n").await;
    let mismatch = server.finish().await.unwrap_err();
    assert_eq!(mismatch.kind(), MismatchKind::Unfinished);
    assert_eq!(mismatch.script_line(), Some(3));
}

#[tokio::test]
async fn a_group_arrives_in_one_segment() {
    let (server, mut client) = play(GROUP);
    client.send("NOOP\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\n").await;
    client.receive("250 OK\r\n").await;
    drop(client);
    server.finish().await.unwrap();
}

#[tokio::test]
async fn a_vectored_write_is_one_segment() {
    let (server, mut client) = play(GROUP);
    client.send("NOOP\r\n").await;
    let lines = ["MAIL FROM:<a@example.org>\r\n", "RCPT TO:<b@example.org>\r\n"];
    let slices = lines.map(|line| IoSlice::new(line.as_bytes()));
    let written = client.0.write_vectored(&slices).await.unwrap();
    assert_eq!(written, lines.concat().len());
    client.receive("250 OK\r\n").await;
    drop(client);
    server.finish().await.unwrap();
}

#[tokio::test]
async fn a_group_in_two_segments_is_a_mismatch() {
    let (server, mut client) = play(GROUP);
    client.send("NOOP\r\nMAIL FROM:<a@example.org>\r\n").await;
    client.send("RCPT TO:<b@example.org>\r\n").await;
    let mismatch = server.finish().await.unwrap_err();
    assert_eq!(mismatch.kind(), MismatchKind::SeveralSegments);
    assert_eq!(mismatch.script_line(), Some(4));
}

#[tokio::test]
async fn a_line_of_a_group_in_two_segments_is_a_mismatch() {
    let (server, mut client) = play(GROUP);
    client.send("NOOP\r\nMAIL FROM:").await;
    client.send("<a@example.org>\r\nRCPT TO:<b@example.org>\r\n").await;
    let mismatch = server.finish().await.unwrap_err();
    assert_eq!(mismatch.kind(), MismatchKind::SeveralSegments);
    assert_eq!(mismatch.script_line(), Some(3));
}

#[tokio::test]
async fn a_pattern_matches_any_octets() {
    assert_eq!(departure("C~ EHLO *", "EHLO anything.example\r\n").await, None);
    assert_eq!(departure("C~ EHLO *", "HELO a\r\n").await, Some(MismatchKind::WrongLine));
    assert_eq!(departure("C~ EHLO *", "EHLO a\n").await, Some(MismatchKind::WrongLine));
}

#[tokio::test]
async fn lines_are_compared_octet_for_octet() {
    assert_eq!(departure("C: QUIT", "QUIT\r\n").await, None);
    for other in ["quit\r\n", "QUIT \r\n", "QUIT\n", "QUIT\r\r\n"] {
        let kind = departure("C: QUIT", other).await;
        assert_eq!(kind, Some(MismatchKind::WrongLine), "{other:?}");
    }
}

#[tokio::test]
async fn raw_octets_do_not_wait_for_the_client() {
    let (server, mut client) = play(
        r#"
        C: DATA
        [raw "354 go\r\n550 too"]
        [raw " much\r\n"]
        [text]
    "#,
    );
    client.send("DATA\r\nfirst line\r\n").await;
    client.receive("354 go\r\n550 too much\r\n").await;
    client.send("second line\r\n.\r\n").await;
    drop(client);
    let report = server.finish().await.unwrap();
    assert_eq!(report.messages()[0].text(), b"first line\r\nsecond line\r\n");
}
