//! Tests that wait for messages which never arrive, because all clients are gone.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use smtp_testkit::{Message, Mismatch, MismatchKind, Pipe, Rule, Script, Server, ServerBuilder};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

use crate::client::{Client, script};

const HALF_A_SECOND: Duration = Duration::from_millis(500);
const WATCHDOG: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_secs(60);

/// Connects, reads the greeting, and quits.
async fn visit(stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut client = Client(stream);
    client.receive_segment().await;
    client.send("QUIT\r\n").await;
    client.receive_segment().await;
}

async fn deliver(stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut client = Client(stream);
    for line in ["EHLO a", "MAIL FROM:<a@example.org>", "RCPT TO:<b@example.org>", "DATA", "."] {
        client.receive_segment().await;
        client.send(&format!("{line}\r\n")).await;
    }
    client.receive_segment().await;
}

/// Checks that the wait ends after this time, because all clients are gone.
#[track_caller]
fn check<T>(begun: Instant, waited: Result<T, Mismatch>, after: Duration, gone: &str) {
    let Err(mismatch) = waited else { panic!("a message has arrived") };
    assert_eq!(mismatch.kind(), MismatchKind::NoMessage);
    assert_eq!(begun.elapsed(), after, "{mismatch}");
    assert!(mismatch.to_string().contains(gone), "{mismatch}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_no_other_can_follow_has_ended() {
    let (server, pipe) = Server::builder().pipe();
    visit(pipe).await;
    let gone = "because   no message has arrived, and the test waits for 1; every client has gone: \
        1 connection was made and has ended, and no other can be made\n";
    let begun = Instant::now();
    check(begun, server.messages(1).await, Duration::ZERO, gone);
    check(begun, server.message(|_| true).await, Duration::ZERO, "no message has arrived; every");
}

#[tokio::test(start_paused = true)]
async fn the_client_goes_while_the_test_waits() {
    let (server, pipe) = Server::builder().pipe();
    let begun = Instant::now();
    let waiting = server.messages(1);
    sleep(WATCHDOG / 2).await;
    visit(pipe).await;
    check(begun, waiting.await, WATCHDOG / 2, "every client has gone");
}

#[tokio::test(start_paused = true)]
async fn every_dialer_is_gone() {
    let (server, dialer) = Server::builder().pipes();
    let other = dialer.clone();
    drop(dialer);
    visit(other.dial()).await;
    visit(other.dial()).await;
    let waiting = server.messages(1);
    drop(other);
    let gone = "2 connections were made and have ended, and no other can be made\n";
    check(Instant::now(), waiting.await, Duration::ZERO, gone);

    let (server, dialer) = Server::builder().pipes();
    drop(dialer);
    let gone = "every client has gone: no connection was made, and no other can be made\n";
    check(Instant::now(), server.messages(1).await, Duration::ZERO, gone);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_could_connect_again_has_time_for_that() {
    for (builder, time) in [
        (Server::builder(), HALF_A_SECOND),
        (Server::builder().reconnect_within(Duration::ZERO), Duration::ZERO),
        (Server::builder().reconnect_within(3 * HALF_A_SECOND), 3 * HALF_A_SECOND),
    ] {
        let (server, dialer) = builder.pipes();
        visit(dialer.dial()).await;
        let gone = format!("no other was made within {time:?} (see `reconnect_within`)\n");
        // The time counts from the call, so that a client can be restarted before it.
        sleep(MINUTE).await;
        check(Instant::now(), server.messages(1).await, time, &gone);
    }
}

#[tokio::test(start_paused = true)]
async fn the_watchdog_bounds_the_time_for_connecting_again() {
    let (server, dialer) = Server::builder().reconnect_within(MINUTE).pipes();
    visit(dialer.dial()).await;
    check(Instant::now(), server.messages(1).await, WATCHDOG, "the test waits for 1\n");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_may_still_connect_or_send_is_awaited() {
    let (server, dialer) = Server::builder().pipes();
    check(Instant::now(), server.messages(1).await, WATCHDOG, "the test waits for 1\n");
    let mut client = Client(dialer.dial());
    client.receive_segment().await;
    check(Instant::now(), server.messages(1).await, WATCHDOG, "the test waits for 1\n");
    drop(client);
}

/// A client that pauses this long between three attempts, of which the first two fail.
async fn persistent(builder: ServerBuilder, pause: Duration) -> Result<Vec<Message>, Mismatch> {
    let refused = Rule::greeting().times(2).reply("421 4.3.2 later");
    let (server, dialer) = builder.rule(refused).pipes();
    let waiting = server.messages(1);
    let client = tokio::spawn(async move {
        for _ in 0..2 {
            Client(dialer.dial()).receive_segment().await;
            sleep(pause).await;
        }
        deliver(dialer.dial()).await;
        sleep(MINUTE).await;
    });
    let messages = waiting.await;
    client.abort();
    messages
}

#[tokio::test(start_paused = true)]
async fn a_client_that_connects_again_in_time_is_not_gone() {
    for pause in [Duration::ZERO, Duration::from_millis(1), Duration::from_millis(499)] {
        assert_eq!(persistent(Server::builder(), pause).await.unwrap().len(), 1, "{pause:?}");
    }
    let patient = Server::builder().reconnect_within(MINUTE).watchdog(3 * MINUTE);
    assert_eq!(persistent(patient, MINUTE - HALF_A_SECOND).await.unwrap().len(), 1);
    let late = persistent(Server::builder(), 2 * HALF_A_SECOND).await.unwrap_err();
    assert_eq!(late.kind(), MismatchKind::NoMessage);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_dropped_at_once_counts() {
    let (server, dialer) = Server::builder().pipes();
    let waiting = server.messages(1);
    for _ in 0..10 {
        drop(dialer.dial());
        sleep(Duration::from_millis(400)).await;
    }
    deliver(dialer.dial()).await;
    assert_eq!(waiting.await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_last_message_before_the_client_closes_is_seen() {
    let lost = Rule::text().answer("[close]".parse().unwrap());
    let (server, pipe) = Server::builder().rule(lost).pipe();
    let waiting = server.messages(1);
    deliver(pipe).await;
    assert_eq!(waiting.await.unwrap().len(), 1);
    assert_eq!(server.messages(1).await.unwrap().len(), 1, "it stays available");
    assert!(server.messages(2).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn scripts_determine_the_number_of_connections() {
    let builder =
        || Server::builder().script(script("C: NOOP\nS: 250 OK")).script(script("[text]"));
    let say = async |pipe: Pipe, octets: &str| Client(pipe).send(octets).await;

    let (server, dialer) = builder().pipes();
    let waiting = server.messages(1);
    say(dialer.dial(), "NOOP\r\n").await;
    sleep(WATCHDOG / 2).await;
    say(dialer.dial(), ".\r\n").await;
    assert_eq!(waiting.await.unwrap().len(), 1, "the second script waits for a connection");
    check(Instant::now(), server.messages(2).await, Duration::ZERO, "every client has gone");

    let (server, dialer) = builder().pipes();
    say(dialer.dial(), "HELP\r\n").await;
    let begun = Instant::now();
    check(begun, server.messages(1).await, Duration::ZERO, "1 connection was made and has ended");
    drop(dialer);
}

#[tokio::test(start_paused = true)]
async fn the_wait_ends_at_once_if_the_server_has_ended() {
    let (server, dialer) = Server::builder().pipes();
    let (one, other) = (server.messages(1), server.messages(1));
    let begun = Instant::now();
    server.finish().await.unwrap();
    let ended = begun.elapsed();
    check(begun, one.await, ended, "no connection was made");
    check(begun, other.await, ended, "no connection was made");

    let (server, pipe) = Server::builder().pipe();
    let waiting = server.messages(1);
    yield_now().await;
    drop(server);
    check(Instant::now(), waiting.await, Duration::ZERO, "no other can be made");
    drop((dialer, pipe));
}

#[test]
fn over_tcp_the_wait_ends_without_the_watchdog() {
    // If the wait lasted until the watchdog expires, the test would not end in time.
    let server = Server::builder().watchdog(60 * MINUTE).tcp().unwrap();
    for _ in 0..2 {
        let mut client = TcpStream::connect(server.addr()).unwrap();
        assert_ne!(client.read(&mut [0; 512]).unwrap(), 0);
        client.write_all(b"QUIT\r\n").unwrap();
        assert_ne!(client.read(&mut [0; 512]).unwrap(), 0);
    }
    let mismatch = server.messages(1).wait().unwrap_err();
    let gone = "2 connections were made and have ended, and no other was made within 500ms";
    assert!(mismatch.to_string().contains(gone), "{mismatch}");
    assert!(server.message(|_| true).wait().is_err());
    server.finish().wait().unwrap();
}

#[tokio::test(start_paused = true)]
async fn arrived_messages_are_counted() {
    let (server, dialer) = Server::builder().reconnect_within(Duration::ZERO).pipes();
    for (arrived, waited, which) in [
        ("no message has arrived, and the test waits for 3; ", 3, "no message has arrived; "),
        (
            "1 message has arrived, and the test waits for 3; ",
            3,
            "1 message has arrived, and it does not match; ",
        ),
        (
            "2 messages have arrived, and the test waits for 3; ",
            3,
            "2 messages have arrived, and none of them matches; ",
        ),
    ] {
        visit(dialer.dial()).await;
        check(Instant::now(), server.messages(waited).await, Duration::ZERO, arrived);
        check(Instant::now(), server.message(|_| false).await, Duration::ZERO, which);
        deliver(dialer.dial()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn no_message_waits_for_the_whole_time() {
    let (server, pipe) = Server::pipe(Script::parse("[close]").unwrap());
    drop(pipe);
    let begun = Instant::now();
    server.no_message(MINUTE).await.unwrap();
    assert_eq!(begun.elapsed(), MINUTE);
}
