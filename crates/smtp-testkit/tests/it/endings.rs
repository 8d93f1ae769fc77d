//! The ways in which a connection ends.

use std::io;

use smtp_testkit::{MismatchKind, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{Client, departure, play, script};

#[tokio::test]
async fn the_server_closes() {
    let (server, mut client) = play("S: 421 bye\n[close]");
    client.receive("421 bye\r\n").await;
    client.receive_end().await;
    let error = client.0.write_all(b"NOOP\r\n").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    server.finish().await.unwrap();
}

#[tokio::test]
async fn the_server_resets_a_pipe() {
    let (server, mut client) = play("C: NOOP\n[reset]");
    client.send("NOOP\r\n").await;
    let error = client.0.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    server.finish().await.unwrap();
}

#[tokio::test]
async fn the_server_resets_a_tcp_connection() {
    let server = Server::tcp(script("C: NOOP\n[reset]")).unwrap();
    let mut client = Client(TcpStream::connect(server.addr()).await.unwrap());
    client.send("NOOP\r\n").await;
    let error = client.0.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    server.finish().await.unwrap();
}

#[tokio::test]
async fn the_server_half_closes_and_reads_on() {
    let (server, mut client) = play("S: 421 bye\n[half-close]\nC: QUIT\n[expect-close]");
    client.receive("421 bye\r\n").await;
    client.receive_end().await;
    client.send("QUIT\r\n").await;
    drop(client);
    server.finish().await.unwrap();
}

#[tokio::test]
async fn the_client_half_closes_and_reads_on() {
    let (server, mut client) = play("C: QUIT\n[expect-close]\nS: 221 bye\n[close]");
    client.send("QUIT\r\n").await;
    client.0.shutdown().await.unwrap();
    client.receive("221 bye\r\n").await;
    client.receive_end().await;
    server.finish().await.unwrap();
}

#[tokio::test]
async fn octets_instead_of_the_end_are_a_mismatch() {
    let kind = departure("[expect-close]", "NOOP\r\n").await;
    assert_eq!(kind, Some(MismatchKind::InsteadOfClose));
    let kind = departure("C: QUIT", "QUIT\r\nNOOP\r\n").await;
    assert_eq!(kind, Some(MismatchKind::AfterTheEnd));
}

#[tokio::test]
async fn the_end_instead_of_a_line_is_a_mismatch() {
    assert_eq!(departure("C: QUIT", "").await, Some(MismatchKind::ClosedEarly));
    assert_eq!(departure("C: QUIT", "QUIT\r").await, Some(MismatchKind::ClosedEarly));
}

#[tokio::test]
async fn a_mismatch_closes_the_connection() {
    let (server, mut client) = play("C: QUIT\nS: 221 bye");
    client.send("NOOP\r\n").await;
    client.receive_end().await;
    assert_eq!(server.finish().await.unwrap_err().kind(), MismatchKind::WrongLine);
}

#[tokio::test]
async fn a_stalled_server_lets_the_window_fill() {
    let builder = Server::builder().script(script("C: DATA\n[stall]"));
    let (server, pipe) = builder.window(16).pipe();
    let mut client = Client(pipe);
    client.send("DATA\r\n").await;
    tokio::time::pause();
    let stuck = client.0.write_all(&[b'x'; 17]);
    tokio::time::timeout(std::time::Duration::from_secs(600), stuck).await.unwrap_err();
    drop(client);
    server.finish().await.unwrap();
}

#[tokio::test]
async fn a_stalled_server_notices_that_a_tcp_client_has_gone() {
    let server = Server::tcp(script("C: DATA\n[stall]")).unwrap();
    let mut client = Client(TcpStream::connect(server.addr()).await.unwrap());
    client.send("DATA\r\n").await;
    client.send("this stays unread\r\n").await;
    drop(client);
    server.finish().await.unwrap();
}

#[tokio::test]
async fn a_dropped_server_closes_the_connection() {
    let (server, mut client) = play("C: NOOP");
    drop(server);
    client.receive_end().await;
}
