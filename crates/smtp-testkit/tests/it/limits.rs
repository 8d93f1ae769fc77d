//! Limits of the number of simultaneous connections.

use std::time::Duration;

use smtp_testkit::{Dialer, MismatchKind, Pipe, Rule, Server, When};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::client::Client;

const GREETING: &str = "220 mx.testkit.example ESMTP ready\r\n";

async fn served<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> Client<S> {
    let mut client = Client(stream);
    client.receive(GREETING).await;
    client
}

async fn refused(stream: impl AsyncRead + AsyncWrite + Unpin, greeting: &str) {
    let mut client = Client(stream);
    client.receive(&format!("{greeting}\r\n")).await;
    client.receive_end().await;
}

fn at_most(count: usize, greeting: &str) -> (Server, Dialer) {
    Server::builder().rule(Rule::connections_above(count).reply(greeting)).pipes()
}

#[tokio::test]
async fn a_connection_above_the_limit_gets_another_greeting_and_is_closed() {
    for greeting in ["421 4.7.0 too many", "450 4.7.1 too many", "554 5.7.1 too many"] {
        let (server, dialer) = at_most(2, greeting);
        let open = (served(dialer.dial()).await, served(dialer.dial()).await);
        for _ in 0..3 {
            refused(dialer.dial(), greeting).await;
        }
        drop(open);
        assert_eq!(server.finish().await.unwrap().connections().len(), 5);
    }
}

/// Ends an open connection in this way, and checks that the next one is served.
async fn makes_room(server: Server, dialer: Dialer, end: impl AsyncFn(Client<Pipe>)) {
    let first = served(dialer.dial()).await;
    refused(dialer.dial(), "421 4.7.0 too many").await;
    end(first).await;
    let second = served(dialer.dial()).await;
    refused(dialer.dial(), "421 4.7.0 too many").await;
    drop(second);
    drop(served(dialer.dial()).await);
    server.finish().await.unwrap();
}

#[tokio::test]
async fn the_next_is_served_when_one_has_ended() {
    let limit = || Rule::connections_above(1).reply("421 4.7.0 too many");
    let (server, dialer) = Server::builder().rule(limit()).pipes();
    makes_room(server, dialer, async |client| drop(client)).await;

    let (server, dialer) = Server::builder().rule(limit()).pipes();
    let reset = async |client: Client<Pipe>| client.0.reset();
    makes_room(server, dialer, reset).await;

    let (server, dialer) = Server::builder().rule(limit()).pipes();
    let quit = async |mut client: Client<Pipe>| {
        client.send("QUIT\r\n").await;
        client.receive("221 goodbye\r\n").await;
    };
    makes_room(server, dialer, quit).await;

    for (answer, last) in [("S: 421 enough\n[close]", "421 enough\r\n"), ("[reset]", "")] {
        let ending = Rule::on("NOOP").answer(answer.parse().unwrap());
        let (server, dialer) = Server::builder().rule(limit()).rule(ending).pipes();
        let sent_away = async |mut client: Client<Pipe>| {
            client.send("NOOP\r\n").await;
            client.receive(last).await;
            client.receive_end_or_reset().await;
        };
        makes_room(server, dialer, sent_away).await;
    }
}

#[tokio::test]
async fn the_limit_holds_over_tcp() {
    let limit = Rule::connections_above(1).reply("554 5.7.1 too many");
    let server = Server::builder().rule(limit).tcp().unwrap();
    let connect = async || TcpStream::connect(server.addr()).await.unwrap();
    let mut first = served(connect().await).await;
    refused(connect().await, "554 5.7.1 too many").await;
    first.send("QUIT\r\n").await;
    first.receive("221 goodbye\r\n").await;
    drop(served(connect().await).await);
    server.finish().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refused_connection_never_counts_as_open() {
    let slow = "[delay 1h]\nS: 421 4.7.0 too many\n[stall]".parse().unwrap();
    let (server, dialer) = Server::builder().rule(Rule::connections_above(1).answer(slow)).pipes();
    let begun = Instant::now();
    let first = served(dialer.dial()).await;
    let waiting = dialer.dial();
    tokio::time::sleep(Duration::from_secs(60)).await;
    drop(first);
    let second = served(dialer.dial()).await;
    let mut waiting = Client(waiting);
    waiting.receive("421 4.7.0 too many\r\n").await;
    assert_eq!(begun.elapsed(), Duration::from_secs(3600));
    drop((second, waiting));
    server.finish().await.unwrap();
}

#[tokio::test]
async fn a_refused_greeting_of_another_rule_does_not_count() {
    let blocked = Rule::greeting().times(1).reply("554 5.7.1 blocked");
    let limit = Rule::connections_above(1).reply("421 4.7.0 too many");
    let (server, dialer) = Server::builder().rule(blocked).rule(limit).pipes();
    let mut first = Client(dialer.dial());
    first.receive("554 5.7.1 blocked\r\n").await;
    let second = served(dialer.dial()).await;
    refused(dialer.dial(), "421 4.7.0 too many").await;
    drop((first, second));
    server.finish().await.unwrap();
}

#[tokio::test]
async fn a_limit_can_let_a_connection_in_and_can_be_used_up() {
    let limit = Rule::connections_above(0);
    let usual = limit.clone().times(1).answer("[usual]".parse().unwrap());
    let (server, dialer) =
        Server::builder().rule(usual).rule(limit.times(1).reply("421 full")).pipes();
    let first = served(dialer.dial()).await;
    refused(dialer.dial(), "421 full").await;
    let third = served(dialer.dial()).await;
    drop((first, third));
    server.finish().await.unwrap();
}

#[tokio::test]
async fn a_limit_can_be_checked_later_than_at_the_greeting() {
    let limit = Rule::on("MAIL *").when(When::ConnectionsAbove(1)).reply("432 4.3.2 too many");
    let (server, dialer) = Server::builder().rule(limit).pipes();
    let mail = async |client: &mut Client<Pipe>, reply: &str| {
        client.send("RSET\r\n").await;
        client.receive("250 forgotten\r\n").await;
        client.send("MAIL FROM:<a@example.org>\r\n").await;
        client.receive(reply).await;
    };
    let mut first = served(dialer.dial()).await;
    first.send("EHLO client.example\r\n").await;
    first.receive("250 mx.testkit.example\r\n").await;
    mail(&mut first, "250 sender taken\r\n").await;
    let second = served(dialer.dial()).await;
    mail(&mut first, "432 4.3.2 too many\r\n").await;
    drop(second);
    mail(&mut first, "250 sender taken\r\n").await;
    drop(first);
    server.finish().await.unwrap();
}

#[tokio::test]
async fn a_limit_that_is_never_reached_can_be_a_mismatch() {
    for (count, shown) in [(1, "1 connection is open"), (2, "2 connections are open")] {
        let limit = Rule::connections_above(count).reply("421 full").required();
        let (server, dialer) = Server::builder().rule(limit).pipes();
        drop(served(dialer.dial()).await);
        let mismatch = server.finish().await.unwrap_err();
        assert_eq!(mismatch.kind(), MismatchKind::UnusedRule);
        let because = format!("at the greeting while more than {shown}\n");
        assert!(mismatch.to_string().contains(&because), "{mismatch}");
    }
}
