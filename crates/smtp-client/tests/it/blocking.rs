//! The client that blocks, against servers on the loopback interface and in real time: what the
//! client on tokio promises holds here too. Only a timeout that is the subject takes its time.
use std::{net::SocketAddr, time::Duration};

use smtp_client::{
    Error, Server, Step, Timeouts,
    blocking::{Connection, Connector},
    session::Dialect,
};
use smtp_testkit::{Mismatch, Report, Server as TestServer};

use crate::stage::{opening, parse};

mod content;
mod deadlock;
mod doubt;
mod manners;
mod many;
mod opened;
mod secured;
mod transcripts;
mod truth;

/// Long enough for whatever is expected to happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a step may take at which nothing more comes.
const SHORT: Duration = Duration::from_millis(60);

/// Bounds of which only that of this step is short, so that a busy machine disturbs no other; and
/// that of closing, which changes no outcome.
fn short_at(step: Step) -> Timeouts {
    let mut timeouts = Timeouts::every_step(PATIENCE);
    timeouts.close = SHORT;
    *match step {
        Step::Handshake => &mut timeouts.handshake,
        Step::Greeting => &mut timeouts.greeting,
        Step::Auth => &mut timeouts.auth,
        Step::Mail => &mut timeouts.mail,
        Step::Rcpt => &mut timeouts.rcpt,
        Step::Data => &mut timeouts.data,
        Step::Text => &mut timeouts.text,
        Step::EndOfText => &mut timeouts.end_of_text,
        Step::Atrn => &mut timeouts.atrn,
        Step::Quit => &mut timeouts.quit,
        _ => &mut timeouts.command,
    } = SHORT;
    timeouts
}

/// A client of the server at this address that calls itself `client.example`.
fn connector(address: SocketAddr, dialect: Dialect) -> Connector {
    let server = Server::tcp(address.ip().to_string(), address.port()).dialect(dialect);
    let name = "client.example".parse().unwrap();
    Connector::new(server).hello_name(name).timeouts(Timeouts::every_step(PATIENCE))
}

/// Plays a script to a client that connects and then acts. A connection whose session has ended is
/// there until the server has said whether the script was kept to: it has closed by itself.
fn play<T>(
    script: &str,
    dialect: Dialect,
    act: impl FnOnce(&mut Result<Connection, Error>) -> T,
) -> (T, Result<Report, Mismatch>) {
    let server = TestServer::tcp(parse(script)).unwrap();
    let mut connected = connector(server.addr(), dialect).connect();
    let outcome = act(&mut connected);
    let kept = connected.ok().filter(|connection| connection.ended().is_some());
    let verdict = server.finish().wait();
    drop(kept);
    (outcome, verdict)
}

/// Plays the opening and then `rest` to an SMTP client that acts once it is connected, and must
/// keep to the script.
#[track_caller]
pub(crate) fn play_on<T>(
    keywords: &[&str],
    rest: &str,
    act: impl FnOnce(&mut Connection) -> T,
) -> T {
    let script = opening(Dialect::Smtp, keywords) + rest;
    let act = |connected: &mut Result<Connection, Error>| act(connected.as_mut().unwrap());
    let (outcome, verdict) = play(&script, Dialect::Smtp, act);
    verdict.unwrap();
    outcome
}
