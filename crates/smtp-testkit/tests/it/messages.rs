//! Messages are recorded as sent and as decoded.

use smtp_testkit::{Lint, MismatchKind, Protocol, Report, Rule, Server};

use crate::client::{Client, departure, play, script};

async fn report(text: &str, octets: &str) -> Report {
    let (server, mut client) = play(text);
    client.send(octets).await;
    drop(client);
    server.finish().await.unwrap()
}

#[tokio::test]
async fn the_closure_gets_a_message_for_the_accepted_recipients() {
    let (send, taken) = std::sync::mpsc::channel();
    let (server, pipe) = Server::builder()
        .protocol(Protocol::Lmtp)
        .rule(Rule::text_for("c@*").reply("550 5.1.1 no"))
        .on_message(move |message| {
            send.send(message.recipients()).unwrap();
            None
        })
        .pipe();
    let mut client = Client(pipe);
    client.receive_segment().await;
    for line in [
        "LHLO client.example\r\n",
        "MAIL FROM:<a@example.org>\r\n",
        "RCPT TO:<b@example.org>\r\n",
        "RCPT TO:<c@example.org>\r\n",
        "DATA\r\n",
        "hi\r\n.\r\n",
    ] {
        client.send(line).await;
        client.receive_segment().await;
    }
    assert_eq!(taken.try_recv().unwrap(), ["b@example.org"]);
    drop(client);
    let report = server.finish().await.unwrap();
    assert_eq!(report.messages()[0].recipients(), ["b@example.org", "c@example.org"]);
}

#[tokio::test]
async fn a_text_is_recorded_with_its_envelope() {
    let script = "
        C: MAIL FROM:<a@example.org>
        C: RCPT TO:<b@example.org>
        C: RCPT TO:<c@example.org>
        C: DATA
        S: 250 OK
        S: 250 OK
        S: 250 OK
        S: 354 go on
        [text]
        S: 250 OK
        C: QUIT
    ";
    let (server, mut client) = play(script);
    client.send("MAIL FROM:<a@example.org>\r\n").await;
    client.send("RCPT TO:<b@example.org>\r\nRCPT TO:<c@example.org>\r\nDATA\r\n").await;
    client.receive("250 OK\r\n250 OK\r\n250 OK\r\n354 go on\r\n").await;
    // The end of the text arrives in two segments.
    for part in ["hello\r\n..dots\r\n.", "..\r\n", "\r", "\n.", "\r", "\n"] {
        client.send(part).await;
    }
    client.receive("250 OK\r\n").await;
    client.send("QUIT\r\n").await;
    drop(client);

    let report = server.finish().await.unwrap();
    let [message] = report.messages()[..] else { panic!("one message: {report:?}") };
    assert_eq!(message.mail(), Some("MAIL FROM:<a@example.org>"));
    assert_eq!(message.rcpts(), ["RCPT TO:<b@example.org>", "RCPT TO:<c@example.org>"]);
    assert_eq!(message.sent(), b"hello\r\n..dots\r\n...\r\n\r\n.\r\n");
    assert_eq!(message.text(), b"hello\r\n.dots\r\n..\r\n\r\n");
    assert!(message.chunks().is_empty());
}

#[tokio::test]
async fn an_empty_text_ends_at_once() {
    let report = report("[text]", ".\r\n").await;
    assert_eq!(report.messages()[0].sent(), b".\r\n");
    assert_eq!(report.messages()[0].text(), b"");
}

#[tokio::test]
async fn only_crlf_dot_crlf_ends_a_text() {
    let smuggled = "a\n.\nb\n.\r\nc\r\n.\nd\r.\re\r\n";
    let report = report("[text]\nC: NOOP", &format!("{smuggled}.\r\nNOOP\r\n")).await;
    assert_eq!(report.messages()[0].text(), b"a\n.\nb\n.\r\nc\r\n\nd\r.\re\r\n");
}

#[tokio::test]
async fn a_text_that_does_not_end_is_a_mismatch() {
    assert_eq!(departure("[text]", "a\r\n.\n").await, Some(MismatchKind::ClosedEarly));
}

#[tokio::test]
async fn chunks_become_one_message() {
    let script = "
        C: MAIL FROM:<a@example.org>
        C: BDAT 3
        [chunk 3]
        C: BDAT 5 LAST
        [chunk 5]
    ";
    let octets = "MAIL FROM:<a@example.org>\r\nBDAT 3\r\n.\r\nBDAT 5 LAST\r\nab\0\r\n";
    let report = report(script, octets).await;
    let [message] = report.messages()[..] else { panic!("one message: {report:?}") };
    assert_eq!(message.mail(), Some("MAIL FROM:<a@example.org>"));
    assert_eq!(message.text(), b".\r\nab\0\r\n");
    assert_eq!(message.chunks(), [3, 5]);
}

#[tokio::test]
async fn a_chunk_that_is_too_short_is_a_mismatch() {
    assert_eq!(departure("[chunk 3]", "ab").await, Some(MismatchKind::ClosedEarly));
}

#[tokio::test]
async fn mistakes_in_a_text_are_reported_and_can_be_denied() {
    let text = "C: MAIL FROM:<a@example.org> SIZE=3\n[text]";
    let octets = "MAIL FROM:<a@example.org> SIZE=3\r\n.a\n\r\n.\r\n";
    let lints = [Lint::SizeLies, Lint::BareLf, Lint::MissingDotStuffing];
    assert_eq!(report(text, octets).await.lints(), lints);

    let denying = Server::builder().script(script(text)).deny([Lint::SizeLies]);
    let (server, pipe) = denying.pipe();
    let mut client = Client(pipe);
    client.send(octets).await;
    drop(client);
    let mismatch = server.finish().await.unwrap_err();
    assert_eq!(mismatch.kind(), MismatchKind::Denied);
    let found: Vec<Lint> = mismatch.findings().map(|finding| finding.lint).collect();
    assert_eq!(found, [Lint::SizeLies]);
}
