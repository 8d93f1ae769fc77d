//! Addresses to listen on, and the errors if that fails.

use std::error::Error;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use smtp_testkit::{BindError, Recorder, Server};
use tokio::net::TcpStream;

use crate::client::Client;

fn bind(addr: impl Into<SocketAddr>) -> Result<Server, BindError> {
    Server::builder().listen_on(addr).tcp()
}

/// Checks that the server greets a client that connects to `addr`.
async fn greets(addr: SocketAddr) {
    let mut client = Client(TcpStream::connect(addr).await.unwrap());
    client.receive("220 mx.testkit.example ESMTP ready\r\n").await;
    client.send("QUIT\r\n").await;
    client.receive("221 goodbye\r\n").await;
}

#[tokio::test]
async fn a_port_can_be_chosen_and_chosen_again() {
    let server = bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = server.addr();
    assert_ne!(addr.port(), 0, "a free one was found");
    greets(addr).await;
    server.finish().await.unwrap();

    let server = bind(addr).unwrap();
    assert_eq!(server.addr(), addr);
    greets(addr).await;
    server.finish().await.unwrap();
}

#[tokio::test]
async fn a_client_waits_between_two_servers_of_one_socket() {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    let first = Server::builder().tcp_listener(listener.try_clone().unwrap()).unwrap();
    assert_eq!(first.addr(), addr);
    greets(addr).await;
    first.finish().await.unwrap();

    let client = TcpStream::connect(addr).await.unwrap();
    let second = Server::builder().tcp_listener(listener).unwrap();
    Client(client).receive("220 mx.testkit.example ESMTP ready\r\n").await;
    greets(addr).await;
    drop(second);
}

#[tokio::test]
async fn an_address_can_be_chosen() {
    let server = bind(([127, 0, 0, 1], 0)).unwrap();
    greets(server.addr()).await;
    let everywhere = bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    assert_eq!(everywhere.addr().ip(), IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    greets((Ipv4Addr::LOCALHOST, everywhere.addr().port()).into()).await;

    match bind("[::1]:0".parse::<SocketAddr>().unwrap()) {
        Ok(server) => {
            assert_eq!(server.addr().ip(), IpAddr::V6(Ipv6Addr::LOCALHOST));
            greets(server.addr()).await;
        }
        // This machine has no IPv6.
        Err(error) => assert_ne!(error.kind(), io::ErrorKind::AddrInUse, "{error}"),
    }
}

#[tokio::test]
async fn a_recorder_listens_where_the_test_says() {
    let real = Server::builder().tcp().unwrap();
    let recording = Recorder::new(real.addr()).listen_on(([127, 0, 0, 1], 0)).tcp().unwrap();
    let addr = recording.addr();
    greets(addr).await;
    let taken = Recorder::new(real.addr()).listen_on(addr).tcp().unwrap_err();
    assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    let carried = taken.get_ref().unwrap().downcast_ref::<BindError>().unwrap();
    assert!(matches!(carried, BindError::Tcp { addr: asked, .. } if *asked == addr), "{carried}");
    assert_eq!(recording.finish().await.len(), 1);
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error_that_names_it() {
    let server = Server::builder().tcp().unwrap();
    let addr = server.addr();
    let error = bind(addr).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert!(matches!(&error, BindError::Tcp { addr: asked, .. } if *asked == addr));
    assert!(error.source().is_some());
    let shown = error.to_string();
    assert!(shown.starts_with(&format!("cannot listen on {addr}: ")), "{shown}");
    assert!(
        shown.ends_with("; another process or test listens there, and port 0 takes a free port"),
        "{shown}"
    );
    greets(addr).await;
}

#[tokio::test]
async fn an_address_of_another_machine_is_an_error() {
    // An address for documentation (RFC 5737).
    let error = bind(([192, 0, 2, 1], 0)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable, "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_path_that_is_taken_is_an_error_that_names_it() {
    let file = format!("smtp-testkit-taken-{}.sock", std::process::id());
    let path = std::env::temp_dir().join(file);
    let server = Server::builder().unix(&path).unwrap();
    let error = Server::builder().unix(&path).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert!(matches!(&error, BindError::Unix { path: asked, .. } if *asked == path));
    assert!(path.exists(), "the first server still has its socket");
    drop(server);
}
