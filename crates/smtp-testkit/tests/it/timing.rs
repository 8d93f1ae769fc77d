//! Time is tokio's, so it is exact when paused.

use std::time::Duration;

use smtp_testkit::{MismatchKind, Server};
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout};

use crate::client::{Client, play, script};

#[tokio::test(start_paused = true)]
async fn a_delay_is_exact() {
    let (server, mut client) = play("C: NOOP\n[delay 10m]\nS: 250 OK\n[delay 1ms]\n[close]");
    let begun = Instant::now();
    client.send("NOOP\r\n").await;
    client.receive("250 OK\r\n").await;
    assert_eq!(begun.elapsed(), Duration::from_secs(600));
    client.receive_end().await;
    assert_eq!(begun.elapsed(), Duration::from_millis(600_001));

    let report = server.finish().await.unwrap();
    let elapsed: Vec<u64> = report.dialogue().map(|line| line.elapsed.as_secs()).collect();
    assert_eq!(elapsed, [0, 600, 600]);
}

#[tokio::test(start_paused = true)]
async fn a_delay_does_not_count_for_the_watchdog() {
    let (server, mut client) = play("S: 220 ready\nC: NOOP\n[delay 1h]\nS: 250 OK");
    client.receive("220 ready\r\n").await;
    client.send("NOOP\r\n").await;
    let reply = timeout(Duration::from_secs(300), client.0.read_u8());
    reply.await.expect_err("the client's patience ends first");
    drop(client);
    server.finish().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_watchdog_is_inactive_until_the_test_asks_for_the_result() {
    let (server, mut client) = play("C: NOOP\nS: 250 OK");
    tokio::time::advance(Duration::from_secs(3600)).await;
    client.send("NOOP\r\n").await;
    client.receive("250 OK\r\n").await;
    drop(client);
    server.finish().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_watchdog_can_be_set() {
    let builder = Server::builder().script(script("C: NOOP")).watchdog(Duration::from_secs(60));
    let (server, client) = builder.pipe();
    let begun = Instant::now();
    let mismatch = server.finish().await.unwrap_err();
    assert_eq!(begun.elapsed(), Duration::from_secs(60));
    assert_eq!(mismatch.kind(), MismatchKind::Unfinished);
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn the_watchdog_counts_from_the_last_received_octets() {
    let (server, client) = play("C: ONE\nC: TWO\nC: THREE");
    let mut client = Client(client.0);
    let verdict = tokio::spawn(server.finish());
    for line in ["ONE\r\n", "TWO\r\n", "THREE\r\n"] {
        // In virtual time; together, the three waits are longer than the watchdog allows for one.
        timeout(Duration::from_secs(9), client.0.read_u8()).await.unwrap_err();
        client.send(line).await;
    }
    drop(client);
    verdict.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_found_by_the_watchdog() {
    let builder = Server::builder().script(script("S: 220 a greeting that does not fit"));
    let (server, client) = builder.window(8).pipe();
    let mismatch = server.finish().await.unwrap_err();
    assert_eq!(mismatch.kind(), MismatchKind::Unfinished);
    assert_eq!(mismatch.script_line(), Some(1));
    drop(client);
}

#[tokio::test]
async fn a_reply_can_be_dribbled() {
    let (server, mut client) = play("[split 1]\nS: 220 a\nS: 220 b\nC: NOOP\nS: 250 whole");
    for octet in "220 a\r\n220 b\r\n".chars() {
        assert_eq!(client.receive_segment().await, octet.to_string());
    }
    client.send("NOOP\r\n").await;
    assert_eq!(client.receive_segment().await, "250 whole\r\n");
    drop(client);
    server.finish().await.unwrap();
}
