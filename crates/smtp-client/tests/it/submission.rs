//! The two ports of a submission server (RFC 8314, 3.3).
use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex},
};

use smtp_client::{Broken, Connection, Connector, Error, ErrorKind, Hint, Server, Step, Tls};
use smtp_testkit::{Authority, CertificateKind, Pipe, Script, Server as TestServer};

use crate::stage::{offer, parse, perform};

/// What a port does, as it is connected to.
enum Port {
    /// Nothing listens.
    Refuses,
    /// This script is played, with this kind of certificate.
    Plays(Script, CertificateKind),
}

fn tls() -> Port {
    let script = format!("[tls]\nS: 220 hi\n{}C: QUIT\nS: 221 bye", hello());
    Port::Plays(parse(&script), CertificateKind::Good)
}

fn starttls() -> Port {
    let script = format!(
        "S: 220 hi\nC: EHLO client.example\n{}C: STARTTLS\nS: 220 go\n[starttls]\n{}C: QUIT\nS: 221 bye",
        offer(&["STARTTLS"]),
        hello(),
    );
    Port::Plays(parse(&script), CertificateKind::Good)
}

fn hello() -> String {
    format!("C: EHLO client.example\n{}", offer(&["PIPELINING"]))
}

/// A connector to a host whose ports do this, one connection after the other.
fn submission(ports: impl IntoIterator<Item = Port>) -> (Connector, Vec<TestServer>) {
    let authority = Authority::new();
    let tls = Tls::authorities([authority.der().to_vec().into()]).unwrap();
    let mut servers = Vec::new();
    let mut pipes: VecDeque<Option<Pipe>> = VecDeque::new();
    for port in ports {
        let Port::Plays(script, kind) = port else {
            pipes.push_back(None);
            continue;
        };
        let server = TestServer::builder().authority(authority.clone()).certificate(kind);
        let (server, pipe) = server.script(script).pipe();
        servers.push(server);
        pipes.push_back(Some(pipe));
    }
    let pipes = Arc::new(Mutex::new(pipes));
    let connector = Connector::submission("localhost").tls(tls);
    let connector = connector.hello_name("client.example".parse().unwrap()).dialer(move |_| {
        let pipe = pipes.lock().unwrap().pop_front().expect("no more connections");
        async { pipe.ok_or_else(|| io::ErrorKind::ConnectionRefused.into()) }
    });
    (connector, servers)
}

/// The URL of the port that was used; the connection is closed.
async fn used(connected: Result<Connection, Error>) -> String {
    let mut connection = connected.unwrap();
    let server = connection.server().to_string();
    assert!(connection.tls().is_some());
    connection.quit().await.unwrap();
    server
}

#[test]
fn tls_from_the_first_octet_comes_first() {
    perform(async {
        let (connector, servers) = submission([tls()]);
        assert_eq!(used(connector.connect().await).await, "smtps://localhost:465");
        for server in servers {
            server.finish().await.unwrap();
        }
    });
}

#[test]
fn where_it_is_refused_starttls_is_used_and_comes_first_from_then_on() {
    perform(async {
        let (connector, servers) = submission([Port::Refuses, starttls(), starttls()]);
        assert_eq!(used(connector.connect().await).await, "smtp+starttls://localhost:587");
        assert_eq!(used(connector.clone().connect().await).await, "smtp+starttls://localhost:587");
        for server in servers {
            server.finish().await.unwrap();
        }
    });
}

#[test]
fn a_port_465_in_clear_is_passed_over() {
    perform(async {
        let clear = parse("S: 220 hi\n[expect-close]");
        let clear = Port::Plays(clear, CertificateKind::Good);
        let (connector, _servers) = submission([clear, starttls()]);
        assert_eq!(used(connector.connect().await).await, "smtp+starttls://localhost:587");
    });
}

#[test]
fn a_certificate_that_is_not_accepted_is_the_result() {
    perform(async {
        let script = parse("[tls]\n[expect-close]");
        let expired = Port::Plays(script, CertificateKind::Expired);
        let (connector, _servers) = submission([expired]);
        let error = connector.connect().await.unwrap_err();
        assert_eq!(error.hint(), Some(Hint::CertificateExpired), "{error}");
    });
}

#[test]
fn a_server_without_starttls_gets_nothing_in_clear() {
    perform(async {
        let script = "S: 220 hi\nC: EHLO client.example\nS: 250 hi\nC: QUIT\n[expect-close]";
        let plain = Port::Plays(parse(script), CertificateKind::Good);
        let (connector, servers) = submission([Port::Refuses, plain]);
        let error = connector.connect().await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Unsupported(_)), "{error}");
        assert_eq!(
            error.to_string(),
            "STARTTLS at localhost:587: the server does not offer STARTTLS; other port: connect to \
             localhost:465: connection refused (hint: use a port that offers STARTTLS, usually 587, \
             or smtps:// with port 465)"
        );
        for server in servers {
            server.finish().await.unwrap();
        }
    });
}

#[test]
fn two_ports_that_refuse_are_one_error() {
    perform(async {
        let (connector, _) = submission([Port::Refuses, Port::Refuses]);
        let error = connector.connect().await.unwrap_err();
        assert_eq!(error.step(), Step::Connect);
        assert!(matches!(error.kind(), ErrorKind::Broken(Broken::Io(_))), "{error}");
        assert_eq!(error.other_port().unwrap().server().unwrap().port(), Some(587));
        assert_eq!(
            error.to_string(),
            "connect to localhost:465: connection refused; other port: connect to localhost:587: \
             connection refused (hint: no server listens on this port: check the host and the port, \
             and whether it runs)"
        );
    });
}

#[test]
fn what_a_reached_port_did_comes_before_that_of_one_that_was_not() {
    perform(async {
        let clear = parse("[raw \"220 hi\\r\\n\"]\n[stall]");
        let clear = Port::Plays(clear, CertificateKind::Good);
        let (connector, _servers) = submission([clear, Port::Refuses]);
        let error = connector.connect().await.unwrap_err();
        assert_eq!((error.step(), error.hint()), (Step::Handshake, Some(Hint::NoTls)));
        let other = error.other_port().unwrap();
        assert_eq!((other.step(), other.hint()), (Step::Connect, Some(Hint::ConnectionRefused)));
    });
}

#[test]
fn a_host_that_is_none_is_refused_at_once() {
    perform(async {
        let error = Connector::submission("").connect().await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Invalid(_)), "{error}");
        assert_eq!(Server::tcp("", 465).to_string(), "smtp://:465");
    });
}
