//! The faults that a rule can cause in a connection, and the end of a stuck test.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use smtp_testkit::{Answer, MismatchKind, Rule, Scope, Script, Server, ServerBuilder};
use tokio::io::AsyncReadExt;
use tokio::time::Instant;

use crate::client::Client;

fn on_noop(answer: &str) -> ServerBuilder {
    Server::builder().rule(Rule::on("NOOP").answer(answer.parse().unwrap()))
}

/// What a client reads after NOOP, piece by piece, up to the end of the connection.
async fn received(answer: &str) -> (Vec<String>, io::Result<()>) {
    let (server, pipe) = on_noop(answer).pipe();
    let mut client = Client(pipe);
    client.receive_segment().await;
    client.send("NOOP\r\n").await;
    let mut pieces = Vec::new();
    let end = loop {
        let mut octets = [0; 512];
        match client.0.read(&mut octets).await {
            Ok(0) => break Ok(()),
            Ok(count) => pieces.push(String::from_utf8_lossy(&octets[..count]).into_owned()),
            Err(error) => break Err(error),
        }
    };
    drop(client);
    server.finish().await.unwrap();
    (pieces, end)
}

#[tokio::test]
async fn the_answer_ends_the_connection() {
    for (answer, pieces) in [
        ("[close]", &[][..]),
        ("[abort]", &[]),
        ("S: 421 bye\n[close]", &["421 bye\r\n"]),
        ("[usual]\n[half-close]", &["250 OK\r\n"]),
        ("[split 3]\n[usual]\n[close]", &["250", " OK", "\r\n"]),
        ("[raw \"25\"]\n[close]", &["25"]),
    ] {
        let (heard, end) = received(answer).await;
        assert_eq!(heard, pieces, "{answer}");
        end.unwrap();
    }
    let (_, end) = received("S: 250 first\n[reset]").await;
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test(start_paused = true)]
async fn an_answer_can_be_delayed() {
    let (server, pipe) = on_noop("[delay 5m]").pipe();
    let mut client = Client(pipe);
    client.receive_segment().await;
    let begun = Instant::now();
    client.send("NOOP\r\n").await;
    client.receive("250 OK\r\n").await;
    assert_eq!(begun.elapsed(), Duration::from_secs(300));
    drop(client);
    server.finish().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reply_dribbles() {
    let script = Script::parse("[dribble 2 1m]\nS: 220 a").unwrap();
    let (server, pipe) = Server::pipe(script);
    let mut client = Client(pipe);
    let begun = Instant::now();
    for (piece, minutes) in [("22", 0), ("0 ", 1), ("a\r", 2), ("\n", 3)] {
        assert_eq!(client.receive_segment().await, piece);
        assert_eq!(begun.elapsed(), Duration::from_secs(60 * minutes));
    }
    drop(client);
    server.finish().await.unwrap();

    let (server, pipe) = on_noop("[dribble 1 1s]\n[usual]").pipe();
    let mut client = Client(pipe);
    client.receive_segment().await;
    client.send("NOOP\r\n").await;
    assert_eq!(client.receive_segment().await, "2");
    client.receive("50 OK\r\n").await;
    drop(client);
    server.finish().await.unwrap();
}

#[tokio::test]
async fn a_tcp_connection_is_reset_inside_of_a_text() {
    let reset = Rule::inside_text(10).answer("[reset]".parse().unwrap());
    let server = Server::builder().rule(reset).tcp().unwrap();
    let mut client = Client(tokio::net::TcpStream::connect(server.addr()).await.unwrap());
    in_text(&mut client).await;
    client.send("0123456789").await;
    let error = client.0.read(&mut [0; 16]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    drop(client);
    assert!(server.finish().await.unwrap().messages().is_empty());
}

#[tokio::test]
async fn a_reply_comes_too_early_and_the_text_is_read_to_its_end() {
    let early = Rule::inside_text(3).answer(Answer::reply("550 too early"));
    let (server, pipe) = Server::builder().rule(early).pipe();
    let mut client = Client(pipe);
    in_text(&mut client).await;
    client.send("0123").await;
    client.receive("550 too early\r\n").await;
    client.send("\r\n.\r\n").await;
    client.receive("250 message taken\r\n").await;
    drop(client);
    server.finish().await.unwrap();
}

/// Sends the commands up to the 354 reply.
async fn in_text<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(client: &mut Client<S>) {
    client.receive_segment().await;
    for line in ["EHLO a", "MAIL FROM:<a@example.org>", "RCPT TO:<b@example.org>", "DATA"] {
        client.send(&format!("{line}\r\n")).await;
        client.receive_segment().await;
    }
}

#[tokio::test]
async fn the_reply_to_the_last_chunk_is_lost() {
    let lost = Rule::on("BDAT * LAST").answer("[close]".parse().unwrap());
    let (server, pipe) = Server::builder().offer("CHUNKING").rule(lost).pipe();
    let mut client = Client(pipe);
    client.receive_segment().await;
    for line in ["EHLO a", "MAIL FROM:<a@example.org>", "RCPT TO:<b@example.org>", "BDAT 2\r\n"] {
        client.send(&format!("{line}\r\n")).await;
        client.receive_segment().await;
    }
    client.send("BDAT 3 LAST\r\na\r\n").await;
    client.receive_end().await;
    drop(client);
    assert_eq!(server.finish().await.unwrap().messages()[0].chunks(), [2, 3]);
}

#[tokio::test]
async fn an_answer_may_depend_on_the_text() {
    let builder = Server::builder().respond(|asked| {
        let infected = asked.message()?.text().starts_with(b"virus");
        infected.then(|| Answer::reply("554 5.7.1 a virus"))
    });
    let (server, pipe) = builder.pipe();
    let mut client = Client(pipe);
    in_text(&mut client).await;
    client.send("virus\r\n.\r\n").await;
    client.receive("554 5.7.1 a virus\r\n").await;
    drop(client);
    assert!(server.finish().await.unwrap().messages().is_empty());
}

#[tokio::test]
async fn a_required_rule_has_to_be_used() {
    let rule = || Rule::on("RCPT TO:<bod@*").required().reply("550 no");
    let (server, pipe) = Server::builder().rule(rule()).pipe();
    drop(pipe);
    let mismatch = server.finish().await.unwrap_err();
    assert_eq!(mismatch.kind(), MismatchKind::UnusedRule);
    assert!(mismatch.to_string().contains("on `RCPT TO:<bod@*`"), "{mismatch}");
}

#[test]
fn clients_side_by_side_are_counted_apart() {
    let once = Rule::on("NOOP").counted(Scope::Connection).times(1).reply("450 first");
    let server = Server::builder().rule(once).tcp().unwrap();
    let mut clients: Vec<TcpStream> =
        (0..20).map(|_| TcpStream::connect(server.addr()).unwrap()).collect();
    for reply in ["450 first\r\n", "250 OK\r\n"] {
        for client in &mut clients {
            client.write_all(b"NOOP\r\n").unwrap();
        }
        for client in &mut clients {
            let mut heard = String::new();
            while !heard.ends_with(reply) {
                let mut octet = [0];
                client.read_exact(&mut octet).unwrap();
                heard.push(char::from(octet[0]));
            }
        }
    }
    drop(clients);
    assert_eq!(server.finish().wait().unwrap().connections().len(), 20);
}

#[cfg(unix)]
#[test]
fn a_unix_socket_needs_no_runtime() {
    let path = std::env::temp_dir().join(format!("smtp-testkit-{}-plain", std::process::id()));
    let server = Server::builder().unix(&path).unwrap();
    let mut client = std::os::unix::net::UnixStream::connect(&path).unwrap();
    client.write_all(b"QUIT\r\n").unwrap();
    let mut heard = String::new();
    client.read_to_string(&mut heard).unwrap();
    assert!(heard.ends_with("221 goodbye\r\n"), "{heard}");
    server.finish().wait().unwrap();
    assert!(!path.exists());
}

#[test]
fn a_stuck_test_ends_with_the_transcript() {
    let script = Script::parse("S: 220 ready\nC: EHLO a\nS: 250 OK").unwrap();
    let builder = Server::builder().script(script).deadline(Duration::from_millis(50));
    let server = builder.tcp().unwrap();
    let mut client = TcpStream::connect(server.addr()).unwrap();
    // A client that waits for a reply that the server never sends.
    client.read_to_end(&mut Vec::new()).unwrap();
    let mismatch = server.finish().wait().unwrap_err();
    assert_eq!((mismatch.kind(), mismatch.script_line()), (MismatchKind::Unfinished, Some(2)));
}

#[test]
fn a_stuck_test_without_a_script_ends_as_well() {
    let server = Server::builder().deadline(Duration::from_millis(50)).tcp().unwrap();
    let mut client = TcpStream::connect(server.addr()).unwrap();
    client.read_to_end(&mut Vec::new()).unwrap();
    server.finish().wait().unwrap();
}
