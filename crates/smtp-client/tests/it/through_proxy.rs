//! Connecting through a proxy, and the header of the PROXY protocol, with both clients over the
//! loopback interface.
use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::Duration,
};

use smtp_client::{
    Address, Broken, Connector, Error, ErrorKind, Proxy, ProxyError, ProxyFault, ProxyHeader,
    Security, Server, SocksReply, Step, Timeouts, Tls, blocking,
};
use smtp_testkit::{Authority, Server as TestServer};

use crate::{
    dialing::{connect_with, perform},
    stage::parse,
};

/// What a proxy reads and what it sends then.
type Turns = &'static [(&'static [u8], &'static [u8])];

/// A proxy for two connections, one after the other: it takes its turns, and then connects the
/// client to each of these servers in turn, or closes if there is none.
fn proxy(turns: Turns, servers: Vec<SocketAddr>) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = thread::spawn(move || {
        for number in 0..2 {
            let (mut client, _) = listener.accept().unwrap();
            for (expected, reply) in turns {
                let mut received = vec![0; expected.len()];
                client.read_exact(&mut received).unwrap();
                assert_eq!(received, *expected, "{}", String::from_utf8_lossy(&received));
                client.write_all(reply).unwrap();
            }
            if let Some(server) = servers.get(number) {
                connect_both(client, TcpStream::connect(server).unwrap());
            }
        }
    });
    (address, serving)
}

/// Passes on what either side sends, until both have closed.
fn connect_both(mut client: TcpStream, mut server: TcpStream) {
    let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let upwards = thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let _ = io::copy(&mut server, &mut client);
    let _ = client.shutdown(Shutdown::Write);
    upwards.join().unwrap();
}

/// The proxy at this address.
fn at(scheme: &str, login: &str, address: SocketAddr) -> Proxy {
    format!("{scheme}://{login}{address}").parse().unwrap()
}

/// A server that no resolver knows.
fn unknown() -> Server {
    Server::tcp("mx.invalid", 25)
}

/// Two servers that are greeted with this name.
fn servers(name: &str) -> ([TestServer; 2], Vec<SocketAddr>) {
    let script = format!("S: 220 hi\nC: EHLO {name}\nS: 250 hi");
    let servers = [(); 2].map(|()| TestServer::tcp(parse(&script)).unwrap());
    let addresses = servers.iter().map(TestServer::addr).collect();
    (servers, addresses)
}

#[track_caller]
fn connects(turns: Turns, scheme: &str, login: &str, name: &str) {
    let (servers, addresses) = servers(name);
    let (address, serving) = proxy(turns, addresses);
    let proxy = &at(scheme, login, address);
    for outcome in connect_with!(unknown(), connector => connector.proxy(proxy.clone())) {
        outcome.unwrap();
    }
    serving.join().unwrap();
    for server in servers {
        server.finish().wait().unwrap();
    }
}

const SOCKS_REQUEST: &[u8] = b"\x05\x01\x00\x03\x0Amx.invalid\x00\x19";

#[test]
fn socks5_resolves_the_name_and_tells_the_address_for_ehlo() {
    let turns: Turns = &[
        (b"\x05\x01\x00", b"\x05\x00"),
        (SOCKS_REQUEST, b"\x05\x00\x00\x01\xC0\x00\x02\x07\x12\x34"),
    ];
    connects(turns, "socks5", "", "[192.0.2.7]");
}

