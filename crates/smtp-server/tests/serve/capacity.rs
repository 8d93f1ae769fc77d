//! Limits of connections.
use smtp_server::{Capacity, Listener, Server, Settings};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::host::Host;

#[tokio::test]
async fn a_connection_too_many_gets_421_until_another_ends() {
    for by_address in [false, true] {
        let mut capacity = Capacity::default();
        match by_address {
            true => capacity.per_address = 2,
            false => capacity.connections = 2,
        }
        let server = Server::new(Host::default()).capacity(capacity).listen("127.0.0.1:0").unwrap();
        let address = server.addresses()[0];
        let running = tokio::spawn(server.run());
        let connect = || async {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let mut code = [0; 3];
            stream.read_exact(&mut code).await.unwrap();
            (stream, String::from_utf8(code.to_vec()).unwrap())
        };
        let (one, first) = connect().await;
        let (_two, second) = connect().await;
        let (mut three, third) = connect().await;
        assert_eq!([&*first, &*second, &*third], ["220", "220", "421"]);
        let mut rest = String::new();
        three.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, " 4.7.0 Too many connections\r\n");

        drop(one);
        // The server notices the end of a connection when its task runs.
        let mut code = String::from("421");
        while code == "421" {
            code = connect().await.1;
        }
        assert_eq!(code, "220");
        running.abort();
    }
}

#[tokio::test]
async fn proxies_are_not_counted_by_address() {
    let mut capacity = Capacity::default();
    capacity.per_address = 1;
    let with_header = Settings::smtp("mx.example.org").proxy_header().build().unwrap();
    let server = Server::new(Host::default())
        .capacity(capacity)
        .listener(Listener::tcp("127.0.0.1:0").unwrap().trust(|address| address.ip().is_loopback()))
        .listener(Listener::tcp("127.0.0.1:0").unwrap().settings(with_header));
    let addresses = server.addresses();
    let running = tokio::spawn(server.run());
    let mut connections = Vec::new();
    for (address, header) in addresses.iter().zip(["", "PROXY UNKNOWN\r\n"]) {
        for number in 0..3 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(header.as_bytes()).await.unwrap();
            let mut code = [0; 3];
            stream.read_exact(&mut code).await.unwrap();
            assert_eq!(&code, b"220", "connection {number} with {header:?}");
            connections.push(stream);
        }
    }
    running.abort();
}

/// Connects from this address, and returns the connection and the code of the greeting.
#[cfg(target_os = "linux")]
async fn connect_from(source: &str, port: u16) -> (TcpStream, String) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(format!("{source}:0").parse().unwrap()).unwrap();
    let mut stream = socket.connect(([127, 0, 0, 1], port).into()).await.unwrap();
    let mut code = [0; 3];
    stream.read_exact(&mut code).await.unwrap();
    (stream, String::from_utf8(code.to_vec()).unwrap())
}

/// IPv4 addresses are all in one IPv6 network of 64 bits where a socket for both families has them.
/// Only Linux has all of 127.0.0.0/8 by itself.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_socket_for_both_families_counts_ipv4_addresses_as_such() {
    // A host without IPv6 has no such socket.
    let Ok(listener) = Listener::tcp("[::]:0") else { return };
    let mut capacity = Capacity::default();
    capacity.per_address = 1;
    let host = Host::default();
    let server = Server::new(host.clone()).capacity(capacity).listener(listener);
    let running = server.spawn().unwrap();
    let port = running.addresses()[0].port();
    let (mut first, code) = connect_from("127.0.0.1", port).await;
    assert_eq!(code, "220");
    let (_second, code) = connect_from("127.0.0.2", port).await;
    assert_eq!(code, "220", "another address");
    let (_third, code) = connect_from("127.0.0.1", port).await;
    assert_eq!(code, "421", "the same address");

    first.write_all(b"EHLO a.example\r\nQUIT\r\n").await.unwrap();
    first.read_to_string(&mut String::new()).await.unwrap();
    assert_eq!(host.addresses(), [first.local_addr().unwrap().to_string()]);
    running.stop().await;
}
