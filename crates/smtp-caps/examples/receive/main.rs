//! A small receiving mail server: SMTP or LMTP, a thread for each connection, and each message a
//! file in a folder.
//!
//! What the wire looks like, what is legal when, and what it adds to the length of a line is all
//! the codec's and the capabilities' business; what is left for a server is policy and storage.
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

/// More connections than this are sent away.
const MAX_CONNECTIONS: usize = 500;

/// What all connections share.
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

/// Takes connections, one after the other, and gives each its thread.
fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let spool = Spool::open(options.into)?;
    let server = Arc::new(Server { offer: options.offer, spool });
    let listener = Listener::bind(&options.at)?;
    writeln!(io::stdout(), "{listener}")?;
    loop {
        let peer = match listener.accept() {
            Ok(peer) => peer,
            Err(error) => {
                // It may be short of file descriptors, and some will come free.
                log(&format!("no connection: {error}"));
                thread::sleep(Duration::from_millis(100));
                continue;
            }
        };
        if options.once {
            converse(peer, &server, options.idle);
            return Ok(());
        }
        let server = Arc::clone(&server);
        let begun = thread::Builder::new().spawn(move || converse(peer, &server, options.idle));
        if let Err(error) = begun {
            log(&format!("no thread: {error}"));
        }
    }
}

/// One connection, from the greeting to its end.
fn converse(mut peer: Box<dyn Peer>, server: &Arc<Server>, idle: Duration) {
    let mut session = Session::new(server);
    // The accepting thread holds one, too.
    if Arc::strong_count(server) > MAX_CONNECTIONS + 1 {
        session = session.busy();
    }
    match peer.prepare(idle).and_then(|()| connection::serve(&mut peer, session)) {
        Ok(()) => peer.hang_up(),
        Err(error) => log(&format!("connection lost: {error}")),
    }
}

/// A log that cannot be written to is no reason to stop.
fn log(what: &str) {
    let _ = writeln!(io::stderr(), "receive: {what}");
}
