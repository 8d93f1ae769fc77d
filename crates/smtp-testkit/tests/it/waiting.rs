//! Tests that wait for messages, with and without a runtime.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use smtp_testkit::{MismatchKind, Server};

use crate::client::Client;

const MESSAGE: [&str; 5] = [
    "EHLO client.example\r\n",
    "MAIL FROM:<a@example.org>\r\n",
    "RCPT TO:<b@example.org>\r\n",
    "DATA\r\n",
    "Subject: hi\r\n\r\n.\r\n",
];

/// A blocking client.
fn send(server: &Server) -> TcpStream {
    let mut client = TcpStream::connect(server.addr()).unwrap();
    for line in MESSAGE {
        assert_ne!(client.read(&mut [0; 512]).unwrap(), 0);
        client.write_all(line.as_bytes()).unwrap();
    }
    client
}

#[test]
fn without_a_runtime_the_server_has_a_thread() {
    let server = Server::builder().tcp().unwrap();
    let one = send(&server);
    let two = send(&server);
    let messages = server.messages(2).wait().unwrap();
    assert_eq!(messages[1].recipients(), ["b@example.org"]);
    drop((one, two));
    assert_eq!(server.finish().wait().unwrap().messages().len(), 2);
}

#[test]
fn a_script_plays_in_a_thread() {
    let server = Server::tcp("S: 220 ready\nC: QUIT\nS: 221 bye".parse().unwrap()).unwrap();
    let mut client = TcpStream::connect(server.addr()).unwrap();
    assert_ne!(client.read(&mut [0; 512]).unwrap(), 0);
    client.write_all(b"HELP\r\n").unwrap();
    drop(client);
    assert_eq!(server.finish().wait().unwrap_err().kind(), MismatchKind::WrongLine);
}

#[tokio::test]
async fn a_blocking_test_in_a_runtime_needs_own_thread() {
    let server = Server::builder().own_thread().tcp().unwrap();
    let client = send(&server);
    assert!(server.message(|message| message.text().starts_with(b"Subject: hi")).wait().is_ok());
    drop(client);
    server.finish().wait().unwrap();
}

#[tokio::test]
#[should_panic(expected = "own_thread")]
async fn a_wait_that_would_never_end_panics() {
    let server = Server::builder().tcp().unwrap();
    let _ = server.finish().wait();
}

#[tokio::test(start_paused = true)]
async fn a_message_that_does_not_arrive_ends_the_wait() {
    let (server, pipe) = Server::builder().pipe();
    let mut client = Client(pipe);
    client.receive_segment().await;
    client.send("EHLO client.example\r\n").await;
    client.receive_segment().await;
    let mismatch = server.messages(1).await.unwrap_err();
    assert_eq!(mismatch.kind(), MismatchKind::NoMessage);
    let expected = "\
the message that the test waits for did not arrive
  because   no message has arrived, and the test waits for 1

connection 1 of 1
     1  S: 220 mx.testkit.example ESMTP ready
     2  C: EHLO client.example
     3  S: 250 mx.testkit.example
";
    assert_eq!(mismatch.to_string(), expected, "{mismatch}");
    let other = server.message(|_| false).await.unwrap_err();
    assert_eq!(other.kind(), MismatchKind::NoMessage);
}

#[tokio::test(start_paused = true)]
async fn no_message_for_a_time() {
    let (server, pipe) = Server::builder().pipe();
    let hour = Duration::from_secs(3600);
    server.no_message(hour).await.unwrap();

    let watched = server.no_message(hour);
    let mut client = Client(pipe);
    for line in MESSAGE {
        client.receive_segment().await;
        client.send(line).await;
    }
    assert_eq!(watched.await.unwrap_err().kind(), MismatchKind::UnexpectedMessage);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stops_inside_of_a_text_is_a_mismatch() {
    let (server, pipe) = Server::builder().pipe();
    let mut client = Client(pipe);
    for line in &MESSAGE[..4] {
        client.receive_segment().await;
        client.send(line).await;
    }
    client.receive_segment().await;
    client.send("Subject: hi\r\n").await;
    let mismatch = server.finish().await.unwrap_err();
    assert_eq!(mismatch.kind(), MismatchKind::Unfinished, "{mismatch}");
    assert_eq!(mismatch.received(), b"Subject: hi\r\n");
    let expected = "\
the client did nothing more
  because   the server waited for the end of the text, CRLF.CRLF, and received only the last octets below; the watchdog expired after 10s

connection 1 of 1
     1  S: 220 mx.testkit.example ESMTP ready
     2  C: EHLO client.example
     3  S: 250 mx.testkit.example
     4  C: MAIL FROM:<a@example.org>
     5  S: 250 sender taken
     6  C: RCPT TO:<b@example.org>
     7  S: 250 recipient taken
     8  C: DATA
     9  S: 354 end with CRLF.CRLF
    10  C: Subject: hi
    11  # the watchdog expired  (after 10 s)
";
    assert_eq!(mismatch.to_string(), expected, "{mismatch}");
}