#[test]
fn without_a_telling_proxy_ehlo_has_the_address_of_this_machine() {
    let turns: Turns = &[
        (b"\x05\x02\x00\x02", b"\x05\x02"),
        (b"\x01\x02us\x03p@s", b"\x01\x00"),
        (SOCKS_REQUEST, b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"),
    ];
    connects(turns, "socks5h", "us:p%40s@", "[127.0.0.1]");
    let turns: Turns = &[(
        b"CONNECT mx.invalid:25 HTTP/1.1\r\nHost: mx.invalid:25\r\n\
          Proxy-Authorization: Basic dXM6cEBz\r\n\r\n",
        b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n",
    )];
    connects(turns, "http", "us:p%40s@", "[127.0.0.1]");
}

#[test]
fn tls_is_done_with_the_server_by_its_name() {
    let authority = Authority::new().name("mx.invalid").unwrap();
    let tls = &Tls::authorities([authority.der().to_vec().into()]).unwrap();
    let script = "[tls]\nS: 220 hi\nC: EHLO client.example\nS: 250 hi";
    let servers = [(); 2].map(|()| {
        let builder = TestServer::builder().authority(authority.clone());
        builder.script(parse(script)).tcp().unwrap()
    });
    let turns: Turns = &[(
        b"CONNECT mx.invalid:25 HTTP/1.1\r\nHost: mx.invalid:25\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
    )];
    let (address, serving) = proxy(turns, servers.iter().map(TestServer::addr).collect());
    let server = &unknown().security(Security::Tls);
    for outcome in connect_with!(server.clone(), connector => connector
        .proxy(at("http", "", address))
        .tls(tls.clone())
        .hello_name("client.example".parse().unwrap()))
    {
        outcome.unwrap();
    }
    serving.join().unwrap();
    for server in servers {
        server.finish().wait().unwrap();
    }
}

#[track_caller]
fn blamed(outcome: &Result<(), Error>, address: SocketAddr) -> &ProxyError {
    let error = outcome.as_ref().unwrap_err();
    assert_eq!(error.step(), Step::Connect);
    assert!(!error.in_doubt() && error.to_string().contains(&address.to_string()), "{error}");
    let ErrorKind::Broken(Broken::Proxy(proxy)) = error.kind() else { panic!("{error:?}") };
    assert_eq!(error.is_transient(), proxy.is_transient());
    proxy
}

#[test]
fn a_refusal_is_the_fault_of_the_proxy() {
    let turns: Turns =
        &[(b"\x05\x01\x00", b"\x05\x00"), (SOCKS_REQUEST, b"\x05\x04\x00\x01\0\0\0\0\0\0")];
    let (address, serving) = proxy(turns, Vec::new());
    for outcome in connect_with!(unknown(), connector => connector.proxy(at("socks5", "", address)))
    {
        let proxy = blamed(&outcome, address);
        assert!(matches!(proxy.fault, ProxyFault::Socks(SocksReply::HostUnreachable)));
        assert!(proxy.is_transient());
    }
    serving.join().unwrap();

    let turns: Turns = &[(b"CONNECT mx.invalid:25", b"HTTP/1.1 407 Who?\r\n\r\n")];
    let (address, serving) = proxy(turns, Vec::new());
    for outcome in
        connect_with!(unknown(), connector => connector.proxy(at("http", "u:p@", address)))
    {
        let proxy = blamed(&outcome, address);
        assert!(matches!(proxy.fault, ProxyFault::LoginRefused) && !proxy.is_transient());
    }
    serving.join().unwrap();
}

#[test]
fn a_proxy_that_fails_is_not_taken_for_the_server() {
    let broken = |outcome: &Result<(), Error>, address| match &blamed(outcome, address).fault {
        ProxyFault::Broken(broken) => (**broken).clone(),
        fault => panic!("{fault:?}"),
    };
    // It closes in the middle of its exchange.
    let (address, serving) = proxy(&[(b"\x05\x01\x00", b"\x05")], Vec::new());
    for outcome in connect_with!(unknown(), connector => connector.proxy(at("socks5", "", address)))
    {
        assert!(matches!(broken(&outcome, address), Broken::Closed));
        assert!(!outcome.unwrap_err().to_string().contains("server closed"));
    }
    serving.join().unwrap();
    // Nothing listens there.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for outcome in connect_with!(unknown(), connector => connector.proxy(at("http", "", address))) {
        assert!(matches!(broken(&outcome, address), Broken::Io(_)));
    }
    let url = format!("smtp://mx.invalid?proxy=socks5://user:pw@{address}");
    let outcome = blocking::Connector::from_url(&url).unwrap().connect().map(drop);
    assert!(matches!(broken(&outcome, address), Broken::Io(_)));
    // It takes the connection, and sends nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let mut timeouts = Timeouts::default();
    timeouts.connect = Duration::from_millis(60);
    for outcome in connect_with!(unknown(), connector => {
        connector.proxy(at("http", "", address)).timeouts(timeouts)
    }) {
        assert!(matches!(broken(&outcome, address), Broken::TimedOut { .. }));
    }
}

