//! How a connection gets to its server: dialers, source addresses, sockets, races. With both
//! clients, over the loopback interface where a socket is the subject.
use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    sync::{Arc, Mutex},
    thread::JoinHandle,
};

use smtp_client::{
    Address, Broken, Connector, Error, ErrorKind, Server, Step, blocking, socket2::Socket,
};
use smtp_testkit::Server as TestServer;
use tokio::runtime::Builder;

use crate::stage::parse;

/// Runs with real time, as sockets take it.
pub(crate) fn perform<T>(scene: impl Future<Output = T>) -> T {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(scene)
}

/// The results of connecting with both clients, set up in the same way.
macro_rules! connect_with {
    ($server:expr, $connector:ident => $set:expr) => {{
        let $connector = Connector::new($server);
        let connector = $set;
        let awaited = $crate::dialing::perform(async { connector.connect().await.map(drop) });
        let $connector = blocking::Connector::new($server);
        let connector = $set;
        [awaited, connector.connect().map(drop)]
    }};
}

pub(crate) use connect_with;

/// A server that takes two connections, closes them, and tells where they came from.
fn listener() -> (SocketAddr, JoinHandle<[SocketAddr; 2]>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let accept = move |_| {
        let (_, peer) = listener.accept().unwrap();
        peer
    };
    (address, std::thread::spawn(move || [(); 2].map(accept)))
}

fn server(address: SocketAddr) -> Server {
    Server::tcp(address.ip().to_string(), address.port())
}

#[track_caller]
fn io_error(outcome: &Result<(), Error>) -> io::ErrorKind {
    let error = outcome.as_ref().unwrap_err();
    assert_eq!(error.step(), Step::Connect, "{error:?}");
    let ErrorKind::Broken(Broken::Io(cause)) = error.kind() else { panic!("{error:?}") };
    cause.downcast_ref::<io::Error>().unwrap().kind()
}

#[test]
fn a_dialer_is_given_the_address() {
    let tcp = |host: &str| Address::Tcp { host: host.into(), port: 2525 };
    for (server, expected, shown) in [
        (Server::tcp("mx.example", 2525), tcp("mx.example"), "mx.example:2525"),
        (
            Server::tcp("b\u{fc}cher.example", 2525),
            tcp("xn--bcher-kva.example"),
            "xn--bcher-kva.example:2525",
        ),
        (Server::tcp("::1", 2525), tcp("::1"), "[::1]:2525"),
        (Server::unix("/run/smtp"), Address::Unix("/run/smtp".into()), "/run/smtp"),
    ] {
        let dialed = Arc::new(Mutex::new(Vec::new()));
        let note = |dialed: &Arc<Mutex<Vec<Address>>>| {
            let dialed = Arc::clone(dialed);
            move |address| {
                dialed.lock().unwrap().push(address);
                Err(io::Error::from(io::ErrorKind::HostUnreachable))
            }
        };
        let (awaiting, blocks) = (note(&dialed), note(&dialed));
        let connector = Connector::new(server.clone());
        let connector = connector.dialer(move |address| {
            let failed = awaiting(address);
            async { failed.map(|()| tokio::io::empty()).map(tokio::io::BufStream::new) }
        });
        let failed = perform(async { connector.connect().await.map(drop) });
        assert_eq!(io_error(&failed), io::ErrorKind::HostUnreachable);
        let connector = blocking::Connector::new(server);
        let connector = connector.dialer(move |address| {
            blocks(address).map(|()| -> std::net::TcpStream { unreachable!("the dialer fails") })
        });
        assert_eq!(io_error(&connector.connect().map(drop)), io::ErrorKind::HostUnreachable);
        let dialed = dialed.lock().unwrap();
        assert_eq!(dialed[..], [expected.clone(), expected]);
        assert_eq!(dialed[0].to_string(), shown);
    }
}

/// The address by which a connection can be told from one without an address.
const TALK: &str = "S: 220 hi\nC: EHLO [127.0.0.1]\nS: 250 hi";

#[test]
fn a_socket_from_a_dialer_is_greeted_with_its_address() {
    let server = TestServer::tcp(parse(TALK)).unwrap();
    let address = server.addr();
    let connector = Connector::new(Server::tcp("mx.example", 25))
        .dialer(move |_| async move { tokio::net::TcpStream::connect(address).await });
    drop(perform(connector.connect()).unwrap());
    server.finish().wait().unwrap();

    let server = TestServer::tcp(parse(TALK)).unwrap();
    let address = server.addr();
    let connector = blocking::Connector::new(Server::tcp("mx.example", 25))
        .dialer(move |_| std::net::TcpStream::connect(address));
    drop(connector.connect().unwrap());
    server.finish().wait().unwrap();
}

/// The whole of 127.0.0.0/8 is the loopback interface there.
#[cfg(target_os = "linux")]
#[test]
fn connections_come_from_the_source_address_of_the_family() {
    let source = IpAddr::from([127, 0, 0, 2]);
    let (address, peers) = listener();
    let outcomes = connect_with!(
        server(address),
        connector => connector.source_address("2001:db8::1".parse().unwrap()).source_address(source)
    );
    assert!(outcomes.iter().all(|outcome| outcome.is_err()));
    assert!(peers.join().unwrap().iter().all(|peer| peer.ip() == source));
}

#[test]
fn a_source_address_of_another_machine_is_an_error() {
    let source = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let address = SocketAddr::from(([127, 0, 0, 1], 25));
    for outcome in connect_with!(server(address), connector => connector.source_address(source)) {
        assert_eq!(io_error(&outcome), io::ErrorKind::AddrNotAvailable);
    }
}

#[test]
fn a_socket_is_shown_before_it_is_bound_and_connected() {
    let (address, peers) = listener();
    let shown = Arc::new(Mutex::new(Vec::new()));
    let source = IpAddr::from(Ipv4Addr::LOCALHOST);
    let _ = connect_with!(server(address), connector => {
        let shown = Arc::clone(&shown);
        connector.source_address(source).on_socket(move |socket, target| {
            assert!(socket.peer_addr().is_err());
            socket.set_keepalive(true)?;
            // It can be bound to a port, because it was not bound before.
            let local = socket.local_addr()?.as_socket();
            shown.lock().unwrap().push((target, local.map(|local| local.port())));
            Ok(())
        })
    });
    peers.join().unwrap();
    assert_eq!(shown.lock().unwrap()[..], [(address, Some(0)), (address, Some(0))]);
}

#[test]
fn an_error_about_a_socket_fails_the_attempt() {
    let address = SocketAddr::from(([127, 0, 0, 1], 25));
    let refuse = |_: &Socket, _| Err(io::ErrorKind::PermissionDenied.into());
    for outcome in connect_with!(server(address), connector => connector.on_socket(refuse)) {
        assert_eq!(io_error(&outcome), io::ErrorKind::PermissionDenied);
    }
}

#[test]
fn a_race_to_one_address_connects() {
    let (address, peers) = listener();
    for outcome in connect_with!(server(address), connector => connector.race(true)) {
        assert_eq!(outcome.unwrap_err().step(), Step::Greeting);
    }
    peers.join().unwrap();
}
