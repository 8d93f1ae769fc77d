//! The truth about every message: each fault at each point of a session leads to the same as over
//! a pipe.
use std::{sync::LazyLock, time::Duration};

use smtp_client::{
    Delivery, Envelope, Error, MailData, Security, Server, Step, Timeouts, Tls,
    blocking::{Connection, Connector},
    session::Dialect,
};
use smtp_testkit::{Authority, Server as TestServer};

use super::{PATIENCE, short_at};
use crate::{
    fault::{FAULTS, Fault, POINTS, Way, script},
    stage::parse,
    truth::{End, Played, check_truth, end, expected},
};

/// A text that fits neither into the buffers of TLS nor into those of the sockets: where something
/// happens within the text, it must not be on its way as a whole.
static LARGE: LazyLock<MailData> = LazyLock::new(|| text(32 << 20));
static SMALL: LazyLock<MailData> = LazyLock::new(|| text(1 << 17));

fn text(octets: usize) -> MailData {
    MailData::new(format!("{}\r\n", "x".repeat(998)).repeat(octets / 1000)).unwrap()
}

fn send(connection: &mut Connection, point: Step) -> Result<Delivery, Error> {
    let envelope = Envelope::new("a@example.org", ["b@example.org", "c@example.org"]).unwrap();
    connection.send(&envelope, if point == Step::Text { &*LARGE } else { &*SMALL })
}

fn play(way: Way, point: Step, fault: Fault, authority: &Authority) -> (Played, Timeouts) {
    let script = script(way, point, fault).replace("[delay 1s]", "[delay 50ms]");
    let builder = TestServer::builder().authority(authority.clone());
    let server = builder.script(parse(&script)).tcp().unwrap();
    let security = if way.tls { Security::Tls } else { Security::Plain };
    let address = Server::tcp("localhost", server.addr().port()).security(security);
    let timeouts = match fault {
        Fault::Silence => short_at(point),
        _ => Timeouts::every_step(PATIENCE),
    };
    let trusted = Tls::authorities([authority.der().to_vec().into()]).unwrap();
    let connector = Connector::new(address.dialect(way.dialect)).timeouts(timeouts).tls(trusted);
    let (mut connection, mut later) = (None, Vec::new());
    let outcome = match connector.hello_name("client.example".parse().unwrap()).connect() {
        Ok(connected) => send(connection.insert(connected), point),
        Err(error) => Err(error),
    };
    if (point, fault) == (Step::EndOfText, Fault::ExtraReply) {
        // The message is answered while the surplus is on its way: nothing is out of step yet.
        connection = None;
    }
    if let Some(connection) = &mut connection {
        later.push(connection.noop().unwrap_err());
        later.push(connection.noop().unwrap_err());
    }
    // The connection still lives: it has closed by itself.
    let verdict = match point {
        // Over a socket much of the text is on its way before the fault can be noticed.
        Step::Text => Ok(()),
        _ => server.finish().wait().map(drop),
    };
    (Played { outcome, elapsed: Duration::ZERO, later, verdict }, timeouts)
}

/// A server that closes with something unread resets the connection.
fn lost(end: End) -> End {
    match end {
        End::Io(step) => End::Closed(step),
        end => end,
    }
}

#[track_caller]
fn check_all(dialect: Dialect, tls: bool) {
    let authority = Authority::new();
    for pipelined in [false, true] {
        let way = Way { dialect, pipelined, tls };
        for point in POINTS {
            for fault in FAULTS {
                let cell = format!("{way:?}, {fault:?} at {point}");
                let (played, timeouts) = play(way, point, fault, &authority);
                let expected = expected(way, point, fault);
                assert_eq!(lost(end(&played.outcome, &timeouts)), lost(expected), "{cell}");
                check_truth(&cell, point, expected, &played);
            }
        }
    }
}

#[test]
fn each_fault_at_each_point_of_smtp() {
    check_all(Dialect::Smtp, false);
}

#[test]
fn each_fault_at_each_point_of_lmtp() {
    check_all(Dialect::Lmtp, false);
}

#[test]
fn each_fault_at_each_point_of_smtp_inside_tls() {
    check_all(Dialect::Smtp, true);
}

#[test]
fn each_fault_at_each_point_of_lmtp_inside_tls() {
    check_all(Dialect::Lmtp, true);
}