#[test]
fn a_server_on_a_unix_socket_is_not_connected_to_past_the_proxy() {
    let address = SocketAddr::from(([127, 0, 0, 1], 9));
    let server = &Server::unix("/nonexistent/socket");
    for outcome in
        connect_with!(server.clone(), connector => connector.proxy(at("http", "", address)))
    {
        assert!(matches!(blamed(&outcome, address).fault, ProxyFault::UnixSocket));
    }
}

#[test]
fn a_dialer_is_given_the_address_of_the_proxy() {
    let dialed = Arc::new(Mutex::new(Vec::new()));
    let (first, second) = (Arc::clone(&dialed), Arc::clone(&dialed));
    let proxy = Proxy::socks5("proxy.invalid", 9);
    let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
    let connector = Connector::new(unknown()).proxy(proxy.clone()).dialer(move |address| {
        first.lock().unwrap().push(address);
        async move { Err::<tokio::net::TcpStream, _>(refused()) }
    });
    let outcome = perform(async { connector.connect().await.map(drop) });
    assert!(matches!(outcome.unwrap_err().kind(), ErrorKind::Broken(Broken::Proxy(_))));
    let connector = blocking::Connector::new(unknown()).proxy(proxy).dialer(move |address| {
        second.lock().unwrap().push(address);
        Err::<TcpStream, _>(refused())
    });
    let outcome = connector.connect();
    assert!(matches!(outcome.unwrap_err().kind(), ErrorKind::Broken(Broken::Proxy(_))));
    let proxy = Address::Tcp { host: "proxy.invalid".into(), port: 9 };
    assert_eq!(dialed.lock().unwrap()[..], [proxy.clone(), proxy]);
}

/// The first octets of a connection, and the one that follows them.
type First = (Vec<u8>, u8);

/// A server that receives them on two connections.
fn first_octets(length: usize) -> (SocketAddr, JoinHandle<[First; 2]>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let receive = move |()| {
        let (mut client, _) = listener.accept().unwrap();
        let mut header = vec![0; length];
        client.read_exact(&mut header).unwrap();
        client.write_all(b"220 hi\r\n").unwrap();
        let mut next = [0];
        client.read_exact(&mut next).unwrap();
        (header, next[0])
    };
    (address, thread::spawn(move || [(); 2].map(receive)))
}

#[test]
fn a_proxy_header_comes_first() {
    let [source, destination] =
        ["192.0.2.1:4711", "192.0.2.2:25"].map(|text| text.parse().unwrap());
    for (security, next) in [(Security::Plain, b'E'), (Security::Tls, 0x16)] {
        for header in [
            ProxyHeader::v1(source, destination),
            ProxyHeader::v2(source, destination),
            ProxyHeader::local(),
        ] {
            let (address, received) = first_octets(header.as_bytes().len());
            let server = Server::tcp("127.0.0.1", address.port()).security(security);
            for outcome in
                connect_with!(server.clone(), connector => connector.proxy_header(header.clone()))
            {
                assert!(outcome.is_err());
            }
            for received in received.join().unwrap() {
                assert_eq!(received, (header.as_bytes().to_vec(), next));
            }
        }
    }
}

#[test]
fn a_proxy_header_follows_the_exchange_with_a_proxy_and_is_sent_over_open_streams() {
    let header = ProxyHeader::local();
    let length = header.as_bytes().len();
    let (server, received) = first_octets(length);
    let turns: Turns = &[
        (b"\x05\x01\x00", b"\x05\x00"),
        (SOCKS_REQUEST, b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"),
    ];
    let (address, serving) = proxy(turns, vec![server; 2]);
    for outcome in connect_with!(unknown(), connector => {
        connector.proxy(at("socks5", "", address)).proxy_header(header.clone())
    }) {
        assert_eq!(outcome.unwrap_err().step(), Step::Hello);
    }
    serving.join().unwrap();
    for received in received.join().unwrap() {
        assert_eq!(received, (header.as_bytes().to_vec(), b'E'));
    }

    let (server, received) = first_octets(length);
    let connector = Connector::new(unknown()).proxy_header(header.clone());
    perform(async {
        let stream = tokio::net::TcpStream::connect(server).await.unwrap();
        connector.connect_over(stream).await.unwrap_err();
    });
    let connector = blocking::Connector::new(unknown()).proxy_header(header.clone());
    connector.connect_over(TcpStream::connect(server).unwrap()).unwrap_err();
    for received in received.join().unwrap() {
        assert_eq!(received, (header.as_bytes().to_vec(), b'E'));
    }
}
