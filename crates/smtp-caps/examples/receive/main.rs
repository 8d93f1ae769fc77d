//! A small receiving mail server: SMTP or LMTP, a thread for each connection, and each message a
//! file in a folder.
//!
//! The codec and the capabilities handle the syntax, the order of commands and the limits of lines;
//! the server adds policy and storage.
use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
    sync::Arc,
    thread,
    time::Duration,
};

mod connection;
mod envelope;
mod listener;
mod message;
mod offer;
mod options;
mod session;
mod spool;

use listener::{Listener, Peer};
use offer::Offer;
use options::{Options, USAGE};
use session::Session;
use spool::Spool;

/// The most connections at a time. Further ones get 421.
const MAX_CONNECTIONS: usize = 500;

/// The state that all connections share.
struct Server {
    offer: Offer,
    spool: Spool,
}

fn main() -> ExitCode {
    let done = match Options::parse(std::env::args_os().skip(1)) {
        Ok(Some(options)) => run(options),
        Ok(None) => writeln!(io::stdout(), "{USAGE}").map_err(Into::into),
        Err(error) => Err(error.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log(&format!("{error}"));
            ExitCode::FAILURE
        }
    }
}

/// Accepts connections and starts a thread for each.
fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let spool = Spool::open(options.into)?;
    let server = Arc::new(Server { offer: options.offer, spool });
    let listener = Listener::bind(&options.at)?;
    writeln!(io::stdout(), "{listener}")?;
    loop {
        let peer = match listener.accept() {
            Ok(peer) => peer,
            Err(error) => {
                // The process may be out of file descriptors until another connection closes.
                log(&format!("accepting a connection failed: {error}"));
                thread::sleep(Duration::from_millis(100));
                continue;
            }
        };
        if options.once {
            handle_connection(peer, &server, options.idle);
            return Ok(());
        }
        let server = Arc::clone(&server);
        let begun =
            thread::Builder::new().spawn(move || handle_connection(peer, &server, options.idle));
        if let Err(error) = begun {
            log(&format!("starting a thread failed: {error}"));
        }
    }
}

/// Serves one connection.
fn handle_connection(mut peer: Box<dyn Peer>, server: &Arc<Server>, idle: Duration) {
    let mut session = Session::new(server);
    // The accepting thread holds one reference, too.
    if Arc::strong_count(server) > MAX_CONNECTIONS + 1 {
        session = session.with_busy_server();
    }
    match peer.prepare(idle).and_then(|()| connection::serve(&mut peer, session)) {
        Ok(()) => peer.hang_up(),
        Err(error) => log(&format!("connection lost: {error}")),
    }
}

/// Writes to the log. A server goes on if that fails.
fn log(what: &str) {
    let _ = writeln!(io::stderr(), "receive: {what}");
}
