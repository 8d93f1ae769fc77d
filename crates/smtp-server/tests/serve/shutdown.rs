//! The end of a server.
use std::{sync::Arc, time::Duration};

use smtp_server::{Capacity, Client, Closing, Server};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    net::TcpStream,
    time::timeout,
};

use crate::host::{Does, Host, Peer, TO_DATA};

#[tokio::test(start_paused = true)]
async fn a_message_under_way_is_finished_and_everything_else_gets_421() {
    let host = Host::that(Does::Waits);
    let server = Arc::new(Server::new(host.clone()).into_service().unwrap());
    let connect = || {
        let (near, far) = duplex(4096);
        let server = Arc::clone(&server);
        let served = tokio::spawn(async move { server.serve(far, Client::new()).await.unwrap() });
        (Peer(near), served)
    };
    let (mut idle, idle_served) = connect();
    let (mut busy, busy_served) = connect();
    idle.hear("220").await;
    busy.ask(TO_DATA, "354").await;
    server.shut_down();
    assert_eq!(idle.hear("421").await, "421 4.3.2 The server is shutting down\r\n");
    assert_eq!(idle_served.await.unwrap(), Closing::ShuttingDown);

    host.go.notify_one();
    let replies = busy.ask("x\r\n.\r\n", "421").await;
    assert_eq!(replies, "250 2.0.0 Queued as 4711\r\n421 4.3.2 The server is shutting down\r\n");
    assert_eq!(busy_served.await.unwrap(), Closing::ShuttingDown);

    let (mut late, _served) = connect();
    assert_eq!(late.hear("421").await, "421 4.3.2 The server is shutting down\r\n");
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_returns() {
    let server = Server::new(Host::default()).listen("127.0.0.1:0").unwrap();
    let address = server.addresses()[0];
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.run_until(async {
        let _ = stopped.await;
    }));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut greeting = [0; 4];
    stream.read_exact(&mut greeting).await.unwrap();
    stop.send(()).unwrap();
    timeout(Duration::from_secs(20), running).await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

/// Connects to this server, and begins a message, which its handler waits with.
async fn begin_message(address: std::net::SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(TO_DATA.as_bytes()).await.unwrap();
    let mut replies = String::new();
    while !replies.contains("354") {
        let mut octets = [0; 512];
        let count = stream.read(&mut octets).await.unwrap();
        replies.push_str(std::str::from_utf8(&octets[..count]).unwrap());
    }
    stream
}

#[tokio::test]
async fn a_server_that_is_dropped_ends_its_connections() {
    let server = Server::new(Host::that(Does::Waits)).listen("127.0.0.1:0").unwrap();
    let address = server.addresses()[0];
    let running = tokio::spawn(server.run());
    let mut stream = begin_message(address).await;
    running.abort();
    // An end or a reset.
    let _ = timeout(Duration::from_secs(20), stream.read(&mut [0])).await.expect("it ends");
}

#[tokio::test]
async fn a_handler_that_never_returns_does_not_keep_the_server() {
    let mut capacity = Capacity::default();
    capacity.grace = Duration::from_millis(50);
    let server = Server::new(Host::that(Does::Waits)).capacity(capacity);
    let server = server.listen("127.0.0.1:0").unwrap();
    let address = server.addresses()[0];
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.run_until(async {
        let _ = stopped.await;
    }));
    let mut stream = begin_message(address).await;
    stop.send(()).unwrap();
    timeout(Duration::from_secs(20), running).await.unwrap().unwrap().unwrap();
    let _ = timeout(Duration::from_secs(20), stream.read(&mut [0])).await.expect("it ends");
}
